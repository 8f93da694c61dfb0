"""Timing: some points of an experiment computed once, sequentially here or by workers.

Nothing is kept of the values.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sweeps import engines
from sweeps.analysis.speedup import Timing
from sweeps.code import pins
from sweeps.declaration.experiment import Experiment
from sweeps.engines import Block
from sweeps.errors import SweepsError
from sweeps.execution import brief, compute, plan
from sweeps.execution.options import Options, Tally
from sweeps.project.sweep import Sweep
from sweeps.signals import Interrupted, Interruption
from sweeps.spaces.product import Positions
from sweeps.storage.files import results_in
from sweeps.worker import call, evaluate, host
from sweeps.worker.isolation.surroundings import SpoiledError, end_copy
from sweeps.worker.scratch import Scratch

ENGINE = "loky"
"""What the points are timed on beside a sequential loop."""

_CHUNK = 2**16  # points whose arguments are in memory together


def is_plain(experiment: Experiment) -> bool:
    """Whether a loop that a user would write calls the function as it is."""
    return not (experiment.vectorized or evaluate.needs_host(experiment))


def sequential(sweep: Sweep, positions: Positions) -> Timing:
    """Time the points one after the other in this process.

    Arguments are made ready before the clock runs. What no plain loop can call is called as a
    worker calls it.

    Raises
    ------
    SweepsError
        Where a resource cannot be opened, or code was edited since it was imported.
    """
    own, here = Scratch(), os.getpid()
    folder = own.path
    try:
        task, pinned = brief.task_here(sweep, folder)
        settings = dataclasses.replace(task.settings, block_s=math.inf)
        task = dataclasses.replace(task, settings=settings)
        time_block = _in_a_loop if is_plain(sweep.experiment) else _as_a_worker
        busy_s, n_failed = 0.0, 0
        with pins.held(pinned), results_in(sweep.results):
            for block in _blocks(sweep, positions):
                seconds, failed = time_block(task, block)
                if os.getpid() != here:  # a copy that a point has made, and came back from
                    end_copy()
                busy_s += seconds
                n_failed += failed
                with contextlib.suppress(SpoiledError):
                    task.surroundings.restore()
        host.end(folder)
        return Timing(busy_s, 0.0, busy_s, n_failed)
    finally:
        own.remove()


def _blocks(sweep: Sweep, positions: Positions) -> Iterator[Block]:
    for start in range(0, len(positions), _CHUNK):
        yield from plan.cut(sweep.keys, positions[start : start + _CHUNK], 0, None)


def _in_a_loop(task: evaluate.Task, block: Block) -> tuple[float, int]:
    """Call the function at one point after the other; the seconds, and how often it raised."""
    given, columns = evaluate.arguments(task, block.at)
    rows, names = call.rows(columns, len(block)), tuple(columns)
    function, n_failed = task.experiment.function, 0
    start = time.perf_counter()
    for row in rows:
        try:
            function(**given, **dict(zip(names, row, strict=True)))
        except Interrupted:
            raise
        except BaseException:  # a point's own SystemExit too
            n_failed += 1
    return time.perf_counter() - start, n_failed


def _as_a_worker(task: evaluate.Task, block: Block) -> tuple[float, int]:
    busy_s, n_failed, at = 0.0, 0, block.at
    while len(at):  # a call ends where it has returned much
        called = evaluate.call(task, Block(block.number, at))
        busy_s += called.busy_s
        n_failed += len(called.failures)
        at = at[len(called.elapsed) :]
    return busy_s, n_failed


def parallel(sweep: Sweep, positions: Positions, n_workers: int, scratch: Path) -> Timing:
    """Time the points on worker processes that are started for it.

    Raises
    ------
    SweepsError
        Where they cannot be computed or kept.
    """
    engines.get(ENGINE).close()
    tally = computed(sweep, positions, n_workers, scratch)
    return Timing(tally.seconds, tally.start_s, tally.busy_s, tally.n_failed)


def computed(sweep: Sweep, positions: Positions, n_workers: int, scratch: Path) -> Tally:
    """Compute points on worker processes, and keep them in a scratch folder.

    Raises
    ------
    SweepsError
        Where they cannot be computed or kept.
    """
    apart = dataclasses.replace(sweep, segments=scratch)
    options = Options(engine=ENGINE, n_workers=n_workers)
    tally = compute.compute_points(
        apart, positions, options, None, Interruption(), is_mustered=True
    )
    if tally.error:
        raise SweepsError(tally.error)
    return tally
