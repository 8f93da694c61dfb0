"""Laws of timing: whatever way a function is called, the same points are timed, and not kept."""

import collections
import os
from pathlib import Path

import numpy as np
import pytest

from sweeps import engines
from sweeps.execution import timing
from sweeps.memo import index as memo
from sweeps.project.sweep import resolve

WAYS = """
import contextlib, math, os, pathlib
from sweeps import experiment, grid, replicates, sample

def told(*points):
    with pathlib.Path("calls.txt").open("a") as file:
        file.write("".join(f"{os.getpid()} {point}\\n" for point in points))

@experiment(grid(x=range(5), y=[1, 2]))
def plain(x, y, offset=3):
    told((x, y, offset))
    return x * y

@experiment(grid(x=range(5), y=[1, 2]), vectorized=True)
def columns(x, y, offset=3):
    told(*((a, b, offset) for a, b in zip(x.tolist(), y.tolist())))
    return x * y

@experiment(grid(x=range(5), y=[1, 2]), concurrency=3)
async def coroutine(x, y, offset=3):
    told((x, y, offset))
    return x * y

@contextlib.contextmanager
def opened():
    told("open")
    yield 3
    told("closed")

@experiment(grid(x=range(5), y=[1, 2]), resources={"offset": opened})
def with_resource(x, y, offset):
    told((x, y, offset))
    return x * y

@experiment(grid(x=range(5)) * replicates(2))
def random(x, rng, offset=3):
    told((x, rng.random(), offset))
    return x

@experiment(grid(x=range(5), y={"sine": math.sin, "cosine": math.cos}))
def labelled(x, y, offset=3):
    told((x, y(1.0), offset))
    return y(x)

@experiment(sample.uniform(10, x=(0.0, 1.0), seed=1))
def sampled(x, offset=3):
    told((x, offset))
    return x

@experiment(grid(x=range(10)) * grid(y=[1]) + grid(x=range(10, 13)))
def gaps(x, y=0):
    told((x, y))
    return x + y

@experiment(grid(x=range(20)).where(lambda x: x % 2))
def odd(x):
    told(x)
    return x

@experiment(grid(x=range(3)))
def leaving(x):
    told(x)
    os.chdir("/" if x == 2 else ".")
    if x == 2 and os.fork():
        os.umask(0)
    return x

@experiment(grid(x=range(6)))
def raising(x):
    told(x)
    if x == 1:
        raise SystemExit(3)
    return 1 / (x - 2)
"""

WORKING = (
    "plain", "columns", "coroutine", "with_resource", "random", "labelled", "sampled", "gaps", "odd"
)  # fmt: skip


@pytest.fixture
def sweep(project):
    """Make the sweep of an experiment by its name."""
    (project / "experiments" / "ways.py").write_text(WAYS)
    yield resolve
    engines.get("loky").close()


def calls():
    """Take what points said: the processes that they were computed in, and which points."""
    said = [line.split(" ", 1) for line in Path("calls.txt").read_text().splitlines()]
    Path("calls.txt").unlink()
    points = collections.Counter(point for _, point in said)
    return {int(pid) for pid, _ in said}, points


def all_positions(made):
    space = made.experiment.space
    return space.positions(0, len(space))


def test_sequentially_is_in_this_process_and_by_workers_is_elsewhere(sweep, tmp_path):
    for name in WORKING:
        made = sweep(name)
        once = timing.sequential(made, all_positions(made))
        here, points = calls()
        folder = tmp_path / name
        folder.mkdir()
        tally = timing.computed(made, all_positions(made), 2, folder)
        there, same_points = calls()
        assert here == {os.getpid()}
        assert os.getpid() not in there
        n_points = len(made.experiment.space)
        opened = [said.pop("open", 0) for said in (points, same_points)]
        closed = [said.pop("closed", 0) for said in (points, same_points)]
        # All workers are ready before the first point, though one might do all of them.
        assert opened == closed == ([1, 2] if name == "with_resource" else [0, 0])
        assert points == same_points
        assert points.total() == n_points == tally.n_computed
        assert once.n_failed == tally.n_failed == 0
        assert once.seconds == once.busy_s > 0
        assert tally.seconds > 0
        assert tally.busy_s > 0
        assert not made.memo.exists() and not made.landed.exists()
        assert (memo.scan(folder).find(made.keys(all_positions(made))) >= 0).all()


def test_a_part_of_the_points_is_computed_if_that_is_asked(sweep):
    made = sweep("odd")
    timing.sequential(made, np.array([3, 11]))
    assert calls()[1] == {"3": 1, "11": 1}


def test_what_raises_is_counted_and_the_others_are_computed(sweep):
    made = sweep("raising")
    assert timing.sequential(made, all_positions(made)).n_failed == 2
    assert len(calls()[1]) == 6


def test_this_process_is_what_it_was(sweep, project):
    umask = os.umask(0o027)
    try:
        timing.sequential(sweep("leaving"), np.arange(3))
        assert Path.cwd() == project
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(umask)


@pytest.mark.parametrize("name", ["plain", "random", "labelled", "sampled"])
def test_what_a_loop_can_call_is_plain(sweep, name):
    assert timing.is_plain(sweep(name).experiment)


@pytest.mark.parametrize("name", ["columns", "coroutine", "with_resource"])
def test_what_it_cannot_call_is_not(sweep, name):
    assert not timing.is_plain(sweep(name).experiment)


def test_workers_are_started_for_each_timing(sweep, tmp_path):
    made, pids = sweep("plain"), []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        once = timing.parallel(made, all_positions(made), 1, tmp_path / name)
        assert once.start_s > 0
        pids.append(calls()[0])
    assert not pids[0] & pids[1]
