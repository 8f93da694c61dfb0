"""What travels between planning, workers and the memo: plain columns, never single points."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sweeps.keys import Factors

Array = npt.NDArray[Any]

Places = npt.NDArray[np.int64] | range
"""Positions in a space, shape (n,); those in a row take no memory, and no time to send."""


def shortened(places: npt.NDArray[np.int64]) -> Places:
    """Make a range of positions in a row."""
    if not len(places):
        return places
    first, last = int(places[0]), int(places[-1])
    return range(first, last + 1) if last - first == len(places) - 1 else places


def written(places: Places) -> npt.NDArray[np.int64]:
    """Make an array of positions."""
    return np.arange(places.start, places.stop) if isinstance(places, range) else places


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


@dataclasses.dataclass(frozen=True, eq=False)
class Variable:
    """One output of some points.

    Attributes
    ----------
    name : str
        Empty where the function gave none; see `sweeps.nameless`.
    values : numpy.ndarray
        Shape (n, *own shape): numbers, bool, datetime64, or str as objects. Where `counts` is
        given, the points' 1-D values one after another.
    dims : tuple of str
        Names of the own dimensions, behind the point's.
    counts : numpy.ndarray or None
        Shape (n,), the length of each point's 1-D values.
    attrs : mapping
        Attributes that came with the values, such as ``units``.
    """

    name: str
    values: Array
    dims: tuple[str, ...] = ()
    counts: npt.NDArray[np.int64] | None = None
    attrs: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Header:
    """What is known of a stored variable without reading its values.

    Attributes
    ----------
    shape : tuple of int
        Own shape of one point; where `counts` is given, the longest.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    counts: npt.NDArray[np.int64] | None
    attrs: Mapping[str, Any]


def class_of(dtype: np.dtype[Any]) -> str:
    """Which values can stand in one variable: "number", "bool", "str" or "time"."""
    return {"b": "bool", "O": "str", "M": "time"}.get(dtype.kind, "number")


def digest(array: Array) -> str:
    """Content of a coordinate in short."""
    content = repr(array.tolist()).encode() if array.dtype.kind in "OM" else array.tobytes()
    head = f"{array.dtype}{array.shape}".encode()
    return hashlib.blake2b(head + content, digest_size=16).hexdigest()


def form(headers: Iterable[Header], coordinates: Iterable[Variable]) -> Hashable:
    """What points must have in common to be of one part; lengths that are free may differ."""
    return (
        tuple(
            (h.name, h.dtype.str, h.dims, None if h.counts is not None else h.shape, repr(h.attrs))
            for h in headers
        ),
        tuple((c.name, c.dims, digest(c.values), repr(c.attrs)) for c in coordinates),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Finished points that returned alike: the same names, kinds of values and shapes.

    Attributes
    ----------
    keys : numpy.ndarray or Factors
        Shape (n, 2), uint64; a product of hashes for points that are a part of a grid.
    elapsed : numpy.ndarray
        Shape (n,), float32, seconds.
    variables : tuple of Variable
    coordinates : tuple of Variable
        Coordinates of own dimensions, the same for all points; no point axis.
    """

    keys: npt.NDArray[np.uint64] | Factors
    elapsed: npt.NDArray[np.float32]
    variables: tuple[Variable, ...]
    coordinates: tuple[Variable, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a point has no values.

    Attributes
    ----------
    kind : {"exception", "died", "timeout", "output"}
    type : str
        Name of the exception's type.
    attempts : int
        How often the point was tried.
    """

    key: tuple[int, int]
    kind: str
    type: str
    message: str
    traceback: str
    attempts: int = 1
    elapsed_s: float = 0.0

    @property
    def place(self) -> str:
        """The traceback up to the message that it ends with: alike where points failed alike."""
        return self.traceback.removesuffix(f"{self.message}\n") if self.message else self.traceback


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
