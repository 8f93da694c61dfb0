"""SIGKILL at any instant: nothing committed is lost, little is computed twice, nobody stays."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sweeps
from sweeps.execution import scheduler
from tests.reliability.processes import guards, left, marked, workers
from tests.sizes import KEEPS, source

POINT_S = 0.004
N_WORKERS = 2
COUNTED = f"""
import os, time
from sweeps import experiment, grid

calls = os.open("calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

@experiment(grid(i=range(N_POINTS)), keep="KEEP")
def counted(i):
    begun = time.perf_counter()
    time.sleep({POINT_S})
    os.write(calls, f"{{i}} {{time.perf_counter() - begun}}\\n".encode())
    return i ** 0.5
"""


def kill(run, mark, whom):
    """Kill the parent, the whole group, a worker or its guard; say whether there was anyone."""
    if run.poll() is not None:
        return False
    below = {"worker": workers, "guard": guards}
    targets = (
        below[whom](mark)[:1] if whom in below else [{"parent": 1, "group": -1}[whom] * run.pid]
    )
    for pid in targets:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
    return bool(targets)


def n_bytes(path):
    return path.stat().st_size if path.exists() else 0


def wait_for_points(run):
    """Wait until a run computes."""
    n_before = n_bytes(Path("calls"))
    while n_bytes(Path("calls")) == n_before and run.poll() is None:
        time.sleep(0.02)


def work_s(calls):
    return sum(float(line.split()[1]) for line in calls if line.endswith("\n"))


@pytest.mark.parametrize(
    ("n_kills", "n"),
    [(2, 120), pytest.param(100, 1000, marks=pytest.mark.campaign)],
    ids=["short", "campaign"],
)
@pytest.mark.parametrize("keep", KEEPS)
def test_what_was_committed_is_never_lost(project, keep, n_kills, n):
    text = COUNTED.replace("N_POINTS", f"{n}")
    (project / "experiments" / "counted.py").write_text(source(text, keep))
    command = [sys.executable, "-m", "sweeps", "run", "counted", f"-j{N_WORKERS}"]
    whole = sweeps.run("counted", results="whole", engine="serial")
    Path("calls").unlink()

    killed, lost, slowest_s, n_points, again_s, n_finished = 0, 0, 0.0, 0, 0.0, 0
    results = 0
    while killed < n_kills:
        whom = ("parent", "guard", "group", "worker")[killed % 4]
        mark, env = marked()
        place = f"--results=r{results}"
        run = subprocess.Popen(
            [*command, place],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=env,
        )
        if whom in ("worker", "guard"):
            wait_for_points(run)
        time.sleep(random.uniform(0.1, n * POINT_S / N_WORKERS))
        done = sweeps.status("counted", results=f"r{results}").done
        if not kill(run, mark, whom):
            run.wait()
        else:
            killed += 1
            if whom in ("parent", "group"):
                run.wait()
        begun = time.monotonic()
        if whom in ("parent", "group"):
            while left(mark):
                assert time.monotonic() - begun < 10, left(mark)
                time.sleep(0.02)
            slowest_s = max(slowest_s, time.monotonic() - begun)
        elif run.wait(timeout=60) != 0:
            raise AssertionError("a run whose worker was killed did not go on")
        kept = sweeps.status("counted", results=f"r{results}").done
        lost += max(0, done - kept)
        if kept == n:
            made = sweeps.run("counted", results=f"r{results}", engine="serial")
            assert made.counted.identical(whole.counted)
            calls = Path("calls").read_text().splitlines(keepends=True)
            again_s += work_s(calls) - work_s(calls) * n / len(calls)
            n_points += len(calls)
            n_finished += 1
            Path("calls").unlink()
            results += 1
        each_s = again_s / max(killed, 1)
        said = (
            f"{killed} kills: {lost} committed points lost, {n_finished} files identical to "
            f"that of an uninterrupted run; {each_s:.2f} s of work done again "
            f"for each kill; all gone {slowest_s:.2f} s later"
        )
        if killed % 10 == 0:  # a campaign that is broken off has said something
            print(f"\n{said}", end="", flush=True)
        assert lost == 0
    assert each_s <= N_WORKERS * scheduler.BLOCK_S + 1
    print(f"\n{said}")
