"""How spaces are made, what they refuse, and what they cost."""

import numpy as np
import pytest

from sweeps.errors import DeclarationError, UnknownNameError
from sweeps.spaces.build import grid, points, replicates, zipped
from tests.strategies import said


def is_same(a, b):
    """Equal, in the same order, of the same types."""
    return list(map(said, a)) == list(map(said, b))


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


def test_a_list_of_points_has_the_dimension_it_is_given():
    space = points([{"x": 1}], "case") * points([{"y": 2}])
    assert space.dims == ("case", "point")
    assert space.point(0) == {"x": 1, "y": 2}


@pytest.mark.parametrize("n", [1, 3, np.int64(3)])
def test_replicates_are_an_axis(n):
    assert list(replicates(n)) == [{"replicate": i} for i in range(n)]
    assert (grid(x=[1, 2]) * replicates(n)).sizes == {"x": 2, "replicate": n}


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
    "the same length": (lambda: zipped(a=[1], b=[1, 2]), "a has 1, b has 2 values"),
    "no axes": (lambda: zipped(), "give at least one, such as length="),
    "empty": (lambda: grid(a=[]), "'a' is empty"),
    "empty among zipped": (lambda: zipped(a=[], b=[]), "'a' is empty"),
    "empty list": (lambda: points([]), "empty list"),
    "twice": (lambda: grid(a=[3, 1, 3]), "the value 3 twice, at positions 0 and 2"),
    "twice by sign": (lambda: grid(a=[0.0, -0.0]), "the value 0.0 twice"),
    "row twice": (lambda: points([{"a": 1}, {"a": 1}]), "{'a': 1} is listed twice"),
    "nothing twice": (lambda: points([{}, {}]), "{} is listed twice"),
    "zipped row twice": (lambda: zipped(a=[1, 1], b=["x", "x"]), "is listed twice"),
    "a dict": (lambda: points({"a": 1}), "takes a list of dicts"),
    "a number": (lambda: points(5), "takes a list of dicts or a DataFrame, not 5"),
    "numbers": (lambda: points([1, 2]), "takes a list of dicts"),
    "numbers as names": (lambda: points([{1: 2}]), "names are strings, not 1"),
    "one name": (lambda: grid(a=[1]) * grid(a=[2]), "'a' is used twice in one space"),
    "dim is axis": (lambda: zipped("a", a=[1], b=[2]), "zipped('name', ...)"),
    "two points": (lambda: points([{"a": 1}]) * points([{"b": 1}]), "'point' is used twice"),
    "no name": (lambda: zipped("a b", a=[1]), "'a b' is not a valid name"),
    "number as dim": (lambda: zipped(5, a=[1]), "5 is not a valid name"),
    "not countable": (lambda: grid(a=range(2**32), b=range(2**31)), "too large to be counted"),
    "where is lazy": (lambda: len(grid(a=range(10**9)).where(lambda a: a)), "at most 134,217,728"),
    "union lists": (lambda: grid(a=range(10**9)) + grid(a=[1]), "at most 134,217,728"),
    **{
        f"replicates {n!r:.8}": (lambda n=n: replicates(n), f"1 or more, not {n!r}")
        for n in (0, -1, True, 2.0, "3", None, 2**63)
    },
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
