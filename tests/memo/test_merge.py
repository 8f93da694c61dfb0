"""A merge changes nothing that you can see, even if it is killed or another run merges too."""

import contextlib
import errno
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid
from sweeps.errors import StorageError
from sweeps.memo import index as memo
from sweeps.memo import listing, merge, segment
from sweeps.memo.claims import Claims
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Part, Variable
from sweeps.spaces.keys import key_maker
from tests.sizes import examples

PATCH = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _merge_soon(monkeypatch):
    monkeypatch.setattr(merge, "N_SMALL", 3)


def rows(keys):
    return np.array([[key, 7 * key] for key in keys], dtype=np.uint64).reshape(-1, 2)


def variable(kind, values):
    """Make a variable of one of several forms, whose content follows from the values."""
    if kind == "ragged":
        counts = np.array([v % 4 for v in values])
        flat = [float(v) for v, n in zip(values, counts, strict=True) for _ in range(n)]
        return Variable("y", np.array(flat), ("t",), counts)
    if kind == "text":
        return Variable("y", np.array([str(v) for v in values], dtype=object))
    dtype = {"float": np.float64, "int": np.int64, "attrs": np.float64}[kind]
    attrs = {"units": "m"} if kind == "attrs" else {}
    return Variable("y", np.array(values, dtype=dtype), attrs=attrs)


def commit(folder, age, kind, values, failed=()):
    part = Part(
        rows(values),
        np.array(list(values.values()), dtype=np.float32),
        (variable(kind, list(values.values())),),
    )
    failures = [Failure((k, 7 * k), "exception", "E", str(age), "", n) for k, n in failed]
    segment.commit(folder, [part] if values else [], failures, created_ns=age)


def content(index):
    """See all that can be seen: the value, form and elapsed time of each key; failures."""
    seen = {}
    keys = {tuple(key) for part in index.parts for key in part.keys.tolist()}
    for key in keys:
        entry = int(index.find(np.array([key], dtype=np.uint64))[0])
        number = int(np.searchsorted(index.starts, entry, side="right")) - 1
        part, row = index.parts[number], entry - int(index.starts[number])
        (header,) = part.variables
        with segment.open_hdf5(part.path) as file:
            stored = segment.read(part, 0, file)
        if header.counts is not None:
            end = int(header.counts[: row + 1].sum())
            value = stored[end - int(header.counts[row]) : end].tolist()
        else:
            value = stored[row]
        form = header.dtype, header.dims, tuple(header.attrs.items()), float(part.elapsed[row])
        seen[key] = (value, form)
    failures = {key: f for key, f in index.failures.items() if key not in seen}
    return seen, failures


KINDS = st.sampled_from(["float", "int", "attrs", "ragged", "text"])
VALUES = st.dictionaries(st.integers(0, 6), st.integers(0, 100), max_size=4)
FAILED = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), max_size=2)
HISTORIES = st.lists(st.tuples(KINDS, VALUES, FAILED), min_size=3, max_size=6)


@examples(30)
@given(history=HISTORIES, batch_bytes=st.sampled_from([1, 20_000, 10**9]))
def test_merging_changes_nothing_that_can_be_seen(history, batch_bytes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("memo")
    for age, (kind, values, failed) in enumerate(history):
        commit(folder, age, kind, values, failed)
    before = memo.scan(folder)
    seen = content(before)
    with PATCH.context() as patch:
        patch.setattr(merge, "_MERGED_BYTES", batch_bytes)
        after = merge.merge(before)
    assert content(after) == seen
    assert content(memo.scan(folder)) == seen
    assert len(after.segments) <= len(before.segments)


class Killed(BaseException):
    pass


@examples(30)
@given(history=HISTORIES, n_removed=st.integers(0, 6))
def test_a_kill_while_merging_changes_nothing_that_can_be_seen(
    history, n_removed, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("memo")
    for age, (kind, values, failed) in enumerate(history):
        commit(folder, age, kind, values, failed)
    before = memo.scan(folder)
    seen, removed = content(before), []

    def unlink(path):
        if path.name.startswith(".tmp"):
            raise FileNotFoundError
        if len(removed) == n_removed:
            raise Killed
        removed.append(path)
        path.rename(path.with_suffix(".gone"))

    with PATCH.context() as patch, contextlib.suppress(Killed):
        patch.setattr("pathlib.Path.unlink", unlink)
        merge.merge(before)
    after = memo.scan(folder)
    assert content(after) == seen
    assert content(merge.merge(after)) == seen


def fill(folder, n=4):
    for age in range(n):
        commit(folder, age, "float", {age: age, 9: age}, [(20 + age, 1), (9, 1)])
    return memo.scan(folder)


def test_many_become_one(tmp_path):
    index = fill(tmp_path)
    after = merge.merge(index)
    assert len(after.segments) == len(list(tmp_path.iterdir())) == 1
    assert len(after.parts) == 1
    assert len(after.parts[0].keys) == 5  # old values of the key 9 are gone
    assert sorted(key for key, _ in after.failures) == [20, 21, 22, 23]  # 9 has a value by now


def test_few_or_large_segments_stay(tmp_path, monkeypatch):
    index = fill(tmp_path, 2)
    assert merge.merge(index) is index
    index = fill(tmp_path, 4)
    monkeypatch.setattr(merge, "SMALL_BYTES", 1)
    assert merge.merge(index) is index


def test_young_segments_stay(tmp_path):
    """An older value may be about to come from another run."""
    for key in range(4):
        commit(tmp_path, time.time_ns(), "float", {key: 1})
    index = memo.scan(tmp_path)
    assert merge.merge(index) is index


@pytest.fixture
def present(tmp_path):
    """The claims of a run over a memo with young segments."""
    for key in range(4):
        commit(tmp_path, time.time_ns(), "float", {key: 1})
    with contextlib.closing(claims_of(tmp_path)) as run:
        yield run


def claims_of(folder):
    made = experiment(grid(x=range(4)), name="alone")(lambda x: x)
    return Claims(folder, key_maker(made))


def test_a_run_that_is_alone_merges_young_segments_too(tmp_path, present):
    index = memo.scan(tmp_path)
    seen = content(index)
    after = merge.merge_alone(index, present)
    assert len(after.segments) == len(listing.listing(tmp_path)) == 1
    assert content(after) == seen


def test_a_run_that_is_not_alone_leaves_young_segments(tmp_path, present):
    index = memo.scan(tmp_path)
    with contextlib.closing(claims_of(tmp_path)):
        assert merge.merge_alone(index, present) is index
    assert len(merge.merge_alone(index, present).segments) == 1


def test_where_claims_are_not_possible_young_segments_stay(tmp_path, present, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    index = memo.scan(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", refuse)
        assert merge.merge_alone(index, present) is index


def test_a_run_that_begins_beside_a_merge_makes_newer_values(tmp_path, present, monkeypatch):
    """It waits until the other one has seen all segments that it will merge."""
    scan, begun, clocks = memo.scan, threading.Event(), []

    def begin():
        begun.set()
        with contextlib.closing(claims_of(tmp_path)):
            clocks.append(memo.clock(scan(tmp_path)) + time.monotonic_ns())

    other = threading.Thread(target=begin)

    def scan_slowly(*arguments, **options):
        if not begun.is_set():
            other.start()
            begun.wait(10)
            other.join(0.3)  # which would be long enough
            commit(tmp_path, time.time_ns() + 10**12, "float", {9: 1})  # the last one of our own
        return scan(*arguments, **options)

    index = memo.scan(tmp_path)
    monkeypatch.setattr(memo, "scan", scan_slowly)
    after = merge.merge_alone(index, present)
    other.join(10)
    (merged,) = after.segments.values()
    assert clocks[0] > merged.created_ns


def test_large_young_segments_stay(tmp_path, present, monkeypatch):
    monkeypatch.setattr(merge, "_YOUNG_BYTES", 1)
    index = memo.scan(tmp_path)
    assert merge.merge_alone(index, present).segments == index.segments


def test_a_value_that_is_computed_meanwhile_is_newer(tmp_path):
    index = fill(tmp_path)
    commit(tmp_path, 100, "float", {9: 1000})
    after = merge.merge(index)
    assert len(after.segments) == 2
    assert content(after)[0][9, 63][0] == 1000


def test_two_merge_at_once(tmp_path):
    index = fill(tmp_path)
    seen = content(index)
    contents = merge._contents

    def merge_meanwhile(*args):
        result = contents(*args)
        with PATCH.context() as patch:
            patch.setattr(merge, "_contents", contents)
            merge.merge(index)
        return result

    with PATCH.context() as patch:
        patch.setattr(merge, "_contents", merge_meanwhile)
        after = merge.merge(index)
    assert content(after) == seen


def test_one_that_comes_too_late_sees_the_merged_segment(tmp_path):
    late = fill(tmp_path)
    seen = content(late)
    merged = merge.merge(memo.scan(tmp_path))
    after = merge.merge(late)
    assert content(after) == seen
    assert after.segments.keys() == merged.segments.keys()


@pytest.mark.parametrize("call", ["os.write", "pathlib.Path.unlink"])
def test_a_disk_that_refuses_to_merge_stops_nobody(tmp_path, monkeypatch, call):
    index = fill(tmp_path)
    seen = content(index)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(call, refuse)
    assert content(merge.merge(index)) == seen
    assert len(listing.listing(tmp_path)) >= 4


def test_a_reader_that_comes_too_late_is_told_so(tmp_path):
    late = fill(tmp_path)
    merge.merge(memo.scan(tmp_path))
    with pytest.raises(StorageError, match="run again"):
        segment.open_hdf5(late.parts[0].path)
