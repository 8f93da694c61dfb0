import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sweeps.analysis import overview


def test_a_summary_is_shown_by_its_dimensions():
    summary = xr.Dataset(
        {
            "best": ((), 1.5, {"units": "m"}),
            "mean": ("x", [1.0, 2.0, 3.0]),
            "title": "größe",
            "error": ("x", [0.1, 0.2, np.nan]),
            "quantile": (("x", "q"), np.arange(6).reshape(3, 2)),
        },
        {"x": [10, 20, 30], "name": ("x", ["a", "b", "c"]), "q": [0.5, 0.9], "g": 9.81},
    )
    seen = overview.summarized(summary, n_rows=3)
    assert seen.scalars.rows == [["best", 1.5, "m"], ["title", "größe", ""]]
    line, plane = seen.tables
    assert line.header == ("x", "name", "mean", "error")
    assert line.rows[:2] == [[10, "a", 1.0, 0.1], [20, "b", 2.0, 0.2]]
    assert plane.header == ("x", "name", "q", "quantile")
    assert plane.rows == [[10, "a", 0.5, 0], [10, "a", 0.9, 1], [20, "b", 0.5, 2]]
    (cut,) = seen.outputs
    assert (cut.name, cut.count, cut.mean) == ("quantile", 6, 2.5)


numbers = npst.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]),
    npst.array_shapes(max_dims=2, max_side=4),
)


@given(numbers)
def test_statistics_are_those_of_the_values_that_are_there(array):
    told = overview.statistics("a", xr.DataArray(array, attrs={"units": "m"}))
    present = array[array == array]
    assert (told.count, told.missing) == (present.size, array.size - present.size)
    assert (told.name, told.units, told.dtype) == ("a", "m", str(array.dtype))
    if present.size:
        assert (told.min, told.max) == (present.min(), present.max())
    else:
        assert told.min is told.mean is told.max is told.std is None


def test_statistics_agree_with_numbers_that_were_published():
    # W. S. Gosset's series of 10 sleep gains, Biometrika 6, 1 (1908), p. 20: mean 1.58, and
    # standard deviation 1.17, dividing by n.
    told = overview.statistics(
        "sleep", xr.DataArray([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    )
    assert round(told.mean, 2) == 1.58
    assert round(told.std, 2) == 1.17


def test_words_have_no_statistics_and_an_empty_one_is_not_missing():
    told = overview.statistics("word", xr.DataArray(np.array(["", "b", np.nan], dtype=object)))
    assert (told.dtype, told.count, told.missing, told.mean) == ("str", 2, 1, None)
