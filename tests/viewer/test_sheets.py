"""What is stored, what is in the results file, and what `load` gives are one and the same."""

import datetime
import math

import numpy as np
import pytest

import sweeps
from sweeps import experiment, grid, points, run, sample, zipped
from sweeps.memo import listing
from sweeps.project.sweep import resolve
from sweeps.storage.hdf5 import STATUS
from sweeps.viewer.cuts import ELAPSED, Wanted, cut
from sweeps.viewer.growing import Growing
from sweeps.viewer.landed import Landed
from sweeps.viewer.sheet import numbers


@experiment(
    grid(x=[0.5, 1.0, 2.0], y=range(4), kind=["sine", "cosine"]).where(lambda x, y: x + y < 4.5),
    units={"x": "m", "height": "m"},
)
def waves(x, y, kind):
    if y == 3:
        raise ValueError(f"{x} breaks")
    return {
        "height": math.sin(x * y) if kind == "sine" else math.cos(x * y),
        "n": 2**60 + y,
        "is_high": x > 1,
        "phase": complex(x, y),
        "day": datetime.date(2026, 1, 1 + y),
        "took": datetime.timedelta(seconds=y),
        "word": f"<b>{kind}</b>",
        "series": np.arange(5.0) * x,
    }


@experiment(
    zipped(a=[1.0, 2.0, 3.0], b=["u", "v", "w"]) * grid(c=[True, False]),
    long_name={"a": "the first one", "pairs": "it, or its opposite"},
    units={"b": "1"},
)
def pairs(a, b, c):
    return a if c else -a


@experiment(sample.sobol(16, p=(0.0, 1.0), q=(1.0, 2.0)))
def drawn(p, q):
    return p * q


@experiment(points([{"m": 1}, {"m": 2, "extra": 3.0}]))
def gaps(m, extra=None):
    return m if extra is None else m + extra


@experiment(grid(date=[datetime.date(2026, 1, 1), datetime.date(2026, 3, 1)], none=[None, (1, 2)]))
def dated(date, none):
    return date.month


@experiment(grid(x=[1]))
def single(x):
    return x


@experiment(grid(x=range(3)))
def all_failed(x):
    raise ValueError(x)


EVERY = [waves, pairs, drawn, gaps, dated, single, all_failed]


def sheets(made):
    """Run an experiment; return what is stored of it, and what is in its results file."""
    run(made, engine="serial")
    stored, found = Growing(resolve(made)), resolve(made)
    stored.update({})
    return stored, Landed(found.landed)


def cuts_of(sheet):
    """Cut through the middle of each output along each of its axes, and each two of them."""
    for name, output in {**sheet.outputs, ELAPSED: None}.items():
        dims = output.dims if output else tuple(sheet.sizes)
        axes = [axis for dim in dims for axis in sheet.along(dim) or [dim]]
        for x in axes:
            for y in ["", *axes]:
                if x != y:
                    yield cut(sheet, Wanted(name, x, y))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("made", EVERY, ids=lambda made: made.name)
def test_stored_points_and_the_results_file_look_alike(made, project):
    stored, landed = sheets(made)
    assert stored.sizes == landed.sizes
    assert stored.counts == landed.counts
    assert stored.outputs == landed.outputs
    assert stored.own_sizes == landed.own_sizes
    assert np.array_equal(stored.elapsed, landed.elapsed, equal_nan=True)
    assert stored.coordinates.keys() == landed.coordinates.keys()
    for one, other in zip(cuts_of(stored), cuts_of(landed), strict=True):
        assert (one.form, one.kind, one.x.kind, one.categories) == (
            *(other.form, other.kind, other.x.kind, other.categories),
        )
        assert one.held == other.held
        assert one.x.labels == other.x.labels
        assert np.array_equal(one.x.values, other.x.values, equal_nan=True)
        assert np.array_equal(one.values, other.values, equal_nan=True)
        assert np.array_equal(one.status, other.status)
    landed.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("made", EVERY, ids=lambda made: made.name)
def test_failures_are_those_that_the_command_lists(made, project):
    stored, landed = sheets(made)
    said = sweeps.failures(made)
    for sheet in (stored, landed):
        shown = sheet.failures(0, 100)
        assert [(f.position, f.kind, f.message, f.traceback) for f in shown] == [
            (f.position, f.kind, f.message, f.traceback) for f in said
        ]
        assert sheet.failures(1, 2) == list(shown)[1:2]
    assert stored.failures(0, 100) == landed.failures(0, 100)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["height", "n", "is_high", "phase", "day", "took", "series"])
def test_a_cut_has_the_values_that_load_gives(name, project):
    _, landed = sheets(waves)
    given = sweeps.load(waves, masked=False)[name]
    at = {"x": 1, "kind": 0}
    shown = cut(landed, Wanted(name, "y", at=at | ({"series_dim0": 2} if name == "series" else {})))
    there = given.isel({dim: at.get(dim, 2) for dim in given.dims if dim != "y"})
    is_done = shown.status == STATUS["done"]
    assert is_done.any()
    assert np.allclose(shown.values[is_done], numbers(there.values)[is_done])
    assert np.isnan(shown.values[~is_done]).all()


@pytest.mark.filterwarnings("ignore")
def test_points_appear_as_they_are_stored(project):
    stored = Growing(resolve(waves))
    assert not stored.update({}) or not stored.counts["done"]
    assert stored.counts["excluded"] == 2
    seen = []
    for limit in (5, 5, None):
        run(waves, engine="serial", limit=limit, retry=False)
        version = stored.version
        assert stored.update({})
        assert stored.version != version
        seen.append(stored.counts)
    assert [each["done"] for each in seen] == sorted(each["done"] for each in seen)
    assert seen[-1] == Landed(resolve(waves).landed).counts
    assert not stored.update({})


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_written(project):
    made = resolve(waves)
    run(waves, engine="serial", limit=6)
    before = {p: p.stat().st_mtime_ns for p in made.results.rglob("*")}
    stored = Growing(made)
    stored.update({})
    list(cuts_of(stored))
    list(cuts_of(Landed(made.landed)))
    assert {p: p.stat().st_mtime_ns for p in made.results.rglob("*")} == before
    assert listing.listing(made.memo)


def test_quantities_are_shown_with_the_units_of_their_values(project):
    pint = pytest.importorskip("pint", reason="needs pint")
    units = pint.UnitRegistry()

    @experiment(
        grid(x=[units.Quantity(1.0, "m"), units.Quantity(2.0, "m")]), units={"area": "m ** 2"}
    )
    def square(x):
        return {"area": (x * x).to("cm ** 2")}

    stored, landed = sheets(square)
    shown = {"m": 1.0, "m2": 1.0, "m ** 2": 1.0, "meter ** 2": 1.0}
    for sheet in (stored, landed):
        found = cut(sheet, Wanted("area", "x"))
        units_said = sheet.outputs["area"].units
        assert found.values[0] == pytest.approx(shown.get(units_said, 1e4)), units_said
        assert found.x.values.tolist() == [1.0, 2.0]
        assert found.x.units in ("m", "meter")


@pytest.mark.filterwarnings("ignore")
def test_the_latest_values_are_shown(project):
    run(waves, engine="serial")
    stored = Growing(resolve(waves))
    stored.update({})
    list(cuts_of(stored))
    run(waves, engine="serial", recompute=True)
    stored.update({})
    landed = Landed(resolve(waves).landed)
    assert np.array_equal(stored.elapsed, landed.elapsed, equal_nan=True)
