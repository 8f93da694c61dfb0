"""Memory over time: it does not grow with the hours, and slow consumers do not fill it."""

import itertools
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sweeps.execution import scheduler as execution_scheduler
from sweeps.execution.options import Options
from sweeps.memo import index as memo
from sweeps.operations import run as operations_run
from sweeps.project.sweep import resolve
from sweeps.results import update

MIB = 2**20
PAGE = os.sysconf("SC_PAGE_SIZE")
SAMPLE_S = 0.5

TINY = """
import time
from sweeps import experiment, grid

@experiment(grid(i=range({n})))
def tiny(i):
    time.sleep({point_s})
    return i * 1.0
"""


def write(project, n, point_s):
    (project / "experiments" / "tiny.py").write_text(TINY.format(n=n, point_s=point_s))
    return resolve("tiny")


def resident_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def workers():
    """Worker processes of this one, each of which is below a guard."""
    for guard in children(os.getpid()):
        yield from children(guard)


def children(pid):
    for told in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = [Path(f"/proc/{child}") for child in told.read_text().split()]
            yield from (int(p.name) for p in found if "LokyProcess" in (p / "cmdline").read_text())
        except OSError:
            continue


def observe(run):
    """Seconds, bytes of this process and of its largest worker, while something runs."""
    samples, is_over = [], threading.Event()

    def look():
        begun = time.monotonic()
        while not is_over.wait(SAMPLE_S):
            own = [resident_bytes(pid) for pid in workers()]
            if own:
                samples.append((time.monotonic() - begun, resident_bytes(os.getpid()), max(own)))

    watching = threading.Thread(target=look)
    watching.start()
    try:
        report = run()
    finally:
        is_over.set()
        watching.join()
    return report, np.array(samples)


@pytest.mark.campaign
def test_memory_does_not_grow_with_time(project, monkeypatch):
    # Landing and merging take place at once and often, so that what they load is there soon.
    for name in ("_FIRST_LANDING_S", "_PAUSE_S"):
        monkeypatch.setattr(update, name, 3.0)
    sweep = write(project, 16_000, 0.01)
    report, samples = observe(lambda: operations_run.execute(sweep, Options(n_workers=2)))
    settled = samples[len(samples) // 2 :]
    seconds = settled[-1, 0] - settled[0, 0]
    for name, column in (("parent", 1), ("worker", 2)):
        slope = np.polyfit(settled[:, 0], settled[:, column], 1)[0]
        print(
            f"\n{name}: {settled[0, column] / MIB:.1f} MiB, {settled[-1, column] / MIB:.1f} MiB "
            f"{seconds:.0f} s later; {slope * 86_400 / MIB:.0f} MiB a day",
            end="",
        )
        assert slope < 50_000, name
    print(f"; {report.n_computed / report.seconds:.0f} points/s")


@pytest.mark.campaign
def test_what_the_parent_keeps_of_a_point(project):
    """Its keys: what is known is looked up in memory."""
    small = write(project, 2_000_000, 0)
    text = (project / "experiments" / "tiny.py").read_text().replace("time.sleep(0)", "pass")
    (project / "experiments" / "tiny.py").write_text(text)
    small = resolve("tiny", results="r")
    before = resident_bytes(os.getpid())
    operations_run.execute(small, Options(n_workers=2))
    index = memo.scan(small.memo)
    print(f"\nresident {(resident_bytes(os.getpid()) - before) / 2e6:.1f} bytes a point")
    assert len(index.parts)


@pytest.mark.parametrize("engine", ["loky", pytest.param("threads", marks=pytest.mark.campaign)])
def test_a_slow_consumer_throttles_the_run(project, monkeypatch, engine):
    """Blocks that were given out and not taken note of are few, however long that takes."""
    n_out, most = itertools.count(), []
    give_out = execution_scheduler.Scheduler._next

    def next_(scheduler):
        most.append(len(scheduler._flying))
        next(n_out)
        return give_out(scheduler)

    monkeypatch.setattr(execution_scheduler.Scheduler, "_next", next_)
    monkeypatch.setattr(execution_scheduler, "_FIRST_BLOCK", 1)
    monkeypatch.setattr(execution_scheduler, "BLOCK_S", 1e-3)
    sweep = write(project, 60, 0.001)
    options = Options(engine=engine, n_workers=2)
    report = operations_run.execute(sweep, options, lambda progress: time.sleep(0.01))
    print(f"\n{engine}: {max(most)} blocks out at most, of {next(n_out)}")
    assert report.n_computed == 60
    assert max(most) <= 16
