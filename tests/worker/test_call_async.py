"""Laws of concurrent calling: however points overlap, each one is what it would be alone."""

import asyncio
import contextlib
import dataclasses
import functools
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweeps
from sweeps import experiment, grid
from sweeps.declaration import checks
from sweeps.engines import LOCAL
from sweeps.execution.options import Options
from sweeps.operations import failures, run
from sweeps.project.sweep import resolve
from sweeps.signals import Interrupted
from sweeps.worker import call as worker_call
from sweeps.worker import call_async, scratch
from tests.sizes import examples


def call(function, n, concurrency=1, *, block_s=60.0, timeout=None, recorder=None, **options):
    loop = asyncio.new_event_loop()
    limits = worker_call.Limits(block_s, timeout, "y", {}, frozenset())
    columns = options.pop("columns", {"i": np.arange(n)})
    points = call_async.call_concurrently(
        function, options, columns, n, recorder or scratch.Recorder(None), limits, concurrency
    )
    try:
        return call_async.run(loop, points)
    finally:
        loop.close()


@examples(30)
@given(
    waits=st.lists(st.sampled_from([None, 0, 1, 2, 5]), min_size=1, max_size=12),
    concurrency=st.integers(1, 14),
)
def test_order_of_completion_and_concurrency_make_no_difference(waits, concurrency):
    n_at_once = [0]

    async def wait(i):
        n_at_once.append(n_at_once[-1] + 1)
        await asyncio.sleep((waits[i] or 0) / 1000)
        n_at_once.append(n_at_once[-1] - 1)
        if waits[i] is None:
            raise ValueError(i)
        return i

    called = call(wait, len(waits), concurrency)
    failed = [i for i, ms in enumerate(waits) if ms is None]
    assert called.returned == [i for i, ms in enumerate(waits) if ms is not None]
    assert [(i, why[:3]) for i, why in called.failures] == [
        (i, ("exception", "ValueError", str(i))) for i in failed
    ]
    assert max(n_at_once) == min(concurrency, len(waits))
    assert all(s >= (ms or 0) / 1000 for s, ms in zip(called.elapsed, waits, strict=True))
    assert called.busy_s >= called.elapsed.max()


async def misbehave(i):
    if i == 0:
        sys.exit(3)
    if i == 1:
        raise KeyboardInterrupt
    if i == 2:
        asyncio.current_task().cancel()
    if i == 3:
        await asyncio.sleep(1000)
    while i == 4:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
    if i == 5:
        raise asyncio.CancelledError("by hand")
    if i == 6:
        asyncio.get_running_loop().create_task(leave())
    if i == 7:
        asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
    return i


async def leave():
    sys.exit(4)


def test_misbehaving_points_cost_themselves_only(monkeypatch):
    monkeypatch.setattr(call_async, "GRACE_S", 0.05)
    called = call(misbehave, 9, 3, timeout=0.3)
    assert called.returned == [6, 7, 8]
    assert [(i, *why[:3]) for i, why in called.failures] == [
        (0, "exception", "SystemExit", "3"),
        (1, "exception", "KeyboardInterrupt", ""),
        (2, "exception", "CancelledError", ""),
        (3, "timeout", "TimeoutError", "took longer than the timeout of 0.3 s"),
        (4, "timeout", "TimeoutError", "took longer than the timeout of 0.3 s"),
        (5, "exception", "CancelledError", "by hand"),
    ]
    where = dict(called.failures)[3][3]
    assert "in misbehave" in where
    assert "sweeps/worker/call_async.py" not in where
    assert 0.3 <= called.elapsed[3] < 10


def test_a_function_that_cancels_all_tasks_cancels_points_and_nothing_else():
    async def cancel_all(i):
        if i == 1:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
        await asyncio.sleep(0.01)
        return i

    called = call(cancel_all, 6, 3)
    assert called.returned == [1, 3, 4, 5]
    assert {why[1] for _, why in called.failures} == {"CancelledError"}


def test_what_a_function_leaves_running_ends_with_its_block():
    ended = []

    async def leave_behind(i):
        asyncio.create_task(run_on())  # noqa: RUF006 - so do users
        return i

    async def run_on():
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(True)

    async def count():
        limits = worker_call.Limits(60, None, "y", {}, frozenset())
        others = len(asyncio.all_tasks())
        await call_async.call_concurrently(
            leave_behind, {}, {"i": range(5)}, 5, scratch.Recorder(None), limits, 2
        )
        return len(asyncio.all_tasks()) - others

    assert asyncio.run(count()) == 0
    assert len(ended) in (4, 5)  # the last may never have begun


def test_when_time_is_over_what_is_under_way_is_finished_and_nothing_more_is_begun():
    async def wait(i):
        await asyncio.sleep(0.05)
        return i

    called = call(wait, 100, 4, block_s=0.07)
    assert called.returned == list(range(len(called.elapsed)))
    assert len(called.elapsed) == 8
    assert len(call(wait, 3, 1, block_s=0.0).elapsed) == 1


def test_a_block_ends_when_it_holds_much(monkeypatch):
    monkeypatch.setattr(call_async, "BLOCK_BYTES", 10_000)

    async def large(i):
        return np.zeros(500)

    assert len(call(large, 100).elapsed) == 3


def test_the_second_interrupt_is_no_failure_of_a_point():
    async def interrupted(i):
        raise Interrupted

    with pytest.raises(Interrupted):
        call(interrupted, 1)


def test_points_get_given_and_own_arguments():
    async def add(i=0, *, z):
        return 10 * i + z

    assert call(add, 3, 2, z=5).returned == [5, 15, 25]
    assert call(add, 3, 2, z=5, columns={}).returned == [5, 5, 5]


@examples(20)
@given(waits=st.lists(st.integers(0, 4), min_size=1, max_size=12), concurrency=st.integers(1, 6))
def test_whoever_is_under_way_is_on_record(waits, concurrency):
    recorder = scratch.Recorder(None)
    under_way = set()

    def check():
        first, n = recorder.at
        assert under_way <= set(range(first, first + n))
        assert first + n <= len(waits)

    async def wait(i):
        under_way.add(i)
        check()
        await asyncio.sleep(waits[i] / 1000)
        check()
        under_way.discard(i)

    assert call(wait, len(waits), concurrency, recorder=recorder).failures == []


class Callable:
    async def __call__(self, i):
        return i


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (misbehave, True),
        (functools.partial(misbehave, i=3), True),
        (Callable(), True),
        (functools.partial(Callable()), True),
        (Callable().__call__, True),
        (Callable, False),
        (call, False),
        (len, False),
    ],
)
def test_who_is_async(function, expected):
    assert checks.is_async(function) == expected


ASYNC = """
import asyncio, os, pathlib, time
from sweeps import experiment, grid

@experiment(grid(i=range(N)), concurrency=2, timeout=0.4, version=1)
async def served(i, rng):
    told = pathlib.Path(f"told-{i}")
    if told.exists():
        what = told.read_text()
        if what == "hang":
            await asyncio.sleep(1000)
        if what == "block":
            time.sleep(1000)
        if what == "kill":
            os.kill(os.getpid(), 9)
        1 / 0
    await asyncio.sleep(0.01)
    return i + rng.random()

@experiment(grid(i=range(N)))
def alone(i, rng):
    return i + rng.random()
"""

N = 12

FAILURES = {
    "hang": ("timeout", "TimeoutError", "took longer than the timeout of 0.4 s"),
    "block": ("timeout", "TimeoutError", "took longer than the timeout of 0.4 s"),
    "kill": ("died", "WorkerDied", "the worker died: exit code SIGKILL(-9)"),
    "raise": ("exception", "ZeroDivisionError", "division by zero"),
}


@pytest.fixture
def served(project):
    (project / "experiments" / "served.py").write_text(ASYNC.replace("N)", f"{N})"))
    return resolve("served")


def check_all_but(failed):
    """All other points landed as those of a function that is not async."""
    alone = sweeps.run("alone", engine="serial").alone.values
    expected = np.where(np.isin(np.arange(N), list(failed)), np.nan, alone)
    np.testing.assert_array_equal(sweeps.load("served").served.values, expected)
    said = {f.params["i"]: f for f in failures.failures_of(resolve("served"))}
    assert sorted(said) == sorted(failed)
    for i, what in failed.items():
        f = said[i]
        assert (f.kind, f.type, f.message) == FAILURES[what]
        if what != "kill":
            assert re.search(r"served\.py.*, line \d+", f.traceback)


@pytest.mark.parametrize("engine", LOCAL)
def test_every_engine_lands_the_same(served, engine):
    Path("told-3").write_text("raise")
    Path("told-7").write_text("hang")
    report = run.execute(served, Options(engine, n_workers=2))
    assert (report.n_computed, report.n_failed, report.warnings) == (N - 2, 2, ())
    check_all_but({3: "raise", 7: "hang"})


@pytest.mark.parametrize(
    "guilty",
    [
        {4: "block"},  # who kills is found in tests/execution/test_dispatch.py, too
        pytest.param({0: "kill", 9: "block"}, marks=pytest.mark.campaign),
    ],
    ids=str,
)
def test_who_blocks_the_loop_or_kills_the_worker_is_found_among_those_beside_it(served, guilty):
    for i, what in guilty.items():
        Path(f"told-{i}").write_text(what)
    report = run.execute(served, Options(n_workers=1))
    assert (report.n_computed, report.n_failed) == (N - len(guilty), len(guilty))
    check_all_but(guilty)


def test_in_a_loop_that_runs_already(tmp_path):
    made = experiment(grid(i=range(5)), name="inner", concurrency=3)(Callable())

    async def main():
        return run.run(made, results=tmp_path, engine="serial").inner.values.tolist()

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_concurrency_is_no_part_of_the_identity(served):
    other = resolve(dataclasses.replace(served.experiment, concurrency=7))
    assert other.fingerprint.digest == served.fingerprint.digest
    positions = np.arange(N)
    np.testing.assert_array_equal(other.keys(positions), served.keys(positions))


@pytest.mark.campaign  # in short, without coroutines: tests/execution/test_dispatch.py
def test_a_worker_killed_amid_its_points_loses_nothing_that_was_committed(project):
    (project / "experiments" / "patient.py").write_text(
        "import asyncio, os, pathlib\nfrom sweeps import experiment, grid\n"
        "@experiment(grid(i=range(120)), concurrency=2)\n"
        "async def patient(i):\n"
        "    pathlib.Path(f'pid-{os.getpid()}').touch()\n"
        "    await asyncio.sleep(0.02)\n"
        "    return i\n"
    )
    killed, done = [], []

    def kill():
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            time.sleep(0.02)
            if sweeps.status("patient").done:
                done.append(sweeps.status("patient").done)
                killed.append(int(next(project.glob("pid-*")).name[4:]))
                os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    report = run.execute(resolve("patient"), Options(n_workers=1))
    killer.join()
    assert killed
    assert 0 < done[0] < 120
    assert (report.n_computed, report.n_failed) == (120, 0)
    assert sweeps.load("patient").patient.values.tolist() == list(range(120))
