"""Laws of executors as engines: any that has `submit` carries blocks, and its losses are named."""

import concurrent.futures
import dataclasses
import os
import pickle
import pickletools
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import cloudpickle
import pytest

from sweeps import SweepsError
from sweeps.code import versions
from sweeps.engines import Lost, Receipt, Refusal, executor, get

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


def work(number):
    return Receipt(number, os.getpid(), threading.get_ident(), 0, 0.0)


def work_slowly(number):
    time.sleep(0.05)
    return work(number)


class Recording(ThreadPoolExecutor):
    """Keeps what is submitted, and loses the blocks that it is told to lose."""

    def __init__(self, n_workers=2, lost=()):
        super().__init__(n_workers)
        self.told, self.lost = [], lost

    def submit(self, function, *args):
        self.told.append(pickle.dumps((function, args)))
        if len(self.told) - 1 in self.lost:
            future = Future()
            future.set_exception(OSError("the node is gone"))
            return future
        return super().submit(function, *args)


POOLS = [ThreadPoolExecutor, ProcessPoolExecutor, Recording]


@pytest.mark.parametrize("make", POOLS)
def test_every_block_has_one_outcome(make):
    with make(2) as pool:
        outcomes = list(get(pool).carry(work, iter(range(30)), 2))
    assert sorted(outcome.number for outcome in outcomes) == list(range(30))


def test_blocks_are_taken_when_a_worker_is_about_to_be_free():
    taken = []
    with ThreadPoolExecutor(2) as pool:
        outcomes = get(pool).carry(work_slowly, (taken.append(n) or n for n in range(100)), 2)
        for n_outcomes in range(1, 11):
            next(outcomes)
            assert len(taken) - n_outcomes <= 4
        outcomes.close()
        assert len(taken) < 20


def test_what_stands_between_needs_no_module_of_ours():
    with Recording() as pool:
        list(get(pool).carry(work, iter(range(3)), 2))
    for told in pool.told:
        texts = [arg for _, arg, _ in pickletools.genops(told) if isinstance(arg, str)]
        assert texts[:2] == ["builtins", "eval"]
        assert {op.name for op, _, _ in pickletools.genops(told)} & {"REDUCE", "BUILD"} == set()


def test_large_work_is_sent_once_to_a_process_and_small_work_always():
    large = b"x" * 2 * executor._SMALL_BYTES

    def carry(number):
        return Receipt(number, len(large), 0, 0, 0.0)

    with Recording() as pool:
        assert {o.n_done for o in get(pool).carry(carry, iter(range(40)), 2)} == {len(large)}
    sizes = [len(told) for told in pool.told]
    assert 1 <= sum(size > len(large) for size in sizes) <= 4  # those that two workers had ahead


def test_a_lost_block_is_named_and_the_others_go_on():
    with Recording(lost=(3, 7)) as pool:
        outcomes = list(get(pool).carry(work, iter(range(20)), 2))
    lost = [outcome for outcome in outcomes if isinstance(outcome, Lost)]
    assert sorted(o.numbers for o in lost) == [(3,), (7,)]
    assert {o.cause for o in lost} == {"OSError: the node is gone"}
    assert len(outcomes) == 20


def die(number):
    os._exit(3)


def test_a_broken_executor_ends_the_run_if_it_is_the_users_and_is_made_anew_if_it_is_ours():
    with ProcessPoolExecutor(1) as pool:
        *_, last = get(pool).carry(die, iter(range(3)), 1)
    assert isinstance(last, Refusal)
    assert "ProcessPoolExecutor takes no more points: BrokenProcessPool" in last.reason
    ours = executor.Executor(lambda: ProcessPoolExecutor(1))
    *_, last = ours.carry(die, iter(range(3)), 1)
    assert isinstance(last, Lost)
    assert not last.numbers
    assert [o.number for o in ours.carry(work, iter(range(1)), 1)] == [0]
    ours.close()


@pytest.mark.parametrize("is_wholly", [True, False])
def test_an_executor_that_was_shut_down_ends_the_run(is_wholly):
    pool = ThreadPoolExecutor(1)
    if is_wholly:
        pool.shutdown()
    outcomes = get(pool).carry(work_slowly, iter(range(100)), 1)
    first = next(outcomes)
    pool.shutdown(cancel_futures=True, wait=False)
    assert isinstance([first, *outcomes][-1], Refusal)


def test_a_stop_takes_back_what_no_worker_has_begun():
    with ThreadPoolExecutor(1) as pool:
        engine = get(pool)

        def give_out():
            yield 0
            engine.stop()
            yield 1  # waits behind the first

        assert [o.number for o in engine.carry(work_slowly, give_out(), 1)] == [0]


def test_an_executor_that_is_the_users_is_not_shut_down():
    with ThreadPoolExecutor(1) as pool:
        engine = get(pool)
        list(engine.carry(work, iter(range(3)), 1))
        engine.close()
        assert pool.submit(int, "3").result() == 3


class Nameless:
    """An executor that does not say how many workers it has."""

    def submit(self, function, *args):
        future = concurrent.futures.Future()
        future.set_result(function(*args))
        return future


def test_the_number_of_workers_is_asked_for_where_the_executor_does_not_say_it():
    assert get(ThreadPoolExecutor(3)).n_workers(None) == 3
    assert get(Nameless()).n_workers(5) == 5
    with pytest.raises(SweepsError, match=r"Nameless does not say how many workers it has: .* -j"):
        get(Nameless()).n_workers(None)


def test_workers_of_other_versions_are_refused_with_both_named(monkeypatch):
    here = dataclasses.asdict(versions.here())
    told = pickle.dumps(({**here, "python": "3.99.1"}, "", b"not read", b"nor this"))
    kind, reason = pickle.loads(executor.answer(told))
    assert kind == "refusal"
    assert f"Python {here['python']}, and this run has Python 3.99.1" in reason


def test_other_major_versions_of_numpy_are_told_with_the_values():
    here = dataclasses.asdict(versions.here())
    packed = cloudpickle.dumps(work)
    told = pickle.dumps(({**here, "numpy": "9.9.1"}, "d", packed, pickle.dumps(4)))
    kind, outcome = pickle.loads(executor.answer(told))
    assert kind == "outcome"
    (warning,) = pickle.loads(outcome).warnings
    assert "numpy 9.9.1" in warning


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (3, "engine=3 is no engine: give a name, or an executor"),
        ("nowhere:make", "nowhere:make: No module named 'nowhere'; give package.module:factory"),
        ("os:nothing", "has no attribute 'nothing'"),
    ],
)
def test_what_is_no_engine_is_refused(wanted, said):
    with pytest.raises(SweepsError, match=said):
        get(wanted)


def test_a_factory_is_found_by_its_name():
    engine = get("concurrent.futures:ThreadPoolExecutor")
    assert [o.number for o in engine.carry(work, iter(range(1)), 1)] == [0]
    engine.close()


def test_only_engines_of_clusters_have_an_address():
    with pytest.raises(SweepsError, match=r"--address tcp://a:1: only dask has one"):
        get("loky", "tcp://a:1")
