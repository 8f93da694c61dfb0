"""The right picture follows from dimensions, kinds and sizes."""

import numpy as np
import pytest
import xarray

from sweeps.errors import SweepsError
from sweeps.plots import content
from sweeps.plots.chart import HISTOGRAM, LINES, MAP, POINTS, Wish
from sweeps.plots.decide import charts

RNG = np.random.default_rng(19)


def found(status=None, lists=None, **sizes):
    """Results of one output over axes, smooth in each."""
    coords = {dim: np.linspace(1.0, 2.0, n) for dim, n in sizes.items()}
    coords |= {name: (dim, RNG.random(sizes[dim])) for name, dim in (lists or {}).items()}
    for dim in set((lists or {}).values()):
        del coords[dim]
    parts = np.meshgrid(*(np.linspace(0, 1, n) for n in sizes.values()), indexing="ij")
    values = np.asarray(sum(parts) if parts else 1.0)
    made = xarray.Dataset({"f": (tuple(sizes), values)}, coords)
    state = np.ones(tuple(sizes.values()), int) if status is None else status
    return content.of("made", made, xarray.DataArray(state, dims=tuple(sizes)))


@pytest.mark.parametrize(
    ("sizes", "lists", "expected"),
    [
        ({"a": 9}, {}, (LINES, "a", None, None, None)),
        ({"a": 9, "b": 8}, {}, (MAP, "a", "b", None, None)),
        ({"a": 9, "b": 3}, {}, (LINES, "a", None, "b", None)),
        ({"b": 3, "a": 9}, {}, (LINES, "a", None, "b", None)),
        ({"a": 9, "b": 8, "c": 3}, {}, (MAP, "a", "b", None, "c")),
        ({"a": 9, "b": 8, "c": 7}, {}, (MAP, "a", "b", None, None)),
        ({"a": 9, "replicate": 5}, {}, (LINES, "a", None, None, None)),
        ({"a": 9, "b": 8, "replicate": 5}, {}, (MAP, "a", "b", None, None)),
        ({"replicate": 50}, {}, (HISTOGRAM, None, None, None, None)),
        ({"sample": 30}, {"u": "sample", "v": "sample"}, (POINTS, None, None, None, None)),
        ({"point": 30}, {"u": "point"}, (LINES, "u", None, None, None)),
    ],
)
def test_dimensions_decide(sizes, lists, expected):
    (chart,) = charts(found(lists=lists, **sizes))
    assert (chart.form, chart.x, chart.y, chart.hue, chart.col) == expected


def test_what_is_cut_is_said():
    (chart,) = charts(found(a=9, b=8, c=7))
    assert chart.slices == (("c", 3),)
    assert chart.notes == ("a slice at c = 1.5",)


@pytest.mark.parametrize("wish", [Wish(x="z"), Wish(y=("z",)), Wish(hue="z"), Wish(log=("z",))])
def test_an_unknown_name_is_refused_with_those_allowed(wish):
    with pytest.raises(SweepsError, match=r"no axis or output 'z' .*found: a, b, f"):
        charts(found(a=9, b=8), wish)
