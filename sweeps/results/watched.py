"""Watched results: Datasets and DataArrays that note what is read from them.

A selection by labels counts as reading the selection; any other use counts as reading everything.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import xarray

from sweeps.code import reads
from sweeps.errors import StorageError
from sweeps.storage import dataset as storage_dataset
from sweeps.storage.digests import Content, Labels

_SILENT = frozenset({"__class__", "close"})

_ITS_OWN = frozenset({"sel"})

_HOW = frozenset({"method", "tolerance", "drop"})

_SLOTS = ("_plain", "_told", "_variable", "_labels")

_PLAIN = (bool, int, float, str)


def load(path: Path, group: str | None, *, masked: bool = True) -> xarray.Dataset:
    """Load results, and note what is read from them: everything, if integers stay integers."""
    name = reads.place(path)
    try:
        seal = reads.seal_of(path)
        dataset = storage_dataset.load(path, group, masked=masked)
    except StorageError:
        reads.note(reads.Read("file", name, group or "", "", "{}", ""))
        raise
    seal = seal if reads.seal_of(path) == seal else ""
    if reads.is_of_script():
        reads.note(reads.Read("file", name, group or "", "", "{}", "", seal))
        return dataset
    reads.note_loaded(name, seal)
    if not masked:
        whole = Content(storage_dataset.read(path, group).dataset, seal).digest("", {})
        reads.note(reads.Read("file", name, group or "", "", "{}", whole, seal))
        return dataset
    return watch(dataset, name, group or "", seal)


def note_whole(path: Path) -> None:
    """Note that everything is read, by a reader that cannot be watched; a script needs no more."""
    if reads.is_of_script():
        seal = reads.seal_of(path)
        reads.note(reads.Read("file", reads.place(path), "", "", "{}", "", seal))
    else:
        load(path, None, masked=False)


def watch(
    dataset: xarray.Dataset,
    name: str,
    group: str = "",
    seal: str = "",
    also: Callable[[bool], None] | None = None,
) -> xarray.Dataset:
    """Make results note what is read from them."""
    content = Content(dataset, seal)
    wholes = set[str]()

    @functools.cache  # the digest from before the point may change it
    def read(variable: str, labels: str) -> reads.Read:
        said = content.digest(variable, json.loads(labels))
        return reads.Read("file", name, group, variable, labels, said, seal)

    def told(variable: str, labels: Labels) -> None:
        whole = next((each for each in ("", variable) if each in wholes), None)
        if whole is None:
            reads.note(read(variable, json.dumps(labels)))
            wholes.update([] if labels else [variable])
        else:  # the point may have changed its parts
            reads.note(read(whole, "{}"))
        if also is not None:
            also(not labels)

    made: xarray.Dataset = _made(_Dataset, dataset.copy(), told, "", {})
    return made


def _made(kind: Any, plain: Any, told: Any, variable: str, labels: Labels) -> Any:
    made = object.__new__(kind)
    for name, value in zip(_SLOTS, (plain, told, variable, labels), strict=True):
        object.__setattr__(made, name, value)
    return made


def _own(watched: Any, name: str) -> Any:
    return object.__getattribute__(watched, name)


def _plain(watched: Any) -> Any:
    """Note a read, and return the plain object."""
    _own(watched, "_told")(_own(watched, "_variable"), _own(watched, "_labels"))
    return _own(watched, "_plain")


def _attribute(watched: Any, name: str) -> Any:
    if name in _ITS_OWN:
        return object.__getattribute__(watched, name)
    plain = _own(watched, "_plain")
    if name in _SILENT:
        return getattr(plain, name)
    is_variable = type(plain) is xarray.Dataset and name in plain.data_vars
    if is_variable and not hasattr(xarray.Dataset, name):
        return _item(watched, name)
    return getattr(_plain(watched), name)


def _item(watched: Any, key: Any) -> Any:
    plain = _own(watched, "_plain")
    if isinstance(key, str) and key in plain.data_vars:
        told, labels = _own(watched, "_told"), _own(watched, "_labels")
        return _made(_DataArray, plain[key], told, key, labels)
    return _plain(watched)[key]


def _selected(watched: Any, indexers: Any, how: Any, named: dict[str, Any]) -> Any:
    """Select by labels; any other selection counts as reading everything."""
    plain, told, variable, labels = (_own(watched, name) for name in _SLOTS)
    by_name = {name: each for name, each in named.items() if name not in _HOW}
    asked = {**(indexers or {}), **by_name}
    exact = {name: _exact(plain, name, each) for name, each in asked.items()}
    is_exact = not how and {*named} <= {*by_name, "drop"}
    if not is_exact or None in exact.values():
        return _plain(watched).sel(indexers, *how, **named)
    labels = {**labels, **exact}
    try:
        selected = plain.sel(asked, drop=named.get("drop", False))
    except (KeyError, ValueError, TypeError):
        told(variable, labels)
        raise
    return _made(type(watched), selected, told, variable, labels)


def _exact(plain: Any, name: Any, label: Any) -> Any:
    """Return a label, or a list of labels, as plain types; None if it may be something else."""
    index = plain.indexes.get(name)
    if type(index) is not pandas.Index:  # other indexes accept parts of dates, or levels
        return None
    if isinstance(label, list | tuple | np.ndarray):
        listed = np.asarray(label)
        found = (
            [_exact(plain, name, each) for each in listed.tolist()] if listed.ndim == 1 else [None]
        )
        return None if None in found else found
    if isinstance(label, np.generic):
        label = label.item()
    return label if type(label) in _PLAIN and label == label else None


class _Dataset(xarray.Dataset):  # type: ignore[no-untyped-call]
    __slots__ = _SLOTS

    def __getattribute__(self, name: str) -> Any:
        return _attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_plain(self), name, value)

    def __getitem__(self, key: Any) -> Any:
        return _item(self, key)

    def sel(self, indexers: Any = None, *how: Any, **named: Any) -> Any:
        return _selected(self, indexers, how, named)


class _DataArray(xarray.DataArray):  # type: ignore[no-untyped-call]
    __slots__ = _SLOTS

    def __getattribute__(self, name: str) -> Any:
        return _attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_plain(self), name, value)

    def sel(self, indexers: Any = None, *how: Any, **named: Any) -> Any:
        return _selected(self, indexers, how, named)
