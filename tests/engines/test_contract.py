"""The contract of engines: blocks in, an outcome for each, in any order; the same for all.

A law of some engines alone goes by what they say of themselves, not by their names.
"""

import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest

from sweeps.engines import LOCAL, Lost, Receipt, get, loky
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


ENGINES = [get(name) for name in LOCAL]


def those(condition):
    """Parametrise a test over the engines for which a condition holds."""
    own = [pytest.param(each, id=type(each).__name__) for each in ENGINES if condition(each)]
    return pytest.mark.parametrize("engine", own)


every_one = those(lambda engine: True)
isolating = those(lambda engine: engine.isolates)
concurrent = those(lambda engine: not engine.is_sequential)


@pytest.fixture(autouse=True, scope="module")
def _closed():
    yield
    for engine in ENGINES:
        engine.close()


@pytest.mark.parametrize(("n", "n_workers"), [(0, 1), (30, 1), (1, 2), (30, 2)])
@every_one
def test_every_block_has_one_outcome_of_a_process_of_its_own_where_that_isolates(
    engine, n, n_workers
):
    outcomes = list(engine.carry(work, iter(range(n)), n_workers))
    assert sorted(outcome.number for outcome in outcomes) == list(range(n))
    assert {outcome.n_done != os.getpid() for outcome in outcomes} <= {engine.isolates}


@every_one
def test_workers_are_what_they_are_where_joblib_shares_out_threads(engine):
    """As in points of the engine threads; joblib itself would start no process there."""

    def carry():
        return [outcome.n_done for outcome in engine.carry(work, iter(range(4)), 2)]

    (pids,) = joblib.Parallel(2, backend="threading")([joblib.delayed(carry)()])
    assert {pid != os.getpid() for pid in pids} == {engine.isolates}
    assert len(pids) == 4


@every_one
def test_blocks_are_taken_when_a_worker_is_about_to_be_free(engine):
    taken = []
    outcomes = engine.carry(work_slowly, (taken.append(n) or n for n in range(100)), 2)
    for n_outcomes in range(1, 11):
        next(outcomes)
        assert len(taken) - n_outcomes <= 8
    outcomes.close()


@every_one
def test_blocks_that_are_made_as_outcomes_come_are_carried_too(engine):
    blocks = [0]

    def give_out():
        while blocks:
            yield blocks.pop()

    seen = []
    for _ in range(5):
        for outcome in engine.carry(work, give_out(), 2):
            seen.append(outcome.number)
            if outcome.number < 4:
                blocks.append(outcome.number + 1)
        if not blocks:
            break
    assert seen == [0, 1, 2, 3, 4]


@every_one
def test_an_engine_can_be_left_with_blocks_under_way_and_used_again(engine, recwarn):
    if not engine.is_sequential:  # which is never left with one
        outcomes = engine.carry(work_slowly, itertools.count(), 2)
        next(outcomes)
        outcomes.close()
    assert len(list(engine.carry(work, iter(range(4)), 2))) == 4
    assert not recwarn.list


@every_one
def test_an_error_of_the_blocks_themselves_comes_out(engine):
    def give_out():
        yield from range(8)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(engine.carry(work_slowly, give_out(), 2))


def see(number, place):
    """Say whether a worker sees a file of this machine, and that its process is known here."""
    place.with_name(f"{os.getpid()}").touch()
    return Receipt(number, place.exists(), 0, 0, 0.0)


@every_one
def test_workers_share_the_machine_where_the_engine_says_so(engine, tmp_path):
    place = tmp_path / "place"
    place.touch()
    (outcome,) = engine.carry(functools.partial(see, place=place), iter(range(1)), 1)
    pids = [int(path.name) for path in tmp_path.iterdir() if path != place]
    are_known = all(Path(f"/proc/{pid}").exists() for pid in pids) and bool(pids)
    assert (outcome.n_done and are_known) == engine.shares_machine


@every_one
def test_workers_are_as_many_as_the_engine_says(engine):
    n_workers = engine.n_workers(2)
    outcomes = list(engine.carry(work_slowly, iter(range(100)), n_workers))
    assert len({(outcome.n_done, outcome.n_failed) for outcome in outcomes}) == n_workers
    assert engine.n_workers(None) >= 1


@those(lambda engine: engine.is_sequential)
def test_a_sequential_engine_gives_outcomes_in_the_order_of_the_blocks(engine):
    numbers = [3, 1, 2]
    assert [each.number for each in engine.carry(work, iter(numbers), 1)] == numbers


def test_processes_are_started_for_workers_only():
    for n_workers in (2, 1, 1):
        assert len(list(get("loky").carry(work_slowly, iter(range(6)), n_workers))) == 6
        (executor,) = {id(p): p for p in loky._POOLS if p._processes}.values()
        assert len(executor._processes) == n_workers


@isolating
@pytest.mark.parametrize("n_workers", [1, pytest.param(2, marks=pytest.mark.campaign)])
def test_the_death_of_a_worker_is_an_outcome_and_the_last_one(engine, n_workers):
    outcomes = list(engine.carry(work_or_die, iter(range(10)), n_workers))
    assert isinstance(outcomes[-1], Lost)
    assert not any(isinstance(outcome, Lost) for outcome in outcomes[:-1])
    assert len(list(engine.carry(work, iter(range(4)), n_workers))) == 4


@every_one
def test_a_closed_engine_has_no_worker_left_and_can_be_used_again(engine):
    before = {each.n_done for each in engine.carry(work, iter(range(4)), 2)}
    engine.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in before - {os.getpid()})
    assert len(list(engine.carry(work, iter(range(4)), 2))) == 4


@isolating
def test_closing_the_outcomes_ends_workers_that_would_never_end(engine):
    outcomes = engine.carry(work_never, itertools.count(), 2)
    threading.Timer(0.5, signal.raise_signal, [signal.SIGUSR1]).start()
    before = signal.signal(signal.SIGUSR1, lambda *_: (_ for _ in ()).throw(TimeoutError))
    try:
        with pytest.raises(TimeoutError):
            next(outcomes)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(list(engine.carry(work, iter(range(4)), 2))) == 4


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
@every_one
def test_signals_end_what_a_block_starts_though_the_run_handles_them(engine, signalled):
    with interruptible():
        numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP)
        outcomes = list(engine.carry(signalled, iter(numbers), 2))
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


@every_one
def test_a_copy_is_interrupted_by_the_exception_that_it_expects(engine):
    with interruptible():
        assert [o.n_done for o in engine.carry(interrupt_a_copy, iter(range(4)), 2)] == [3, 3, 3, 3]


@isolating
def test_signals_of_the_run_do_not_end_its_workers(engine):
    def bear(number):
        for each in SIGNALS:
            signal.raise_signal(each)
        return work(number)

    assert len(list(engine.carry(bear, iter(range(4)), 2))) == 4


@concurrent
def test_linear_algebra_shares_the_cores_with_the_other_workers(engine):
    pytest.importorskip("threadpoolctl")
    outcomes = list(engine.carry(count_blas_threads, iter(range(4)), joblib.cpu_count()))
    assert {outcome.n_done for outcome in outcomes} == {1}


def test_an_unknown_engine_is_refused_with_the_known_ones():
    known = r"no engine 'lokey' \(found: dask, loky, mpi, serial, threads"
    with pytest.raises(UnknownNameError, match=known):
        get("lokey")
