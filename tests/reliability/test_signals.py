"""Signals at any instant: what is committed is kept, nothing hangs, nothing stays behind."""

import collections
import json
import os
import pty
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
from tests.reliability.processes import guards, left, marked, workers

N_POINTS = 200
PATIENT = f"""
import ctypes, os, time
from sweeps import experiment, grid

@experiment(grid(i=range({N_POINTS})))
def patient(i):
    time.sleep(0.004)
    return 2.0 * i

@experiment(grid(i=range(4)))
def stubborn(i):
    ctypes.PyDLL(None).sleep(30)  # holds the interpreter
    return i
"""

ENDS_S = 2.0
"""What a run leaves behind is gone after that; the tests allow for a loaded machine."""

PATIENCE = 5


@pytest.fixture(autouse=True)
def patient(project):
    (project / "experiments" / "patient.py").write_text(PATIENT)
    # Where the tests run behind a shell's `&`, SIGINT is ignored, and what they start inherits it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(name="patient", engine="loky", **options):
    """Start a run with a mark, by which everything that it starts is found."""
    mark, env = marked()
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": env, **options}
    command = [sys.executable, "-m", "sweeps", "run", name, "--json", "-j2", "--engine", engine]
    run = subprocess.Popen(command, text=True, start_new_session=True, **options)
    run.mark = mark
    return run


def seconds_until_nothing_is_left(run):
    started = time.monotonic()
    while processes := left(run.mark):
        assert time.monotonic() - started < PATIENCE * ENDS_S, processes
        time.sleep(0.02)
    return time.monotonic() - started


def send(run, whom, number):
    try:
        if whom == "parent":
            os.kill(run.pid, number)
        elif whom == "group":
            os.killpg(run.pid, number)
        else:
            for pid in (workers if whom == "worker" else guards)(run.mark)[:1]:
                os.kill(pid, number)
    except ProcessLookupError:
        pass


WHOM = ("parent", "group", "worker", "guard")
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def attack(whom, number, n_times, delay_s):
    """Signal a run after so many seconds; its exit code, and how long it took to go."""
    shutil.rmtree("results", ignore_errors=True)
    run = start()
    time.sleep(delay_s)
    is_amid = run.poll() is None
    for _ in range(n_times):
        send(run, whom, number)
        time.sleep(0.05)
    out, error = run.communicate(timeout=300)
    gone_s = seconds_until_nothing_is_left(run)
    assert "Traceback" not in error, error
    # A third signal meets Python's own exit, and the trackers clean up behind it, and say so.
    assert n_times > 2 or "leaked" not in error, error
    code = run.returncode
    if whom in ("worker", "guard"):
        assert code == 0, error
    elif code == -number or (code == 130 and not out.startswith("{")):
        pass  # before a run began, or at its end, or ended at once; then loky may say so on stdout
    elif code == 130:
        assert json.loads(out)["computed"] >= 0
    else:
        assert code == 0, (code, error)
        assert not is_amid or json.loads(out)["points"] == N_POINTS
    if code == 130 and out.startswith("{"):
        landed = sweeps.load("patient").get("patient", np.empty(0))
        assert int(np.isfinite(landed).sum()) == sweeps.status("patient").done
    return code, gone_s


@pytest.mark.parametrize(
    ("n_attacks", "n_s"),
    [
        pytest.param(2, 1.0, id="short"),
        pytest.param(120, 1.4, id="campaign", marks=pytest.mark.campaign),
    ],
)
def test_at_any_instant(n_attacks, n_s):
    codes, slowest_s = collections.Counter(), 0.0
    cases = [(w, s, n) for n in (1, 2, 3) for s in NUMBERS for w in WHOM]
    for k in range(n_attacks):
        whom, number, n_times = cases[(k * 17) % len(cases)]  # each of a kind among the first three
        code, gone_s = attack(whom, number, n_times, random.uniform(0.1, n_s))
        codes[code] += 1
        slowest_s = max(slowest_s, gone_s)
    data = sweeps.run("patient", engine="threads")
    np.testing.assert_array_equal(data.patient, 2.0 * np.arange(N_POINTS))
    print(
        f"\n{n_attacks} runs signalled: exit codes {dict(codes)}, all gone {slowest_s:.2f} s later"
    )


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        *(pytest.param(number, marks=pytest.mark.campaign) for number in NUMBERS),
    ],
)
def test_workers_amid_c_code_that_never_returns_end_with_the_run(number):
    run = start("stubborn")
    while len(workers(run.mark)) < 2:
        time.sleep(0.01)
    time.sleep(0.3)
    run.send_signal(number)
    if number != signal.SIGKILL:
        time.sleep(0.3)
        run.send_signal(number)
    _, error = run.communicate(timeout=300)
    assert "Traceback" not in error
    seconds_until_nothing_is_left(run)


@pytest.mark.parametrize("number", [pytest.param(None, marks=pytest.mark.campaign), signal.SIGHUP])
def test_a_terminal_that_was_closed_is_no_error(number):
    ours, theirs = pty.openpty()
    run = start(stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.read(ours, 1)  # the bar is there
    os.close(ours)
    if number:
        os.kill(run.pid, number)
    run.wait(timeout=300)
    seconds_until_nothing_is_left(run)
    assert run.returncode in (2, 130 if number else 0)  # 2: the answer cannot be written
    known = sweeps.status("patient")
    assert known.done + known.missing == N_POINTS
    assert Path("results/patient.h5").exists()
