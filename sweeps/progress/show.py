"""How far a run is, and how that looks.

A run under way is a bar on a terminal, a line in a notebook, and now and then a line elsewhere.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sweeps.storage import files
from sweeps.text import count, left, under_way

_LINE_EVERY_S = 5.0
_SLOW_S = 10.0
_PATIENCE_S = 2.0
_NOTEBOOK_S = 0.5

_showing = threading.Lock()


class Slow(NamedTuple):
    """A point that is under way: its parameters as text, since when, and how far it says it is."""

    point: str
    seconds: float
    said: str = ""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is, in points and seconds; those awaited are under way in other runs.

    Attributes
    ----------
    notes : tuple of str
        What a user should know at once, all since the run began.
    left_s : float or None
        Until the run ends; None if unknown.
    left_range_s : (float, float) or None
        Between which `left_s` likely is, in 4 cases of 5; None if unknown.
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
    left_range_s: tuple[float, float] | None = None


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
def in_python(name: str, *, is_shown: bool = True) -> Iterator[Watch | None]:
    """Show the progress of a run that Python code asked for, on a terminal and in a notebook.

    What is over in 2 s is not shown, nor runs within points and beside one that is shown.
    """
    if not is_shown:
        yield None
        return
    made = Notebook(name) if is_notebook() else Watcher(name) if _is_terminal() else None
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
            n_over = progress.n_computed + progress.n_failed
            self._show(f"{self._name}: {line(progress)}", n_over, progress.n_todo)

    def _show(self, text: str, n_over: int = 0, n_todo: int = 0) -> None:
        from IPython.display import display as show

        from sweeps import markup

        # Both, since a terminal of Jupyter shows the first.
        bar = markup.progress(text, n_over, n_todo) if text else ""
        shown = {"text/plain": text, "text/html": bar}
        if self._handle is None:
            self._handle = show(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def close(self) -> None:
        """Remove the line; the results follow."""
        if self._handle is not None:
            self._show("")


def is_notebook() -> bool:
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
            said.append(left(progress.left_s, progress.left_range_s))
    stuck = [each for each in progress.under_way if each.seconds > _SLOW_S or each.said]
    return f"{', '.join(said)}{under_way(stuck)}"


def _is_terminal() -> bool:
    """Whether stderr can move its cursor; a dumb terminal would show the bar at the end only."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
