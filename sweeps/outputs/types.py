"""What travels between planning, workers and the memo: plain columns, never single points."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.spaces import quantities
from sweeps.storage import kinds
from sweeps.storage.hdf5 import Array

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment
    from sweeps.spaces.keys import Factors


@dataclasses.dataclass(frozen=True, eq=False)
class Variable:
    """One output of some points.

    Attributes
    ----------
    name : str
        Empty where the function gave none; see `NAME`.
    values : numpy.ndarray
        Shape (n, *own shape), of a kind of `sweeps.storage.kinds`; str as objects. Where
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


@dataclasses.dataclass(frozen=True, eq=False)
class Agreed:
    """The form of one output.

    Attributes
    ----------
    shape : tuple of int
        Own shape; where lengths differ, the longest.
    is_ragged : bool
        Whether points have values of different lengths.
    count_names : tuple of str
        Names of the variables with the lengths of a ragged output, one for each of its dimensions.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    is_ragged: bool
    count_names: tuple[str, ...]
    attrs: Mapping[str, Any]


def digest(array: Array) -> str:
    """Content of a coordinate in short."""
    is_raw = kinds.of(array.dtype).is_raw
    content = array.tobytes() if is_raw else repr(array.tolist()).encode()
    head = f"{array.dtype}{array.shape}".encode()
    return hashlib.blake2b(head + content, digest_size=16).hexdigest()


def form(headers: Iterable[Header], coordinates: Iterable[Variable]) -> Hashable:
    """Return what parts must have in common to be merged; lengths that are free may differ."""
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


def header_of(variable: Variable) -> Header:
    """Return the form of a variable without its values."""
    v = variable
    return Header(v.name, v.values.dtype, v.dims, v.values.shape[1:], v.counts, v.attrs)


NAME = ""
"""What the memo calls a single nameless value, which has the experiment's name in a results file.

So stored values survive a renaming. Dimensions without a given name are ``_dim_0``, ``_dim_1``, ...
there; a function can give no output and no dimension such a name.
"""


def renamed(header: Header, name: str) -> Header:
    """Give a nameless value, and its dimensions, the name that the experiment has now.

    Examples
    --------
    >>> import numpy as np
    >>> header = Header("", np.dtype(float), ("_dim_0",), (3,), None, {})
    >>> renamed(header, "wave").name, renamed(header, "wave").dims
    ('wave', ('wave_dim_0',))
    """
    if header.name != NAME:
        return header
    dims = tuple(f"{name}{dim}" if dim.startswith("_") else dim for dim in header.dims)
    return dataclasses.replace(header, name=name, dims=dims)


def shown(name: str, experiment: str) -> str:
    """What an output of the memo is called in the results file."""
    return experiment if name == NAME else name


def form_of(variable: Variable) -> Header:
    """Return the form of an output; of values of free length, only the longest counts."""
    found = header_of(variable)
    if found.counts is None:
        return found
    return dataclasses.replace(found, shape=(int(found.counts.max()),), counts=None)


def settled(found: Header, experiment: Experiment) -> Header:
    """Give an output of the memo the name, dimensions and unit that are declared now."""
    found = renamed(found, experiment.name)
    dims = experiment.dims.get(found.name, found.dims)
    if len(dims) == len(found.dims):
        found = dataclasses.replace(found, dims=dims)
    unit = experiment.units.get(found.name)
    if unit is None or not is_convertible(found.attrs, unit):
        return found
    return dataclasses.replace(found, attrs={**public(found.attrs), "units": unit})


def kind(headers: Iterable[Header], coordinates: Iterable[Variable]) -> Hashable:
    """Say of outputs what must be the same at all points; lengths need not."""
    return (
        tuple(
            (h.name, "" if 0 in h.shape else kinds.of(h.dtype).name, h.dims, h.attrs.get("units"))
            for h in headers
        ),
        tuple((c.name, c.dims, digest(c.values), c.attrs.get("units")) for c in coordinates),
    )


def is_convertible(own: Mapping[str, Any], text: str) -> bool:
    """Whether values, which may have no unit, are or can be had in a unit."""
    if quantities.BASE not in own or own[quantities.UNITS] == text:
        return True
    wanted = quantities.declared(text, own[quantities.LIBRARY])
    return wanted is not None and bool(own[quantities.BASE]) and wanted.base == own[quantities.BASE]


def factors(own: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the factor and the offset that convert values to another unit.

    None where they are in it, or either is no quantity.

    Examples
    --------
    >>> from sweeps.spaces.quantities import Unit
    >>> metre = Unit("m", "m", 1.0, 0.0).attrs
    >>> factors(Unit("cm", "m", 0.01, 0.0).attrs, metre), factors(metre, metre)
    ((0.01, 0.0), None)
    """
    has_bases = own.get(quantities.BASE) and wanted.get(quantities.BASE)
    if own.get(quantities.UNITS) == wanted.get(quantities.UNITS) or not has_bases:
        return None
    scale = wanted[quantities.SCALE]
    offset = own[quantities.OFFSET] - wanted[quantities.OFFSET]
    return own[quantities.SCALE] / scale, offset / scale


def public(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the attributes that only landing reads."""
    return {name: value for name, value in attrs.items() if not name.startswith("_")}
