"""Digests of pieces of results; timestamps and commands do not count."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from sweeps.errors import StorageError
from sweeps.storage import dataset as storage_dataset

Labels = Mapping[str, Any]
"""Dimension -> a label, or a list of labels, in plain types."""


class Content:
    """A dataset whose pieces have digests."""

    def __init__(self, dataset: xarray.Dataset, seal: str = "") -> None:
        self.dataset = dataset
        self.seal = seal
        self._arrays: dict[Any, Any] = {}

    def digest(self, variable: str, labels: Labels) -> str:
        """Return the digest of the values at some labels; empty if there are none."""
        dataset = self.dataset
        if self.seal and not labels and dataset.nbytes >= storage_dataset.EAGER_BYTES:
            return self.seal  # of the file: reading it all would take longer than the point
        if variable and variable not in dataset.data_vars:
            return ""
        try:
            at = {
                name: dataset.indexes[name].get_indexer_for(_listed(each))
                for name, each in labels.items()
            }
        except (KeyError, TypeError, ValueError):
            return ""
        if any((positions < 0).any() for positions in at.values()):
            return ""
        found = hashlib.blake2b(digest_size=16)
        own = dataset[variable].coords if variable else dataset.variables
        for name in sorted({*map(str, own), *([variable] if variable else [])}):
            self._add(found, name, at)
        return found.hexdigest()

    def _add(self, found: Any, name: str, at: Mapping[str, Any]) -> None:
        held = self.dataset.variables[name]
        values = self._arrays.get(name)
        if values is None:
            values = held.data if isinstance(held.data, np.ndarray) else held
            self._arrays[name] = values
        for axis, dimension in enumerate(held.dims):
            if dimension in at:
                taken = at[str(dimension)]
                values = (
                    values.take(taken, axis)
                    if isinstance(values, np.ndarray)
                    else values.isel({dimension: taken})
                )
        values = np.ascontiguousarray(values)
        attributes = sorted((str(k), repr(v)) for k, v in held.attrs.items())
        is_text = values.dtype.kind in "OUST"
        kind = "text" if is_text else values.dtype.str
        found.update(repr((name, held.dims, values.shape, kind, attributes)).encode())
        found.update(repr(values.tolist()).encode() if is_text else values.tobytes())


def opened(path: Path, group: str, seal: str) -> Content | None:
    """Open results for digests; None if there are none, or they cannot be read.

    A process opens results with a seal once.
    """
    return _sealed(path, group, seal) if seal else _content(path, group, seal)


@functools.lru_cache(maxsize=2)
def _sealed(path: Path, group: str, seal: str) -> Content | None:
    return _content(path, group, seal)


def _content(path: Path, group: str, seal: str) -> Content | None:
    try:
        return Content(storage_dataset.read(path, group or None).dataset, seal)
    except StorageError:
        return None


def _listed(label: Any) -> list[Any]:
    return label if isinstance(label, list) else [label]
