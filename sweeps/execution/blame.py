"""Which points may have killed a worker, and what is recorded of one that did."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from sweeps.engines import Lost
from sweeps.outputs import failures
from sweeps.spaces.product import Positions
from sweeps.worker.scratch import Flight

if TYPE_CHECKING:
    from sweeps.worker.out_of_memory import Kills


@dataclasses.dataclass(frozen=True, eq=False)
class Suspect:
    """Points that a worker was at when workers died: one of them is presumed to have killed it.

    If none did, one of `earlier` did, which were computed before them in the same block.
    """

    positions: Positions
    earlier: Positions
    at: Flight
    cause: str


class Verdict(NamedTuple):
    """What to do about suspects, and about points that were computed before them."""

    guilty: list[Suspect]  # one point each, which killed its worker: it fails
    free: list[Positions]  # not to blame: they go back to the others
    open: list[Positions]  # may be to blame: computed again, in smaller and smaller groups
    earlier: list[Positions]  # in the same block; one of these is to blame if no suspect is


def accused(
    flight: Flight, is_open: npt.NDArray[np.bool_], *, is_searching: bool
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which points of a lost block may have killed the worker, and which before them.

    Parameters
    ----------
    is_open : numpy.ndarray
        Which points of the block have neither values nor failed.
    is_searching : bool
        Whether the points before are held back too, since the last round found no guilty one.
    """
    at = np.arange(flight.point, min(flight.point + flight.n_points, len(is_open)))
    at = at[is_open[at]]
    return at, np.flatnonzero(is_open[: flight.point]) if is_searching else at[:0]


def verdict(suspects: Sequence[Suspect], *, is_limited: bool, is_stopped: bool) -> Verdict:
    """Decide who is guilty, who is not, and who is to be tried again.

    When one worker dies, the engine ends all. If no record says which was first, or if several
    points were under way in the first one, suspects are tried again in smaller and smaller groups,
    until a point that kills its worker stands alone. If none does, an earlier point of the block
    has left something deadly behind, or the worker was killed from outside.

    Parameters
    ----------
    is_limited : bool
        Whether the memory of workers is limited.
    is_stopped : bool
        Whether nothing more is to be computed.
    """
    has_own = any(suspect.at.is_own for suspect in suspects)
    found = Verdict([], [], [], [s.earlier for s in suspects if len(s.earlier)])
    for suspect in suspects:
        if len(suspect.positions) == 1 and suspect.at.is_certain(is_limited):
            found.guilty.append(suspect)
        elif is_stopped or (has_own and not suspect.at.is_own):
            found.free.append(suspect.positions)
        elif len(suspect.positions):
            found.open.append(suspect.positions)
    return found


def is_proven(suspects: Sequence[Suspect], tried: Sequence[Positions]) -> bool:
    """Whether a point has killed its worker all alone, as the first that the worker computed."""
    return len(suspects) == 1 == sum(map(len, tried)) and suspects[0].at.is_fresh


def why(suspect: Suspect, timeout_s: float | None, kills: Kills | None) -> failures.Reason:
    """Kind, type, message and traceback of a point that killed its worker.

    Parameters
    ----------
    kills : Kills or None
        For want of memory, since before the worker died; None where it was no process.
    """
    at = suspect.at
    if at.kind == "timeout" and timeout_s is not None:
        return failures.timed_out(timeout_s, at.traceback)
    told = exit_code(suspect.cause)
    out_of_memory = kills.why(told) if kills is not None and not at.cause else ""
    return failures.died(f"the worker died: {at.cause or out_of_memory or told}", at.traceback)


def halves(groups: Sequence[Positions]) -> Iterator[Sequence[Positions]]:
    """Divide groups in two; a single one through its middle."""
    if not groups:
        return
    if len(groups) == 1:
        (group,) = groups
        groups = np.array_split(group, 2)
    middle = len(groups) // 2
    for half in (groups[:middle], groups[middle:]):
        if sum(map(len, half)):
            yield half


def exit_code(cause: str) -> str:
    """The part of loky's message that says something: the exit codes."""
    _, found, codes = cause.partition("exit codes of the workers are {")
    return f"exit code {codes.partition('}')[0]}" if found else cause.partition("\n")[0]


# ---- machines that were lost, with whatever their workers were at


class Losses:
    """What was lost with machines so far.

    Such a loss says nothing about points: a cluster takes machines back. But a point may also take
    its machine down, so that one is computed again with others only once.
    """

    def __init__(self) -> None:
        self._once = set[int]()
        self._again: list[int] = []
        self._n_blocks = 0

    def note(self, positions: Positions) -> Positions:
        """Take in what was lost; return what to compute again with others."""
        again = np.array([p in self._once for p in positions.tolist()], dtype=bool)
        self._again += positions[again].tolist()
        self._once.update(positions.tolist())
        left: Positions = positions[~again]
        return left

    def apart(self) -> Positions:
        """Return what to compute apart from others, and forget it."""
        again, self._again = self._again, []
        return np.array(sorted(again), dtype=np.int64)

    def is_new(self, lost: Lost, n_blocks: int) -> bool:
        """Whether a block was given out after the last loss; many machines may go at once."""
        is_new = min(lost.numbers, default=n_blocks) >= self._n_blocks
        if is_new:
            self._n_blocks = n_blocks
        return is_new


def lost(cause: str) -> failures.Reason:
    """Kind, type, message and traceback of a point that was computed alone as a machine went."""
    return failures.died(f"the worker was lost three times with this point: {cause}", "")
