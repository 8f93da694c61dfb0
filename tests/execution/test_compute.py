"""Laws of computing what is missing: it ends when it is asked to, wherever it is."""

import os
import signal

import pytest

from sweeps import status
from sweeps.execution.scheduler import Scheduler

PATIENT = """
import time
from sweeps import experiment, grid

@experiment(grid(i=range(300)))
def patient(i):
    time.sleep(0.002)
    return 2.0 * i
"""


@pytest.fixture
def no_deadlock():
    """Fail where nothing goes on any more, rather than wait for ever."""

    def fail(number, frame):
        raise AssertionError("deadlock")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("holder", ["_next", "_n_due"])
def test_a_signal_may_come_while_the_run_holds_a_lock(
    project, sweeps, monkeypatch, no_deadlock, holder
):
    """A handler runs amid what the main thread does, which cannot go on before the handler ends."""
    (project / "experiments" / "patient.py").write_text(PATIENT)
    original, calls = getattr(Scheduler, holder), []

    def interrupted(scheduler, *arguments):
        calls.append(scheduler._lock.locked())
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return original(scheduler, *arguments)

    monkeypatch.setattr(Scheduler, holder, interrupted)
    answer = sweeps("run", "patient", "--engine", "serial")
    assert answer.code == 130
    assert all(calls)
    assert 0 < status("patient").done < 300
