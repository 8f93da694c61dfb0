"""Laws of planning: counts add up, and the points to compute are those that nobody knows."""

import math
import pickle
import types
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid, points, sample
from sweeps.errors import DeclarationError
from sweeps.execution import plan as execution_plan
from sweeps.execution import scheduler
from sweeps.spaces import keys, product
from sweeps.spaces.keys import KeyMaker, key_maker


def planned(space, function=lambda a=0, b=0, c=0: 0.0):
    return experiment(space, name="planned")(function)


def maker(space):
    return key_maker(planned(space))


def knows(make_keys, positions):
    """What a memo says that knows the points at some positions."""
    known = {tuple(key) for key in make_keys(np.array(sorted(positions), dtype=np.int64)).tolist()}
    return lambda keys: np.array([0 if tuple(k) in known else -1 for k in keys.tolist()], np.int64)


somewhere = st.frozensets(st.integers(0, 11))


@given(
    done=somewhere,
    failed=somewhere,
    stale=somewhere,
    retry=st.booleans(),
    step=st.integers(1, 20),
    by_position=st.booleans(),
)
def test_every_point_counts_once(done, failed, stale, retry, step, by_position):
    make_keys = maker(grid(a=range(3), b=range(4)))
    finders = [knows(make_keys, known) if known else None for known in (done, failed, stale)]
    is_done, fails = None, knows(make_keys, failed)

    def is_due(keys):
        return fails(keys) < 0

    if by_position:
        finders[0], is_done = None, np.isin(np.arange(12), list(done))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution_plan, "STEP", step)
        how = {"is_done": is_done, "is_due": None if retry else is_due}
        plan = execution_plan.partition(make_keys, *finders, **how)
        counted = execution_plan.partition(make_keys, *finders, **how, keep=False)
    assert plan.n_points == 12
    assert plan.n_reused == len(done)
    assert plan.n_failed == len(failed - done)
    assert plan.n_stale == len(stale - failed - done)
    assert plan.n_missing == 12 - len(done | failed | stale)
    assert plan.n_left == (0 if retry else plan.n_failed)
    todo = [position for piece in plan.todo for position in piece]
    assert todo == sorted(set(range(12)) - done - (set() if retry else failed))
    assert all(len(piece) <= step for piece in plan.todo)
    assert not counted.todo
    assert counted.n_stale == plan.n_stale


def test_excluded_places_are_no_points():
    plan = execution_plan.partition(
        maker(grid(a=range(3), b=range(3)).where(lambda a, b: a < b)), *[None] * 3
    )
    assert (plan.n_points, plan.n_excluded) == (3, 6)
    assert np.concatenate(plan.todo).tolist() == [1, 2, 5]


def test_nobody_is_asked_about_points_that_are_done():
    make_keys = maker(grid(a=range(3)))

    def never(keys):
        raise AssertionError

    assert (
        execution_plan.partition(make_keys, knows(make_keys, range(3)), never, never).n_reused == 3
    )


def test_a_point_keeps_its_key_in_every_space():
    one = maker(grid(a=[1, 2], b=[3]))(np.array([0, 1]))
    for space, order in [
        (points([{"b": 3, "a": 2}, {"b": 3, "a": 1}]), [1, 0]),
        (grid(b=[3], a=[1, 2]), [0, 1]),
        (grid(c=[0], a=[1, 2], b=[3]), [0, 1]),
    ]:
        np.testing.assert_array_equal(maker(space)(np.array([0, 1]))[order], one)
    assert (maker(grid(a=[1, 2], b=[4]))(np.array([0, 1])) != one).any(axis=1).all()


def test_a_block_holds_points_of_the_same_parameters():
    space = points([{"a": 1}, {"a": 2}, {"b": 1}, {"a": 3, "b": 2}, {"a": 4}])
    make_keys = maker(space)
    blocks = list(execution_plan.cut(make_keys, np.arange(5), 7, None))
    passed = [make_keys.space.arguments_at(block.at, "ab") for block in blocks]
    assert [sorted(own) for own in passed] == [["a"], ["b"], ["a", "b"], ["a"]]
    assert np.concatenate([block.at for block in blocks]).tolist() == list(range(5))
    assert [block.number for block in blocks] == [7, 8, 9, 10]


def test_a_block_says_how_often_its_points_failed():
    make_keys = maker(grid(a=[1, 2]))
    (tried,) = execution_plan.cut(make_keys, np.arange(2), 0, lambda keys: np.array([0, 0]))
    assert tried.attempts is None
    (tried,) = execution_plan.cut(make_keys, np.arange(2), 0, lambda keys: np.array([0, 3]))
    assert tried.attempts.tolist() == [0, 3]


@given(positions=st.sets(st.integers(0, 2**40), min_size=1))
def test_a_block_keeps_its_positions(positions):
    (block,) = execution_plan.cut(maker(grid()), np.array(sorted(positions)), 0, None)
    assert block.at.tolist() == sorted(positions)
    assert pickle.loads(pickle.dumps(block)).at.tolist() == sorted(positions)


def test_no_points_and_too_many_points_are_refused():
    with pytest.raises(DeclarationError, match=r"'planned' has no points: .where\(\) excludes all"):
        keys.check(planned(grid(a=[1]).where(lambda a: False)))
    with pytest.raises(DeclarationError, match="2,147,483,648 points are more than one results"):
        keys.check(planned(grid(a=range(2**16), b=range(2**15))))


def test_a_plan_of_many_points_that_nobody_knows_asks_for_no_key(monkeypatch):
    make_keys = maker(grid(a=range(2**14), b=range(2**14)))
    monkeypatch.setattr(KeyMaker, "__call__", None)
    assert execution_plan.partition(make_keys, None, None, None, keep=False).n_missing == 2**28


def test_equal_points_of_a_sample_are_computed_once():
    drawn = sample.uniform(50, a=range(3), b=["x", "y"], seed=1)
    plan = execution_plan.partition(maker(drawn), *[None] * 3)
    (todo,) = plan.todo
    assert (plan.n_points, plan.n_missing, len(todo)) == (50, 50, 6)
    computed = [tuple(point.values()) for point in drawn.parameters_at(todo)]
    assert len(set(computed)) == 6


def test_more_dimensions_than_hdf5_has_are_refused_before_a_point_is_computed():
    names = [f"p{i}" for i in range(33)]
    space = grid(**{name: [0] for name in names})
    made = experiment(space, name="wide")(lambda **parameters: 0.0)
    with pytest.raises(DeclarationError, match="33 dimensions, and HDF5 has room for 32"):
        keys.check(made)
    keys.check(planned(grid(a=[0, 1])))


@given(
    lengths=st.lists(st.integers(1, 3 * keys.MIN_PRODUCT), min_size=1, max_size=6),
    gaps=st.lists(st.integers(1, 5), min_size=6, max_size=6),
)
def test_points_in_a_row_come_in_blocks_of_their_own_where_they_are_many(lengths, gaps):
    starts = np.cumsum([0, *(a + b for a, b in zip(lengths, gaps, strict=False))])
    runs = [range(a, a + n) for a, n in zip(starts.tolist(), lengths, strict=False)]
    positions = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    blocks = list(execution_plan.cut(maker(grid()), positions, 0, None))
    assert np.concatenate([block.at for block in blocks]).tolist() == positions.tolist()
    is_long = len(positions) >= keys.MIN_PRODUCT * len(runs)
    assert [block.positions for block in blocks] == runs if is_long else len(blocks) == 1


@given(
    seconds=st.lists(st.tuples(st.floats(0, 9, width=32), st.integers(0, 9)), max_size=4),
    most=st.integers(1, 40),
)
def test_the_mean_time_of_known_points_is_right_where_those_of_a_part_took_the_same(seconds, most):
    parts = [np.full(n, each, np.float32) for each, n in seconds]
    every = np.concatenate([np.empty(0, np.float32), *parts])
    index = types.SimpleNamespace(
        parts=[Timed(own) for own in parts], starts=np.cumsum([0, *map(len, parts)])
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution_plan, "_MOST_TOLD", most)
        assert execution_plan.mean_s(index) == pytest.approx(every.sum() / max(1, len(every)))


class Timed(NamedTuple):
    elapsed: np.ndarray

    def __len__(self):
        return len(self.elapsed)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.data())
def test_blocks_of_a_grid_end_with_a_row_and_lose_little_by_it(sizes, data):
    space = grid(**{f"x{i}": range(size) for i, size in enumerate(sizes)})
    start = data.draw(st.integers(0, len(space) - 1))
    n = data.draw(st.integers(1, len(space) - start))
    stop = data.draw(st.integers(start + n, len(space)))
    take = execution_plan.in_whole_rows(space, scheduler.claim_all)
    taken, left, held = take(range(start, stop), n)
    assert [*taken, *left, *held] == [*range(start, stop)]
    assert n - n // execution_plan._ROWS <= len(taken) <= n
    rows = [math.prod(sizes[i:]) for i in range(1, len(sizes))]
    assert all(taken.stop % row == 0 for row in rows if execution_plan._ROWS * row <= n)
    scattered = np.array([5, 1, 9])
    assert [each.tolist() for each in take(scattered, 2)] == [[5, 1], [9], []]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.booleans()), max_size=5))
def test_places_behind_each_other_are_one_row_where_they_can(drawn):
    pieces = [range(a, a + n) if is_row else np.arange(a, a + n) for a, n, is_row in drawn]
    together = product.joined(pieces)
    assert list(together) == [each for piece in pieces for each in piece]
    assert product.joined([range(3, 5), range(0), range(5, 9)]) == range(3, 9)
    assert list(product.joined([range(3, 5), range(6, 9)])) == [3, 4, 6, 7, 8]
