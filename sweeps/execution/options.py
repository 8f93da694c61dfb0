"""One invocation of `run`: what it is asked, how far it is, and what it did."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sweeps.errors import SweepsError
from sweeps.worker import memory_limit


@dataclasses.dataclass(frozen=True)
class Options:
    """How to run; the defaults are those of the command line.

    Attributes
    ----------
    engine : {"loky", "serial", "threads"}
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
    """

    engine: str = "loky"
    n_workers: int | None = None
    limit: int | None = None
    recompute: bool = False
    retry: bool = True
    memory_limit: int | str | None = None

    def __post_init__(self) -> None:
        if self.n_workers is not None and self.n_workers < 1:
            raise SweepsError(f"-j {self.n_workers}: give a number of workers, at least 1")
        if self.limit is not None and self.limit < 0:
            raise SweepsError(f"--limit {self.limit}: give a number of points, at least 0")
        if self.memory_limit is not None:
            memory_limit.parse(self.memory_limit)

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes."""
        return None if self.memory_limit is None else memory_limit.parse(self.memory_limit)


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run did, and what its results file holds.

    Attributes
    ----------
    n_computed : int
        Points that this run finished.
    n_failed : int
        Points of the space that have no values because they failed, now or earlier.
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
    is_interrupted: bool = False
    warnings: tuple[str, ...] = ()
    state: str = ""
    first_failure: str = ""


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
