"""The first worker is the interpreter that was started ahead; others follow if it takes long."""

import errno
import os
import signal
import sys
import time
from pathlib import Path

import cloudpickle
import pytest

from sweeps import ahead
from sweeps.engines import Lost, Receipt, get, loky

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests

FOR_EVER_S = 1000


def work(number):
    """Say where a block was worked through: `n_done` is the guard of the process."""
    time.sleep(0.02)
    return Receipt(number, os.getppid(), 0, 0, 0.0)


def work_or_die(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(number)


@pytest.fixture
def engine():
    made = get("loky")
    made.close()
    yield made
    made.close()
    assert ahead.pid() is None


def guards(outcomes):
    return {each.n_done for each in outcomes}


def test_what_is_over_soon_has_one_worker_which_was_started_ahead(engine, monkeypatch):
    monkeypatch.setattr(loky, "_ALONE_S", FOR_EVER_S)
    with engine.expected():
        first = ahead.pid()
        assert guards(engine.carry(work, iter(range(8)), 2)) == {first}
    assert guards(engine.carry(work, iter(range(1)), 2)) == {first}  # it stays


@pytest.mark.parametrize("n_workers", [2, 3])
def test_what_takes_longer_has_all_workers(engine, monkeypatch, n_workers):
    monkeypatch.setattr(loky, "_ALONE_S", 0.01)
    with engine.expected():
        first = ahead.pid()
        found = guards(engine.carry(work, iter(range(200)), n_workers))
    assert first in found
    assert len(found) == n_workers


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process has siblings")
def test_all_workers_of_a_run_are_copies_of_the_first_those_after_a_death_too(engine, monkeypatch):
    monkeypatch.setattr(loky, "_ALONE_S", 0.01)
    adopted = []

    def adopt(command, files, environment):
        adopted.append(ahead_adopt(command, files, environment))
        return adopted[-1]

    ahead_adopt = ahead.adopt
    monkeypatch.setattr(ahead, "adopt", adopt)
    with engine.expected():
        list(engine.carry(work, iter(range(100)), 2))
        assert isinstance(list(engine.carry(work_or_die, iter(range(10)), 2))[-1], Lost)
        found = guards(engine.carry(work, iter(range(10)), 1))  # as when a suspect stands alone
        found |= guards(engine.carry(work, iter(range(100)), 2))
    assert len(adopted) >= 4
    assert found <= {*adopted}
    assert None not in adopted


def test_who_kills_what_makes_copies_ends_no_worker(engine, monkeypatch):
    monkeypatch.setattr(loky, "_ALONE_S", 0.01)
    before = sources()
    with engine.expected():
        outcomes = engine.carry(work, iter(range(100)), 2)
        next(outcomes)
        ahead.copy(2)
        pid = min({*sources()}.difference(before))
        os.kill(pid, signal.SIGKILL)
        assert len(list(outcomes)) == 99
        assert isinstance(list(engine.carry(work_or_die, iter(range(10)), 2))[-1], Lost)
        assert len(list(engine.carry(work, iter(range(10)), 2))) == 10
    assert sources() == before


def sources():
    """Processes that this one has started to make copies of them."""
    own = Path(f"/proc/{os.getpid()}/task")
    children = [int(n) for told in own.glob("*/children") for n in told.read_text().split()]
    return [n for n in children if Path(f"/proc/{n}/comm").read_text() == "sweeps-ahead\n"]


def test_the_next_blocks_find_all_workers(engine, monkeypatch):
    monkeypatch.setattr(loky, "_ALONE_S", 0.0)  # the others look when nothing is left to do
    with engine.expected():
        first = ahead.pid()
        list(engine.carry(work, iter(range(1)), 2))
    deadline = time.monotonic() + 60
    found = set()
    while len(found) < 2 and time.monotonic() < deadline:
        found |= guards(engine.carry(work, iter(range(8)), 2))
    assert first in found
    assert len(found) == 2


@pytest.mark.parametrize("n_workers", [1, 2])
def test_the_death_of_the_first_worker_is_an_outcome_as_ever(engine, n_workers):
    with engine.expected():
        outcomes = list(engine.carry(work_or_die, iter(range(10)), n_workers))
        assert isinstance(outcomes[-1], Lost)
        assert len(list(engine.carry(work, iter(range(4)), n_workers))) == 4


@pytest.mark.parametrize("n_blocks", [0, 1])
def test_an_interpreter_that_dies_ahead_or_is_not_needed_harms_nobody(engine, n_blocks):
    with engine.expected():
        if n_blocks:
            os.kill(ahead.pid(), signal.SIGKILL)
        assert len(list(engine.carry(work, iter(range(n_blocks)), 2))) == n_blocks


def test_one_that_has_workers_starts_no_interpreter(engine):
    list(engine.carry(work, iter(range(1)), 1))
    with engine.expected():
        assert ahead.pid() is None


def test_where_the_others_cannot_start_the_first_goes_on_and_says_so(engine, monkeypatch):
    from joblib.externals.loky.backend import fork_exec

    monkeypatch.setattr(loky, "_ALONE_S", 0.01)
    loky._executor()
    start = fork_exec.fork_exec

    def start_first(command, files, env=None):
        if ahead.pid() != first:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return start(command, files, env=env)

    monkeypatch.setattr(fork_exec, "fork_exec", start_first)
    with engine.expected():
        first = ahead.pid()
        found = guards(engine.carry(work, iter(range(100)), 2))
    assert found == {first}
    assert "ulimit -u" in engine.notice()
    monkeypatch.setattr(fork_exec, "fork_exec", start)
    (executor,) = (each for each in loky._POOLS if each._processes)
    executor._call_queue.put(None)  # as when it had nothing to do for minutes
    deadline = time.monotonic() + 60
    while executor._processes and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(guards(engine.carry(work, iter(range(20)), 2)) - {first}) in (1, 2)
