"""What a results file will hold: labelled arrays, failures and a summary."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from sweeps.storage.hdf5_write import Put

if TYPE_CHECKING:
    from sweeps.storage.stretches import Stretch

Array = np.ndarray[Any, np.dtype[Any]]

Copy = Callable[[int, int], None]


@dataclass(frozen=True)
class Coordinate:
    """Values along dimensions: an axis if ``dims == (name,)``, else an auxiliary coordinate.

    `missing` is a mask of the shape of `values`, or None if nothing is missing.
    """

    name: str
    dims: tuple[str, ...]
    values: Array
    missing: Array | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """One output of all points, read slab by slab.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the values; object and all dtypes of strings mean str.
    dims, shape : tuple
        The own dimensions of the output, behind those of the space, and their sizes.
    has_missing : bool
        Whether any mask of `read` has a True.
    read : callable
        ``read(start, stop)`` gives the values of the points ``start`` to ``stop`` of the
        flattened (C order) space, of shape ``(stop - start, *shape)``, and None or a mask of
        missing ones, of shape ``(stop - start,)`` or that of the values. It is called for one
        slab after the other; again from 0 if a value equals the fill value.
    copy : callable or None
        ``copy(descriptor, offset)`` writes the bytes of all values into a file, which replaces
        `read`.
    stretch : Stretch or None
        Where the values are to be, in a draft; the checks are known after `copy`.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    attrs: Mapping[str, Any]
    has_missing: bool
    read: Callable[[int, int], tuple[Array, Array | None]]
    copy: Copy | None = None
    stretch: Stretch | None = None


@dataclass(frozen=True)
class Failures:
    """The failed points, one row each; `positions` are flat, in C order.

    A `traceback` stops before the message that it would end with.
    """

    positions: Array
    kind: Sequence[str]
    type: Sequence[str]
    message: Sequence[str]
    traceback: Sequence[str]
    attempts: Array


@dataclass(frozen=True)
class Arrays:
    """The labelled arrays of one group of a results file.

    Attributes
    ----------
    sizes : mapping of str to int
        The dimensions of the space, in order; none for a single point.
    coordinates : sequence of Coordinate
        Along dimensions of the space or of outputs.
    outputs : sequence of Output
    """

    sizes: Mapping[str, int]
    coordinates: Sequence[Coordinate]
    outputs: Sequence[Output]


@dataclass(frozen=True)
class Sheet(Arrays):
    """The arrays of a space, and what else its results file holds.

    Attributes
    ----------
    status : callable
        ``status(start, stop)`` gives the states of the points ``start`` to ``stop``, int8, as in
        `STATUS`.
    elapsed : callable
        ``elapsed(start, stop)`` gives the seconds that the points ``start`` to ``stop`` took,
        float32; NaN for points that are not done.
    failures : Failures
    attributes : mapping of str to str, int or float
        The provenance, as attributes of the root; long texts are datasets of `GROUP`.
    add : callable or None
        ``add(file, put)`` writes more into the file; ``put(group, name, values)`` makes a dataset.
    rounded : collection of str
        Outputs whose integers became other numbers as floats; known when all are read.
    """

    status: Callable[[int, int], Array]
    elapsed: Callable[[int, int], Array]
    failures: Failures
    attributes: Mapping[str, Any]
    add: Callable[[h5py.File, Put], None] | None = None
    rounded: Collection[str] = ()


@dataclass(frozen=True)
class Summary:
    """What is computed from a complete results file and added to it.

    Attributes
    ----------
    arrays : callable
        From the path of the file to the arrays of the group `SUMMARY`. It raises `SummaryError`
        if there is nothing to add.
    attributes : mapping
        Of the group.
    source : str
        Of the code that makes it.
    root_attributes : mapping
        They replace attributes of the sheet when the group is written.
    """

    arrays: Callable[[Path], Arrays]
    attributes: Mapping[str, Any]
    source: str
    root_attributes: Mapping[str, str]
