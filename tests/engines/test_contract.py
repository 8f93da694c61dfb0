"""The contract of engines: blocks in, an outcome for each, in any order; the same for all."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import cloudpickle
import joblib
import numpy as np
import pytest

from sweeps.engines import NAMES, get, is_in_process, local
from sweeps.engines.messages import Lost, Receipt
from sweeps.errors import UnknownNameError
from sweeps.signals import SIGNALS, interruptible

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


def work(number):
    """Say where a block was worked through: `n_done` is the process."""
    return Receipt(number, os.getpid(), threading.get_ident(), 0, 0.0)


def work_slowly(number):
    time.sleep(0.02)
    return work(number)


def work_never(number):
    time.sleep(1000)
    return work(number)


def work_or_die(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(number)


def count_blas_threads(number):
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    return Receipt(number, max(pool["num_threads"] for pool in threadpool_info()), 0, 0, 0.0)


@pytest.fixture(params=NAMES)
def engine(request):
    return get(request.param)


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize("n", [0, 1, 30])
def test_every_block_has_one_outcome(engine, n, n_workers):
    outcomes = list(engine(work, iter(range(n)), n_workers))
    assert sorted(outcome.number for outcome in outcomes) == list(range(n))


def test_blocks_are_taken_when_a_worker_is_about_to_be_free(engine):
    taken = []
    outcomes = engine(work_slowly, (taken.append(n) or n for n in range(100)), 2)
    for n_outcomes in range(1, 11):
        next(outcomes)
        assert len(taken) - n_outcomes <= 8
    outcomes.close()


def test_blocks_that_are_made_as_outcomes_come_are_carried_too(engine):
    blocks = [0]

    def give_out():
        while blocks:
            yield blocks.pop()

    seen = []
    for _ in range(5):
        for outcome in engine(work, give_out(), 2):
            seen.append(outcome.number)
            if outcome.number < 4:
                blocks.append(outcome.number + 1)
        if not blocks:
            break
    assert seen == [0, 1, 2, 3, 4]


def test_an_engine_can_be_left_with_blocks_under_way_and_used_again(engine, recwarn):
    if engine is not get("serial"):  # which is never left with one
        outcomes = engine(work_slowly, itertools.count(), 2)
        next(outcomes)
        outcomes.close()
    assert len(list(engine(work, iter(range(4)), 2))) == 4
    assert not recwarn.list


def test_an_error_of_the_blocks_themselves_comes_out(engine):
    def give_out():
        yield from range(8)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(engine(work_slowly, give_out(), 2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_workers", [1, 2])
def test_only_processes_of_their_own_are_not_in_process(name, n_workers):
    outcomes = list(get(name)(work, iter(range(4)), n_workers))
    assert {outcome.n_done == os.getpid() for outcome in outcomes} == {is_in_process(name)}


@pytest.mark.parametrize("name", NAMES)
def test_workers_are_as_many_as_asked(name):
    outcomes = list(get(name)(work_slowly, iter(range(20)), 2))
    workers = {(outcome.n_done, outcome.n_failed) for outcome in outcomes}
    assert len(workers) == (1 if name == "serial" else 2)


@pytest.mark.parametrize("n_workers", [1, 2, 1, 1])
def test_processes_are_started_for_workers_only(n_workers):
    assert len(list(get("loky")(work_slowly, iter(range(6)), n_workers))) == 6
    (pool,) = {id(p): p for p in local._POOLS if p._processes}.values()
    assert len(pool._processes) == n_workers


@pytest.mark.parametrize("n_workers", [1, 2])
def test_the_death_of_a_worker_is_an_outcome_and_the_last_one(n_workers):
    outcomes = list(get("loky")(work_or_die, iter(range(10)), n_workers))
    assert isinstance(outcomes[-1], Lost)
    assert not any(isinstance(outcome, Lost) for outcome in outcomes[:-1])
    assert len(list(get("loky")(work, iter(range(4)), n_workers))) == 4


def test_closing_ends_workers_that_would_never_end():
    outcomes = get("loky")(work_never, itertools.count(), 2)
    threading.Timer(0.5, signal.raise_signal, [signal.SIGUSR1]).start()
    before = signal.signal(signal.SIGUSR1, lambda *_: (_ for _ in ()).throw(TimeoutError))
    try:
        with pytest.raises(TimeoutError):
            next(outcomes)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(list(get("loky")(work, iter(range(4)), 2))) == 4


def signal_a_copy(number):
    """Say how a copy of the process ends that is signalled at once: `n_done`."""
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    os.kill(pid, number)
    return Receipt(number, -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, 0, 0.0)


def signal_a_program(number):
    with subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], **PIPES) as program:
        program.stdout.readline()
        program.send_signal(number)
        return Receipt(number, -program.wait(), 0, 0, 0.0)


PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}


@pytest.mark.parametrize("signalled", [signal_a_copy, signal_a_program])
def test_signals_end_what_a_block_starts_though_the_run_handles_them(engine, signalled):
    with interruptible():
        numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP)
        outcomes = list(engine(signalled, iter(numbers), 2))
    assert sorted(o.n_done for o in outcomes) == sorted(numbers)


def interrupt_a_copy(number):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, b"!")
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            os._exit(3)
    os.read(reader, 1)
    os.kill(pid, signal.SIGINT)
    return Receipt(number, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, 0, 0.0)


def test_a_copy_is_interrupted_by_the_exception_that_it_expects(engine):
    with interruptible():
        assert [o.n_done for o in engine(interrupt_a_copy, iter(range(4)), 2)] == [3, 3, 3, 3]


def test_signals_of_the_run_do_not_end_its_workers():
    def bear(number):
        for each in SIGNALS:
            signal.raise_signal(each)
        return work(number)

    assert len(list(get("loky")(bear, iter(range(4)), 2))) == 4


@pytest.mark.parametrize("name", ["loky", "threads"])
def test_linear_algebra_shares_the_cores_with_the_other_workers(name):
    pytest.importorskip("threadpoolctl")
    outcomes = list(get(name)(count_blas_threads, iter(range(4)), joblib.cpu_count()))
    assert {outcome.n_done for outcome in outcomes} == {1}


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"no engine 'lokey' \(found: loky, serial, threads"):
        get("lokey")
