"""Laws of interrupting: whoever stops a run, and how, what is finished is kept, and landed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import sweeps
from sweeps import signals
from sweeps.engines import LOCAL
from sweeps.signals import SIGNALS, Interrupted, interruptible

PATIENT = """
import os, pathlib, time
from sweeps import experiment, grid

@experiment(grid(i=range(120)))
def patient(i):
    pathlib.Path(f"pid-{os.getpid()}").touch()
    with pathlib.Path("calls.txt").open("a") as file:
        file.write(f"{i}\\n")
    time.sleep(0.01)
    return 2.0 * i

@experiment(grid(i=range(8)))
def endless(i):
    pathlib.Path("begun").touch()
    time.sleep(1000)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_and_the_second_one_raises(number, monkeypatch):
    monkeypatch.setattr(signals, "SAME_S", 0.0)
    asked = []
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(Interrupted), interruptible() as interruption:
        interruption.tell(lambda: asked.append(True))
        assert not interruption.is_asked
        signal.raise_signal(number)
        assert interruption.is_asked
        assert asked == [True]
        signal.raise_signal(number)
    assert asked == [True]
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_a_shell_passes_on_although_all_have_heard_it_is_one_signal(number):
    with interruptible() as interruption:
        signal.raise_signal(number)
        signal.raise_signal(number)
        assert interruption.is_asked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_no_key_has_sent_counts_twice_when_patience_is_over(monkeypatch, number):
    monkeypatch.setattr(signals, "PATIENCE_S", 0.05)
    monkeypatch.setattr(signals, "SAME_S", 0.01)
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(number)
        time.sleep(10)


def test_a_keyboard_is_waited_for(monkeypatch):
    monkeypatch.setattr(signals, "PATIENCE_S", 0.01)
    with interruptible():
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)


def test_what_goes_on_after_the_second_signal_is_ended(monkeypatch):
    monkeypatch.setattr(signals, "LAST_S", 0.05)
    ended = threading.Event()
    with pytest.raises(Interrupted), interruptible(ended.set):
        signal.raise_signal(signal.SIGTERM)
        with contextlib.suppress(Interrupted):
            signal.raise_signal(signal.SIGHUP)
        assert ended.wait(10)
        raise Interrupted


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        with interruptible() as interruption:
            signal.raise_signal(signal.SIGHUP)
            assert not interruption.is_asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_who_comes_after_the_first_signal_is_told_as_well():
    asked = []
    with interruptible() as interruption:
        signal.raise_signal(signal.SIGINT)
        interruption.tell(lambda: asked.append(True))
    assert asked == [True]


def test_elsewhere_than_in_the_main_thread_nothing_changes():
    handlers = []

    def look():
        with interruptible():
            handlers.extend(signal.getsignal(number) for number in SIGNALS)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(number) for number in SIGNALS]


@pytest.fixture
def start(project):
    """Start a run that leads a process group of its own, as a shell does."""
    (project / "experiments" / "patient.py").write_text(PATIENT)
    started = []

    def start(name, *options):
        command = [sys.executable, "-m", "sweeps", "run", name, "--json", *options]
        run = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
        )
        started.append(run)
        return run

    yield start
    for run in started:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.01)


def n_calls(project):
    path = project / "calls.txt"
    return len(path.read_text().split()) if path.exists() else 0


def workers(project):
    """Processes that have computed a point of `patient` and are there still."""
    pids = [int(path.name[4:]) for path in project.glob("pid-*")]
    return [pid for pid in pids if is_alive(pid)]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def check_rest(project):
    """What is missing, and nothing else, is computed by the next run; the values are right."""
    known, before = sweeps.status("patient"), n_calls(project)
    data = sweeps.run("patient", engine="threads")
    assert n_calls(project) - before == known.missing == 120 - known.done
    np.testing.assert_array_equal(data.patient, 2.0 * np.arange(120))


@pytest.mark.parametrize(
    ("send", "number"),
    [
        (os.kill, signal.SIGTERM),
        (os.killpg, signal.SIGINT),
        pytest.param(os.killpg, signal.SIGTERM, marks=pytest.mark.campaign),
        pytest.param(os.killpg, signal.SIGHUP, marks=pytest.mark.campaign),
    ],
)
def test_once_finishes_and_lands_what_is_under_way(project, start, number, send):
    run = start("patient")
    wait_for(lambda: n_calls(project) > 10)
    send(run.pid, number)
    out, error = run.communicate()
    assert run.returncode == 130
    assert "Traceback" not in error
    said = json.loads(out)
    assert 0 < said["computed"] == n_calls(project) < 120
    assert int(sweeps.load("patient").patient.notnull().sum()) == said["computed"]
    wait_for(lambda: not workers(project))
    check_rest(project)


@pytest.mark.parametrize("engine", LOCAL)
def test_twice_stops_at_once(project, start, engine):
    run = start("endless", "--engine", engine)
    wait_for((project / "begun").exists)
    os.killpg(run.pid, signal.SIGINT)
    assert "finishing the points under way" in run.stderr.readline()
    time.sleep(0.1)  # it goes back to waiting, from which this one is to wake it
    os.killpg(run.pid, signal.SIGINT)
    out, error = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in error
    assert out == ""


@pytest.mark.parametrize(
    "number",
    [signal.SIGHUP, *(pytest.param(n, marks=pytest.mark.campaign) for n in SIGNALS[:2])],
)
def test_while_the_pool_is_starting(project, start, number):
    run = start("patient")
    wait_for((project / "results" / ".memo" / "patient").exists)
    os.killpg(run.pid, number)
    _, error = run.communicate()
    assert run.returncode == 130
    assert "Traceback" not in error
