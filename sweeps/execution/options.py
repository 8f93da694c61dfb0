"""One invocation of `run`: what it is asked, how far it is and how that looks, and what it did.

A run under way is a bar on a terminal, a line in a notebook, and now and then a line elsewhere.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps import engines
from sweeps.engines import Receipt
from sweeps.errors import SweepsError
from sweeps.execution.retry import EVERY, Retry
from sweeps.storage import files
from sweeps.text import count, duration, under_way
from sweeps.worker import memory_limit

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment
    from sweeps.outputs import schema

_LINE_EVERY_S = 5.0

_SLOW_S = 10.0

_PATIENCE_S = 2.0

_NOTEBOOK_S = 0.5

_showing = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Options:
    """How to run; the defaults are those of the command line.

    Attributes
    ----------
    engine : str, executor or Engine
        "loky", "serial", "threads", "dask", "mpi", "package.module:factory", or an object with the
        `submit` of `concurrent.futures.Executor`.
    n_workers : int or None
        None is one a core.
    limit : int or None
        Compute at most so many points.
    recompute : bool
        Recompute points that already have results; the new values count.
    retry : bool
        Recompute points that failed before.
    memory_limit : int, str or None
        Bytes of memory for each worker, or a size such as "2G".
    address : str or None
        Of the scheduler of the engine dask, or a file that holds it.
    failed : bool
        Compute nothing but points that failed before.
    kind : {"exception", "timeout", "died", "output"}, optional
        With `failed`: how they failed.
    retry_before : str, optional
        Recompute only what failed before this time, "2026-10-30T12:00".
    """

    engine: Any = "loky"
    n_workers: int | None = None
    limit: int | None = None
    recompute: bool = False
    retry: bool = True
    memory_limit: int | str | None = None
    address: str | None = None
    failed: bool = False
    kind: str | None = None
    retry_before: str | None = None

    def __post_init__(self) -> None:
        engines.check_name(self.engine)
        if self.n_workers is not None and self.n_workers < 1:
            raise SweepsError(f"-j {self.n_workers}: give a number of workers, at least 1")
        if self.limit is not None and self.limit < 0:
            raise SweepsError(f"--limit {self.limit}: give a number of points, at least 0")
        if self.memory_limit is not None:
            memory_limit.parse(self.memory_limit)
        if self.failed and self.recompute:
            raise SweepsError("--failed computes failed points again: leave out --recompute")
        _ = self.retries

    @property
    def retries(self) -> Retry:
        """Which failed points are computed again."""
        if self.retry and (self.failed, self.kind, self.retry_before) == (False, None, None):
            return EVERY
        return Retry.of(self.retry, self.failed, self.kind, self.retry_before)

    @functools.cached_property
    def carrier(self) -> engines.Engine:
        """The engine itself.

        Raises
        ------
        SweepsError
            If there is none.
        """
        return engines.get(self.engine, self.address)

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes."""
        return None if self.memory_limit is None else memory_limit.parse(self.memory_limit)


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run did, and what its results file holds.

    Attributes
    ----------
    n_points : int
        Of the space, or of the shard that the run was to compute.
    n_computed : int
        Points that this run finished.
    n_failed : int
        Points of the space that have no values because they failed, now or earlier.
    is_landed : bool
        Whether the run has written the results file.
    warnings : tuple of str
        What a user should know, though the run went on.
    state : str
        Of the results file, as `state.STATE` in it says: another run may replace it at any time.
    first_failure : str
        The first point without values, and why it has none; empty if unknown.
    """

    experiment: str
    n_points: int
    n_reused: int
    n_computed: int
    n_failed: int
    n_excluded: int
    seconds: float
    results: Path
    fingerprint: str
    is_landed: bool = True
    is_interrupted: bool = False
    warnings: tuple[str, ...] = ()
    state: str = ""
    first_failure: str = ""


@dataclasses.dataclass
class Tally:
    """What came of the points so far."""

    n_computed: int = 0
    n_failed: int = 0
    n_elsewhere: int = 0  # finished by other runs meanwhile
    n_awaited: int = 0  # that we wait for other runs to finish
    n_uncommitted: int = 0
    busy_s: float = 0.0  # in the function, of all workers together
    start_s: float = 0.0  # until all workers were ready, where they were mustered
    seconds: float = 0.0  # from then until the last outcome
    error: str = ""
    warnings: list[str] = dataclasses.field(default_factory=list)
    traces: set[str] = dataclasses.field(default_factory=set)  # what points changed that lasts
    notes: list[str] = dataclasses.field(default_factory=list)  # to be told at once
    forms: list[schema.Form] = dataclasses.field(default_factory=list)
    misfits: set[str] = dataclasses.field(default_factory=set)  # outputs of which notes tell

    def add(self, receipt: Receipt, experiment: Experiment) -> None:
        """Count what a worker did with a block."""
        self.n_computed += receipt.n_done
        self.n_failed += receipt.n_failed
        self.busy_s += receipt.busy_s
        self.traces.update(receipt.traces)
        self.warnings += [w for w in receipt.warnings if w not in self.warnings]
        self.forms += receipt.forms
        if not receipt.forms or len(self.forms) < 2:
            return
        from sweeps.outputs import misfits  # a run with nothing to do needs none of it

        for output, told in misfits.noticed(experiment, self.forms):
            if output not in self.misfits:
                self.misfits.add(output)
                self.notes.append(told)


class Slow(NamedTuple):
    """A point that is under way, by its parameters as text, and since when."""

    point: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is, in points and seconds; those awaited are under way in other runs.

    Attributes
    ----------
    notes : tuple of str
        What a user should know at once, all since the run began.
    left_s : float or None
        Until the run ends; None if unknown.
    under_way : tuple of Slow
        Points that take a while, the longest first.
    """

    n_todo: int
    n_computed: int = 0
    n_failed: int = 0
    n_reused: int = 0
    seconds: float = 0.0
    is_stopping: bool = False
    n_awaited: int = 0
    notes: tuple[str, ...] = ()
    left_s: float | None = None
    under_way: tuple[Slow, ...] = ()


Watch = Callable[[Progress], None]


# ---- how it looks


class Watcher:
    """Shows the progress of a run on stderr; what becomes of stderr is no matter to the run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = time.monotonic()
        self._was_stopping = False
        self.told: list[str] = []
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, progress: Progress) -> None:
        """Show how far a run is."""
        # OSError: the log file's disk is full, or the reader of a pipe has gone.
        # RuntimeError: the bar wants a thread, and none can be started.
        with contextlib.suppress(OSError, RuntimeError):
            if _is_terminal():
                self._show_bar(progress)
            else:
                self._print_line(progress)
            for note in progress.notes[len(self.told) :]:
                self.told.append(note)
                self._tell(f"{self._name}: {note}")

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            with contextlib.suppress(OSError):  # the terminal was closed
                self._bar.stop()

    def _tell(self, note: str) -> None:
        if self._bar is not None:
            self._bar.console.print(note, markup=False, highlight=False)
        else:
            print(note, file=sys.stderr, flush=True)

    def _print_line(self, progress: Progress) -> None:
        now = time.monotonic()
        is_news = progress.is_stopping and not self._was_stopping
        if is_news or now - self._last > _LINE_EVERY_S:
            self._last, self._was_stopping = now, progress.is_stopping
            print(f"{self._name}: {line(progress)}", file=sys.stderr, flush=True)

    def _show_bar(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[line]}", markup=False),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), refresh_per_second=5)
            self._task = self._bar.add_task(self._name, total=progress.n_todo, line="")
            self._bar.start()
        n_over = progress.n_computed + progress.n_failed
        self._bar.update(self._task, completed=n_over, line=line(progress))


@contextlib.contextmanager
def in_python(name: str) -> Iterator[Watch | None]:
    """Show the progress of a run that Python code asked for, on a terminal and in a notebook.

    What is over in 2 s is not shown, nor runs within points and beside one that is shown.
    """
    made = Notebook(name) if _is_notebook() else Watcher(name) if _is_terminal() else None
    if made is None or files.is_in_point() or not _showing.acquire(blocking=False):
        yield None
        return
    start, watcher = time.monotonic(), made

    def watch(progress: Progress) -> None:
        if time.monotonic() - start > _PATIENCE_S:
            watcher(progress)

    try:
        yield watch
    finally:
        watcher.close()
        _showing.release()


class Notebook:
    """Shows the progress of a run below a cell, in one line."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = -_LINE_EVERY_S
        self._handle: Any = None

    def __call__(self, progress: Progress) -> None:
        """Show how far a run is."""
        if time.monotonic() - self._last > _NOTEBOOK_S or progress.is_stopping:
            self._last = time.monotonic()
            self._show(f"{self._name}: {line(progress)}")

    def _show(self, text: str) -> None:
        from IPython.display import display as show

        shown = {"text/plain": text}
        if self._handle is None:
            self._handle = show(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def close(self) -> None:
        """Remove the line; the results follow."""
        if self._handle is not None:
            self._show("")


def _is_notebook() -> bool:
    """Whether this is a kernel of Jupyter; IPython on a terminal is a terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def line(progress: Progress) -> str:
    """Describe how far a run is.

    Examples
    --------
    >>> line(Progress(600, n_computed=145, n_failed=5, n_reused=40, seconds=10.0, left_s=30.0))
    '150/600 points, 5 failed, 40 reused, 15 points/s, 30.0 s left'
    """
    n_over = progress.n_computed + progress.n_failed
    said = [f"{n_over:,}/{count(progress.n_todo, 'point')}"]
    if progress.is_stopping:
        said.insert(0, "finishing the points under way (interrupt again to stop at once)")
    if progress.n_failed:
        said.append(f"{progress.n_failed:,} failed")
    if progress.n_reused:
        said.append(f"{progress.n_reused:,} reused")
    if progress.n_awaited:
        said.append(
            f"waiting for {count(progress.n_awaited, 'point')} that another run is computing"
        )
    elif n_over and progress.seconds > 0:
        rate = n_over / progress.seconds
        said.append(f"{rate:,.3g} points/s")
        if n_over < progress.n_todo and progress.left_s is not None and not progress.is_stopping:
            said.append(f"{duration(progress.left_s)} left")
    stuck = [each for each in progress.under_way if each.seconds > _SLOW_S]
    return f"{', '.join(said)}{under_way(stuck)}"


def _is_terminal() -> bool:
    """Whether stderr can move its cursor; a dumb terminal would show the bar at the end only."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
