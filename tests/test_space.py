"""Laws of spaces, checked against plain lists of points made with loops."""

import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import DeclarationError, UnknownNameError
from sweeps.space import ABSENT, grid, points, zipped

POOLS = {
    "i": [-3, 0, 1, 2, 7],
    "f": [-1.5, 0.0, 0.1, 2.0],
    "s": ["a", "b", "é", ""],
    "m": [None, (1, "a"), True, "z"],
}
PREDICATES = {
    "i": lambda i=0: i > 0,
    "f": lambda f=0.0: f < 1,
    "s": lambda s="": s != "b",
    "m": lambda m=None: m is not None,
}


def said(point):
    """Text of a point, the same for equal values of equal types in whatever order."""
    return repr(sorted(point.items()))


def first_of_each(listed):
    return [p for n, p in enumerate(listed) if said(p) not in map(said, listed[:n])]


def some(name):
    return st.lists(st.sampled_from(POOLS[name]), min_size=1, max_size=4, unique_by=repr)


@st.composite
def grids(draw, names):
    axes = {name: draw(some(name)) for name in names}
    rows = itertools.product(*axes.values())
    return grid(**axes), [dict(zip(axes, row, strict=True)) for row in rows]


@st.composite
def zips(draw, names):
    row = st.fixed_dictionaries({name: st.sampled_from(POOLS[name]) for name in names})
    rows = draw(st.lists(row, min_size=1, max_size=5, unique_by=said))
    return zipped("row_" + "_".join(names), **{n: [r[n] for r in rows] for n in names}), rows


@st.composite
def lists(draw, names):
    row = st.fixed_dictionaries({}, optional={n: st.sampled_from(POOLS[n]) for n in names})
    rows = draw(st.lists(row, min_size=1, max_size=5, unique_by=said))
    return points(rows), rows


@st.composite
def spaces(draw, names=tuple(POOLS), depth=2):
    """A space and the list of the points that it should have, in order."""
    names = tuple(draw(st.permutations(names)))[: draw(st.integers(1, len(names)))]
    kind = draw(
        st.sampled_from(["leaf", "leaf", "product", "union", "where"] if depth else ["leaf"])
    )
    if kind == "product" and names[1:]:
        cut = draw(st.integers(1, len(names) - 1))
        a, in_a = draw(spaces(names[:cut], depth - 1))
        b, in_b = draw(spaces(names[cut:], depth - 1))
        if not {*a.dims} & {*b.dims}:
            return a * b, [p | q for p in in_a for q in in_b]
    if kind == "union":
        a, in_a = draw(spaces(names, depth - 1))
        b, in_b = draw(spaces(names, depth - 1))
        return a + b, first_of_each(in_a + in_b)
    if kind == "where":
        a, in_a = draw(spaces(names, depth - 1))
        if draw(st.booleans()) and a.parameters:
            name = draw(st.sampled_from(a.parameters))
            keep = PREDICATES[name]
            return a.where(keep), [
                p for p in in_a if keep(**{k: v for k, v in p.items() if k == name})
            ]
        return a.where(keeps_some), [p for p in in_a if keeps_some(**p)]
    return draw(draw(st.sampled_from([grids, zips, lists]))(names))


def keeps_some(**parameters):
    return zlib.crc32(said(parameters).encode()) % 3 != 0


def is_same(a, b):
    """Equal, in the same order, of the same types."""
    return list(map(said, a)) == list(map(said, b))


# ---- laws


@given(spaces())
def test_a_space_has_the_points_that_loops_make(made):
    space, expected = made
    assert is_same(space, expected)
    assert len(space) == len(expected)


@given(spaces(), st.data())
def test_point_agrees_with_iteration(made, data):
    space, expected = made
    if expected:
        index = data.draw(st.integers(-len(expected), len(expected) - 1))
        assert is_same([space.point(index)], [expected[index]])
    for index in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError, match=f"with {len(expected)} points"):
            space.point(index)


@given(spaces())
def test_positions_are_flat_indices_in_c_order(made):
    space, _ = made
    positions = space.positions(0, len(space))
    assert (np.diff(positions) > 0).all()
    shape = tuple(space.sizes.values())
    assert space.n_positions == int(np.prod(shape, dtype=int))
    codes = space.codes(positions)
    along = np.unravel_index(positions, shape) if shape else ()
    for dimension, index in zip(space.dimensions, along, strict=True):
        for column in dimension.columns:
            assert (codes[column.name] == column.at(index)).all()


@given(spaces())
def test_pieces_of_positions_make_up_the_whole(made):
    space, expected = made
    cut = len(space) // 2
    pieces = [space.positions(0, cut), space.positions(cut, len(space))]
    assert is_same(space.parameters_at(np.concatenate(pieces)), expected)


@given(spaces())
def test_a_column_has_each_value_once_and_codes_only_for_those(made):
    space, _ = made
    for column in space.columns.values():
        elements = [repr(e) for e in column.table.elements()]
        assert len(set(elements)) == len(elements)
        if column.codes is not None:
            assert {*column.codes.tolist()} - {ABSENT} == {*range(len(column.table))}
            assert column.has_gaps == (ABSENT in column.codes)


@given(spaces())
def test_union_is_idempotent(made):
    space, expected = made
    assert is_same(space + space, expected)


@given(spaces(), spaces())
def test_union_commutes_as_a_set(one, other):
    (a, in_a), (b, in_b) = one, other
    assert {*map(said, a + b)} == {*map(said, b + a)}
    assert is_same(a + b, first_of_each(in_a + in_b))


@given(spaces(), spaces(), spaces())
def test_union_is_associative(one, other, third):
    a, b, c = one[0], other[0], third[0]
    assert is_same((a + b) + c, a + (b + c))


@given(spaces(names=("i", "f")), spaces(names=("s", "m")))
def test_where_before_and_after_a_product_are_one(one, other):
    (a, in_a), (b, in_b) = one, other
    if not {*a.dims} & {*b.dims}:
        kept = [p | q for p in in_a if keeps_some(**p) for q in in_b]
        assert is_same(a.where(keeps_some) * b, kept)


@given(spaces())
def test_where_twice_is_where_both(made):
    space, expected = made
    both = space.where(keeps_some).where(lambda **p: len(repr(p)) % 2)
    assert is_same(both, [p for p in expected if keeps_some(**p) and len(repr(p)) % 2])


# ---- cases


def test_whole_numbers_become_floats_where_floats_join():
    joined = list(grid(x=[1, 2]) + grid(x=[2.0, 2.5]))
    assert repr(joined) == "[{'x': 1.0}, {'x': 2.0}, {'x': 2.5}]"


@pytest.mark.parametrize(
    ("space", "dims"),
    [
        (grid(x=[1], y=[2, 3]), ("x", "y")),
        (zipped(x=[1, 2], y=[2, 3]), ("point",)),
        (zipped("run", x=[1, 2]) * grid(y=[1]), ("run", "y")),
        (points([{"x": 1}]), ("point",)),
        (grid(x=[1]) + grid(x=[2]), ("point",)),
        (zipped("run", x=[1]) + zipped("run", x=[2]), ("run",)),
        (zipped("run", x=[1]) + zipped("day", x=[2]), ("point",)),
        (grid(), ()),
    ],
)
def test_dimensions_are_named(space, dims):
    assert space.dims == dims == tuple(space.sizes)


def test_a_space_without_axes_has_one_point():
    assert list(grid()) == list(points([{}])) == [{}]


def test_a_union_forgets_parameters_that_no_point_has():
    nothing = grid(a=[1, 2]).where(lambda a: a > 5)
    assert (nothing + grid(b=[1])).parameters == ("b",)
    assert len(nothing + nothing) == 0


def test_the_function_gets_objects_and_reports_get_labels():
    space = grid(method={"root": abs, "other": len})
    assert [p["method"] for p in space] == [abs, len]
    listed = space.parameters_at(space.positions(0, 2), labels=True)
    assert listed == [{"method": "root"}, {"method": "other"}]


def test_an_enormous_space_is_made_counted_and_indexed():
    space = grid(a=range(10**9), b=range(10**9), c=[0.5, 1.5])
    assert len(space) == 2 * 10**18
    assert space.point(-1) == {"a": 10**9 - 1, "b": 10**9 - 1, "c": 1.5}
    assert space.point(2 * 10**9 + 7) == {"a": 1, "b": 3, "c": 1.5}


def test_a_predicate_of_one_axis_is_asked_once_for_each_of_its_values():
    asked = []
    space = grid(a=range(50), b=range(40)).where(lambda a: asked.append(a) or a < 3)
    assert len(space) == 120
    assert len(list(space)) == 120
    assert asked == list(range(50))


def test_a_dataframe_is_a_list_of_points():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"x": [1, 2], "y": [0.5, 0.25], "s": ["a", "b"]})
    assert is_same(points(frame), [{"x": 1, "y": 0.5, "s": "a"}, {"x": 2, "y": 0.25, "s": "b"}])


REFUSED = {
    "one length": (lambda: zipped(a=[1], b=[1, 2]), "a has 1, b has 2 values"),
    "no axes": (lambda: zipped(), "give at least one, such as length="),
    "empty": (lambda: grid(a=[]), "'a' is empty"),
    "empty among zipped": (lambda: zipped(a=[], b=[]), "'a' is empty"),
    "empty list": (lambda: points([]), "empty list"),
    "twice": (lambda: grid(a=[3, 1, 3]), "the value 3 twice, at positions 0 and 2"),
    "twice by sign": (lambda: grid(a=[0.0, -0.0]), "the value 0.0 twice"),
    "row twice": (lambda: points([{"a": 1}, {"a": 1}]), "{'a': 1} stands twice"),
    "nothing twice": (lambda: points([{}, {}]), "{} stands twice"),
    "zipped row twice": (lambda: zipped(a=[1, 1], b=["x", "x"]), "stands twice"),
    "a dict": (lambda: points({"a": 1}), "takes a list of dicts"),
    "a number": (lambda: points(5), "takes a list of dicts or a DataFrame, not 5"),
    "numbers": (lambda: points([1, 2]), "takes a list of dicts"),
    "numbers as names": (lambda: points([{1: 2}]), "names are strings, not 1"),
    "one name": (lambda: grid(a=[1]) * grid(a=[2]), "'a' stands twice in one space"),
    "dim is axis": (lambda: zipped("a", a=[1], b=[2]), "zipped('name', ...)"),
    "two points": (lambda: points([{"a": 1}]) * points([{"b": 1}]), "'point' stands twice"),
    "no name": (lambda: zipped("a b", a=[1]), "'a b' is no name"),
    "number as dim": (lambda: zipped(5, a=[1]), "5 is no name"),
    "not countable": (lambda: grid(a=range(2**32), b=range(2**31)), "too large to be counted"),
    "where is lazy": (lambda: len(grid(a=range(10**9)).where(lambda a: a)), "at most 134,217,728"),
    "union lists": (lambda: grid(a=range(10**9)) + grid(a=[1]), "at most 134,217,728"),
    "labels differ": (lambda: grid(f={"f": len}) + grid(f={"f": abs}), "have the label 'f'"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(make, message):
    with pytest.raises(DeclarationError) as caught:
        make()
    assert message in str(caught.value)


def test_predicates_ask_for_parameters_of_the_space():
    with pytest.raises(UnknownNameError, match="Did you mean 'alpha'"):
        grid(alpha=[1]).where(lambda alpa: alpa)


@pytest.mark.parametrize("other", [5, "x", None])
def test_only_spaces_combine(other):
    with pytest.raises(TypeError):
        grid(a=[1]) * other
    with pytest.raises(TypeError):
        grid(a=[1]) + other
