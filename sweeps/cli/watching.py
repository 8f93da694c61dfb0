"""How sweeps look while runs go on: bars on a terminal, and elsewhere a line for each change."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sweeps.text import count, duration, printable, table, under_way

if TYPE_CHECKING:
    from rich.text import Text

    from sweeps.operations.watch import Look, Watch
    from sweeps.progress.presence import Running

_BAR = 40

_SHARE = 20  # looking takes at most a twentieth of the time

_STYLES = {"done": "green", "failed": "red", "missing": "bright_black"}


def follow(watches: Sequence[Watch], every_s: float) -> Iterator[list[Look]]:
    """Look at sweeps from time to time, until all points are done or failed."""
    while True:
        begun = time.monotonic()
        looks = [each.look() for each in watches]
        yield looks
        if not any(each.n_left for each in looks):
            return
        time.sleep(max(every_s, _SHARE * (time.monotonic() - begun)))


def draw(all_looks: Iterator[list[Look]]) -> None:
    """Draw bars on the terminal, again and again."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        console.show_cursor()  # or a signal that ends us would leave the terminal without
        for looks in all_looks:
            live.update(frame(looks, console.width, console.height - 1), refresh=True)


def frame(looks: Sequence[Look], width: int, height: int) -> Text:
    """Draw how far sweeps are, in so many columns and lines."""
    from rich.text import Text

    n_name = max(len(printable(look.status.experiment)) for look in looks) if looks else 0
    lines = [line for look in looks for line in (_bar(look, n_name, width), _below(look, n_name))]
    runs = [(look.status.experiment, run) for look in looks for run in _runs(look)]
    if runs:
        shown = table(_HEADER, [_row(*each) for each in runs]).splitlines()
        n_most = max(2, height - len(lines) - 2)
        more = [f"and {count(len(runs) + 1 - n_most, 'more run')}"] if len(shown) > n_most else []
        lines += map(Text, ["", *shown[:n_most], *more])
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def _below(look: Look, n_name: int) -> Text:
    from rich.text import Text

    return Text(f"{'':{n_name}}  {rate(look)}")


def _bar(look: Look, n_name: int, width: int) -> Text:
    from rich.text import Text

    status, bar = look.status, Text(f"{printable(look.status.experiment):{n_name}}  ")
    counts = {"done": status.done, "failed": status.failed, "missing": look.n_left}
    n_cells = max(10, min(_BAR, width - n_name - 40))
    for (name, style), n in zip(_STYLES.items(), _cells(counts.values(), n_cells), strict=True):
        bar.append("─" * n if name == "missing" else "━" * n, style)
    return bar.append(f"  {_counts(look)}")


def _cells(counts: Any, n_cells: int) -> list[int]:
    """Divide the cells of a bar; the last of no points is not drawn before all are over."""
    counts, ends, n_before = list(counts), [0], 0
    for n in counts:
        n_before += n
        ends.append(n_before * n_cells // max(1, sum(counts)))
    return [b - a for a, b in itertools.pairwise(ends)]


def _counts(look: Look) -> str:
    status = look.status
    said = [f"{status.done:,}/{count(status.points, 'point')}"]
    said += [f"{status.failed:,} failed"] if status.failed else []
    said += [f"{status.stale:,} stale"] if status.stale else []
    return ", ".join(said)


def rate(look: Look) -> str:
    """Say how fast runs are, and when all is done."""
    runs, left = look.status.running, look.left
    if not look.n_left:
        return "all points are over"
    if look.rate is None:
        silent = f"; {count(len(s), 'run')} silent" if (s := look.status.silent) else ""
        return f"no run goes on{silent}"
    said = f"{count(len(runs), 'run')}, {look.rate:,.3g} points/s"
    if left is None:
        return said
    return (
        f"{said}, about {duration(left.seconds)} left "
        f"(likely {duration(left.low_s)} to {duration(left.high_s)})"
    )


_HEADER = ("run of", "host", "process", "user", "engine", "started", "finished", "points/s", "left")


def _runs(look: Look) -> tuple[Running, ...]:
    return (*look.status.running, *look.status.silent)


def _row(experiment: str, run: Running) -> tuple[str, ...]:
    engine = f"{run.engine} {run.workers}"
    over = f"{run.over:,}/{run.points:,}"
    place = experiment, run.host, str(run.pid), run.user, engine
    if run.silent_s is not None:
        return *place, "", over, "", f"silent for {duration(run.silent_s)}"
    left = "" if run.left_s is None else duration(run.left_s)
    ago = f"{duration(run.seconds)} ago"
    return *place, ago, over, f"{run.rate:,.3g}", left + under_way(run.under_way)


# ---- where there is no terminal


def is_terminal() -> bool:
    """Whether stdout can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def changed(all_looks: Iterator[list[Look]]) -> Iterator[Look]:
    """Give each look at a sweep whose counts or runs have changed since the last one."""
    before: dict[str, object] = {}
    for looks in all_looks:
        for look in looks:
            status = look.status
            now = status.done, status.failed, status.stale, len(status.running), len(status.silent)
            if before.get(status.experiment) != now:
                before[status.experiment] = now
                yield look


def line(look: Look) -> str:
    """Describe a sweep in one line."""
    return f"{look.status.experiment}: {_counts(look)}; {rate(look)}"


def data(look: Look) -> dict[str, Any]:
    """What ``--json`` says of a look, beside the status."""
    return {"rate": look.rate, "left": None if look.left is None else look.left._asdict()}
