"""Laws of runs at the same time: their union is right, whoever is killed; none works in vain."""

import collections
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import sweeps
from tests.sizes import KEEPS, source

SLOW = """
import os, time
from sweeps import experiment, grid

@experiment(grid(x=range(20), y=range(20)), keep="KEEP")
def slow(x, y):
    time.sleep(POINT_S)
    calls = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(calls, f"{VERSION} {x} {y}\\n".encode())
    os.close(calls)
    return x * 100.0 + y + VERSION / 2
"""
POINT_S = 0.004
BLOCK_S = 0.5
N_WORKERS = 1  # of each run


def write(folder, version, keep):
    folder.mkdir(exist_ok=True)
    text = SLOW.replace("VERSION", str(version)).replace("POINT_S", str(POINT_S))
    (folder / "slow.py").write_text(source(text, keep))


@pytest.fixture(params=KEEPS)
def versions(project, request):
    """Two versions of an experiment in two folders, whose results go to one."""
    for version in (0, 1):
        write(project / f"version{version}", version, request.param)
    return project


def start(version, *axes):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "sweeps", "run", "slow", *axes),
            *(f"--experiments=version{version}", f"-j{N_WORKERS}"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def calls():
    """How often each point of each version was computed."""
    path = Path("calls")
    lines = path.read_text().splitlines() if path.exists() else []
    return collections.Counter(tuple(map(int, line.split())) for line in lines)


def finish(version, *axes):
    done = start(version, *axes)
    out, err = done.communicate(timeout=240)
    assert done.returncode == 0, err
    return out


def check(version):
    """Land all that any run has computed of a version, and compare it."""
    axes, folder = {"x": range(-5, 25), "y": range(20)}, f"version{version}"
    data = sweeps.run("slow", axes=axes, experiments=folder, engine="threads", n_workers=8).slow
    x, y = np.meshgrid(data.x.values, data.y.values, indexing="ij")
    np.testing.assert_array_equal(data.values, x * 100.0 + y + version / 2)


def some_axes(chance):
    first = chance.randrange(-5, 10)
    end = first + chance.randrange(5, 15)
    return f"x=range({first}, {end})", f"y=range(0, {chance.randrange(5, 20)})"


def round_of_runs(chance, n_runs, n_killed):
    """Start runs of different spaces and versions together; kill some at random instants."""
    runs = [(chance.randrange(2), some_axes(chance)) for _ in range(n_runs)]
    started = [start(version, *axes) for version, axes in runs]
    deadline = time.monotonic() + 240
    n_before = calls().total()
    for victim in chance.sample(started, n_killed):
        is_early = chance.random() < 0.2  # some are killed while they start
        while not is_early and calls().total() == n_before and victim.poll() is None:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 0.7))
        victim.send_signal(signal.SIGKILL)
    ends = [each.communicate(timeout=max(1, deadline - time.monotonic())) for each in started]
    codes = collections.Counter(process.returncode for process in started)
    assert codes.keys() <= {0, -signal.SIGKILL}, [err[-300:] for _, err in ends]
    assert codes[0] >= n_runs - n_killed


def n_duplicates():
    counted = calls()
    return counted.total() - len(counted)


@pytest.mark.parametrize("n_killed", [pytest.param(0, marks=pytest.mark.campaign), 1])
def test_runs_of_different_spaces_and_versions_share_the_work(versions, n_killed):
    round_of_runs(random.Random(n_killed), 2, n_killed)
    n_computed = len(calls())
    assert n_computed >= 25  # the fewest that a run which is not killed asks for
    for version in (0, 1):
        check(version)
    if n_killed:
        assert n_duplicates() * POINT_S <= N_WORKERS * BLOCK_S + 1
    else:
        assert n_duplicates() <= 0.05 * n_computed


@pytest.mark.campaign  # by default, a run waits for claims in the tests of dispatch
def test_the_run_that_waits_lands_what_others_finish(versions):
    first = start(0, "x=range(0, 20)", "y=range(0, 20)")
    while not calls():
        time.sleep(0.05)
    said = finish(0, "x=range(0, 1)", "y=range(0, 2)")  # which the first had begun with
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert "2 points: 0 computed, 2 reused" in said
    assert n_duplicates() == 0


@pytest.mark.campaign  # in short: claims are withdrawn, in tests/memo/test_claims.py
def test_runs_whose_results_are_removed_do_not_wait_for_each_other(versions):
    runs = [start(0), start(0)]
    while calls().total() < 50:
        time.sleep(0.05)
    for path in Path("results").rglob("*.seg"):
        path.unlink()
    codes = []
    for run in runs:
        run.communicate(timeout=120)
        codes.append(run.returncode)
    assert set(codes) <= {0, 1}  # 1: some went missing, run again
    check(0)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10))
def test_campaign_of_ten_rounds(versions, seed):
    chance = random.Random(seed)
    killed, in_vain, computed = [0, 0], [0, 0], [0, 0]
    for number in range(10):
        with_kills = number % 2
        n_runs = chance.randint(2, 8)
        n_killed = chance.randint(1, n_runs - 1) if with_kills else 0
        before = n_duplicates()
        round_of_runs(chance, n_runs, n_killed)
        duplicates, new = n_duplicates() - before, len(calls())
        killed[with_kills] += n_killed
        in_vain[with_kills] += duplicates
        computed[with_kills] += new
        print(f"{n_runs} runs, {n_killed} killed, {new} points, {duplicates} computed in vain")
        if with_kills:
            assert duplicates * POINT_S <= n_killed * (N_WORKERS * BLOCK_S + 1)
        else:
            assert duplicates <= 0.05 * new
        for version in (0, 1):
            check(version)
        shutil.rmtree("results")
        Path("calls").unlink()
    print(
        f"seed {seed}: without kills {in_vain[0]} of {computed[0]} points computed in vain; "
        f"{killed[1]} kills cost {in_vain[1] * POINT_S:.2f} s of work"
    )


ASKED = """
import sys, threading
import numpy as np
import sweeps
version, seed, n_calls = map(int, sys.argv[1:])
wrong = []

def ask(number):
    chance = np.random.default_rng([seed, number])
    for _ in range(n_calls):
        xs, ys = (sorted(set(chance.integers(0, 20, 3).tolist())) for _ in range(2))
        data = sweeps.run("slow", axes={"x": xs, "y": ys}, experiments=f"version{version}",
            engine="serial").slow
        want = np.array(xs)[:, None] * 100.0 + ys + version / 2
        if data.x.values.tolist() != xs or data.y.values.tolist() != ys or (data != want).any():
            wrong.append((xs, ys, data))

threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
[each.start() for each in threads]
[each.join() for each in threads]
print(wrong)
"""


def check_what_is_returned(n_processes, n_calls, seed=0):
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASKED, str(number % 2), str(seed + number), str(n_calls)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(n_processes)
    ]
    assert [each.communicate(timeout=240)[0] for each in asking] == ["[]\n"] * n_processes


def test_every_run_returns_what_it_was_asked(versions):
    check_what_is_returned(2, 1)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(4))
def test_campaign_of_what_is_returned(versions, seed):
    check_what_is_returned(4, 6, 100 * seed)
