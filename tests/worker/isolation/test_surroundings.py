"""Laws of what runs in one process share: the points of each are right, and the caller's state."""

import gc
import random
import threading

import numpy as np
import pytest

import sweeps
from sweeps.execution import leaks
from sweeps.worker.isolation.surroundings import Surroundings

AT_ONCE = """
import pathlib, random, threading, time
import numpy as np
import sweeps
from sweeps import experiment, grid

def meet(name, other):
    pathlib.Path(name).touch()
    deadline = time.monotonic() + 60
    while not pathlib.Path(other).exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)

@experiment(grid(x=range(200)))
def first(x):
    count(f"first {x}")
    if x == 180:  # points are looked after together by then
        meet("first-is-amid", "second-is-amid")
    return float(x)

@experiment(grid(x=range(200)))
def second(x):
    count(f"second {x}")
    if x == 0:
        meet("second-has-begun", "first-is-amid")
    if x == 20:
        meet("second-is-amid", "first-is-over")
    return float(x)

@experiment(grid(x=range(3)))
def drawing(x):
    return {"python": random.random(), "numpy": np.random.rand()}

@experiment(grid(y=range(5)))
def inner(y, x=0):
    return y + random.random()

@experiment(grid(x=range(3)))
def outer(x):
    data = sweeps.run(inner, engine=ENGINE, axes={"x": x}, recompute=True)
    return {"inner": float(data.inner.sum()), "drawn": random.random()}

def count(what):
    with open("calls", "a") as file:
        file.write(what + "\\n")
"""


@pytest.fixture
def at_once(project, monkeypatch):
    """Experiments whose runs are under way at the same time in threads of this process."""
    # Points that come again for other reasons than their surroundings would hide what is asked.
    monkeypatch.setattr(leaks, "warning", lambda *_: "")

    def write(engine="serial"):
        text = AT_ONCE.replace("ENGINE", repr(engine))
        (project / "experiments" / "at_once.py").write_text(text)
        sweeps.plan("first")
        return project

    return write


def test_points_that_draw_nothing_are_called_once_whatever_other_runs_do(at_once):
    project = at_once()
    warned = []

    def do(name, after):
        report = sweeps.work(name, engine="serial", shard="0/1")
        warned.extend(report.warnings)
        (project / after).touch()

    threads = [
        threading.Thread(target=do, args=("first", "first-is-over")),
        threading.Thread(target=do, args=("second", "second-is-over")),
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    called = (project / "calls").read_text().splitlines()
    assert len(called) == len(set(called)) == 400
    assert warned == []


@pytest.mark.parametrize("engine", ["serial", "threads"])
def test_a_point_that_makes_a_run_still_draws_what_follows_from_its_key(at_once, engine):
    at_once(engine)
    one = sweeps.run("outer", engine="serial").load()
    assert len(set(one.drawn.values)) == 3
    again = sweeps.run("outer", engine="serial", recompute=True, axes={"x": [2, 1, 0]}).load()
    np.testing.assert_array_equal(again.sel(x=[0, 1, 2]).drawn, one.drawn)


@pytest.mark.parametrize("is_nested", [False, True])
def test_the_caller_draws_on_as_if_no_block_had_been(is_nested):
    one, other = Surroundings(is_worker=False), None
    state, of_numpy = random.getstate(), np.random.get_state()
    with one.held():
        one.seed((1, 2))
        if is_nested:
            other = Surroundings(is_worker=False)
            with other.held():
                assert not other.is_shared
                other.seed((3, 4))
            assert not one.is_shared
    assert random.getstate() == state
    np.testing.assert_equal(np.random.get_state(), of_numpy)


@pytest.mark.parametrize("first_out", [0, 1])
def test_the_caller_draws_on_as_if_blocks_of_two_runs_had_not_been(first_out):
    runs = [Surroundings(is_worker=False), Surroundings(is_worker=False)]
    state, of_numpy = random.getstate(), np.random.get_state()
    runs[0]._begin_block()
    runs[0].seed((1, 2))
    runs[1]._begin_block()
    runs[1].seed((3, 4))
    assert [each.is_shared for each in runs] == [True, True]
    assert not any(each.has_drawn() for each in runs)
    for number in (first_out, 1 - first_out):
        runs[number]._end_block()
    assert random.getstate() == state
    np.testing.assert_equal(np.random.get_state(), of_numpy)


def test_drawing_amid_runs_at_once_is_told_not_hidden():
    runs = [Surroundings(is_worker=False), Surroundings(is_worker=False)]
    with runs[0].held():
        runs[1]._begin_block()
        random.random()
        assert not runs[0].has_drawn()
        assert runs[0].shared == {"random numbers"}
        runs[1]._end_block()
    with runs[0].held():
        assert not runs[0].is_shared


def test_code_that_another_run_reads_is_no_change_by_points():
    runs = [Surroundings(is_worker=False), Surroundings(is_worker=False)]
    with runs[0].held():
        runs[1]._begin_block()
        gc.disable()
        try:
            assert not runs[0].restore()
        finally:
            gc.enable()
        assert runs[0].shared == set()
        runs[1]._end_block()
