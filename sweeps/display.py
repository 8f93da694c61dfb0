"""Display: how runs, tables and answers look on a terminal, in a log file and as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from sweeps.running import Progress

_LINE_EVERY_S = 5.0


class Watcher:
    """Shows the progress of a run: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = 0.0
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, progress: Progress) -> None:
        """Show how far a run is."""
        if sys.stderr.isatty():
            self._show_bar(progress)
        elif time.monotonic() - self._last > _LINE_EVERY_S or progress.is_stopping:
            self._last = time.monotonic()
            print(f"{self._name}: {_line(progress)}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()

    def _show_bar(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[line]}"),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), refresh_per_second=5)
            self._task = self._bar.add_task(self._name, total=progress.n_todo, line="")
            self._bar.start()
        n_over = progress.n_computed + progress.n_failed
        self._bar.update(self._task, completed=n_over, line=_line(progress))


def _line(progress: Progress) -> str:
    n_over = progress.n_computed + progress.n_failed
    said = [f"{n_over:,}/{progress.n_todo:,} points"]
    if progress.n_failed:
        said.append(f"{progress.n_failed:,} failed")
    if progress.n_reused:
        said.append(f"{progress.n_reused:,} reused")
    if n_over and progress.seconds > 0:
        rate = n_over / progress.seconds
        said += [f"{rate:,.3g} points/s", f"{duration((progress.n_todo - n_over) / rate)} left"]
    if progress.is_stopping:
        said.append("finishing what is under way; interrupt again to stop at once")
    return ", ".join(said)


def duration(seconds: float) -> str:
    """Write a time as people say it.

    Examples
    --------
    >>> duration(0.25), duration(75), duration(7260), duration(200000)
    ('0.2 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def size(n_bytes: float) -> str:
    """Write a number of bytes as people say it.

    Examples
    --------
    >>> size(512), size(3_500_000)
    ('512 B', '3.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}" if unit != "B" else f"{n_bytes:.0f} B"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lay out rows in columns, numbers to the right.

    Examples
    --------
    >>> print(table(["name", "points"], [["ising", 84], ["pendulum", 600]]))
    name      points
    ising         84
    pendulum     600
    """
    cells = [[_cell(value) for value in row] for row in rows]
    right = [all(_is_number(row[i]) for row in cells) and bool(cells) for i in range(len(header))]
    lines = [list(header), *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if is_right else text.ljust(width)
            for text, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "") or "0")
    except ValueError:
        return False
    return True


def as_json(thing: Any) -> str:
    """Write for programs to read; NaN and infinity, which JSON has not, become null."""
    return json.dumps(_finite(thing), indent=2, ensure_ascii=False)


def _finite(thing: Any) -> Any:
    if isinstance(thing, float) and not abs(thing) < float("inf"):
        return None
    if isinstance(thing, dict):
        return {key: _finite(value) for key, value in thing.items()}
    return [_finite(item) for item in thing] if isinstance(thing, (list, tuple)) else thing
