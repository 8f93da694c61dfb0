"""What a predicate is given, and what it may answer."""

import sys

import numpy as np
import pytest

from sweeps.errors import DeclarationError, SweepsError, UnknownNameError
from sweeps.predicate import predicate

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
