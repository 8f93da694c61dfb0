"""Laws of calling: whatever the chunks, every point that was begun has its value or its failure."""

import functools
import time
import traceback

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeps import grid
from sweeps.outputs import failures
from sweeps.signals import Interrupted
from sweeps.spaces import grid as grid_rows
from sweeps.worker import call as worker_call
from sweeps.worker import call_columns, in_runs, scratch


def limits(block_s=60.0, timeout=None, dims=()):
    return worker_call.Limits(block_s, timeout, "y", dict(dims), frozenset({"x"}))


def call(function, n, given=(), recorder=None, **how):
    columns = {"x": np.arange(float(n))}
    recorder = recorder or scratch.Recorder(None)
    return call_columns.call_columns(function, dict(given), columns, n, recorder, limits(**how))


def values(called):
    """Value of each point that has one."""
    found = {}
    for at, (variable,) in called.pieces:
        points = range(len(called.elapsed))[at]
        found |= dict(zip(points, variable.values.tolist(), strict=True))
    return found


@given(n=st.integers(1, 5000), bad=st.sets(st.integers(0, 5000), max_size=5))
def test_a_vectorized_function_that_raises_costs_only_the_points_it_raises_at(n, bad):
    def square(x):
        if bad & set(x.tolist()):
            raise ValueError("bad")
        return x**2

    called = call(square, n)
    failed = {i for i in bad if i < n}
    assert {i for i, _ in called.failures} == failed
    assert values(called) == {i: i**2 for i in range(n) if i not in failed}
    assert {why[:3] for _, why in called.failures} <= {("exception", "ValueError", "bad")}
    assert len(called.elapsed) == n


def test_columns_are_given_whole_and_in_order():
    seen = []
    called = call(lambda x, g: seen.append(x.copy()) or x * g, 100_000, given={"g": 2.0})
    assert np.concatenate(seen).tolist() == list(range(100_000))
    assert max(map(len, seen)) > 10_000
    assert values(called)[99_999] == 2.0 * 99_999


def test_a_value_that_no_file_can_hold_costs_its_own_point_only():
    called = call(lambda x: np.array([None if each == 50 else each for each in x.tolist()]), 1000)
    ((i, why),) = called.failures
    assert (i, why[:2]) == (50, ("output", "OutputError"))
    assert values(called) == {i: i for i in range(1000) if i != 50}


def test_columns_of_a_wrong_length_are_not_trusted_where_they_happen_to_be_right():
    called = call(lambda x: x[:1], 1000)
    assert len(called.failures) == 1000


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda x: x[:-1], "output 'y' has {less} values for {n} points"),
        (lambda x: 1.0, "output 'y' is a single value for {n} points"),
        (lambda x: {"z": x, "w": np.zeros(1 + len(x))}, "output 'w' has {more} values for {n}"),
        (lambda x: None, "None"),
        (lambda x: {"x": x}, "'x' has the name of a parameter"),
    ],
)  # fmt: skip
def test_what_is_no_column_of_the_points_is_refused_with_both_lengths(returned, said):
    called = call(returned, 10)
    assert [i for i, _ in called.failures] == list(range(10))
    kinds = {why[:2] for _, why in called.failures}
    assert kinds == {("output", "OutputError")}
    assert said.format(n=10, less=9, more=11) in called.failures[0][1][2]
    assert not called.pieces


def test_points_may_have_arrays():
    called = call(lambda x: {"y": np.outer(x, [1, 2, 3])}, 50, dims={"y": ("component",)})
    (at, (variable,)), *_ = called.pieces
    assert variable.dims == ("component",)
    assert variable.values.shape == (len(range(50)[at]), 3)


def test_a_reused_array_is_kept_as_it_was_returned():
    buffer = np.zeros(100)

    def fill(x):
        buffer[: len(x)] = x
        return buffer[: len(x)]

    assert values(call(fill, 100)) == {i: i for i in range(100)}


def test_a_function_that_writes_to_its_columns_and_raises_gets_them_again_as_they_were():
    def double(x):
        x *= 2
        if (x == 100).any():
            raise ValueError("bad")
        return x

    assert values(call(double, 1000)) == {i: 2 * i for i in range(1000) if i != 50}


def test_a_block_ends_when_its_time_is_over_and_begins_always():
    called = call(lambda x: time.sleep(0.001 * len(x)) or x, 10_000, block_s=0.05)
    assert 16 <= len(called.elapsed) <= 500
    assert called.busy_s >= 0.001 * len(called.elapsed)
    assert len(call(lambda x: x, 10_000, block_s=0.0).elapsed) == 16


def test_a_block_ends_when_it_holds_much(monkeypatch):
    monkeypatch.setattr(call_columns, "BLOCK_BYTES", 10_000)
    assert len(call(lambda x: np.zeros((len(x), 100)), 10_000).elapsed) == 16


def test_the_record_says_which_points_are_computed():
    recorder = scratch.Recorder(None)
    seen = []
    call(lambda x: seen.append((*recorder.at, x[0], len(x))) or x, 1000, recorder=recorder)
    assert all((first, n) == (begin, size) for first, n, begin, size in seen)


def test_the_second_interrupt_is_no_failure():
    def interrupted(x):
        raise Interrupted

    with pytest.raises(Interrupted):
        call(interrupted, 10)


def deep(n):
    return other(n) if n else None


def other(n):  # by turns, since Python says of one function how often it is repeated
    return deep(n)


@pytest.mark.parametrize(
    "error", [ValueError("x" * 10**7), ValueError(*["long"] * 10**5), RecursionError]
)
def test_what_is_said_of_a_failure_has_an_end(error):
    def fail(x):
        if error is RecursionError:
            deep(-1)
        raise error

    ((_, (kind, _, message, said)),) = call(fail, 1).failures
    assert kind == "exception"
    assert len(message) < 5_000
    assert len(said) < 25_000
    assert "characters left out" in said
    assert "in fail" in said
    assert said.endswith("\n")


class Loud(ValueError):
    def __str__(self):
        return "two\nlines"


def raise_chained(error):
    try:
        {}["first"]
    except KeyError:
        raise_it(error)


ERRORS = {
    "plain": lambda: int("x"),
    "nested": lambda: deep_key(3),
    "of several lines": lambda: raise_it(Loud()),
    "with notes": lambda: raise_it(noted("a note")),
    "chained": lambda: raise_chained(ValueError("second")),
    "a name that is like another": lambda: np.arang(3),
    "a group": lambda: raise_it(ExceptionGroup("many", [ValueError("one"), KeyError("two")])),
    "syntax": lambda: compile("1 +", "<x>", "eval"),
    "an exit": lambda: raise_it(SystemExit(3)),
}


def noted(note):
    error = ValueError("with a note")
    error.add_note(note)
    return error


def raise_it(error):
    raise error


def deep_key(n):
    return deep_key(n - 1) if n else {}["key"]


@pytest.mark.parametrize("fail", ERRORS.values(), ids=ERRORS)
def test_a_traceback_is_pythons_own(fail):
    for _ in range(2):  # the second time the frames are known
        try:
            fail()
        except BaseException as error:
            said = failures.raised(error)
            frames = error.__traceback__.tb_next
            assert said[3] == "".join(traceback.format_exception(type(error), error, frames))


def scale_shift(x, y, *, z=0.0):
    return 100 * x + 10 * y + z


def by_name(**given):
    return scale_shift(**given)


@functools.wraps(scale_shift)
def wrapped(*args, **kwargs):
    return by_name(*args, **kwargs)


FORMS = {
    "plain": scale_shift,
    "other order": lambda y, x, z: scale_shift(x, y, z=z),
    "constant first": lambda z, x, y: scale_shift(x, y, z=z),
    "constant between": lambda x, z, y: scale_shift(x, y, z=z),
    "by name": by_name,
    "only by name": lambda *, x, y, z: scale_shift(x, y, z=z),
    "one only by name": lambda x, *, y, z: scale_shift(x, y, z=z),
    "rest by name": lambda x, **rest: scale_shift(x, **rest),
    "default before": lambda x, w=7.0, y=0.0, z=0.0: scale_shift(x, y, z=z),
    "says another's arguments": wrapped,
    "partial": functools.partial(lambda w, x, y, z: scale_shift(x, y, z=z), 5),
    "object": type("Object", (), {"__call__": lambda self, y, x, z: scale_shift(x, y, z=z)})(),
    "method": type("Object", (), {"f": lambda self, y, x, z: scale_shift(x, y, z=z)})().f,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("names", ["xy", "yx", "x"])
def test_every_form_of_function_gets_each_argument_by_its_name(form, names):
    columns = {name: np.arange(4.0) + "xy".index(name) for name in names}
    given = {"z": 0.5, **({} if "y" in names else {"y": 3.0})}
    recorder = scratch.Recorder(None)
    called = worker_call.call_each(FORMS[form], given, columns, 4, recorder, limits())
    y = columns.get("y", np.full(4, 3.0))
    assert not called.failures
    assert called.returned == (100 * columns["x"] + 10 * y + 0.5).tolist()
    assert len(called.elapsed) == 4


def test_a_function_without_columns_is_called_for_each_point():
    recorder = scratch.Recorder(None)
    called = worker_call.call_each(lambda z: z, {"z": 2}, {}, 3, recorder, limits())
    assert called.returned == [2, 2, 2]


# ---- cheap points, which are called in runs

MANY = 20_000


def each(function, n=MANY, recorder=None, columns=None, **how):
    columns = {"x": np.arange(n)} if columns is None else columns
    recorder = recorder or scratch.Recorder(None)
    return worker_call.call_each(function, {}, columns, n, recorder, limits(**how))


@pytest.fixture
def runs(monkeypatch):
    """Have points called in runs from early on, however slow the machine is; list their lengths."""
    monkeypatch.setattr(worker_call._Cheap, "is_proven", lambda self, n_points, now: True)
    monkeypatch.setattr(worker_call, "NOTICEABLE_S", 1e-5)
    seen, call_runs = [], in_runs.call

    def noting(due, done, *others):
        before = done.n_points
        found = call_runs(due, done, *others)
        seen.append((before, done.n_points))
        return found

    monkeypatch.setattr(in_runs, "call", noting)
    return seen


def in_a_run(seen, i):
    return any(start <= i < stop for start, stop in seen)


@given(
    bad=st.sets(st.integers(0, MANY - 1), max_size=6),
    error=st.sampled_from([ValueError, StopIteration, SystemExit, KeyboardInterrupt]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_point_that_raises_in_a_run_fails_alone(runs, bad, error):
    def fail(x):
        if x in bad:
            raise error("bad")
        return x

    runs.clear()
    called = each(fail)
    assert runs
    assert sorted(i for i, _ in called.failures) == sorted(bad)
    assert {why[1] for _, why in called.failures} <= {error.__name__}
    assert called.returned == [i for i in range(MANY) if i not in bad]
    assert len(called.elapsed) == MANY


def test_a_point_of_a_run_is_known_while_it_is_under_way(runs):
    recorder = scratch.Recorder(None)
    recorder.begin(5)
    at = MANY - 7
    seen = []
    each(lambda x: seen.append(recorder.under_way()) if x == at else None, recorder=recorder)
    each(lambda x: float(seen.append(recorder.under_way()) is None or x), recorder=recorder)
    assert seen[0] == (5, at, 1)
    assert [point for _, point, _ in seen[1:]] == list(range(MANY))
    assert in_a_run(runs, at)


def test_the_record_tells_others_of_all_points_of_a_run(runs):
    recorder = scratch.Recorder(None)
    seen = {}
    each(lambda x: seen.setdefault(x, tuple(recorder.at)) and 1.0, recorder=recorder)
    assert all(first <= x < first + n for x, (first, n) in seen.items())
    assert max(n for _, n in seen.values()) == in_runs.LENGTH
    assert recorder.at[1] == 1


def test_values_that_can_change_are_kept_as_they_were_though_they_came_in_a_run(runs):
    shared = [0.0]

    def late(x):
        shared[0] = x + 0.5
        return shared if x > MANY // 2 else 0.25

    returned = each(late).returned
    assert runs
    assert returned == [0.25 if x <= MANY // 2 else [x + 0.5] for x in range(MANY)]


def test_a_run_ends_with_the_time_of_the_block(runs):
    def slow(x):
        return time.sleep(0.002) or 1.0 if x > 2000 else 1.0

    called = each(slow, block_s=0.1)
    assert 2000 < len(called.elapsed) < 2000 + 2 * in_runs.LENGTH + 100
    assert len(called.returned) == len(called.elapsed)


def test_a_long_point_after_cheap_ones_keeps_its_own_time():
    def uneven(x):
        return time.sleep(0.02) or 1.0 if x == 100 else 1.0

    elapsed = each(uneven).elapsed
    assert elapsed[100] > 0.01
    assert np.isclose(elapsed.sum(), each(uneven).busy_s, rtol=0.9)


def test_times_of_cheap_points_add_up_to_that_of_all(runs):
    called = each(lambda x: x * 0.5)
    assert np.isclose(called.elapsed.sum(dtype=float), called.busy_s, rtol=1e-3)
    assert (called.elapsed >= 0).all()


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_points_of_a_grid_get_the_same_in_runs_of_rows(runs, names):
    space = grid(a=range(150), b=[0.5, 1.5, *range(2, 100)])
    start, stop = 77, len(space) - 5
    columns = grid_rows.columns(space, range(start, stop), ["a", "b"])
    function = {("a", "b"): lambda a, b: f"{a} {b!r}", ("b", "a"): lambda b, a: f"{a} {b!r}"}[names]
    called = each(function, stop - start, columns=columns)
    points = space.parameters_at(np.arange(start, stop))
    assert called.returned == [f"{each['a']} {each['b']!r}" for each in points]
