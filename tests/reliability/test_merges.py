"""Laws of merges at the end of runs: few files are left, and neither runs nor readers notice."""

import collections
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import sweeps
from sweeps.execution import scheduler
from sweeps.memo import merge
from sweeps.operations import show
from sweeps.project.sweep import resolve
from sweeps.viewer.watched import Subject, Watched

EXPERIMENT = """
import os, time
from sweeps import experiment, grid

@experiment(grid(x=range(60)))
def short(x):
    time.sleep(0.002)
    calls = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(calls, f"{x}\\n".encode())
    os.close(calls)
    return x * 2.0
"""

RUNS = """
import sys
import sweeps
from sweeps.execution import scheduler
from sweeps.memo import merge

scheduler.BLOCK_S, merge.N_SMALL = 0.0, 4  # a segment for each point
for n in map(int, sys.argv[1:]):
    sweeps.run("short", axes={"x": range(n)}, engine="serial", quiet=True)
"""


@pytest.fixture
def short(project):
    (project / "experiments" / "short.py").write_text(EXPERIMENT)


def start(*sizes):
    return subprocess.Popen([sys.executable, "-c", RUNS, *map(str, sizes)])


def segments():
    return list(Path("results").rglob("*.seg"))


def check(n):
    calls = collections.Counter(Path("calls").read_text().split())
    assert calls == collections.Counter(map(str, range(n))), "lost, or computed twice"
    np.testing.assert_array_equal(sweeps.load("short").short.values, 2.0 * np.arange(n))


@pytest.fixture
def _blocks_of_a_point(monkeypatch):
    monkeypatch.setattr(scheduler, "BLOCK_S", 0.0)
    monkeypatch.setattr(scheduler, "_FIRST_BLOCK", 1)


@pytest.mark.usefixtures("_blocks_of_a_point")
@pytest.mark.parametrize("engine", ["serial", "threads"])
def test_a_run_alone_leaves_few_files(short, engine):
    sweeps.run("short", engine=engine, limit=merge.N_SMALL - 1)
    assert len(segments()) == merge.N_SMALL - 1, "each point is in a file of its own"
    sweeps.run("short", engine=engine)
    assert len(segments()) == 1
    check(60)


@pytest.mark.usefixtures("_blocks_of_a_point")
def test_after_shards_a_landing_leaves_few_files(short):
    for k in range(2):
        sweeps.work("short", engine="serial", shard=f"{k}/2")
    assert len(segments()) == 60
    sweeps.land("short")
    assert len(segments()) == 1
    check(60)


def test_runs_that_share_lose_nothing_and_compute_nothing_twice(short):
    """Those that end merge while others begin, and go on; the last one leaves few files."""
    runs = [start(*range(step, 120, step), 120) for step in (20, 30)]
    assert [each.wait(240) for each in runs] == [0, 0]
    sweeps.run("short", axes={"x": range(121)}, engine="serial")
    assert len(segments()) < merge.N_SMALL
    check(121)


def test_who_reads_at_the_same_time_never_fails(short):
    sweeps.run("short", axes={"x": [0]}, engine="serial")
    landed = resolve("short").landed
    seen = Watched(Subject("short", landed, resolve=lambda: resolve("short")))
    run, known = start(*range(10, 80, 10)), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that points are missing
        while run.poll() is None:
            known.append(int(sweeps.load("short").short.notnull().sum()))
            assert sweeps.status("short").missing <= 60 - min(known[-1], 60)
            show.view(landed)
            assert not seen.look_anew().problem
            time.sleep(0.01)
    seen.close()
    assert run.returncode == 0
    assert known == sorted(known)
    check(70)
