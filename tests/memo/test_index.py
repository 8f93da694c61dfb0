"""The memo: all processes find what was committed, even after kills, damage and merges."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import StorageError
from sweeps.memo import index as memo
from sweeps.memo import listing, merge, segment
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Part, Variable
from sweeps.storage import files
from tests.sizes import examples


def rows(keys):
    """Keys that share their first lane in pairs, as 128-bit keys hardly ever do."""
    return np.array([[key // 2, key] for key in keys], dtype=np.uint64).reshape(-1, 2)


def commit(folder, values, **options):
    """Commit a mapping of key to value."""
    variable = Variable("y", np.array([float(v) for v in values.values()]))
    part = Part(rows(values), np.zeros(len(values), np.float32), (variable,))
    return segment.commit(folder, [part], **options)


def failure(key, attempts=1):
    return Failure((key // 2, key), "exception", "Error", "message", "traceback", attempts)


def content(index, keys):
    """Read the values of keys by way of their entries; None for those that are not there."""
    found = []
    for entry in index.find(rows(keys)).tolist():
        if entry < 0:
            found.append(None)
            continue
        number = int(np.searchsorted(index.starts, entry, side="right")) - 1
        part = index.parts[number]
        with segment.open_hdf5(part.path) as file:
            found.append(float(segment.read(part, 0, file)[entry - index.starts[number]]))
    return found


@given(commits=st.lists(st.dictionaries(st.integers(0, 9), st.integers(), max_size=5), max_size=4))
@examples(40)
def test_the_newest_value_of_a_key_counts(commits, tmp_path_factory):
    folder, known = tmp_path_factory.mktemp("memo"), {}
    for age, values in enumerate(commits):
        commit(folder, values, created_ns=age)
        known |= values
    keys = range(12)
    expected = [None if key not in known else float(known[key]) for key in keys]
    assert content(memo.scan(folder), keys) == expected
    assert memo.scan(folder).n_known == len(known)


def test_now_is_newer_than_before(tmp_path):
    commit(tmp_path, {1: 1.0})
    commit(tmp_path, {1: 2.0})
    assert content(memo.scan(tmp_path), [1]) == [2.0]


def test_what_is_computed_next_is_newer_than_all_that_is_stored(tmp_path):
    """Even if the clock was set back since."""
    future = time.time_ns() + 10**15
    commit(tmp_path, {1: 1.0}, created_ns=future)
    assert memo.clock(memo.scan(tmp_path)) + time.monotonic_ns() > future


def test_an_empty_memo(tmp_path):
    index = memo.scan(tmp_path / "none")
    assert index.find(rows([1, 2])).tolist() == [-1, -1]
    assert index.find_failed(rows([1])).tolist() == [-1]
    assert listing.listing(tmp_path / "none") == ()


def test_a_scan_reads_new_segments_only(tmp_path, monkeypatch):
    commit(tmp_path, {1: 1.0})
    before = memo.scan(tmp_path)
    assert memo.scan(tmp_path, before) is before
    new = commit(tmp_path, {2: 2.0})
    load, loaded = segment.load, []
    monkeypatch.setattr(segment, "load", lambda path, trusted: (loaded.append(path), load(path))[1])
    after = memo.scan(tmp_path, before)
    assert loaded == [new]
    assert content(after, [1, 2]) == [1, 2]
    assert content(before, [1, 2]) == [1, None]


def test_what_is_no_segment_is_left_alone(tmp_path):
    commit(tmp_path, {1: 1.0})
    for name in "code.json", f"{files.TEMPORARY_PREFIX}1", ".nfs0001", "x.bad":
        (tmp_path / name).write_text("x")
    assert content(memo.scan(tmp_path), [1]) == [1]
    assert len(list(tmp_path.iterdir())) == 5


@pytest.fixture(params=[1, 10**9], ids=["several at a time", "one by one"])
def _loading(request, monkeypatch):
    """Load segments in either way, however small they are."""
    monkeypatch.setattr(listing, "_LARGE_BYTES", request.param)


@pytest.mark.usefixtures("_loading")
def test_a_damaged_segment_is_set_aside_and_the_others_serve(tmp_path):
    commit(tmp_path, {1: 1.0})
    damaged = commit(tmp_path, {2: 2.0})
    damaged.write_bytes(damaged.read_bytes()[:-1])
    index = memo.scan(tmp_path)
    assert content(index, [1, 2]) == [1, None]
    assert index.bad == (damaged,)  # who only looks changes nothing
    index = memo.scan(tmp_path, sets_aside=True)
    assert content(index, [1, 2]) == [1, None]
    assert index.bad == (damaged.with_suffix(listing.BAD_SUFFIX),)
    assert index.bad[0].exists()
    assert not memo.scan(tmp_path).bad
    commit(tmp_path, {2: 3.0})
    assert content(memo.scan(tmp_path, index), [1, 2]) == [1, 3]


def test_damage_that_came_since_is_told(tmp_path):
    commit(tmp_path, {1: 1.0})
    before = memo.scan(tmp_path)
    (tmp_path / "x.seg").write_bytes(b"")
    assert memo.scan(tmp_path, before, sets_aside=True).bad == (tmp_path / "x.bad",)


def test_a_segment_that_was_set_aside_while_it_was_copied_to_its_place_is_given_back(tmp_path):
    path = commit(tmp_path, {1: 1.0})
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    (aside,) = memo.scan(tmp_path, sets_aside=True).bad
    aside.write_bytes(whole)  # the copy goes on
    assert content(memo.scan(tmp_path), [1]) == [None]
    assert content(memo.scan(tmp_path, sets_aside=True), [1]) == [1]
    assert not list(tmp_path.glob("*.bad"))


def test_a_memo_that_cannot_be_written_to_can_be_read(tmp_path, monkeypatch):
    commit(tmp_path, {1: 1.0})
    damaged = commit(tmp_path, {2: 2.0})
    damaged.write_bytes(b"")

    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    index = memo.scan(tmp_path)
    assert content(index, [1, 2]) == [1, None]
    assert index.bad == (damaged,)


@pytest.mark.usefixtures("_loading")
def test_a_segment_that_is_merged_away_during_a_scan_is_found_again(tmp_path, monkeypatch):
    first = commit(tmp_path, {1: 1.0})
    commit(tmp_path, {3: 3.0})
    load = segment.load

    def merge_meanwhile(path, trusted):
        if first.exists():
            commit(tmp_path, {1: 1.0, 2: 2.0})
            first.unlink(missing_ok=True)
        return load(path)

    monkeypatch.setattr(segment, "load", merge_meanwhile)
    index = memo.scan(tmp_path)
    assert content(index, [1, 2, 3]) == [1, 2, 3]
    assert not index.bad


def test_a_folder_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "memo").touch()
    with pytest.raises(StorageError, match="cannot read"):
        memo.scan(tmp_path / "memo")


def test_a_commit_that_fails_changes_nothing(tmp_path, monkeypatch):
    commit(tmp_path, {1: 1.0})
    before = listing.listing(tmp_path)

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="--results"):
        commit(tmp_path, {2: 2.0})
    assert listing.listing(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 1


def test_the_failure_with_the_most_attempts_counts(tmp_path):
    segment.commit(tmp_path, [], [failure(1, 2), failure(2)], created_ns=1)
    segment.commit(tmp_path, [], [failure(1, 1), failure(3)], created_ns=2)
    index = memo.scan(tmp_path)
    assert {key[1]: f.attempts for key, f in index.failures.items()} == {1: 2, 2: 1, 3: 1}
    found = index.find_failed(rows([3, 0, 1])).tolist()
    listed = [list(index.failures)[i][1] if i >= 0 else None for i in found]
    assert listed == [3, None, 1]
    assert index.find(rows([1])).tolist() == [-1]


def test_neither_of_two_copies_of_a_failure_goes_for_the_sake_of_the_other(tmp_path):
    first = segment.commit(tmp_path, [], [failure(1, 2), failure(2), failure(3)], created_ns=1)
    second = segment.commit(tmp_path, [], [failure(1, 2), failure(2, 2), failure(3)], created_ns=2)
    commit(tmp_path, {3: 0.5})
    index = memo.scan(tmp_path)

    def still_open(*paths):
        found = merge.open_failures(index, [index.segments[path.name] for path in paths])
        return sorted((f.key[1], f.attempts) for f in found)

    assert still_open(first) == [(1, 2)]
    assert still_open(second) == [(1, 2), (2, 2)]
    assert still_open(first, second) == [(1, 2), (2, 2)]


WRITER = """
import sys
from pathlib import Path
import numpy as np
from sweeps.memo import segment
from sweeps.outputs.types import Part; from sweeps.outputs.types import Variable
folder, start = Path(sys.argv[1]), int(sys.argv[2])
for key in range(start, start + 40):
    keys = np.array([[key // 2, key]], dtype=np.uint64)
    part = Part(keys, np.zeros(1, np.float32), (Variable("y", np.array([float(key)])),))
    segment.commit(folder, [part])
    if key - start == 20:
        print("half", flush=True)
sys.stdin.read()
"""


def test_processes_commit_at_once_and_a_kill_costs_nothing_committed(tmp_path):
    folder = tmp_path / "not yet" / "there"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(start)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for start in (0, 100)
    ]
    for writer in writers:
        assert writer.stdout.readline() == b"half\n"
    index = memo.scan(folder)
    writers[0].kill()
    for writer in writers:
        writer.communicate()
    keys = [*range(21), *range(100, 140)]
    assert content(memo.scan(folder, index), keys) == keys
    halves = [k for start in (0, 100) for k in range(start, start + 21)]
    assert content(index, halves) == halves


def test_a_pipe_in_the_place_of_a_segment_is_set_aside_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / f"{'0' * 32}.seg")
    index = memo.scan(tmp_path, sets_aside=True)
    assert [path.name for path in index.bad] == [f"{'0' * 32}.bad"]
