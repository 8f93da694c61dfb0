"""The right picture follows from dimensions, kinds and sizes."""

import io

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import SweepsError
from sweeps.plots import content, pictures
from sweeps.plots.chart import HISTOGRAM, LINES, MAP, POINTS, Wish
from sweeps.plots.decide import charts
from tests.sizes import examples

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


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(x="b"), (MAP, "b", "a", None)),
        (Wish(x="b", y=("f",)), (LINES, "b", None, "a")),
        (Wish(x="b", y=("a",)), (MAP, "b", "a", None)),
        (Wish(x="b", y=("a",), hue="f"), (MAP, "b", "a", None)),
        (Wish(x="b", hue="a"), (LINES, "b", None, "a")),
        (Wish(hue="a"), (LINES, "b", None, "a")),
        (Wish(col="b"), (LINES, "a", None, None)),
    ],
)
def test_a_named_axis_has_the_place_that_is_asked_for(wish, expected):
    (chart,) = charts(found(a=9, b=8), wish)
    assert (chart.form, chart.x, chart.y, chart.hue) == expected


@pytest.mark.parametrize("wish", [Wish(x="z"), Wish(y=("z",)), Wish(hue="z"), Wish(log=("z",))])
def test_an_unknown_name_is_refused_with_those_allowed(wish):
    with pytest.raises(SweepsError, match=r"no axis or output 'z' .*found: a, b, f"):
        charts(found(a=9, b=8), wish)


KINDS = {
    "number": lambda n: np.linspace(-1, 1, n),
    "geometric": lambda n: np.logspace(0, 3, n),
    "integer": lambda n: np.arange(n),
    "text": lambda n: np.array([f"value {i}" for i in range(n)]),
    "boolean": lambda n: np.arange(n) % 2 == 0,
    "date": lambda n: np.datetime64("2020-01-01", "us") + np.arange(n) * np.timedelta64(9, "h"),
}
"""Values of an axis, by the kind; of 2 booleans at most."""

OUTPUTS = {
    "number": lambda shape: RNG.normal(size=shape),
    "infinite": lambda shape: np.where(RNG.random(shape) > 0.5, np.inf, 1.0),
    "complex": lambda shape: RNG.normal(size=shape) * 1j,
    "boolean": lambda shape: RNG.random(shape) > 0.5,
    "text": lambda shape: np.array(["low", "high"])[RNG.integers(0, 2, shape)],
    "integer": lambda shape: RNG.integers(-5, 5, shape),
}


@st.composite
def results(draw):
    """Results over axes, replicates, samples and dimensions of arrays; points of any state."""
    dims, coords = [], {}
    for name in draw(st.lists(st.sampled_from("abcd"), max_size=3, unique=True)):
        kind = draw(st.sampled_from(sorted(KINDS)))
        n = draw(st.integers(1, 2 if kind == "boolean" else 8))
        coords[name] = KINDS[kind](n)
        dims.append(name)
    if draw(st.booleans()):
        coords["replicate"] = np.arange(draw(st.integers(1, 5)))
        dims.append("replicate")
    if draw(st.booleans()) or not dims:
        n = draw(st.integers(1, 9))
        for name in draw(st.lists(st.sampled_from("uvw"), min_size=1, unique=True)):
            coords[name] = ("sample", KINDS[draw(st.sampled_from(sorted(KINDS)))](n))
        dims.append("sample")
    sizes = {d: len(v[1]) if isinstance(v, tuple) else len(v) for d, v in coords.items()}
    sizes |= {v[0]: len(v[1]) for v in coords.values() if isinstance(v, tuple)}
    own = draw(st.lists(st.integers(1, 6), max_size=2))
    shape = tuple(sizes[dim] for dim in dims)
    values = OUTPUTS[draw(st.sampled_from(sorted(OUTPUTS)))]((*shape, *own))
    status = RNG.choice(draw(st.sampled_from([[1], [1, 2], [0, 1, 2, 3], [2]])), shape)
    made = xarray.Dataset(
        {"f": ((*dims, *(f"f_dim_{i}" for i in range(len(own)))), values)}, coords
    )
    state = xarray.DataArray(status, dims=dims)
    masked = made.where(state == 1) if made.f.dtype.kind in "fc" else made
    return content.of("made", masked, state)


@given(results())
@examples(24)
def test_every_dimension_has_one_place_and_every_chart_can_be_drawn(found):
    for chart in charts(found):
        places = [chart.x, chart.y, chart.hue, chart.row, chart.col, chart.mean_over]
        places += [dim for dim, _ in chart.slices]
        given_dims = set(map(str, found.dataset["f"].dims))
        placed = [place for place in places if place in given_dims]
        assert len(placed) == len(set(placed))
        left = given_dims - set(placed)
        if chart.form == POINTS:
            assert chart.across
            assert left <= {str(d) for name in chart.across for d in found.dataset[name].dims}
        elif chart.form in (LINES, MAP):
            assert not left
        picture = pictures.picture(found, chart)
        stream = io.BytesIO()
        picture.figure.savefig(stream, format="svg")
        assert picture.title
        assert picture.alt


@given(results(), st.data())
@examples(24)
def test_any_wish_is_drawn_or_refused(found, data):
    names = [*found.axes, *found.outputs, None]
    one = st.sampled_from(names)
    wish = Wish(
        data.draw(one),
        tuple(filter(None, data.draw(st.lists(one, max_size=2)))),
        *(data.draw(one) for _ in range(3)),
        tuple(filter(None, data.draw(st.lists(one, max_size=1)))),
    )
    try:
        decided = charts(found, wish)
    except SweepsError:
        return
    for chart in decided:
        pictures.picture(found, chart)
