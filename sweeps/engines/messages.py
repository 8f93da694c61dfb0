"""Messages between a run and its workers: blocks out, receipts in."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from sweeps.outputs.types import Header, Variable
from sweeps.spaces.product import Places, written


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Some points that are sent to a worker together, which have the same parameters.

    Attributes
    ----------
    number : int
        Which block of the run it is.
    positions : Places
        Where in their space the points are. Their parameters follow from it.
    attempts : numpy.ndarray or None
        Shape (n,), how often each point failed before; None where none did.
    """

    number: int
    positions: Places
    attempts: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def at(self) -> npt.NDArray[np.int64]:
        """The positions as an array."""
        return written(self.positions)


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a worker says of a block: what it committed, and how much of the block it left.

    Attributes
    ----------
    number : int
        The block's.
    n_done, n_failed, n_left : int
        Points; those left were not begun when the time for the block was over.
    busy_s : float
        Seconds spent in the function.
    error : str
        Why the block could not be committed, else empty.
    warnings : tuple of str
        What is to be said of the values though they are kept.
    forms : tuple of (int, headers, coordinates)
        How outputs of points look that this worker has not met so before, with the position of
        the first point.
    traces : tuple of str
        Globals that points have changed.
    """

    number: int
    n_done: int
    n_failed: int
    n_left: int
    busy_s: float
    error: str = ""
    warnings: tuple[str, ...] = ()
    forms: tuple[tuple[int, tuple[Header, ...], tuple[Variable, ...]], ...] = ()
    traces: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Lost:
    """An engine's word that workers died with blocks in their hands."""

    cause: str
