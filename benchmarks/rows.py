"""What a case finds: one row for each contender and size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import measuring
from benchmarks.contenders import Contender


@dataclass(frozen=True)
class Row:
    """Medians of what one contender took at one size; no numbers, but a note, where it did not."""

    contender: str
    size: float
    numbers: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Options:
    """How much to measure."""

    rounds: int = 3
    sizes: tuple[int, ...] = ()
    peers: tuple[Contender, ...] = ()
    limit_s: float = 60.0


@dataclass(frozen=True)
class Case:
    """What is measured, in words, and the function that does."""

    name: str
    title: str
    size: str
    text: str
    measure: Callable[[Options], list[Row]]


def rows_of(contender: str, size: float, runs: Sequence[measuring.Run], **more: float) -> list[Row]:
    """Return the row of some rounds, if there were any."""
    if not runs:
        return []
    run = measuring.median(runs)
    numbers = {
        "wall_s": run.wall_s,
        "peak_bytes": run.peak_bytes,
        "disk_bytes": run.disk_bytes,
        "n_files": run.n_files,
    }
    return [Row(contender, size, {**numbers, **more})]


def find(rows: Sequence[Row], contender: str, size: float, number: str) -> float:
    """Return one number of one row, or NaN."""
    for row in rows:
        if row.contender == contender and row.size == size:
            return row.numbers.get(number, math.nan)
    return math.nan


@dataclass(frozen=True)
class Turns:
    """Runs of each contender that could, and why the others could not."""

    runs: Mapping[str, list[measuring.Run]]
    notes: Mapping[str, str]

    def noted(self, size: float) -> list[Row]:
        """Return rows of those that could not."""
        return [Row(name, size, note=note) for name, note in self.notes.items()]


def in_turn(
    contenders: Sequence[Contender],
    job: str,
    rounds: int,
    measure: Callable[[Contender, Path], measuring.Run],
) -> Turns:
    """Measure a job of all contenders in turn, several rounds, each time in a fresh folder.

    Who fails is out, with its error as the reason.
    """
    notes = {each.name: note for each in contenders if (note := each.absent(job))}
    runs: dict[str, list[measuring.Run]] = {
        each.name: [] for each in contenders if each.name not in notes
    }
    for _ in range(rounds):
        for contender in contenders:
            if contender.name in notes:
                continue
            try:
                with measuring.fresh_folder() as folder:
                    runs[contender.name].append(measure(contender, folder))
            except measuring.FailedRunError as error:
                notes[contender.name] = str(error)
                del runs[contender.name]
    return Turns(runs, notes)
