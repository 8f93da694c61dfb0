"""What travels between planning, workers and the memo: plain columns, never single points."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.storage.hdf5 import Array

if TYPE_CHECKING:
    from sweeps.spaces.keys import Factors


@dataclasses.dataclass(frozen=True, eq=False)
class Variable:
    """One output of some points.

    Attributes
    ----------
    name : str
        Empty where the function gave none; see `sweeps.outputs.unnamed`.
    values : numpy.ndarray
        Shape (n, *own shape): numbers, bool, datetime64, timedelta64, or str as objects. Where
        `counts` is given, the points' 1-D values one after another.
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
    """Which values can stand in one variable: "number", "bool", "str", "time" or "timedelta"."""
    return {"b": "bool", "O": "str", "M": "time", "m": "timedelta"}.get(dtype.kind, "number")


def digest(array: Array) -> str:
    """Content of a coordinate in short."""
    content = repr(array.tolist()).encode() if array.dtype.kind in "OmM" else array.tobytes()
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


def header(variable: Variable) -> Header:
    """Say the form of a variable without its values; how long those of a free length are is not."""
    v = variable
    return Header(v.name, v.values.dtype, v.dims, v.values.shape[1:], v.counts, v.attrs)
