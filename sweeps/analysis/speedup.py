"""A benchmark: how long some points took sequentially and with workers, and what you can conclude.

Its file lies beside the results of the same code, so `clean` and `rename` treat it as they treat
these. It does not contain the experiment's name.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeps.errors import LaterFormatError, StorageError
from sweeps.storage import disk, files
from sweeps.text import as_json, brief, count, table

FILE = "benchmark.json"

_FORMAT = 1

_ABOUT = "how long a sample of points took, as measured by: python -m sweeps bench"

_NONSENSE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)

_WIDTH = 50  # of the longest bar

_NOTICEABLY_SLOWER = 1.1  # cores share caches and clocks, and other programs use them too


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long it took to compute all points once.

    Attributes
    ----------
    seconds : float
        From when all workers were ready until all points were finished and stored.
    start_s : float
        Before that, until all workers had imported the modules and opened resources.
    busy_s : float
        Time spent in the function, summed over workers.
    n_failed : int
    """

    seconds: float
    start_s: float
    busy_s: float
    n_failed: int


@dataclasses.dataclass(frozen=True)
class Variant:
    """A number of workers, or None for sequential code, and its rounds; medians count."""

    workers: int | None
    rounds: tuple[Timing, ...]

    @property
    def seconds(self) -> float:
        """How long the points took."""
        return statistics.median(each.seconds for each in self.rounds)

    @property
    def start_s(self) -> float:
        """How long the workers took to start."""
        return statistics.median(each.start_s for each in self.rounds)

    @property
    def busy_s(self) -> float:
        """Time spent in the function."""
        return statistics.median(each.busy_s for each in self.rounds)

    @property
    def overhead(self) -> float | None:
        """Share of the workers' time that was not spent in the function."""
        if self.workers is None:
            return None
        shares = (1 - each.busy_s / (self.workers * each.seconds) for each in self.rounds)
        return max(0.0, statistics.median(shares))  # clocks of several processes differ


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """Times of a sample of points, computed sequentially and by different numbers of workers.

    If you print it, you see a table, a plot and a conclusion.

    Attributes
    ----------
    points, of_points : int
        Points that were timed, and all points of the space.
    failed : int
        Points of the sample that failed before the timing and were left out.
    is_plain : bool
        Whether the sequential variant is a plain loop over the function. If the function is
        vectorized, async or uses resources, it is called as a worker calls it.
    axes : mapping of str to str
        Values that were given instead of the declared ones.
    only : str or None
        The condition that points had to meet.
    variants : tuple of Variant
        The sequential one first.
    """

    experiment: str
    fingerprint: str
    measured: str
    machine: Mapping[str, str]
    points: int
    of_points: int
    failed: int
    is_plain: bool
    axes: Mapping[str, str]
    only: str | None
    variants: tuple[Variant, ...]

    @property
    def sequential(self) -> Variant:
        """The variant without workers; the others are compared with it."""
        return self.variants[0]

    @property
    def fastest(self) -> Variant:
        """The variant with workers that took the least time; their start does not count."""
        return min(self.variants[1:], key=lambda variant: variant.seconds)

    def speed_up(self, variant: Variant) -> float:
        """Time of the sequential variant divided by the time of this one."""
        return self.sequential.seconds / variant.seconds

    def efficiency(self, variant: Variant) -> float:
        """Speed-up for each worker."""
        return self.speed_up(variant) / (variant.workers or 1)

    @property
    def data(self) -> dict[str, Any]:
        """The content of its file and of ``--json``: the rounds, and numbers computed from them."""
        said = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return said | {"variants": [self._row(each) for each in self.variants]}

    def _row(self, variant: Variant) -> dict[str, Any]:
        return {
            "workers": variant.workers,
            "seconds": variant.seconds,
            "speed_up": self.speed_up(variant),
            "efficiency": self.efficiency(variant),
            "overhead": variant.overhead,
            "start_s": variant.start_s,
            "busy_s": variant.busy_s,
            "rounds": [dataclasses.asdict(each) for each in variant.rounds],
        }

    def __str__(self) -> str:
        return "\n\n".join(["\n".join(self._head()), self._table(), self._plot(), self.conclusion])

    def _head(self) -> Iterator[str]:
        n_rounds, rounds = len(self.sequential.rounds), count(len(self.sequential.rounds), "round")
        median = "median of " if n_rounds > 1 else ""
        yield (
            f"{self.experiment}: {self.points:,} of {count(self.of_points, 'point')}, {median}"
            f"{rounds}, {self.measured} on {self.machine.get('host', 'an unknown host')}"
        )
        if self.failed:
            were = "was" if self.failed == 1 else "were"
            yield f"{count(self.failed, 'point')} of the sample failed and {were} left out"
        if late := max(each.n_failed for v in self.variants for each in v.rounds):
            yield f"up to {count(late, 'point')} failed during the timing"
        if not self.is_plain:
            yield "sequential: as one worker calls the function, in this process without workers"

    def _table(self) -> str:
        header = ["workers", "seconds", "speed-up", "efficiency %", "overhead %", "workers' start"]
        rows = [
            (
                _name(each),
                f"{each.seconds:.3f}" if each.seconds > 0.01 else f"{each.seconds:.2g}",
                f"{self.speed_up(each):.2f}",
                f"{100 * self.efficiency(each):.0f}" if each.workers else "",
                f"{100 * each.overhead:.1f}" if each.overhead is not None else "",
                f"{each.start_s:.2f}" if each.workers else "",
            )
            for each in self.variants
        ]
        return table(header, rows)

    def _plot(self) -> str:
        """Bars to scale: first the start of the workers, then the points."""
        scale = _WIDTH / max(each.start_s + each.seconds for each in self.variants)
        width = max(len(_name(each)) for each in self.variants)
        bars = (
            f"{_name(v):>{width}}  {'.' * round(scale * v.start_s)}"
            f"{'#' * max(1, round(scale * v.seconds))} {brief(v.start_s + v.seconds)}"
            for v in self.variants
        )
        return "\n".join([*bars, f"{'':>{width}}  . starting the workers   # computing"])

    @property
    def conclusion(self) -> str:
        """The conclusion, in one line."""
        best, speed_up = self.fastest, self.speed_up(self.fastest)
        loop = "a plain loop" if self.is_plain else "one process without workers"
        point_s = self.sequential.seconds / self.points
        workers, is_one = count(best.workers or 0, "worker"), best.workers == 1
        if speed_up > 1:
            said = [
                f"{workers} {'is' if is_one else 'are'} {_short(speed_up)} times as fast as {loop}"
            ]
        else:
            takes = (
                f"{'takes' if is_one else 'take'} {_short(1 / speed_up)} times as long as {loop}"
            )
            said = [f"workers are not worth it: {workers} {takes}"]
        said.append(f"points of {brief(point_s)}: overhead is {100 * (best.overhead or 0):.0f} %")
        if (slower := best.busy_s / self.sequential.seconds) > _NOTICEABLY_SLOWER:
            said.append(f"a call takes {_short(slower)} times as long in workers")
        if speed_up > 1:
            n_paying = best.start_s / (point_s * (1 - 1 / speed_up))
            said.append(f"starting the workers pays from {float(f'{n_paying:.1g}'):,.0f} points on")
        return "; ".join(said)


def _short(number: float) -> str:
    """Round a number to three digits.

    Examples
    --------
    >>> _short(1.908), _short(16.44), _short(23456.7)
    ('1.91', '16.4', '23,500')
    """
    return f"{float(f'{number:.3g}'):,.10g}"


def _name(variant: Variant) -> str:
    return "sequential" if variant.workers is None else str(variant.workers)


def keep(folder: Path, measured: Benchmark) -> None:
    """Write a benchmark to a memo folder; it replaces an earlier one."""
    said = {"about": _ABOUT, "format": _FORMAT, **measured.data}
    del said["experiment"]
    files.make_folder(folder)
    files.commit(folder / FILE, [as_json(said).encode()])


def read(folder: Path, experiment: str) -> Benchmark | None:
    """Read the benchmark in a memo folder; None if there is none.

    Raises
    ------
    StorageError
        If it cannot be read, is damaged, or has a later format.
    """
    path = folder / FILE
    try:
        said = json.loads(disk.content(path))
        if isinstance(said["format"], int) and said["format"] > _FORMAT:
            raise LaterFormatError.of(path, said["format"], _FORMAT)
        return _made(said, experiment)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except _NONSENSE as error:
        raise StorageError(f"{path} is damaged: measure again to replace it") from error


def _made(said: Any, experiment: str) -> Benchmark:
    """Make a benchmark from the content of a file; its rounds count, not the computed numbers."""
    if said["format"] != _FORMAT:
        raise ValueError(said["format"])
    variants = tuple(
        Variant(row["workers"], tuple(Timing(**each) for each in row["rounds"]))
        for row in said["variants"]
    )
    names = {f.name for f in dataclasses.fields(Benchmark)} - {"experiment", "variants"}
    made = Benchmark(experiment, variants=variants, **{name: said[name] for name in names})
    str(made)  # fails if a number is missing
    return made
