"""What a page can show of a sweep, wherever its values come from."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.storage.hdf5 import STATUS, Array

DONE = STATUS["done"]

Status = npt.NDArray[np.int8]

_EPOCH_MS = "datetime64[ms]"


@dataclasses.dataclass(frozen=True)
class Variable:
    """An output or a parameter.

    Attributes
    ----------
    kind : {"number", "complex", "text", "time", "duration"}
        Truth values are numbers.
    dims : tuple of str
        Dimensions of the space, then its own.
    """

    name: str
    kind: str
    dims: tuple[str, ...]
    label: str = ""
    units: str = ""

    def data(self) -> dict[str, Any]:
        """What the page gets of it."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Failed:
    """A failed point, as the page lists it."""

    position: int
    params: Mapping[str, str]
    kind: str
    type: str
    message: str
    traceback: str
    attempts: int


class Sheet(abc.ABC):
    """The points of one space, their values, and what became of them.

    Attributes
    ----------
    sizes : mapping of str to int
        Dimensions of the space.
    own_sizes : mapping of str to int
        Other dimensions, of outputs.
    outputs, coordinates : mapping of str to Variable
    version : str
        Another one where values or points may be others.
    place : str
        Where the values come from, in words.
    """

    sizes: Mapping[str, int]
    own_sizes: Mapping[str, int]
    outputs: Mapping[str, Variable]
    coordinates: Mapping[str, Variable]
    version: str
    place: str

    @property
    @abc.abstractmethod
    def status(self) -> Status:
        """State of each point, shape (n_points,), as in `STATUS`."""

    @property
    @abc.abstractmethod
    def elapsed(self) -> npt.NDArray[np.float32]:
        """Seconds that each point took, shape (n_points,); NaN where that is unknown."""

    @abc.abstractmethod
    def read(self, name: str, at: Mapping[str, int]) -> tuple[Array, npt.NDArray[np.bool_] | None]:
        """Read an output where some dimensions are held.

        Returns
        -------
        values : numpy.ndarray
            Along its other dimensions, in their order.
        missing : numpy.ndarray or None
            Where there is none, in the same shape; None if only `status` tells.
        """

    @abc.abstractmethod
    def coordinate(self, name: str) -> Array:
        """Read a coordinate along all of its dimensions."""

    @abc.abstractmethod
    def failures(self, start: int, stop: int) -> Sequence[Failed]:
        """List some of the failed points, in the order of the space."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Close what it holds open."""

    @property
    def n_positions(self) -> int:
        """Number of places, those of excluded points too."""
        return math.prod(self.sizes.values())

    @property
    def form(self) -> str:
        """Another one where there are other dimensions or variables."""
        every = [*self.outputs.values(), *self.coordinates.values()]
        said = [[*self.sizes.items()], [*self.own_sizes.items()], *map(dataclasses.astuple, every)]
        return hashlib.blake2b(repr(said).encode(), digest_size=8).hexdigest()

    @property
    def counts(self) -> dict[str, int]:
        """Number of points of each state."""
        found = np.bincount(self.status, minlength=len(STATUS))
        return {name: int(found[code]) for name, code in STATUS.items()}

    def along(self, dim: str) -> list[str]:
        """Name the coordinates that label one dimension, its own one first."""
        names = [v.name for v in self.coordinates.values() if v.dims == (dim,)]
        return sorted(names, key=lambda name: name != dim)

    def label(self, name: str, position: int) -> str:
        """Write the value of a parameter at a position of the space; empty where it has none."""
        own = self.coordinates[name].dims
        at = dict(zip(self.sizes, np.unravel_index(position, [*self.sizes.values()]), strict=True))
        return text_of(self.coordinate(name)[tuple(at[dim] for dim in own)])

    def parameters(self, position: int) -> dict[str, str]:
        """Write the parameters of a point."""
        names = [v.name for v in self.coordinates.values() if v.dims and {*v.dims} <= {*self.sizes}]
        said = {name: self.label(name, position) for name in names}
        return {name: value for name, value in said.items() if value}


def kind_of(dtype: np.dtype[Any]) -> str:
    """Name the kind of values of a dtype."""
    kinds = {"c": "complex", "M": "time", "m": "duration"}
    return kinds.get(dtype.kind, "number" if dtype.kind in "biuf" else "text")


def units_of(kind: str, said: str) -> str:
    """Return the unit in which values are drawn, from the one that they were stored with."""
    return {"time": "", "duration": "s"}.get(kind, said)


def text_of(value: Any) -> str:
    """Write one value for people; nothing for a missing one."""
    if value is None or value != value:
        return ""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return str(value)
    plain = value.item() if isinstance(value, np.generic) else value
    return f"{plain:.6g}" if isinstance(plain, (float, complex)) else str(plain)


def with_gaps(values: Array, missing: npt.NDArray[np.bool_]) -> Array:
    """Mark missing values, as NaN where they are numbers, NaT for times, and else None."""
    if not missing.any():
        return values
    if values.dtype.kind in "biu":
        made: Array = values.astype(np.float64)
    else:
        made = values.copy() if values.dtype.kind in "fcmM" else values.astype(object)
    made[missing] = "NaT" if values.dtype.kind in "mM" else None
    return made


def numbers(values: Array) -> npt.NDArray[np.float64]:
    """Turn values into numbers to draw: milliseconds since 1970 for times, seconds for durations.

    Complex numbers become their magnitude.

    Examples
    --------
    >>> numbers(np.array(["1970-01-02"], "M8[D]")).tolist(), numbers(np.array([3 + 4j])).tolist()
    ([86400000.0], [5.0])
    """
    if values.dtype.kind == "M":
        whole = values.astype(_EPOCH_MS)
        return np.where(np.isnat(whole), np.nan, whole.astype(np.int64).astype(np.float64))
    if values.dtype.kind == "m":
        return np.asarray(values / np.timedelta64(1, "s"), dtype=np.float64)
    if values.dtype.kind == "c":
        return np.abs(values).astype(np.float64)
    return values.astype(np.float64)
