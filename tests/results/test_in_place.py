"""A draft becomes the results file that is written otherwise, and costs no value.

Everything is taken for large here, so that few points and small values are placed.
"""

import dataclasses
import itertools

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sweeps
from sweeps import experiment, grid
from sweeps.errors import SweepsError
from sweeps.execution import scheduler
from sweeps.memo import draft, segment
from sweeps.memo import index as memo
from sweeps.operations import verify
from sweeps.operations.run import execute
from sweeps.outputs.types import Part, Variable
from sweeps.project.sweep import resolve
from sweeps.results import in_place, update
from sweeps.storage import disk, files
from sweeps.storage.dataset import load
from tests.results.placed import SERIAL, drafts, is_in_place, line, made
from tests.sizes import place_all


@pytest.fixture(autouse=True)
def _one_by_one(monkeypatch):
    """Commit every point alone, so that all but the first one are placed."""
    monkeypatch.setattr(scheduler, "MAX_BLOCK", 1)


@pytest.fixture
def placing(monkeypatch):
    place_all(monkeypatch)


def several(x, y):
    if x == y == 2:
        raise ValueError("no such point")
    return {
        "float": x / (y + 1) if (x, y) != (1, 1) else np.nan,
        "single": np.float32(x),
        "three": np.full(3, y, np.float32),
        "text": f"{x}·{y}",
        "field": np.full((2, 3), x + 1j * y),
    }


def ragged(x, y):
    return {"f": x / 3, "free": np.arange(x + y) * 0.1, "day": np.datetime64("2020-01-01") + x}


def whole(x, y):
    return {"whole": x * 10**17 + y, "small": np.int16([x, y]), "is_larger": x > y, "f": x / 3}


SPACES = {
    "grid": grid(x=[0, 1, 2, 3], y=[0, 1, 2]),
    "restricted": grid(x=[0, 1, 2, 3], y=[0, 1, 2]).where(lambda x, y: x >= y),
    "points": sweeps.points([{"x": 3, "y": 0}, {"x": 2, "y": 2}, {"x": 1, "y": 1}]),
    "single": grid(x=[3], y=[1]),
}


def raw(path):
    """All that readers of HDF5 see of the arrays: names in order, types, bytes and attributes."""
    with h5py.File(path, locking=False) as file:
        return [
            (name, str(each.dtype), each.shape, _plain(each[()]), _said(each))
            for name, each in file.items()
            if isinstance(each, h5py.Dataset)
        ]


def _plain(values):
    values = np.asarray(values)
    return values.tolist() if values.dtype.kind == "O" else values.tobytes()


def _said(dataset):
    linked = ("DIMENSION_LIST", "REFERENCE_LIST")
    return {n: np.asarray(v).tolist() for n, v in dataset.attrs.items() if n not in linked}


def assert_same(one, other):
    assert repr(raw(one)) == repr(raw(other))
    with load(one) as first, load(other) as second:
        assert [*first.variables] == [*second.variables]
        xarray.testing.assert_equal(first.drop_attrs(), second.drop_attrs())


# ---- the same file as otherwise


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("function", [several, ragged, whole])
def test_the_file_is_the_one_that_is_written_otherwise(tmp_path, function, name, limit):
    usual = made(function, SPACES[name], tmp_path / "usual")
    assert execute(usual, dataclasses.replace(SERIAL, limit=limit)).n_computed
    with pytest.MonkeyPatch.context() as patch:
        place_all(patch)
        sweep = made(function, SPACES[name], tmp_path / "placed")
        execute(sweep, dataclasses.replace(SERIAL, limit=limit))
    assert is_in_place(sweep.landed) or function is not several or name == "single" or limit
    assert_same(sweep.landed, usual.landed)
    assert not verify.verify(sweep.landed).damages


@pytest.mark.parametrize("engine", ["serial", "threads", "loky"])
def test_every_engine_on_this_machine_places_values(project, engine, monkeypatch):
    monkeypatch.setattr(draft, "_TOTAL_BYTES", 1)  # as the module does, which nobody would undo
    (project / "experiments" / "wide.py").write_text(
        """
import sys
import numpy as np
from sweeps import experiment, grid
from sweeps.execution import scheduler
from sweeps.memo import draft
from sweeps.outputs import schema
draft._TOTAL_BYTES = 1

@experiment(grid(x=range(12)))
def wide(x):
    return {"field": np.full(2**13, x / 7), "n": x}
"""
    )
    found = sweeps.run("wide", engine=engine, n_workers=2)
    assert is_in_place(project / "results" / "wide.h5")
    np.testing.assert_array_equal(found.field[:, 5], np.arange(12) / 7)
    assert found.n.values.tolist() == list(range(12))
    assert found.field.dtype == float


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), data=st.data())
def test_points_come_in_any_order_and_in_any_number_of_runs(tmp_path_factory, order, data):
    root = tmp_path_factory.mktemp("orders")
    cuts = data.draw(st.lists(st.integers(1, 6), max_size=3, unique=True).map(sorted))
    usual = made(line, grid(x=range(6)), root / "usual")
    execute(usual, SERIAL)
    with pytest.MonkeyPatch.context() as patch:
        place_all(patch)
        patch.setattr(scheduler, "MAX_BLOCK", data.draw(st.integers(1, 4)))
        n_known = 0
        for stop in [*cuts, 6]:
            part = made(line, grid(x=sorted(order[:stop])), root / "placed", name="line")
            report = execute(part, SERIAL)
            assert report.n_computed == stop - n_known
            n_known = stop
        assert not verify.verify(part.landed).damages
    assert_same(part.landed, usual.landed)


@pytest.mark.usefixtures("placing")
@pytest.mark.parametrize("n", [7, 2])
def test_a_space_that_changes_finds_the_values_of_the_file(tmp_path, n):
    sweep = made(line, grid(x=range(4)), tmp_path / "results")
    execute(sweep, SERIAL)
    assert is_in_place(sweep.landed)
    other = made(line, grid(x=range(n)), tmp_path / "results", name="line")
    assert execute(other, SERIAL).n_computed == max(0, n - 4)
    assert execute(sweep, SERIAL).n_computed == 0
    with load(sweep.landed) as found:
        assert found["line"][:, 1].values.tolist() == [x * 0.1 for x in range(4)]
    assert not drafts(sweep)


@pytest.mark.usefixtures("placing")
def test_the_only_point_of_a_space_without_axes_needs_no_draft(tmp_path):
    def answer():
        return {"half": 0.5, "line": np.arange(3) * 0.1}

    sweep = made(answer, grid(), tmp_path / "results")
    assert execute(sweep, SERIAL).n_computed == 1
    assert not is_in_place(sweep.landed)
    with load(sweep.landed) as found:
        assert found["half"].item() == 0.5
        assert found["line"].values.tolist() == [0, 0.1, 0.2]


@pytest.mark.usefixtures("placing")
def test_what_points_say_of_units_is_in_the_file(tmp_path):
    def speed(x):
        return {"speed": x * 1.0}

    options = {"units": {"speed": "m s-1"}, "long_name": {"speed": "how fast"}}
    sweep = made(speed, grid(x=range(3)), tmp_path / "results", **options)
    execute(sweep, SERIAL)
    assert is_in_place(sweep.landed)
    with h5py.File(sweep.landed, locking=False) as file:
        assert file["speed"].attrs["units"] == b"m s-1"


# ---- when it is not possible


@pytest.mark.usefixtures("placing")
@pytest.mark.parametrize("why", ["no links", "not sparse", "elsewhere"])
def test_where_it_is_not_possible_the_file_is_written_as_usual(tmp_path, monkeypatch, why):
    sweep = made(line, grid(x=range(4)), tmp_path / "results")
    if why == "no links":
        monkeypatch.setattr(files, "can_share", lambda *_: False)
    if why == "not sparse":
        monkeypatch.setattr(draft, "begin", lambda _: False)
    if why == "elsewhere":
        sweep = dataclasses.replace(sweep, output=tmp_path / "other.h5")
    execute(sweep, SERIAL)
    assert not is_in_place(sweep.landed)
    assert not drafts(sweep)
    assert len(load(sweep.landed)["line"]) == 4
    assert not verify.verify(sweep.landed).damages


@pytest.mark.usefixtures("placing")
def test_missing_integers_need_a_wider_type(tmp_path):
    def count(x):
        return {"count": np.int32(x)}

    sweep = made(count, grid(x=range(6)), tmp_path / "results")
    execute(sweep, dataclasses.replace(SERIAL, limit=3))
    assert not is_in_place(sweep.landed)
    execute(sweep, SERIAL)
    assert load(sweep.landed)["count"].values.tolist() == list(range(6))
    assert not drafts(sweep)
    assert not verify.verify(sweep.landed).damages


@pytest.mark.usefixtures("placing")
@pytest.mark.parametrize("others", [{}, {"note": 1.0}], ids=["refused", "left out"])
def test_values_that_the_file_does_not_take_are_not_written_over(tmp_path, others):
    """The first point of the space says what fits, though the draft is laid out for others."""

    def odd(x):
        if x == 0 and not (tmp_path / "now").exists():
            raise ValueError("not yet")
        dims = "late" if x == 0 else "early"
        return {"wide": xarray.DataArray(np.full(4, x * 1.0), dims=dims), **others}

    sweep = made(odd, grid(x=range(5)), tmp_path / "results")
    small = made(odd, grid(x=range(1, 5)), tmp_path / "results")
    late = made(odd, grid(x=[0]), tmp_path / "results", name="odd")
    refresh, begun = update.refresh, []

    def refreshing(*given, **options):
        if not begun:
            begun.append(sweep)
            (tmp_path / "now").touch()
            execute(late, SERIAL)  # another run
        return refresh(*given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "refresh", refreshing)
        execute(sweep, SERIAL)
    assert load(sweep.landed).late.size == 4
    assert not verify.verify(sweep.landed).damages
    assert execute(small, SERIAL).n_computed == 0
    assert load(small.landed)["wide"][:, 0].values.tolist() == [1.0, 2.0, 3.0, 4.0]


# ---- a draft lands once


@pytest.mark.usefixtures("placing")
def test_a_file_that_has_landed_is_not_written_over(tmp_path, monkeypatch):
    """Other runs commit while we land, so we land again; the file that is there stays as it is."""
    sweep = made(line, grid(x=range(4)), tmp_path / "results")
    elsewhere = made(line, grid(x=range(10, 13)), tmp_path / "results", name="line")
    land, seen = update._land, []

    def landing(*given, **options):
        told = land(*given, **options)
        if not seen:
            assert is_in_place(sweep.landed)
            seen.extend([sweep.landed.stat().st_ino, sweep.landed.read_bytes()])
            segment.commit(sweep.memo, [other_part(elsewhere)])
        return told

    monkeypatch.setattr(update, "_land", landing)
    execute(sweep, SERIAL)
    inode, content = seen
    kept = [p for p in sweep.memo.glob("*.seg") if p.stat().st_ino == inode]
    assert all(path.read_bytes() == content for path in kept)
    assert not verify.verify(sweep.landed).damages
    assert load(sweep.landed)["line"][:, 1].values.tolist() == [x * 0.1 for x in range(4)]
    assert not drafts(sweep)


def other_part(sweep):
    """What another run has finished meanwhile."""
    keys = sweep.keys(np.arange(3))
    values = np.array([[x, x * 0.1] for x in (10, 11, 12)])
    own = [
        Variable("line", values, ("line_0",), None, {}),
        Variable("text", np.array(["10", "11", "12"], object), (), None, {}),
    ]
    return Part(keys, np.zeros(3, np.float32), tuple(own), ())


@pytest.mark.usefixtures("placing")
def test_another_run_may_land_our_values_first(tmp_path, monkeypatch):
    """It removes our segments and our draft when no run is there: ours is about to land."""
    sweep = made(line, grid(x=range(4)), tmp_path / "results")
    placed, looks = in_place.placed, []

    def others_land(own, gathered):
        found = placed(own, gathered)
        if not looks:
            looks.append(found)
            update.refresh(sweep, memo.scan(sweep.memo), "", is_last=True)
            assert not drafts(sweep)
        return found

    monkeypatch.setattr(in_place, "placed", others_land)
    assert execute(sweep, SERIAL).n_computed == 4
    assert looks[0]
    assert not verify.verify(sweep.landed).damages
    assert load(sweep.landed)["line"][:, 1].values.tolist() == [x * 0.1 for x in range(4)]


@pytest.mark.usefixtures("placing")
@pytest.mark.parametrize(
    "call", ["link", "open_to_change", "write_at", "write", "replace", "protect"]
)
@pytest.mark.parametrize("number", range(3))
def test_a_landing_that_failed_is_repeated(tmp_path, monkeypatch, call, number):
    sweep = made(line, grid(x=range(4)), tmp_path / "results")
    land, done, counter = update._land, getattr(disk, call), itertools.count()

    def failing(*given):
        if next(counter) == number:
            raise OSError(28, "no space")
        return done(*given)

    def landing(*given, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, call, failing)
            return land(*given, **options)

    monkeypatch.setattr(update, "_land", landing)
    try:
        execute(sweep, SERIAL)
    except SweepsError as error:
        assert "No space left" in str(error)
    monkeypatch.setattr(update, "_land", land)
    assert execute(sweep, SERIAL).n_computed == 0
    assert load(sweep.landed)["line"][:, 1].values.tolist() == [x * 0.1 for x in range(4)]
    assert not verify.verify(sweep.landed).damages
    is_tried = (call, number) == (
        "link",
        0,
    )  # whether there are hard links: values stay in the memo
    assert is_tried or not drafts(sweep)


@pytest.mark.usefixtures("placing")
@pytest.mark.parametrize("is_right", [True, False])
def test_a_summary_is_made_of_the_file_or_left_out(tmp_path, is_right):
    marked = experiment(grid(x=range(4)))(line)

    @marked.summary
    def total(ds):
        if not is_right:
            raise ValueError("no")
        return {"total": ds["line"].sum()}

    sweep = resolve(marked, results=tmp_path / "results")
    execute(sweep, SERIAL)
    assert is_in_place(sweep.landed)
    assert not verify.verify(sweep.landed).damages
    assert load(sweep.landed)["line"][:, 1].values.tolist() == [x * 0.1 for x in range(4)]
    with h5py.File(sweep.landed, locking=False) as file:
        assert ("summary" in file) is is_right
