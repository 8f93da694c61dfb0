"""What travels between planning, workers and the memo: plain columns, never single points."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
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


NAME = ""
"""What the memo calls a single nameless value, which has the experiment's name in a results file.

So stored values survive a renaming. Dimensions without a given name are ``_dim_0``, ``_dim_1``, ...
there; a function can give no output and no dimension such a name.
"""
