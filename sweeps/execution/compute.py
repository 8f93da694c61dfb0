"""Compute the points that the memo lacks, then land: the one place that joins the two."""

from __future__ import annotations

import _thread
import contextlib
import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps import engines
from sweeps.code import provenance
from sweeps.costs import memory
from sweeps.declaration import checks
from sweeps.declaration.experiment import Experiment
from sweeps.errors import StorageError, SweepsError, UnfinishedError
from sweeps.execution import brief, leaks, remote, send
from sweeps.execution.brief import Work
from sweeps.execution.dispatch import Dispatch
from sweeps.execution.options import Options, Report, Tally, n_workers
from sweeps.execution.plan import Points, first, plan_run
from sweeps.memo import claims, record
from sweeps.memo import index as memo
from sweeps.progress.show import Progress, Slow, Watch
from sweeps.project.sweep import Sweep, changed_reads
from sweeps.signals import Interruption
from sweeps.spaces.product import Places, Positions, joined
from sweeps.text import count
from sweeps.worker import capture

if TYPE_CHECKING:
    from sweeps.progress.run_file import Notice
    from sweeps.results.update import Landing

_TICK_S, _NOTED_S = 1.0, 20.0  # runs that take so long note how much memory workers have had


def compute(
    sweep: Sweep,
    held: Mapping[str, Any],
    options: Options,
    watch: Watch | None,
    interruption: Interruption,
    *,
    keeps_workers: bool = True,
) -> Report:
    """Compute the points that the memo lacks, and land the whole space.

    `held` are attributes of the results file as it was when the run began.
    """
    started = provenance.now()
    if held or sweep.output is not None:  # a results file is there
        from sweeps.results import adopt

        adopt.adopt(sweep, held)
    # Before looking into the memo: what others finish from now on is theirs. A run that claims
    # nothing has it too, so that `clean` knows that it lives.
    with contextlib.closing(claims.Claims(sweep.memo, sweep.keys)) as present:
        others = None if options.recompute else present
        index = memo.scan(sweep.memo, sets_aside=True)
        todo = plan_run(sweep, index, recompute=options.recompute, retry=options.retries, keep=True)
        positions = first(todo.todo, options.limit)
        n_todo, tally = sum(map(len, positions)), Tally()
        if n_todo:
            dispatch = start(sweep, index, positions, options, others=others)

            @functools.cache
            def landing() -> Landing:
                from sweeps.results import update  # 20 ms, while the first points are computed

                return update.Landing(sweep, index, started, dispatch.tally.forms, dispatch.left)

            dispatch.meanwhile = landing
            watched = (Progress(n_todo=n_todo, n_reused=todo.n_reused), watch, interruption)
            tally = carry_out(sweep, dispatch, *watched, lambda: landing().if_due())
            if not keeps_workers:
                options.carrier.close(wait=False)  # 0.1 s, while we land
        from sweeps.results import collect, known_points, update

        after = index if interruption.is_asked else update.settle(index, present, tally.draft)
    try:
        gathered, told, state = update.refresh(sweep, after, started, tally.draft, is_last=True)
    except SweepsError as error:
        raise unfinished(f"{tally.error or error}", tally) from error
    if tally.error:
        raise unfinished(tally.error, tally)
    n_missing = gathered.count("missing")
    is_whole = options.limit is None and not options.failed
    if n_missing and is_whole and not interruption.is_asked:
        raise unfinished(
            f"{count(n_missing, 'point')} that had been finished disappeared from {sweep.memo} "
            "during the run (damaged, deleted or renamed): run again to continue",
            tally,
        )
    shrunk = filter(None, [known_points.shrunk(held, sweep, gathered)] if held else [])
    # values that do not fit those of the first point are neither reused nor computed, but failed
    refused_now = min(gathered.n_refused, tally.n_computed)
    n_computed = tally.n_computed - refused_now
    n_reused = todo.n_reused + tally.n_elsewhere - (gathered.n_refused - refused_now)
    if any(dimension.is_first is not None for dimension in sweep.experiment.space.dimensions):
        n_reused = gathered.count("done") - n_computed  # equal points were computed once
    warnings = (
        *present.warnings,
        *told_of(sweep, index, positions, options, tally, interruption),
        *gathered.told,
        *told,
        *shrunk,
    )
    return Report(
        experiment=sweep.experiment.name,
        n_points=todo.n_points,
        n_reused=n_reused,
        n_computed=n_computed,
        n_failed=max(gathered.count("failed"), tally.n_failed),
        n_excluded=todo.n_excluded,
        seconds=0.0,
        results=sweep.landed,
        fingerprint=sweep.fingerprint.digest,
        is_interrupted=interruption.is_asked,
        warnings=warnings,
        state=state,
        first_failure=collect.first_failure(gathered),
    )


def compute_points(
    sweep: Sweep,
    positions: Positions,
    options: Options,
    watch: Watch | None,
    interruption: Interruption,
    *,
    is_mustered: bool = False,
) -> Tally:
    """Compute some points whether or not they are known, and land nothing.

    With `is_mustered`, all worker processes are started and ready before the first point.
    """
    record.keep(sweep.memo, sweep.experiment, sweep.fingerprint)
    progress = Progress(n_todo=len(positions))
    index, begun = memo.scan(sweep.memo), time.perf_counter()
    dispatch = _dispatch(sweep, index, [positions], options, recompute=True)
    if is_mustered:
        dispatch.muster()
    dispatch.tally.start_s = time.perf_counter() - begun
    return carry_out(sweep, dispatch, progress, watch, interruption, is_told=False)


def start(
    sweep: Sweep,
    index: memo.Index,
    positions: list[Places],
    options: Options,
    *,
    others: claims.Claims | None,
    waits: bool = True,
) -> Dispatch:
    """Begin to compute missing points, beside `others`; `waits` is as for `Dispatch`."""
    made = sweep.experiment
    record.keep(sweep.memo, made, sweep.fingerprint, is_empty=not index.segments)
    record.keep_space(sweep.memo, sweep.layout, made.space, made.constants)
    own = (sweep, index, positions, options)
    return _dispatch(*own, recompute=options.recompute, others=others, waits=waits)


def _dispatch(
    sweep: Sweep,
    index: memo.Index,
    positions: list[Places],
    options: Options,
    *,
    recompute: bool,
    others: claims.Claims | None = None,
    waits: bool = True,
) -> Dispatch:
    engine = options.carrier
    engine.check()
    told = _mixed(sweep, index) if index.segments else ()
    made = Dispatch(
        Points(sweep.experiment, sweep.keys, sweep.memo),
        index,
        positions,
        engine,
        n_workers(options.n_workers, sum(map(len, positions)), engine),
        functools.partial(_work, sweep, index, engine, options, recompute, positions),
        recompute=recompute,
        others=others,
        waits=waits,
        is_limited=options.memory_bytes is not None,
        landing=sweep.landed.parent if waits and sweep.can_land_in_place else None,
    )
    made.printed.is_shown = not options.quiet
    if not options.recompute:
        made.tally.notes += told
        made.tally.warnings += told
    return made


def _mixed(sweep: Sweep, index: memo.Index) -> tuple[str, ...]:
    """Note with which versions points are computed; warn if those that are there have others."""
    from sweeps.code import versions  # the first run in a folder does not need these
    from sweeps.memo import computed_with

    here = versions.here()
    if not (earlier := computed_with.note(sweep.memo, here)):
        return ()
    n = sum(len(part) for each in index.segments.values() if not each.rank for part in each.parts)
    points = f"{count(n, 'point')} of {sweep.experiment.name!r}"
    return versions.mixed(here, earlier, points) if n else ()


def _work(
    sweep: Sweep,
    index: memo.Index,
    engine: engines.Engine,
    options: Options,
    recompute: bool,
    positions: list[Places],
    folder: Path,
    take: capture.Take,
) -> Work:
    """Make what an engine has its workers do."""
    clock_ns, memory_bytes = memo.clock(index), options.memory_bytes
    own = brief.checkpoints(sweep.memo, brief.own_name(folder), recompute=recompute)
    if not engine.isolates:
        return brief.here(sweep, folder, clock_ns, take, own)
    if engine.shares_machine:
        return send.send(sweep, folder, memory_bytes, clock_ns, own, positions)
    now_ns = clock_ns + time.monotonic_ns()
    return remote.pack(sweep, folder, memory_bytes, now_ns, recompute=recompute)


def unfinished(reason: str, tally: Tally) -> SweepsError:
    """Make the error of a run that could not go on."""
    if not tally.n_computed + tally.n_failed + tally.n_uncommitted:
        return StorageError(reason)
    return UnfinishedError(f"{reason} (finished in this run and kept: {tally.n_computed} points)")


def carry_out(
    sweep: Sweep,
    dispatch: Dispatch,
    progress: Progress,
    watch: Watch | None,
    interruption: Interruption,
    between: Callable[[], None] = lambda: None,
    *,
    is_told: bool = True,
) -> Tally:
    """Compute points until all are done or the user says stop, and return what came of them.

    `between` is called after every outcome. With `is_told`, other processes are told of the run.
    """
    begun = time.perf_counter()
    teller = _Teller(dispatch, sweep.memo, progress, watch, interruption)

    def after_each() -> None:
        teller.show()
        between()

    def stop() -> None:
        # Called by a signal's handler, wherever the main thread is: a lock that is held there (of
        # the scheduler, or of the stream that shows progress) would never be released.
        dispatch.stop()
        with contextlib.suppress(RuntimeError):  # no thread can be started: told a little later
            _thread.start_new_thread(teller.show, ())

    try:
        teller.show()
        interruption.tell(stop)
        if is_told:
            teller.begin()
        dispatch.compute(after_each)
        dispatch.tally.seconds = time.perf_counter() - begun
        if dispatch.tally.seconds > _NOTED_S:
            memory.note(sweep.memo, dispatch.tally.peak_bytes)
        dispatch.end()
    finally:
        teller.end()
        interruption.tell(lambda: None)  # nothing is left to stop
        dispatch.close()
    return dispatch.tally


class _Teller:
    """Shows how far a run is, and tells other processes once the run takes a while."""

    def __init__(
        self,
        dispatch: Dispatch,
        memo: Path,
        progress: Progress,
        watch: Watch | None,
        interruption: Interruption,
    ) -> None:
        self._dispatch, self._memo, self._progress = dispatch, memo, progress
        self._watch, self._interruption = watch, interruption
        self._start = time.perf_counter()
        self._under_way: tuple[Slow, ...] = ()
        self._notice: Notice | None = None
        self._showing = threading.RLock()  # the second signal may come amid `show`, then `end`
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True, name="sweeps-progress")

    def show(self) -> None:
        """Show how far the run is, until the end."""
        with self._showing:
            if self._watch is not None and not self._is_over.is_set():
                self._watch(self._now())

    def begin(self) -> None:
        """Begin to look, every second, which points take a while."""
        self._thread.start()

    def end(self) -> None:
        """Stop telling."""
        with self._showing:
            self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join(_TICK_S)
        if self._notice is not None:
            self._notice.close()

    def _now(self) -> Progress:
        tally = self._dispatch.tally
        left_s, likely = self._dispatch.left() or (None, None)
        return dataclasses.replace(
            self._progress,
            n_todo=self._progress.n_todo - tally.n_elsewhere,
            n_reused=self._progress.n_reused + tally.n_elsewhere,
            n_computed=tally.n_computed,
            n_failed=tally.n_failed,
            n_awaited=tally.n_awaited,
            notes=tuple(tally.notes),
            seconds=time.perf_counter() - self._start,
            is_stopping=self._interruption.is_asked,
            left_s=left_s,
            left_range_s=likely,
            under_way=self._under_way,
        )

    def _tell(self) -> None:
        while not self._is_over.wait(_TICK_S):
            with contextlib.suppress(Exception):  # the run matters more
                self._under_way = self._dispatch.under_way()
                from sweeps.progress import presence, run_file  # which quick runs do not need

                if self._notice is None:
                    self._notice = run_file.Notice(self._memo, *self._dispatch.workers)
                    told = run_file.differing(presence.beside(self._memo))
                    self._dispatch.tally.notes += told
                    self._dispatch.tally.warnings += told
                self._notice.say(self._now())
                self.show()


def told_of(
    sweep: Sweep,
    index: memo.Index,
    positions: list[Places],
    options: Options,
    tally: Tally,
    interruption: Interruption,
) -> Iterator[str]:
    """Warn of what went wrong with some points, and of what may have."""
    yield from _warnings(sweep, index, options, len(positions))
    yield from tally.warnings
    if tally.traces and not interruption.is_asked:
        n_begun = tally.n_computed + tally.n_failed
        leak = leaks.warning(sweep, joined(positions), tally.busy_s, n_begun, tally.traces)
        yield from [leak] if leak else []


def _warnings(sweep: Sweep, index: memo.Index, options: Options, n_todo: int) -> Iterator[str]:
    for path in index.bad:
        yield f"set aside the damaged file {path}; its points are computed again"
    yield from sweep.unwatched
    is_here = n_todo and not options.carrier.isolates
    for limit in _unenforced(sweep.experiment, options) if is_here else ():
        yield (
            f"{limit} was not enforced: --engine {options.carrier.name} computes in this "
            "process; --engine loky enforces it"
        )
    if changed := sorted(changed_reads(sweep, sweep.memo)) if n_todo else []:
        yield (
            f"{changed[0]} changed after points of {sweep.experiment.name!r} had read it, so "
            "these points are stale: run it again"
        )


def _unenforced(experiment: Experiment, options: Options) -> Iterator[str]:
    """Name the limits that hold only where a worker is a process of its own."""
    if experiment.timeout is not None and not checks.is_async(experiment.function):
        yield f"the timeout of {experiment.timeout:g} s"
    if options.memory_limit is not None:
        yield f"the memory limit of {options.memory_limit}"
