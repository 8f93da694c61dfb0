"""Laws of pointing: a point is found by its number, and by its values as people type them."""

import dataclasses
import datetime
import enum
import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid, points, replicates, sample, zipped
from sweeps.declaration import overrides
from sweeps.declaration import point as declaration_point
from sweeps.errors import SweepsError
from sweeps.spaces.values import label


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass(frozen=True)
class Circle:
    radius: float


def root(x):
    return x**0.5


DATES = [datetime.date(2024, 1, 31), datetime.date(2024, 2, 29)]
TIMES = [datetime.datetime(2024, 1, 31, 12), datetime.datetime(2024, 2, 29, 0, 0, 1)]
ZONED = [datetime.datetime(2024, 1, 31, 12, tzinfo=datetime.UTC)]
VALUES = {
    "floats": [0.1, 0.2, 0.30000000000000004],
    "whole floats": [1.0, 2.0, 1e300],
    "ints": [-3, 0, 2**62],
    "beyond int64": [0, 2**63],
    "huge ints": [1, 2**80],
    "a long range": range(0, 10**6, 7),
    "booleans": [True, False],
    "strings": ["a", "two words", "1", "none", "it's"],
    "complex": [1 + 2j, 3j],
    "labels": {"sine": math.sin, "root": root, "1": math.cos, "None": math.tan},
    "enums": [Colour.RED, Colour.BLUE],
    "dates": DATES,
    "times": TIMES,
    "zoned times": ZONED,
    "tuples": [(1, 2), (1, "b")],
    "dataclasses": [Circle(1.0), Circle(2.5)],
    "a mixture": [None, 1, "auto", (1,), 2.5],
    "bytes": [b"a", b"b"],
}


def swept(space, **options):
    @experiment(space, name="f", **options)
    def f(g=9.81, mode="fast", **parameters):
        raise NotImplementedError

    return f


def at(made, *texts):
    return declaration_point.at_values(made, overrides.parse_all(texts))


def quoted(text):
    return "'" + text.replace("'", r"\'") + "'" if "'" not in text else f'"{text}"'


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_is_found_by_what_tables_show_of_it(kind):
    made = swept(grid(x=VALUES[kind], y=[1, 2]))
    n_values = len(VALUES[kind])
    for place in sorted({0, n_values - 1}):
        (point,) = made.space.parameters_at(np.array([2 * place]), labels=True)
        assert at(made, f"x={quoted(label(point['x']))}", "y=2")[1] == 2 * place + 1


@pytest.mark.parametrize("kind", [k for k in VALUES if k not in ("labels", "zoned times")])
def test_a_value_is_found_by_itself(kind):
    made = swept(grid(x=VALUES[kind]))
    for place, value in enumerate(list(VALUES[kind])[:5]):
        given = {"x": (value.name if isinstance(value, enum.Enum) else value,)}
        assert declaration_point.at_values(made, given)[1] == place


@pytest.mark.parametrize(
    ("text", "position"),
    [("x=0.3", 2), ("x=.1", 0), ("x=1e-1", 0), ("x=0.1000000001", 0), ("x=0", 3), ("x=1", 4)],
)
def test_a_float_is_found_by_what_people_type_for_it(text, position):
    made = swept(grid(x=[0.1, 0.2, 0.1 + 0.2, 5.5e-17, 1.0]))
    assert at(made, text)[1] == position


def test_whole_numbers_may_be_typed_as_floats_and_truth_may_not():
    made = swept(grid(x=[0, 1, 2]))
    assert at(made, "x=2.0")[1] == 2
    with pytest.raises(SweepsError, match="none of the 3 values"):
        at(made, "x=true")


def test_a_float_near_two_values_is_none_of_them():
    made = swept(grid(x=[1.0, 1.0 + 1e-9]))
    assert at(made, "x=1")[1] == 0
    with pytest.raises(SweepsError, match="near several"):
        at(made, "x=1.0000000005")


SPACES = {
    "grid": grid(a=[1, 2, 3], b=["x", "y"]),
    "zipped": zipped("run", a=[1, 2, 2], b=["x", "x", "y"]) * grid(c=[0.5, 1.5]),
    "points": points([{"a": 1, "b": 2.0}, {"a": 3, "b": 0.5}]),
    "union": grid(a=[1], b=[2, 4]) + grid(a=[7]),
    "replicates": grid(a=[1, 2]) * replicates(3),
    "where": grid(a=range(5), b=range(5)).where(lambda a, b: a < b),
    "derived": grid(a=[1, 2], b=[3, 5]).derive(c=lambda a, b: a * b),
    "sample": sample.sobol(16, a=(0.0, 1.0), b=[1, 2, 5]) * grid(c=[1, 2]),
    "repeated rows": sample.uniform(16, a=[1, 2], b=[1, 2]),
}


def declared(space):
    def f(rng, g=9.81, **parameters):
        raise NotImplementedError

    return experiment(space, name="f")(f)


@pytest.mark.parametrize("kind", SPACES)
def test_every_point_is_found_by_all_of_its_values(kind):
    made = declared(SPACES[kind])
    space = made.space
    every = space.positions(0, len(space))
    for position, point in zip(every.tolist(), space.parameters_at(every), strict=True):
        if len(point) < len(space.parameters):
            continue  # it lacks a parameter, which nobody can type
        _, found = declaration_point.at_values(
            made, {name: (value,) for name, value in point.items()}
        )
        assert space.parameters_at(np.array([found])) == [point]
        assert found == position or kind == "repeated rows"
        assert declaration_point.at_position(made, {}, position) == (made, position)


def test_what_where_excludes_is_no_answer():
    assert at(declared(SPACES["where"]), "a=3")[1] == 19  # b=4


def test_derived_parameters_select_too():
    made = declared(SPACES["derived"])
    assert at(made, "c=10")[1] == 3
    with pytest.raises(SweepsError, match="do not occur together"):
        at(made, "c=10", "a=1")


def test_a_point_without_a_parameter_is_found_by_its_others():
    assert at(declared(SPACES["union"]), "a=7")[1] == 2


@given(st.integers())
def test_no_number_but_those_of_points_is_one(number):
    made = declared(SPACES["where"])
    if number in made.space.accepted.tolist():
        assert declaration_point.at_position(made, {}, number)[1] == number
    else:
        with pytest.raises(SweepsError, match=r"no point|excluded by \.where"):
            declaration_point.at_position(made, {}, number)


def test_a_constant_takes_the_value_as_in_a_run():
    made, position = at(swept(grid(x=[1.0, 2.0])), "x=2", "g=2", "mode=slow")
    assert position == 1
    assert [table.element(0) for table in made.constants.values()] == [2.0, "slow"]


def test_several_values_are_swept_as_in_a_run():
    made = swept(grid(x=[1.0, 2.0]))
    with pytest.raises(SweepsError, match=r"which of 3 points .* differ in x"):
        at(made, "x=5,6,7")
    other, position = declaration_point.at_position(made, overrides.parse_all(["x=5,6,7"]), 2)
    assert other.space.point(position) == {"x": 7.0}


def test_a_replicate_that_was_not_declared_is_one_of_a_run():
    made, position = at(declared(grid(a=[1, 2])), "a=2", "replicate=5")
    assert made.space.point(position) == {"a": 2, "replicate": 5}


def test_axes_given_with_a_number_are_those_of_a_run():
    made = swept(grid(x=[1.0, 2.0], y=[1, 2]))
    other, position = declaration_point.at_position(made, overrides.parse_all(["x=1.5"]), 1)
    assert other.space.point(position) == {"x": 1.5, "y": 2}


@pytest.mark.parametrize(
    ("space", "texts", "said"),
    [
        ("grid", ["a=1"], "which of 2 points of 'f'? They differ in b: give it too, as in b=x"),
        ("grid", [], "which of 6 points of 'f'? They differ in a, b: give them too"),
        ("grid", ["a=9", "b=x"], "a=9 is none of the 3 values in the sweep (nearest: 2, 3)"),
        ("grid", ["a=word"], "a=word is none of the 3 values in the sweep (found: 1, 2, 3)"),
        ("grid", ["b=z"], "b=z is none of the 2 values in the sweep (found: x, y)"),
        ("grid", ["a=99999999999999999999999999999999"], "is none of the 3 values"),
        ("grid", ["a=1e308"], "is none of the 3 values"),
        ("zipped", ["a=1", "b=y"], "these values do not occur together"),
        ("where", ["a=3", "b=1"], "it is excluded by .where()"),
        ("grid", ["q=3"], "no axis 'q'"),
        ("grid", ["a=1:3"], "is a range to sample"),
        ("replicates", ["a=1", "replicate=7"], "replicate=7 is none of the 3 values"),
    ],
)
def test_what_names_no_single_point_says_what_does(space, texts, said):
    made = experiment(SPACES[space], name="f")(FUNCTIONS[space])
    with pytest.raises(SweepsError) as caught:
        at(made, *texts)
    assert said in str(caught.value)


FUNCTIONS = {
    "grid": lambda a, b: None,
    "zipped": lambda a, b, c: None,
    "where": lambda a, b: None,
    "replicates": lambda a, rng: None,
}


def test_a_label_that_is_none_says_the_nearest():
    made = swept(grid(method={"euler": functools.partial(root), "rk4": root}))
    with pytest.raises(SweepsError, match="Did you mean 'euler'"):
        at(made, "method=eulr")


def test_a_large_space_is_not_written_out():
    made = swept(grid(a=range(10**4), b=range(10**4)))
    assert at(made, "a=17", "b=9999")[1] == 17 * 10**4 + 9999
    with pytest.raises(SweepsError, match="10,000 points"):
        at(made, "a=17")
