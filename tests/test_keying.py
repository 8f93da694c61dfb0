"""Laws of keys: what a point is, not where it is, says which key it has."""

import enum

import numpy as np
from hypothesis import given

from sweeps import experiment, grid, points
from sweeps.keying import key_maker
from tests.sizes import examples
from tests.strategies import first_of_each, spaces


def with_defaults(i=7, f=0.5, s="z", m=None, **derived):
    raise NotImplementedError


def with_all(**parameters):
    raise NotImplementedError


def maker(space, function=with_all):
    return key_maker(experiment(space, name="keyed")(function))


def keys(space, function=with_all):
    return maker(space, function)(space.positions(0, len(space)))


@given(spaces())
@examples(50)
def test_a_point_has_the_same_key_in_whatever_space_it_is_reached(made):
    space, expected = made
    for point, key in zip(expected, keys(space, with_defaults), strict=True):
        np.testing.assert_array_equal(keys(points([point]), with_defaults), [key])
        given_default = points([{"i": 7, **point}])
        np.testing.assert_array_equal(keys(given_default, with_defaults), [key])


@given(spaces())
def test_processes_that_get_no_function_make_the_same_keys(made):
    space, _ = made
    positions = space.positions(0, len(space))
    np.testing.assert_array_equal(maker(space).settled()(positions), keys(space))


@given(spaces(names=("i", "f", "s")))
def test_different_points_have_different_keys(made):
    space, expected = made
    assert len(np.unique(keys(space), axis=0)) == len(first_of_each(expected))


def test_a_derived_parameter_that_the_function_does_not_take_is_in_no_key():
    space = grid(a=[1, 2], b=[3])
    derived = space.derive(c=lambda a, b: a + b)
    np.testing.assert_array_equal(keys(derived, lambda a, b: 0), keys(space, lambda a, b: 0))
    assert (keys(derived) != keys(space)).any()


def test_a_derived_parameter_that_the_function_does_not_take_is_in_no_stream():
    space = grid(a=[1, 2]).derive(c=lambda a: a)
    made = (
        experiment(space, name="drawn", common_random_numbers=common)(lambda a, rng: 0)
        for common in ((), ("c",))
    )
    np.testing.assert_array_equal(*(key_maker(each).streams(np.arange(2)) for each in made))


def test_the_layout_tells_along_what_a_parameter_is_derived():
    square = grid(a=[1, 2], b=[1, 2])
    spaces = square.derive(c=lambda a: a), square.derive(c=lambda b: b), square
    for function in (with_all, lambda a, b: 0):
        assert len({maker(space, function).layout() for space in spaces}) == 3


class Solver(enum.Enum):
    EULER = 1
    RK4 = 2


def test_a_default_has_the_key_of_the_same_value_given():
    def solve(i=0, solver=Solver.RK4):
        raise NotImplementedError

    by_default = points([{"i": 1, "solver": Solver.EULER}, {"i": 2}])
    given_all = points([{"i": 1, "solver": Solver.EULER}, {"i": 2, "solver": Solver.RK4}])
    np.testing.assert_array_equal(keys(by_default, solve), keys(given_all, solve))
