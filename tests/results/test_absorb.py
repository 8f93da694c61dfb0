"""Laws of values kept in the results file alone: nothing but the second copy is missing."""

import contextlib
import errno
import fcntl
import functools
import itertools
import os
import shutil
import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid, points, sample, zipped
from sweeps.declaration import checks
from sweeps.errors import DeclarationError, StorageError
from sweeps.execution.options import Options
from sweeps.memo import acceptance, merge, reader, segment
from sweeps.memo import index as memo
from sweeps.memo.acceptance import Acceptance
from sweeps.operations import run as operations_run
from sweeps.operations import verify
from sweeps.project.sweep import resolve
from sweeps.results import collect, update
from sweeps.storage import disk
from sweeps.storage.dataset import load
from tests.reliability.disks import copy_tree
from tests.sizes import examples

SPACES = {
    "grid": grid(x=[0, 1, 2, 5], y=[0, 1, 2]),
    "longer": grid(x=[0, 1, 2, 5, 7], y=[0, 1, 2, 3]),
    "shorter": grid(y=[2, 0], x=[5, 1]),
    "zipped": zipped(x=[0, 1, 5], y=[0, 1, 2]),
    "listed": points([{"x": 0, "y": 2}, {"x": 9, "y": 0}, {"x": 5, "y": 1}]),
    "restricted": grid(x=[0, 1, 2, 5], y=[0, 1, 2]).where(lambda x, y: x != y),
    "one": grid(x=[1], y=[2]),
    "sampled": sample.sobol(8, seed=1, x=range(3), y=range(2)),
}


def scalars(x, y):
    return {
        "number": x + y / 3,
        "nothing": np.nan if x == y else -0.0,
        "count": np.uint8(250 + y),
        "is_even": x % 2 == 0,
        "label": f"{x} ±{y}",
        "day": np.datetime64("2024-02-28") + x,
        "instant": np.datetime64("2024-02-28T12:00", "us") + y,
        "wait": np.timedelta64(y - x, "h"),
        "phase": complex(x, -y),
        "single": np.float32(x) / 3,
        "large": 2**60 + x,
    }


def failing(x, y):
    if (x + y) % 3 == 2:
        raise ValueError(f"told to fail at {x}, {y}")
    return scalars(x, y)


def arrays(x, y):
    frame = xr.DataArray(np.full((2, 3), x - y, "i2"), dims=("row", "column"), name="frame")
    return xr.Dataset({"frame": frame.assign_coords(column=[1.0, 2.0, 4.0])})


def ragged(x, y):
    return {"series": np.arange(x + 1) / (y + 1), "words": ["a", "bc"][: y % 3]}


def of_several_forms(x, y):
    if x == 5:
        return {"number": 0.5, "more": "text"}
    return {"number": x, "array": [y, y]} if y else {"number": np.float32(x)}


def nameless(x, y):
    return [x, y, x + y]


FUNCTIONS = [scalars, failing, arrays, ragged, of_several_forms, nameless]


def declared(function, space, results, keep="results", **options):
    made = experiment(SPACES.get(space, space), keep=keep, name="swept", **options)(function)
    return resolve(made, results=results)


def run(sweep, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return operations_run.execute(sweep, Options("serial", **options))


def landed(sweep):
    """All that a user finds in the results file, without when it was made."""
    found = []
    for group in (None, "_sweeps"):
        dataset = load(sweep.landed, group)
        found.append(dataset.drop_vars("elapsed", errors="ignore").drop_attrs(deep=False))
    return found


def remembered(sweep):
    """Values in the memo of every point, as they were returned."""
    index = memo.scan(sweep.memo)
    space = sweep.experiment.space
    found = {}
    entries = index.find(sweep.keys(space.positions(0, len(space))))
    for point, entry in zip(space, entries.tolist(), strict=True):
        if entry < 0:
            continue
        number = int(np.searchsorted(index.starts, entry, side="right")) - 1
        stored = index.parts[number]
        with contextlib.closing(segment.open_hdf5(stored.path)) as file:
            part = merge.read_part(stored, file)
        own = merge.rows_of(part, np.array([entry - index.starts[number]]))
        found[point["x"], point["y"]] = [_shown(variable) for variable in own.variables]
    return found


def _shown(variable):
    value = variable.values if variable.counts is not None else variable.values[0, ...]
    content = value.tolist() if value.dtype == object else value.tobytes()
    return variable.name, value.dtype, value.shape, content, variable.dims, dict(variable.attrs)


def segments(sweep):
    return sorted(p for p in sweep.memo.iterdir() if p.suffix == ".seg")


def is_alone(sweep):
    """Whether the results file is all that there is of values."""
    return [p.samefile(sweep.landed) for p in segments(sweep)] == [True]


SOME = {  # each function, and each kind of space
    ("grid", scalars),
    ("shorter", arrays),
    ("zipped", ragged),
    ("listed", of_several_forms),
    ("restricted", nameless),
    ("sampled", failing),
}


@pytest.mark.parametrize(
    ("space", "function"),
    [
        pytest.param(*each, marks=[] if each in SOME else pytest.mark.campaign)
        for each in itertools.product(SPACES, FUNCTIONS)
    ],
)
def test_both_ways_hold_the_same(tmp_path, request, function, space):
    twice = declared(function, space, tmp_path / "twice", keep="both")
    once = declared(function, space, tmp_path / "once")
    run(twice)
    request.getfixturevalue("copied")
    run(once, limit=2)
    run(once)
    for expected, found in zip(landed(twice), landed(once), strict=True):
        xr.testing.assert_identical(expected, found)
    assert remembered(once) == remembered(twice)
    assert is_alone(once) or function in (failing, of_several_forms)
    assert run(once, retry=False).n_computed == 0
    assert not verify.verify(once.landed).damages


@examples(6)
@given(
    function=st.sampled_from(FUNCTIONS),
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(SPACES)), st.sampled_from(["both", "results"])),
        min_size=2,
        max_size=3,
    ),
)
def test_whatever_is_swept_in_turn_no_point_is_computed_twice(tmp_path_factory, function, steps):
    results = tmp_path_factory.mktemp("results")
    known = set()
    for space, keep in steps:
        sweep = declared(function, space, results, keep)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "_COPIED_BYTES", 1)
            patch.setattr(reader, "_EXTENT_BYTES", 1)
            report = run(sweep, retry=False)
        alone = declared(function, space, tmp_path_factory.mktemp("alone"), "both")
        run(alone)
        for expected, found in zip(landed(alone), landed(sweep), strict=True):
            xr.testing.assert_identical(expected, found)
        now = remembered(sweep)
        assert now == remembered(alone)
        assert report.n_computed == len(now.keys() - known)
        known |= now.keys()


NAMING = ["link", "replace", "unlink"]


def others():
    """Make spaces that have none, some or all of the points of "grid".

    They are no globals: a run inside a run would change them, and is looked into for that.
    """
    return {
        "apart": grid(x=[7, 8], y=[0, 1, 2]),
        "across": grid(x=[5, 7], y=[0, 1, 2]),
        "within": grid(x=[1, 2], y=[2]),
        "around": grid(x=[0, 1, 2, 5, 7], y=[0, 1, 2, 3]),
    }


def run_disturbed(monkeypatch, sweep, other, instant):
    """Run, and run another space as a whole before one of the calls that change names.

    Returns whether there were so many calls.
    """
    calls = itertools.count()

    def disturbed(call, *arguments):
        if next(calls) == instant:
            run(other, retry=False)
        return call(*arguments)

    with monkeypatch.context() as patch:
        for name in NAMING:
            patch.setattr(disk, name, functools.partial(disturbed, getattr(disk, name)))
        run(sweep, retry=False)
    return next(calls) > instant


@pytest.mark.parametrize(
    ("space", "function", "step"),
    [
        ("across", failing, 4),
        *(
            pytest.param(*each, 1, marks=pytest.mark.campaign)
            for each in zip(others(), itertools.cycle([scalars, failing]), strict=False)
        ),
    ],
)
def test_another_run_at_any_instant_loses_nothing(tmp_path, monkeypatch, function, space, step):
    def refuse(file, operation):
        raise OSError(errno.ENOLCK, "no locks here")  # so that neither waits for the other

    monkeypatch.setattr(fcntl, "flock", refuse)
    begun = tmp_path / "begun"
    run(declared(function, "grid", begun), limit=4)
    for instant in itertools.count(0, step):
        results = tmp_path / f"{instant}"
        copy_tree(begun, results)
        sweep = declared(function, "grid", results)
        other = declared(function, others()[space], results)
        is_over = not run_disturbed(monkeypatch, sweep, other, instant)
        if is_over:
            run(other)
        found = memo.scan(sweep.memo)
        for each in (sweep, other):
            known = each.keys(each.experiment.space.positions(0, len(each.experiment.space)))
            assert ((found.find(known) >= 0) | (found.find_failed(known) >= 0)).all(), instant
        if is_over:
            return


@pytest.mark.parametrize(
    "function",
    [ragged, *(pytest.param(each, marks=pytest.mark.campaign) for each in (scalars, arrays))],
)
def test_the_results_file_is_all_there_is(tmp_path, function):
    for space in ("grid", "longer", "restricted"):
        sweep = declared(function, space, tmp_path)
        run(sweep)
    sweep = declared(function, "longer", tmp_path)
    run(sweep)
    assert is_alone(sweep)


def test_what_a_results_file_cannot_hold_exactly_stays_in_the_memo(tmp_path):
    """2^60 + 1 is no float64; the values of other points make floats of all in the file."""

    def mixed(x, y):
        return 2**60 + 1 if x else 0.5

    sweep = declared(mixed, "grid", tmp_path)
    run(sweep)
    (value,) = remembered(sweep)[5, 2]
    assert np.frombuffer(value[3], value[1]).tolist() == [2**60 + 1]
    assert len(segments(sweep)) > 1
    assert run(sweep).n_computed == 0


def test_a_part_that_is_done_is_a_segment_too(tmp_path):
    sweep = declared(scalars, "grid", tmp_path)
    for limit in (1, 3, 5, None):
        assert run(sweep, limit=limit).n_computed == (limit or 3)
        assert is_alone(sweep)


def test_of_values_computed_again_the_newest_count(tmp_path, monkeypatch):
    calls = tmp_path / "calls"
    calls.write_text("")

    def numbered(x, y):
        with calls.open("a") as file:
            file.write("x")
        return calls.stat().st_size

    sweep = declared(numbered, "grid", tmp_path)
    run(sweep)
    run(sweep, recompute=True, limit=5)
    expected = [*range(13, 18), *range(6, 13)]
    assert load(sweep.landed).swept.values.ravel().tolist() == expected
    assert is_alone(sweep)
    grown = declared(numbered, "longer", tmp_path)
    run(grown)
    run(sweep)
    assert load(sweep.landed).swept.values.ravel().tolist() == expected
    run(grown, recompute=True, limit=1)
    run(sweep)
    assert load(sweep.landed).swept.values.ravel().tolist() == [26, *expected[1:]]


def test_an_older_value_that_stays_does_not_come_back(tmp_path):
    """Old values of points that are computed again are in a segment that others still need."""

    def numbered(x, y):
        return float(np.random.default_rng().random())

    grown = declared(numbered, "longer", tmp_path)
    run(grown)
    sweep = declared(numbered, "grid", tmp_path)
    run(sweep, recompute=True)
    now = load(sweep.landed).swept.values.tolist()
    assert len(segments(sweep)) == 2
    for _ in range(2):
        run(grown)
        run(sweep)
        assert load(sweep.landed).swept.values.tolist() == now


def test_failures_are_kept_with_all_that_is_known_of_them(tmp_path):
    sweep = declared(failing, "grid", tmp_path)
    run(sweep)
    run(sweep)
    index = memo.scan(sweep.memo)
    assert {f.attempts for f in index.failures.values()} == {2}
    assert all("told to fail at" in f.traceback for f in index.failures.values())
    assert len(index.failures) == 4
    assert [each.is_landed for each in index.segments.values() if each.parts] == [True]
    assert run(sweep, retry=False).n_failed == 4


def test_accepted_values_stay_with_the_code_that_computed_them(tmp_path):
    earlier = declared(scalars, "grid", tmp_path, version=1)
    run(earlier)
    now = declared(scalars, "longer", tmp_path, version=2)
    acceptance.accept(now.memo, Acceptance(earlier.fingerprint.digest, "the same", "2026", {}))
    assert run(now).n_computed == 8
    assert load(now.landed).number.notnull().all()
    acceptance.take_back(now.memo, earlier.fingerprint.digest)
    assert run(now).n_computed == 12


def test_without_its_memo_a_results_file_is_enough(tmp_path):
    sweep = declared(scalars, "grid", tmp_path)
    run(sweep)
    shutil.rmtree(tmp_path / ".memo")
    grown = declared(scalars, "longer", tmp_path)
    assert run(grown).n_computed == 8
    assert is_alone(grown)
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(grown.landed, other)
    assert run(declared(scalars, "longer", other), recompute=False).n_computed == 0
    assert run(declared(scalars, "longer", other, version=2)).n_computed == 20


def test_nobody_may_write_to_it(tmp_path):
    sweep = declared(scalars, "grid", tmp_path)
    before = os.umask(0o027)
    try:
        run(sweep)
    finally:
        os.umask(before)
    assert sweep.landed.stat().st_mode & 0o777 == 0o440
    run(declared(scalars, "grid", tmp_path, keep="both"))
    assert sweep.landed.stat().st_mode & 0o200


def test_where_no_file_has_two_names_the_memo_keeps_its_own(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(disk, "link", refuse)
    sweep = declared(scalars, "grid", tmp_path)
    report = operations_run.execute(sweep, Options("serial"))
    (told,) = report.warnings
    assert "are stored twice" in told
    assert not is_alone(sweep)
    assert len(remembered(sweep)) == 12
    assert operations_run.execute(sweep, Options("serial")).warnings == ()


def test_damage_is_found_under_both_names(tmp_path):
    sweep = declared(scalars, "grid", tmp_path)
    run(sweep)
    content = bytearray(sweep.landed.read_bytes())
    content[len(content) // 2] ^= 1
    sweep.landed.chmod(0o644)
    sweep.landed.write_bytes(content)
    kinds = [each.kind for each in verify.verify(sweep.landed).damages]
    assert kinds == ["results file", "segment"]
    assert run(sweep).n_computed == 12
    assert not verify.verify(sweep.landed).damages


def test_it_is_counted_once(tmp_path):
    sweep = declared(scalars, "grid", tmp_path)
    run(sweep)
    verified = verify.verify(sweep.landed)
    assert (verified.n_segments, verified.n_bytes) == (1, sweep.landed.stat().st_size)


def test_where_values_are_kept_changes_no_code(tmp_path):
    both, once = (declared(scalars, "grid", tmp_path, keep=keep) for keep in checks.KEEP)
    assert both.fingerprint.digest == once.fingerprint.digest


def test_a_kept_file_is_not_merged_with_small_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "N_SMALL", 1)
    monkeypatch.setattr(merge, "SETTLED_S", 0.0)
    for space in ("grid", "longer"):
        sweep = declared(scalars, space, tmp_path)
        run(sweep)
    assert is_alone(sweep)


def test_a_file_of_other_code_is_no_segment(tmp_path):
    sweep = declared(scalars, "one", tmp_path)
    run(sweep)
    (own,) = segments(sweep)
    folder = sweep.memo.with_name("0" * 32)
    folder.mkdir()
    shutil.copy(own, folder)
    with pytest.raises(StorageError, match="its digest is right, but"):
        segment.load(folder / own.name)


def test_a_landing_looks_again_when_another_run_merged_what_it_reads(tmp_path, monkeypatch):
    gather, n_times = collect.gather, []

    def merged_away_once(*given):
        n_times.append(1)
        if len(n_times) == 1:
            raise segment.MergedAwayError(tmp_path)
        return gather(*given)

    monkeypatch.setattr(collect, "gather", merged_away_once)
    sweep = declared(scalars, "one", tmp_path)
    assert run(sweep).n_computed == 1
    assert load(sweep.landed).number.notnull().all()


def test_damage_that_came_since_a_run_began_is_told_by_its_last_landing(tmp_path):
    sweep = declared(scalars, "one", tmp_path)
    run(sweep)
    before = memo.scan(sweep.memo)
    (sweep.memo / f"{'0' * 32}.seg").write_bytes(b"damaged")
    with pytest.raises(StorageError, match=r"set aside the damaged file .*0\.bad"):
        update.refresh(sweep, before, "2026-01-01T00:00:00Z", is_last=True)
    assert update.refresh(sweep, before, "2026-01-01T00:00:00Z", is_last=True).gathered


def test_other_readers_of_netcdf_read_it(tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    sweep = declared(failing, "grid", tmp_path)
    run(sweep)
    with netcdf.Dataset(sweep.landed) as dataset:
        assert dataset["number"].shape == (4, 3)
        assert dataset["_sweeps/memo/part0/runs"].shape[1] == 2
    assert load(sweep.landed, "_sweeps/memo/part0").sizes


@pytest.mark.parametrize("given", ["memo", None, 1, ["both"]])
def test_other_places_are_refused(given):
    with pytest.raises(DeclarationError, match="'both'"):
        experiment(SPACES["grid"], keep=given)
