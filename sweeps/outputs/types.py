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

    `values` have the shape (n, *own shape), and are of a kind of `sweeps.storage.kinds`; str are
    objects. Where `counts` is given, they are the points' 1-D values one after another.
    """

    name: str  # empty where the function gave none; see `NAME`
    values: Array
    dims: tuple[str, ...] = ()  # names of the own dimensions, behind the point's
    counts: npt.NDArray[np.int64] | None = None  # shape (n,), the length of each point's values
    attrs: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # such as ``units``


@dataclasses.dataclass(frozen=True, eq=False)
class Header:
    """What is known of a stored variable without reading its values."""

    name: str
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    shape: tuple[int, ...]  # own shape of one point; where `counts` is given, the longest
    counts: npt.NDArray[np.int64] | None
    attrs: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Agreed:
    """The form of one output."""

    name: str
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    shape: tuple[int, ...]  # own shape; where lengths differ, the longest
    is_ragged: bool  # points have values of different lengths
    count_names: tuple[str, ...]  # of the variables with these lengths, one for each dimension
    attrs: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Finished points that returned alike: the same names, kinds of values and shapes."""

    keys: npt.NDArray[np.uint64] | Factors  # shape (n, 2); a product of hashes for part of a grid
    elapsed: npt.NDArray[np.float32]  # shape (n,), seconds
    variables: tuple[Variable, ...]
    coordinates: tuple[Variable, ...] = ()  # of own dimensions, alike for all; no point axis


NAME = ""
"""What the memo calls a single nameless value, which has the experiment's name in a results file.

So stored values survive a renaming. Dimensions without a given name are ``_dim_0``, ``_dim_1``, ...
there; a function can give no output and no dimension such a name.
"""
