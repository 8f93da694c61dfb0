"""Laws of dispatching: whoever dies, all other points are finished and the guilty one is named."""

import contextlib
import itertools
import math
import os
import re
import signal
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweeps as package
from sweeps import engines, experiment, grid
from sweeps.engines import Lost
from sweeps.engines.serial import Serial
from sweeps.errors import SweepsError
from sweeps.execution import scheduler
from sweeps.execution.options import Options, n_workers
from sweeps.memo import claims, merge
from sweeps.memo import index as memo
from sweeps.operations import failures as operations_failures
from sweeps.operations import run
from sweeps.project.sweep import resolve
from sweeps.worker import scratch
from tests.sizes import examples

DEADLY = """
import ctypes, os, pathlib, signal, sys, time
from sweeps import experiment, grid

DEATHS = {
    "raise": lambda: 1 / 0,
    "exit": lambda: sys.exit(3),
    "quit": lambda: os._exit(7),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: ctypes.string_at(0),
    "hang in C": lambda: ctypes.CDLL(None).sleep(1000),
    "unstorable": lambda: object(),
}

# On a loaded machine a worker may well stand still for half a second.
@experiment(grid(i=range(N)), timeout=1)
def deadly(i):
    told = pathlib.Path(f"death-{i}")
    if told.exists():
        return DEATHS[told.read_text()]()
    return float(i)
"""

FAILURES = {
    "raise": ("exception", "ZeroDivisionError", "division by zero"),
    "exit": ("exception", "SystemExit", "3"),
    "quit": ("died", "WorkerDied", "the worker died: exit code EXIT(7)"),
    "kill": ("died", "WorkerDied", "the worker died: exit code SIGKILL(-9)"),
    "segfault": ("died", "WorkerDied", "the worker died: Segmentation fault"),
    "hang in C": ("timeout", "TimeoutError", "took longer than the timeout of 1 s"),
    "unstorable": ("output", "OutputError", ""),
}
SHOW_WHERE = {"raise", "exit", "segfault", "hang in C"}


@pytest.fixture
def deadly(project):
    """Make an experiment of so many points, which die as they are told."""

    def make(n, deaths):
        text = DEADLY.replace("range(N)", f"range({n})")
        (project / "experiments" / "deadly.py").write_text(text)
        for i, death in deaths.items():
            (project / f"death-{i}").write_text(death)
        return resolve("deadly")

    return make


def check(sweep, n, deaths, attempts=1):
    data = package.load("deadly").deadly.values
    expected = np.arange(n, dtype=float)
    expected[list(deaths)] = np.nan
    np.testing.assert_array_equal(data, expected)
    failures = {f.params["i"]: f for f in operations_failures.failures_of(sweep)}
    assert sorted(failures) == sorted(deaths)
    for i, death in deaths.items():
        kind, name, message = FAILURES[death]
        f = failures[i]
        assert (f.kind, f.type, f.attempts) == (kind, name, attempts)
        assert message == f.message if message else f.message
        assert (re.search(r"deadly\.py.*, line \d+", f.traceback) is not None) == (
            death in SHOW_WHERE
        )


def test_one_of_each_death_and_all_others_are_landed(deadly, sweeps):
    n = 400
    told = FAILURES.keys() - {"quit", "kill"}  # which are below
    deaths = {50 * k + 3: death for k, death in enumerate(sorted(told))}
    sweep = deadly(n, deaths)
    report = run.execute(sweep, Options())
    assert (report.n_computed, report.n_failed) == (n - len(deaths), len(deaths))
    check(sweep, n, deaths)
    again = {i: death for i, death in deaths.items() if death in ("raise", "segfault")}
    for i in deaths.keys() - again.keys():
        Path(f"death-{i}").unlink()
    done = sweeps("run", "deadly", "--json")
    assert done.code == 1
    assert "Traceback" not in done.err
    told = [done.json[name] for name in ("reused", "computed", "failed")]
    assert told == [n - len(deaths), len(deaths) - len(again), len(again)]
    check(sweep, n, again, attempts=2)


@pytest.mark.parametrize(
    ("n_workers", "deaths"),
    [
        (3, {0: "kill", 2: "quit"}),
        *(
            pytest.param(n, {0: "kill", 1: "quit", 4: "segfault"}, marks=pytest.mark.campaign)
            for n in (2, 5)
        ),
    ],
)
def test_points_that_kill_all_workers_at_once_are_told_apart(deadly, n_workers, deaths):
    n = max(deaths) + 1
    sweep = deadly(n, deaths)
    report = run.execute(sweep, Options(n_workers=n_workers))
    assert (report.n_computed, report.n_failed) == (n - len(deaths), len(deaths))
    check(sweep, n, deaths)


@examples(15)
@given(
    guilty=st.frozensets(st.integers(0, 63), max_size=6),
    n_workers=st.sampled_from([1, 2, 8, 16]),
    n_at_once=st.integers(1, 16),
    says_why=st.booleans(),
)
def test_the_innocent_that_are_killed_beside_the_guilty_are_acquitted(
    tmp_path_factory, guilty, n_workers, n_at_once, says_why
):
    # As many blocks at a time as there are workers, and so many points of each under way; one that
    # is guilty ends them all.
    losses = []

    def carry(work, blocks, n_workers):
        out = list(itertools.islice(blocks, n_workers))
        folder = work.args[0].settings.folder
        at = {}
        for block in out:
            for first in range(0, len(block), n_at_once):
                under_way = block.at[first : first + n_at_once].tolist()
                at[block.number] = (first, len(under_way))
                if says_why and not guilty.isdisjoint(under_way):
                    (folder / f"{2**22 + block.number}.fault").write_text(
                        "Fatal Python error: Segmentation fault"
                    )
                if not guilty.isdisjoint(under_way):
                    break
        if not guilty.isdisjoint(i for block in out for i in block.at.tolist()):
            for number, where in at.items():
                record = folder / f"{2**22 + number}.flight"
                record.write_bytes(struct.pack("=qqqq", number, *where, True))
            losses.append(len(out))
            yield Lost("The exit codes of the workers are {SIGKILL(-9)}")
        else:
            yield from map(work, out)

    engine = Serial()
    engine.n_workers, engine.carry = lambda given: given, carry
    made = experiment(grid(i=range(64)), name="tried")(lambda i: i)
    sweep = resolve(made, results=tmp_path_factory.mktemp("results"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduler, "_FIRST_BLOCK", 2 * n_at_once)
        patch.setattr(scratch, "_MAX_DYING_S", 0.0)  # which this process does not
        report = run.execute(sweep, Options(engine, n_workers=n_workers))
    assert (report.n_computed, report.n_failed) == (64 - len(guilty), len(guilty))
    assert {f.params["i"] for f in operations_failures.failures_of(sweep)} == guilty
    assert len(losses) <= (2 + math.log2(64)) * len(guilty)


VECTORIZED = """
import ctypes, pathlib
import numpy as np
from sweeps import experiment, grid

@experiment(grid(i=range(64)), vectorized=True, timeout=0.5)
def column(i):
    for told in pathlib.Path().glob("death-*"):
        if int(told.name[6:]) in i:
            ctypes.CDLL(None).sleep(1000) if told.read_text() == "hang" else ctypes.string_at(0)
    return i * 2.0
"""


@pytest.mark.parametrize(
    ("death", "why"),
    [
        pytest.param(
            *("hang", ("timeout", "took longer than the timeout of 0.5 s")),
            marks=pytest.mark.campaign,
        ),
        ("segfault", ("died", "the worker died: Segmentation fault")),
    ],
)
def test_a_value_that_kills_a_vectorized_function_is_found(project, death, why):
    (project / "experiments" / "column.py").write_text(VECTORIZED)
    Path("death-37").write_text(death)
    report = run.execute(resolve("column"), Options(n_workers=2))
    assert (report.n_computed, report.n_failed) == (63, 1)
    expected = np.where(np.arange(64) == 37, np.nan, 2.0 * np.arange(64))
    np.testing.assert_array_equal(package.load("column").column.values, expected)
    (failure,) = operations_failures.failures_of(resolve("column"))
    assert (failure.params["i"], failure.kind, failure.message) == (37, *why)


def test_a_death_while_computing_again_loses_no_new_value(deadly, monkeypatch):
    monkeypatch.setattr(merge, "N_SMALL", 10**6)  # a merge at the end leaves the new values alone
    sweep = deadly(40, {})
    run.execute(sweep, Options())
    run.execute(deadly(40, {20: "kill"}), Options(recompute=True))
    index = memo.scan(sweep.memo)
    newest = {tuple(key) for part in index.parts for key in part.keys.tolist()}
    assert len(newest) == 40
    assert sum(len(part.keys) for part in index.parts) >= 40 + 39


def test_a_point_that_failed_before_is_tried_again_after_a_death_beside_it(deadly):
    sweep = deadly(8, dict.fromkeys(range(8), "raise"))
    run.execute(sweep, Options(n_workers=1))
    deadly(8, {0: "kill"})
    for i in range(1, 8):
        Path(f"death-{i}").unlink()
    report = run.execute(sweep, Options(n_workers=1))
    assert (report.n_computed, report.n_failed) == (7, 1)


def test_a_worker_killed_from_outside_costs_nothing(project):
    (project / "experiments" / "patient.py").write_text(
        "import os, pathlib, time\nfrom sweeps import experiment, grid\n"
        "@experiment(grid(i=range(30)))\n"
        "def patient(i):\n"
        "    pathlib.Path(f'pid-{os.getpid()}').touch()\n"
        "    time.sleep(0.04)\n"
        "    return i\n"
    )
    killed, gone = [], set()

    def kill():
        # Two new workers: no point is tried alone, which would be to blame for the death.
        deadline = time.monotonic() + 30
        while len(killed) < 2 and time.monotonic() < deadline:
            started = {
                int(path.name[4:]): path.stat().st_mtime_ns for path in project.glob("pid-*")
            }
            new = started.keys() - gone
            if len(new) >= 2:
                killed.append(max(new, key=started.get))
                gone.update(new)
                with contextlib.suppress(ProcessLookupError):  # its co-worker took it along
                    os.kill(killed[-1], signal.SIGKILL)
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    report = run.execute(resolve("patient"), Options())
    killer.join()
    assert len(killed) == 2
    assert (report.n_computed, report.n_failed) == (30, 0)
    assert package.load("patient").patient.values.tolist() == list(range(30))


def test_workers_that_die_before_they_begin_end_the_run_with_a_word(project):
    (project / "experiments" / "stillborn.py").write_text(
        "import multiprocessing, os\nfrom sweeps import experiment, grid\n"
        "if multiprocessing.parent_process():\n    os._exit(5)\n"
        "@experiment(grid(i=range(4)))\ndef stillborn(i):\n    return i\n"
    )
    with pytest.raises(
        SweepsError, match=r"workers die before they compute anything: exit code EXIT\(5\)"
    ):
        run.execute(resolve("stillborn"), Options(n_workers=1))


def test_a_run_that_cannot_begin_leaves_nothing_behind(project, monkeypatch, tmp_path_factory):
    places = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(places))
    made = experiment(grid(thing={"lock": threading.Lock()}), name="locked")(lambda thing: 1)
    with pytest.raises(SweepsError, match="cannot send"):
        run.execute(resolve(made), Options())
    assert list(places.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "n_points", "engine", "expected"),
    [(3, 10, "loky", 3), (3, 2, "loky", 2), (8, 10, "serial", 1), (4, 0, "threads", 1)],
)
def test_workers_are_as_many_as_are_of_use(given, n_points, engine, expected):
    assert n_workers(given, n_points, engines.get(engine)) == expected


@pytest.mark.parametrize("engine", engines.LOCAL)
@pytest.mark.parametrize("is_finished", [False, True])
def test_points_that_another_run_is_at_are_awaited_not_computed(deadly, engine, is_finished):
    sweep = deadly(20, {})
    other = claims.Claims(sweep.memo, sweep.keys)
    taken, _, _ = other.take(np.arange(5, 10), 3)
    awaited = []

    def watch(progress):
        if progress.n_awaited and not awaited:
            if is_finished:
                only = f"{taken[0]} <= i <= {taken[-1]}"
                run.execute(resolve("deadly", only=only), Options("serial", recompute=True))
            other.close()
        awaited.extend([progress.n_awaited] if progress.n_awaited else [])

    report = run.execute(sweep, Options(engine), watch)
    assert awaited[0] == 3
    assert (report.n_computed, report.n_reused) == ((17, 3) if is_finished else (20, 0))
    check(sweep, 20, {})


@pytest.mark.parametrize("engine", engines.LOCAL)
def test_where_nothing_can_be_locked_a_run_is_as_right_and_ends(deadly, engine, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    report = run.execute(deadly(20, {}), Options(engine))
    assert (report.n_computed, report.n_failed) == (20, 0)
    check(resolve("deadly"), 20, {})
