"""Where the time went."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sweeps.reports import places, timing
from sweeps.storage.hdf5 import STATUS

DONE, FAILED = STATUS["done"], STATUS["failed"]


def timed(elapsed, failed=(), **axes):
    """Describe the times of a grid."""
    found = places.places(xr.Dataset(coords=axes), tuple(axes))
    elapsed = np.asarray(elapsed, np.float32).ravel()
    status = np.full(elapsed.size, DONE, np.int8)
    status[list(failed)] = FAILED
    return timing.timing(found, status, elapsed, FAILED)


@given(st.lists(st.floats(2**-20, 2**14, width=32), min_size=1, max_size=40))
def test_quantiles_and_sum_are_those_of_the_times(times):
    made = timed(times, x=np.arange(len(times)))
    quantiles = list(made.quantiles.values())
    assert quantiles == sorted(quantiles)
    assert made.total_s == pytest.approx(sum(times), rel=1e-6)
    assert (quantiles[0], quantiles[-1]) == (np.float32(min(times)), np.float32(max(times)))
    assert made.slowest[0].elapsed_s == np.float32(max(times))
    assert made.n_points == len(times)


def test_points_without_a_time_are_left_out():
    assert timed([np.nan, np.nan], x=[1, 2]) is None
    made = timed([1.0, np.nan, 3.0], failed=[1], x=[1, 2, 3])
    assert (made.n_points, made.total_s) == (2, 4.0)
    (profile,) = made.profiles
    assert [(each.n_computed, each.n_failed) for each in profile.bins] == [(1, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("size", [5, 30])
def test_the_parameter_that_the_time_depends_on_is_named(size):
    x, y = np.arange(size), ["a", "b", "c"]
    made = timed(np.add.outer(0 * x, [0.1, 0.2, 4.0]), x=x, y=("y", y, {"units": "m"}))
    assert [each.name for each in made.profiles] == ["y"]
    assert (
        made.finding == "The time depends most on y: the median is 4.0 s at c m, and 100 ms at a m."
    )


def test_times_that_are_equal_everywhere_name_no_parameter():
    assert timed(np.ones((4, 5)), x=np.arange(4), y=np.arange(5)).finding == ""
    # single points of microseconds: the machine, not the parameter
    assert timed([1e-6, 9e-6, 3e-6], x=np.arange(3)).finding == ""


@given(
    st.lists(st.integers(-50, 50) | st.none(), min_size=2, max_size=60),
    st.sampled_from([float, object]),
)
def test_each_point_is_in_one_part_of_a_parameter_unless_it_lacks_it(values, kind):
    made = xr.Dataset({}, {"x": ("point", np.array([*map(convert(kind), values)], kind))})
    found = places.places(made, ("point",))
    taken = np.linspace(0.1, 9, len(values), dtype=np.float32)
    profiles = timing.timing(found, np.full(len(values), DONE, np.int8), taken, FAILED).profiles
    for profile in profiles:
        assert sum(each.n_computed for each in profile.bins) == sum(v is not None for v in values)
        assert len(profile.bins) <= 13


def convert(kind):
    def one(value):
        if value is None:
            return np.nan
        return float(value) if kind is float else f"v{value}"

    return one


def test_a_point_is_told_by_its_parameters_and_lacks_what_it_has_not():
    made = xr.Dataset(
        {"noise": ("replicate", [0.1, 0.2, 0.3])},
        {
            "length": ("point", [0.5, np.nan], {"units": "m"}),
            "way": ("point", np.array(["rk4", "euler"], object)),
        },
    )
    found = places.places(made, ("point", "replicate"))
    assert found.at(0) == "length = 0.5 m, way = rk4, replicate = 0"
    assert found.at(5) == "way = euler, replicate = 2"
