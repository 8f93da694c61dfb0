"""What is drawn is what the results hold, whatever they hold."""

import io
import re
import warnings

import numpy as np
import pytest
from matplotlib.legend import Legend

from sweeps.plots import pictures, thin
from sweeps.plots.chart import Wish
from sweeps.plots.decide import charts

RNG = np.random.default_rng(19)
HOSTILE = "$\\frac{a$ <script>alert(1)</script>\x1b[2J\n日本 _x"


def drawn(content, wish=None):
    return pictures.drawn([(content, chart) for chart in charts(content, wish)])


def svg(figure):
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    return stream.getvalue()


def legends(figure):
    return [text.get_text() for each in figure.findobj(Legend) for text in each.get_texts()]


def test_a_line_goes_through_the_values_in_their_order(made):
    results = made({"f": ("x", [3.0, 1.0, 2.0])}, {"x": [30.0, 10.0, 20.0]}, ["x"])
    (line,) = drawn(results).get_axes()[0].get_lines()
    assert line.get_xydata().tolist() == [[10.0, 1.0], [20.0, 2.0], [30.0, 3.0]]


def test_axes_have_names_and_units(made):
    attrs = {"long_name": "length of the rod", "units": "m"}
    outputs = {"f": ("x", [1.0, 2.0], {"units": "1"})}
    (ax,) = drawn(made(outputs, {"x": ("x", [1.0, 2.0], attrs)}, ["x"])).get_axes()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length of the rod (m)", "f")


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (np.logspace(-3, 1, 9), "log"),
        ([8, 16, 32, 64], "log"),
        (np.linspace(0.1, 2, 9), "linear"),
        ([0.0, 1.0, 10.0, 100.0], "linear"),
        ([-4.0, -2.0, -1.0], "linear"),
    ],
)
def test_an_axis_is_logarithmic_where_values_are_spaced_so(made, values, scale):
    results = made({"f": ("x", np.arange(len(values)))}, {"x": values}, ["x"])
    assert drawn(results).get_axes()[0].get_xscale() == scale


@pytest.mark.parametrize("values", [np.linspace(1, 3, 6), np.logspace(0, 2, 6)])
def test_each_value_lies_within_its_cell(made, values):
    grid = np.add.outer(np.arange(6.0), np.arange(5.0))
    results = made({"f": (("x", "y"), grid)}, {"x": values, "y": np.arange(5.0)}, ["x", "y"])
    (mesh,) = drawn(results).get_axes()[0].collections
    edges = mesh.get_coordinates()[0, :, 0]
    assert (edges[:-1] < values).all()
    assert (values < edges[1:]).all()
    assert mesh.get_array().tolist() == grid.T.tolist()


@pytest.mark.parametrize("shape", [(12,), (12, 10)])
def test_points_without_a_value_are_marked_and_counted(made, shape):
    status = np.ones(shape, int)
    status[3], status[5], status[7:9] = 2, 0, 3
    values = np.where(status == 1, 1.0, np.nan)
    values[10] = np.inf
    dims, per_row = ["x", "y"][: len(shape)], int(np.prod(shape[1:]))
    coords = {dim: np.arange(n) for dim, n in zip(dims, shape, strict=True)}
    found = legends(drawn(made({"f": (dims, values)}, coords, dims, status)))
    counts = {"failed": 1, "missing": 1, "excluded": 2, "done, but no number": 1}
    assert sorted(found) == sorted(f"{state} ({n * per_row})" for state, n in counts.items())


def test_a_failed_point_between_drawn_ones_is_not_lost(made):
    n = 3 * thin.MOST_STEPS
    status = np.ones(n, int)
    status[n // 2 + 1] = 2
    values = np.where(status == 1, 1.0, np.nan)
    figure = drawn(made({"f": ("x", values)}, {"x": np.arange(n)}, ["x"], status))
    assert legends(figure) == ["failed (1)"]
    assert sum(len(line.get_xdata()) == 1 for line in figure.get_axes()[0].get_lines()) == 1


@pytest.mark.parametrize("names", [["a", "b", "c"], ["a rather long name", "another", "a third"]])
def test_no_legend_hides_a_title_or_a_panel(made, names):
    outputs = {"f": (("x", "kind", "flag"), RNG.random((4, 3, 2)))}
    coords = {"x": np.arange(4), "kind": names, "flag": [False, True]}
    figure = drawn(made(outputs, coords, [*coords]), Wish(x="x", hue="kind", col="flag"))
    figure.draw_without_rendering()
    (legend,) = figure.findobj(Legend)
    hidden = [
        legend.get_window_extent().overlaps(ax.get_tightbbox()) for ax in figure.get_axes()[:1]
    ]
    titles = [ax.title.get_window_extent() for ax in figure.get_axes()]
    hidden += map(legend.get_window_extent().overlaps, titles)
    assert not any(hidden)


@pytest.mark.parametrize("value", [7, 2**60])
def test_integers_that_are_all_the_same_are_drawn_without_a_warning(made, value):
    results = made({"n": ("x", np.full(3, value))}, {"x": np.arange(3)}, ["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = drawn(results).get_axes()[0].get_ylim()
    assert low < value < high


def test_a_mean_has_the_confidence_of_student(made):
    # Student (W. S. Gosset), Biometrika 6, 1 (1908), the additional hours of sleep gained by the
    # use of D. hyoscyamine hydrobromide: mean 0.75. With 9 degrees of freedom 95 % of t lie
    # within ± 2.262, so that the interval is 0.75 ± 2.262 * 1.789 / √10 = -0.53 to 2.03.
    gained = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    results = made(
        {"f": (("x", "replicate"), [gained, gained])}, {"x": [1.0, 2.0]}, ["x", "replicate"]
    )
    figure = drawn(results)
    (band,) = figure.get_axes()[0].collections
    edges = sorted(set(band.get_paths()[0].vertices[:, 1].round(2)))
    assert edges == [-0.53, 2.03]


def test_a_share_of_all_has_a_band_too(made):
    # E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927): 10 of 10 give 0.722 to 1.
    wins = np.ones((2, 10), bool)
    results = made({"win": (("x", "replicate"), wins)}, {"x": [1.0, 2.0]}, ["x", "replicate"])
    (band,) = drawn(results).get_axes()[0].collections
    assert sorted(set(band.get_paths()[0].vertices[:, 1].round(3))) == [0.722, 1.0]


def kinds(n=8):
    x = np.arange(n)
    return {
        "boolean": x > 3,
        "complex": x * np.exp(1j * x),
        "text": np.array(["low", "high"])[x % 2],
        "date": np.datetime64("2020-01-01", "us") + x * np.timedelta64(40, "D"),
        "duration": (x * np.timedelta64(1, "h")).astype("m8[us]"),
        "integer": x,
        "infinite": np.where(x > 3, np.inf, 1.0),
        "nothing": np.full(n, np.nan),
    }


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("n_dims", [1, 2])
def test_every_kind_of_output_can_be_drawn(made, kind, n_dims):
    values, dims = kinds()[kind], ["x", "y"][:n_dims]
    if n_dims == 2:
        values = np.stack([values] * 7, axis=1)
    coords = {"x": np.arange(8.0), "y": np.arange(7.0)}
    results = made({"f": (dims, values)}, {dim: coords[dim] for dim in dims}, dims)
    assert "<svg" in svg(drawn(results))


@pytest.mark.parametrize("kind", ["boolean", "text", "date", "duration", "integer"])
def test_every_kind_of_axis_can_be_drawn(made, kind):
    values = np.unique(kinds()[kind])
    results = made({"f": ("x", np.arange(len(values)))}, {"x": values}, ["x"])
    assert "<svg" in svg(drawn(results))


@pytest.mark.parametrize("form", ["axis", "hue", "panels", "output", "only"])
def test_hostile_texts_are_texts(made, form):
    x, names = np.arange(9.0), [HOSTILE, "_hidden", "$"]
    attrs = {"long_name": HOSTILE, "units": "$"}
    grid = RNG.random((9, 3))
    axes = {"x": x, "m": ("m", names, attrs)}
    results = {
        "axis": lambda: made({"f": ("m", x[:3], attrs)}, {"m": axes["m"]}, ["m"]),
        "hue": lambda: made({"f": (("x", "m"), grid, attrs)}, axes, ["x", "m"]),
        "panels": lambda: made({"f": (("x", "m"), grid, attrs)}, axes, ["x", "m"]),
        "output": lambda: made({"f": ("x", np.resize(names, 9), attrs)}, {"x": x}, ["x"]),
        "only": lambda: made({"f": ("m", [HOSTILE], attrs)}, {"m": ("m", [HOSTILE])}, ["m"]),
    }[form]()
    figure = drawn(results, Wish(x="x", col="m") if form == "panels" else None)
    assert "<script>" not in svg(figure)
    if form == "hue":
        assert [text.strip() for text in legends(figure)][1:] == ["_hidden", r"\$"]


@pytest.mark.parametrize("n_dims", [1, 2, 3])
def test_a_million_points_are_a_small_picture(made, n_dims):
    shape = {1: (10**6,), 2: (1000, 1000), 3: (100, 100, 100)}[n_dims]
    dims = ["a", "b", "c"][:n_dims]
    axes = {dim: np.linspace(0, 1, n) for dim, n in zip(dims, shape, strict=True)}
    values = sum(np.meshgrid(*axes.values(), indexing="ij"))
    results = made({"f": (dims, values)}, axes, dims)
    text = svg(drawn(results))
    assert len(re.findall("<(path|use|image|text)", text)) < 500
    assert len(text) < 200_000
    (chart,) = charts(results)
    assert chart.notes


def test_nothing_is_left_in_pyplot(made):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    drawn(made({"f": (("x", "y"), np.eye(9))}, {"x": np.arange(9), "y": np.arange(9)}, "xy"))
    assert pyplot.get_fignums() == before


def test_a_notebook_shows_the_figure(made):
    figure = drawn(made({"f": ("x", [1.0, 2.0])}, {"x": [1.0, 2.0]}, ["x"]))
    assert figure._repr_png_().startswith(b"\x89PNG")
