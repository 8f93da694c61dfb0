"""Laws of planning: counts add up, and the points to compute are those that nobody knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps import experiment, grid, planning, points
from sweeps.errors import DeclarationError
from tests.strategies import first_of_each, spaces


def maker(space, function=lambda a=0, b=0, c=0: 0.0):
    return planning.key_maker(experiment(space, name="planned")(function))


def knows(make_keys, positions):
    """What a memo says that knows the points at some positions."""
    known = {tuple(key) for key in make_keys(np.array(sorted(positions), dtype=np.int64)).tolist()}
    return lambda keys: np.array([0 if tuple(k) in known else -1 for k in keys.tolist()], np.int64)


somewhere = st.frozensets(st.integers(0, 11))


@given(
    done=somewhere, failed=somewhere, stale=somewhere, retry=st.booleans(), step=st.integers(1, 20)
)
def test_every_point_counts_once(done, failed, stale, retry, step):
    make_keys = maker(grid(a=range(3), b=range(4)))
    finders = [knows(make_keys, known) if known else None for known in (done, failed, stale)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "STEP", step)
        plan = planning.plan(make_keys, *finders, retry=retry)
        counted = planning.plan(make_keys, *finders, retry=retry, keep=False)
    assert plan.n_points == 12
    assert plan.n_reused == len(done)
    assert plan.n_failed == len(failed - done)
    assert plan.n_stale == len(stale - failed - done)
    assert plan.n_missing == 12 - len(done | failed | stale)
    todo = [position for piece in plan.todo for position in piece.tolist()]
    assert todo == sorted(set(range(12)) - done - (set() if retry else failed))
    assert all(len(piece) <= step for piece in plan.todo)
    assert not counted.todo
    assert counted.n_stale == plan.n_stale


def test_excluded_places_are_no_points():
    plan = planning.plan(maker(grid(a=range(3), b=range(3)).where(lambda a, b: a < b)), *[None] * 3)
    assert (plan.n_points, plan.n_excluded) == (3, 6)
    assert np.concatenate(plan.todo).tolist() == [1, 2, 5]


def test_nobody_is_asked_about_points_that_are_done():
    make_keys = maker(grid(a=range(3)))

    def never(keys):
        raise AssertionError

    assert planning.plan(make_keys, knows(make_keys, range(3)), never, never).n_reused == 3


def test_a_point_keeps_its_key_in_every_space():
    one = maker(grid(a=[1, 2], b=[3]))(np.array([0, 1]))
    for space, order in [
        (points([{"b": 3, "a": 2}, {"b": 3, "a": 1}]), [1, 0]),
        (grid(b=[3], a=[1, 2]), [0, 1]),
        (grid(c=[0], a=[1, 2], b=[3]), [0, 1]),
    ]:
        np.testing.assert_array_equal(maker(space)(np.array([0, 1]))[order], one)
    assert (maker(grid(a=[1, 2], b=[4]))(np.array([0, 1])) != one).any(axis=1).all()


@given(spaces())
@settings(max_examples=50)
def test_a_point_has_the_same_key_in_whatever_space_it_is_reached(made):
    space, expected = made

    def function(i=7, f=0.5, s="z", m=None, **derived):
        raise NotImplementedError

    own = maker(space, function)(space.positions(0, len(space)))
    for point, key in zip(expected, own, strict=True):
        for other in (points([point]), points([{**point, "i": point.get("i", 7)}]) * grid()):
            np.testing.assert_array_equal(maker(other, function)(np.array([0])), [key])
    settled = maker(space.settled(), function)(space.positions(0, len(space)))
    np.testing.assert_array_equal(settled, own)


@given(spaces(names=("i", "f", "s")))
@settings(max_examples=25)
def test_different_points_have_different_keys(made):
    space, expected = made
    own = maker(space, lambda **parameters: None)(space.positions(0, len(space)))
    assert len(np.unique(own, axis=0)) == len(first_of_each(expected))


def test_the_layout_tells_along_what_a_parameter_is_derived():
    square = grid(a=[1, 2], b=[1, 2])
    layouts = [
        maker(space, lambda a, b, c=0: 0.0).layout()
        for space in (square.derive(c=lambda a: a), square.derive(c=lambda b: b), square)
    ]
    assert len(set(layouts)) == 3


def test_a_block_holds_points_of_the_same_parameters():
    space = points([{"a": 1}, {"a": 2}, {"b": 1}, {"a": 3, "b": 2}, {"a": 4}])
    make_keys = maker(space)
    positions = np.arange(5)
    parts = list(planning.alike(space.codes(positions)))
    blocks = [
        planning.cut(make_keys, positions[part], 0, lambda keys: np.zeros(len(keys), int))
        for part in parts
    ]
    assert [sorted(block.columns) for block in blocks] == [["a"], ["b"], ["a", "b"], ["a"]]
    assert sum(map(len, blocks)) == 5
    np.testing.assert_array_equal(np.concatenate([b.keys for b in blocks]), make_keys(positions))


def test_a_block_says_how_often_its_points_failed():
    make_keys = maker(grid(a=[1, 2]))
    assert planning.cut(make_keys, np.arange(2), 0, lambda keys: np.array([0, 0])).attempts is None
    tried = planning.cut(make_keys, np.arange(2), 0, lambda keys: np.array([0, 3])).attempts
    assert tried.tolist() == [0, 3]


def test_no_points_and_too_many_points_are_refused():
    with pytest.raises(DeclarationError, match=r"'planned' has no points: .where\(\) excludes all"):
        planning.plan(maker(grid(a=[1]).where(lambda a: False)), *[None] * 3)
    with pytest.raises(DeclarationError, match="1,073,741,824 points are more than one results"):
        planning.plan(maker(grid(a=range(2**15), b=range(2**15))), *[None] * 3)


def test_a_plan_of_many_points_that_nobody_knows_asks_for_no_key(monkeypatch):
    make_keys = maker(grid(a=range(2**14), b=range(2**14)))
    monkeypatch.setattr(planning.KeyMaker, "__call__", None)
    assert planning.plan(make_keys, None, None, None, keep=False).n_missing == 2**28
