"""When the functions of a space are asked, about what, and what they may answer."""

import math
import sys

import numpy as np
import pytest

from sweeps.errors import DeclarationError, SweepsError, UnknownNameError
from sweeps.spaces.build import grid, points, zipped
from sweeps.spaces.functions import predicate


class Asked:
    """A function of `a` and `b` that knows what it was asked."""

    def __init__(self, function):
        self.function = function
        self.arguments = []

    def __call__(self, a, b=0):
        self.arguments.append((a, b))
        return self.function(a, b)


def test_nobody_is_asked_before_an_answer_is_needed():
    asked = Asked(lambda a, b: a)
    space = grid(a=range(10**9), b=[1]).derive(c=asked).where(lambda c: c)
    space = (space * grid(z=[1])).rename()
    assert space.derived == ("c",)
    assert space.parameters == ("a", "b", "z", "c")
    assert space.dims_of("c") == ("a", "b")
    assert space.columns["c"].name == "c"
    assert not space.columns["c"].has_gaps
    assert repr(space) == "<Space (a: 1000000000, b: 1, z: 1) with c where …>"
    assert not asked.arguments


def test_every_combination_of_what_is_needed_is_asked_once():
    asked = Asked(lambda a, b: a + b)
    space = (grid(a=[1, 2], z=range(50), b=[3, 4])).derive(c=asked, d=lambda c: -c)
    for _ in range(2):
        assert [p["d"] for p in space] == [-p["a"] - p["b"] for p in space]
        assert len(space.columns["c"].table) == 3
    assert asked.arguments == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_one_huge_axis_that_nothing_depends_on_costs_nothing():
    space = grid(a=[1, 2], z=range(10**15)).derive(c=lambda a: a)
    assert space.point(-1) == {"a": 2, "z": 10**15 - 1, "c": 2}


def test_what_is_excluded_is_not_asked_about():
    asked = Asked(lambda a, b: 1 / (a * b))
    space = grid(a=[0, 1, 2], b=[0, 1, 2], z=[5, 6]).where(lambda a, z: a != 0 and z == 6)
    space = space.where(lambda b: b > 0).derive(c=asked)
    assert [p["c"] for p in space] == [1.0, 0.5, 0.5, 0.25]
    assert asked.arguments == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_predicate_after_the_derivation_guards_it_as_well():
    space = grid(a=[0, 1]).derive(c=lambda a: 1 / a).where(lambda a: a != 0)
    assert list(space) == [{"a": 1, "c": 1.0}]


def test_predicates_and_derived_parameters_may_need_each_other_in_turn():
    space = (
        grid(a=[-1, 0, 1, 10], b=[1, 2])
        .derive(c=lambda a, b: a * b)
        .where(lambda c: c > 0)
        .derive(d=lambda c: math.log10(c))
        .where(lambda d: d > 0)
        .derive(e=lambda d: 1 / d)
    )
    found = [(p["a"], p["b"]) for p in space]
    assert found == [(1, 2), (10, 1), (10, 2)]
    assert [p["e"] for p in space] == [1 / math.log10(a * b) for a, b in found]


def test_a_later_predicate_is_not_asked_about_what_an_earlier_one_excludes():
    space = grid(a=[0, 1, 2]).where(lambda a: a).where(lambda a: 1 / a < 1)
    assert list(space) == [{"a": 2}]


def test_a_point_that_lacks_what_is_needed_lacks_the_derived_parameter():
    space = points([{"a": 1}, {"b": 2}, {"a": 3, "b": 4}])
    space = space.derive(both=lambda a, b: a + b, either=lambda a=10, b=20: a + b)
    space = space.derive(more=lambda both: 2 * both)
    assert list(space) == [
        {"a": 1, "either": 21},
        {"b": 2, "either": 12},
        {"a": 3, "b": 4, "both": 7, "either": 7, "more": 14},
    ]
    assert [space.columns[n].has_gaps for n in ("both", "either", "more")] == [True, False, True]


def test_a_derived_parameter_that_no_point_has_is_a_gap_everywhere():
    space = points([{"a": 1}, {"b": 2}]).derive(c=lambda a: a).where(lambda a=0: a == 0)
    assert list(space) == [{"b": 2}]
    assert list(space.settled())[1] == {"b": 2}
    assert list(space + space) == [{"b": 2}]


def test_whole_numbers_beside_floats_are_refused():
    # As floats, which they would be beside floats only, they would make other points.
    def at(*values):
        return grid(a=values).derive(c=lambda a: a if a == 1 else 0.5)

    assert repr([p["c"] for p in at(1)] + [p["c"] for p in at(2)]) == "[1, 0.5]"
    with pytest.raises(DeclarationError, match=r"'c': .* such as 1 and 0.5: .* float"):
        list(at(1, 2))


def test_the_function_gets_objects():
    space = grid(method={"root": math.sqrt, "double": lambda x: 2 * x}, x=[4.0])
    assert [p["y"] for p in space.derive(y=lambda method, x: method(x))] == [2.0, 8.0]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda a: 1 / a, ["raised ZeroDivisionError: division by zero", "at the point {'a': 0}"]),
        (lambda a: math.nan, ["is nan", "at the point {'a': 0}", "NaN", ".where()"]),
        (lambda a: np.float64(a) if a else np.nan, ["at the point {'a': 0}"]),
        (lambda a: [a], ["is [0]", "at the point {'a': 0}", "cannot identify a point"]),
        (lambda a: abs, ["built-in function abs", "labels: c={'label': object, ...}"]),
        (lambda a: "nul\0", ["at the point {'a': 0}", "NUL"]),
        (lambda a: 0.5 if a else 2**60 + 1, ["mixes floats with 1152921504606846977"]),
        (lambda a: None if a else "None", ["would both be labelled 'None'"]),
    ],
)
def test_what_cannot_be_a_value_is_refused_by_name(function, words):
    space = grid(a=[0, 1], b=[1]).derive(c=function)
    for look in (list, lambda s: s.point(0), lambda s: s.settled(), lambda s: s + s):
        with pytest.raises(DeclarationError) as caught:
            look(space)
        for word in ["derived parameter 'c'", *words]:
            assert word in str(caught.value)


def test_too_many_combinations_are_refused():
    space = grid(a=range(10**5), b=range(10**5)).derive(c=lambda a, b: a)
    with pytest.raises(DeclarationError, match="'c' looks at every combination of a, b, and"):
        space.point(0)
    with pytest.raises(DeclarationError, match=r"where\(\) looks at every point.*10,000,000,000"):
        len(space.where(lambda a: a))


def test_an_interrupt_goes_through():
    def stop(a):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(grid(a=[1]).derive(c=stop))


def test_an_error_is_no_answer_and_the_next_look_asks_again():
    answers = [1, SweepsError("told by itself")]

    def moody(a):
        answer = answers.pop()
        if isinstance(answer, Exception):
            raise answer
        return answer

    space = zipped("run", a=[1]).derive(c=moody)
    with pytest.raises(SweepsError, match="told by itself"):
        list(space)
    assert list(space) == [{"a": 1, "c": 1}]


PARAMETERS = ("x", "y")
LIMIT = 3


class Limit:
    def __init__(self, limit):
        self.limit = limit

    def __call__(self, x):
        return x < self.limit

    def method(self, y):
        return y < self.limit


class Untold:
    __signature__ = "none"

    def __call__(self, x):
        return x


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda x: x, ("x",)),
        (lambda y, x: x, ("y", "x")),
        (lambda *, x: x, ("x",)),
        (lambda x, limit=LIMIT: x < limit, ("x", "limit")),
        (lambda x, y=None: x, ("x", "y")),
        (lambda **parameters: parameters, ("x", "y")),
        (lambda x, **others: x, ("x", "y")),
        (lambda: True, ()),
        (Limit(3), ("x",)),
        (Limit(3).method, ("y",)),
    ],
)
def test_it_is_given_the_parameters_that_it_names(function, names):
    assert predicate(function, PARAMETERS).names == names


def test_it_is_given_those_that_the_point_has():
    keeps = predicate(lambda x, y=10: x < y, PARAMETERS)
    assert keeps.accepts({"x": 5})
    assert not keeps.accepts({"x": 5, "y": 1})
    assert predicate(lambda **p: p == {"y": 1}, PARAMETERS).accepts({"y": 1})


@pytest.mark.parametrize("answer", [0, 1, "", "a", None, np.True_, np.False_, [], [0]])
def test_every_answer_is_true_or_false_as_in_python(answer):
    accepts = predicate(lambda x: answer, PARAMETERS).accepts({"x": 1})
    assert accepts is bool(answer)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("x > 1", DeclarationError, "takes a function of parameters, not 'x > 1'"),
        (lambda xx: xx, UnknownNameError, "no parameter 'xx' in the space for .where()"),
        (Untold(), DeclarationError, "give a lambda with their names"),
    ],
)
def test_refused_when_it_is_made(function, error, message):
    with pytest.raises(error) as caught:
        predicate(function, PARAMETERS)
    assert message in str(caught.value)


def mistaken(x):
    raise SweepsError("told by itself")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: 1 / x, "raised ZeroDivisionError: division by zero, at the point {'x': 0}"),
        (lambda x: sys.exit(5), "raised SystemExit: 5, at the point {'x': 0}"),
        (lambda x: np.array([True, False]), "raised ValueError"),
        (lambda y: y, "missing 1 required positional argument: 'y', at the point {}"),
        (lambda x, /: x, "missing 1 required positional argument"),
        (mistaken, "told by itself"),
    ],
)
def test_refused_when_it_is_asked(function, message):
    with pytest.raises(SweepsError) as caught:
        predicate(function, PARAMETERS).accepts({"x": 0})
    assert message in str(caught.value)


def test_an_interrupt_is_no_answer():
    def stop(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predicate(stop, PARAMETERS).accepts({"x": 0})
