"""Load a results file as an xarray.Dataset, from what the file says of itself."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import warnings
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
from h5py import h5l, h5o, h5r

from sweeps.errors import StorageError, nearest
from sweeps.storage import calendars, hdf5, hdf5_foreign, hdf5_open, seal
from sweeps.storage.hdf5 import GROUP, LONG_ATTRIBUTES, SUMMARY, SUMMARY_SOURCE, TEXT_END

if TYPE_CHECKING:
    import xarray


_opened: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

EAGER_BYTES = 2**30
"""A smaller dataset is read at once."""


def load(
    path: Path, group: str | None = None, *, masked: bool = True, is_lazy: bool = False
) -> xarray.Dataset:
    """Open a results file as a labelled dataset.

    Parameters
    ----------
    path : Path
        Of a results file.
    group : str, optional
        Group of the file to open instead of its root: ``summary``, ``_sweeps``.
    masked : bool
        Whether integers and bools with missing points become floats with NaN. If not, they stay
        the integers that they are, and the attribute ``_FillValue`` says which one is missing.
    is_lazy : bool
        Whether a small file is read when it is used, too.

    Returns
    -------
    xarray.Dataset
        In memory if it takes less than 1 GiB, with the file closed. A larger one is read when it
        is used; it shows the file as it was when opened, even after a later run has replaced it.
        If you pickle it, it shows the same file, or raises `StorageError` if that was replaced.
        Strings with missing points are objects with NaN.

    Warns
    -----
    UserWarning
        If integers beyond 2^53 are rounded because missing points make floats of them, or may be
        rounded because the file is not read yet.

    Raises
    ------
    StorageError
        If the path does not exist, is not an HDF5 file or is damaged, or lacks the group.
    HostileFileError
        For a file that `hdf5_foreign.open_read` refuses.
    """
    found = read(path, group, masked=masked, is_lazy=is_lazy)
    for told in found.warnings:
        warnings.warn(told, stacklevel=3)
    return found.dataset


class Read(NamedTuple):
    """A dataset, and the warnings for its user."""

    dataset: xarray.Dataset
    warnings: tuple[str, ...]


def read(
    path: Path, group: str | None = None, *, masked: bool = True, is_lazy: bool = False
) -> Read:
    """Load as `load` does; return the warnings. What is lazy is read when it is used."""
    if not os.path.exists(path):  # noqa: PTH110 - Path's raises for what can be no path
        raise _missing(path)
    with hdf5_open.damaged(path):
        if path.is_file() and seal.is_damaged(path, seal.RESULTS):
            raise StorageError(_what_is_damaged(path))
    with hdf5_foreign.open_read(path) as file, hdf5_open.damaged(path):
        if group is not None and not _is_group(file.get(group)):
            raise _no_group(path, group, [n for n, item in file.items() if _is_group(item)])
    told, are = [], "are"
    with hdf5_open.damaged(path):
        state = _State(path)
        with h5py.File(state, "r") as file:
            attributes = _long_attributes(file, group)
            forms = _forms(file if group is None else file[group])
            texts = _texts_of_failures(file if group is None else file[group])
        dataset = _open(state, group, forms, masked=masked, is_lazy=is_lazy)
        dataset.encoding["source"] = os.path.abspath(path)  # noqa: PTH100 - follows no links
        if is_read_at_once(dataset) and not is_lazy:
            with dataset:
                dataset = dataset.load()
            dataset, rounded = _mask(dataset, forms.integers if masked else ())
            dataset, undated = _date(dataset, forms.dates)
            if masked:
                missing = [n for n in undated if "_FillValue" in dataset.variables[n].attrs]
                dataset, _ = _mask(dataset, missing)
        else:  # only reading them would tell
            rounded, are = list(forms.integers) if masked else [], "would be"
            undated = list(forms.odd_dates)
    if rounded:
        told.append(
            f"integers beyond 2^53 {are} rounded in {_listed(rounded)}, because missing "
            "points turn them into floats: load(..., masked=False) keeps them exact"
        )
    if undated:
        told.append(f"{_listed(undated)} stays numeric: xarray cannot turn its units into dates")
    if texts is not None:
        dataset[hdf5.TEXTS] = ("text", np.array(texts, dtype=object))
    dataset.attrs |= attributes
    return Read(dataset, tuple(told))


def attributes(path: Path) -> dict[str, Any]:
    """Read what a results file says of its origin: numbers and text, short and long."""
    if not os.path.exists(path):  # noqa: PTH110
        raise _missing(path)
    found = hdf5_foreign.read_attributes(path)
    with hdf5_foreign.open_read(path) as file, hdf5_open.damaged(path):
        return found | _long_attributes(file, None)


class _Forms(NamedTuple):
    """Names of variables that xarray does not decode right.

    Attributes
    ----------
    names : of all.
    integers : of 8 bytes, some of which are missing.
    fillable : integers of any size, some of which are missing.
    dates : numbers that count from a date, as a function returned them.
    odd_dates : those of calendars that numpy does not have, and what only looks like dates.
    hints : options of xarray, each with a variable that it is to be set for.
    """

    names: tuple[str, ...]
    integers: tuple[str, ...]
    fillable: tuple[str, ...]
    dates: tuple[str, ...]
    odd_dates: tuple[str, ...]
    hints: list[tuple[str, str]]


def _open(
    state: _State, group: str | None, forms: _Forms, *, masked: bool, is_lazy: bool
) -> xarray.Dataset:
    """Open a file; what is read at once, or what xarray does not decode right, stays as stored."""
    import xarray
    from xarray.backends import CachingFileManager, H5NetCDFStore

    coder = _decode_times()
    hints: dict[str, Any] = {}
    for option, name in forms.hints:
        hints.setdefault(option, {})[name] = True
    manager = CachingFileManager(_netcdf, state, mode="r")

    def opened(kept: Iterable[str], undated: Iterable[str]) -> xarray.Dataset:
        return xarray.open_dataset(
            H5NetCDFStore(manager, group=group, mode="r"),
            mask_and_scale=dict.fromkeys(kept, False),
            decode_times=dict.fromkeys(forms.names, coder) | dict.fromkeys(undated, False),
            **hints,
        )

    kept = forms.integers if masked else forms.fillable
    if not is_lazy:
        dataset = opened((*kept, *forms.dates), forms.dates)
        if is_read_at_once(dataset):
            return dataset
        dataset.close()
    return opened(() if masked else kept, forms.odd_dates)


class _Once(h5py.File):  # type: ignore[misc]
    """A file to read that opens each object once, and finds all names in one visit.

    h5netcdf opens each variable 36 times, and for the name of each dimension HDF5 searches all
    names of the file: 2,000 variables take 17 s that way, and 2 s here.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._opened: dict[Any, Any] = {}

    def __getitem__(self, name: Any) -> Any:
        if isinstance(name, h5py.Reference):
            name = self._names[h5o.get_info(h5r.dereference(name, self.id)).addr]
        if name not in self._opened:
            self._opened[name] = super().__getitem__(name)
        return self._opened[name]

    @functools.cached_property
    def _names(self) -> dict[int, bytes]:
        """Names of all objects by address."""
        names: dict[int, bytes] = {}

        def note(path: bytes, info: h5l.LinkInfo) -> None:
            if info.type == h5l.TYPE_HARD:
                names.setdefault(info.u, path)

        self.id.links.visit(note, info=True)
        return names


def _netcdf(state: _State, mode: str) -> Any:
    """Open a file as h5netcdf does."""
    import h5netcdf

    class File(h5netcdf.File):  # type: ignore[misc]
        def close(self) -> None:
            super().close()
            once.close()

    once = _Once(state, mode)
    file = File(once, mode, decode_vlen_strings=True, phony_dims="access")
    _opened[id(file)] = file
    return file


@atexit.register
def _close_all() -> None:
    """Close what is still read lazily: closed any later, HDF5 would call Python when it is gone.

    h5py (3.16) ends the process with a segmentation fault then.
    """
    for file in list(_opened.values()):
        with contextlib.suppress(Exception):
            file.close()


def _forms(group: h5py.Group) -> _Forms:
    """Look at how the variables of a group are stored."""
    found = {n: d for n, d in group.items() if isinstance(d, h5py.Dataset)}
    kinds = {name: hdf5.kind_of(dataset) for name, dataset in found.items()}
    own = {n for n, d in found.items() if calendars.is_date(d.attrs) and not kinds[n].has_nat}
    fillable = [
        name
        for name, dataset in found.items()
        if dataset.dtype.kind in "iu"
        and "_FillValue" in dataset.attrs
        and not calendars.is_date(dataset.attrs)
        and not kinds[name].has_nat
    ]
    return _Forms(
        tuple(found),
        tuple(name for name in fillable if found[name].dtype.itemsize == 8),
        tuple(fillable),
        tuple(sorted(own)),
        tuple(sorted(n for n in own if not _is_numpys(found[n].attrs))),
        [(kind.hint, name) for name, kind in kinds.items() if kind.hint],
    )


def _is_numpys(attrs: Any) -> bool:
    """Whether xarray can turn numbers into dates of numpy while it reads."""
    said = {name: hdf5.plain(attrs[name]) for name in ("units", "calendar") if name in attrs}
    return calendars.is_numpys(attrs) and calendars.is_readable(said, _decode_times())


def _date(dataset: xarray.Dataset, names: Iterable[str]) -> tuple[xarray.Dataset, list[str]]:
    """Decode numbers into dates; return the names of those that are no dates."""
    coder, undated = _decode_times(), []
    dated: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for name in names:
        try:
            decoded = calendars.decoded(dataset.variables[name], coder)
        except (ValueError, OverflowError, ImportError):
            undated.append(name)
        else:
            dated[name in dataset.coords][name] = decoded
    return dataset.assign(dated[0]).assign_coords(dated[1]), undated


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _long_attributes(file: h5py.File, group: str | None) -> dict[str, str]:
    """Read the long attributes of a group, which are datasets elsewhere."""
    names = {None: {n: n for n in LONG_ATTRIBUTES}, SUMMARY: {"source": SUMMARY_SOURCE}}.get(
        group, {}
    )
    found = {name: file.get(f"{GROUP}/{stored}") for name, stored in names.items()}
    return {n: _bytes(d).decode() for n, d in found.items() if isinstance(d, h5py.Dataset)}


def _bytes(dataset: h5py.Dataset) -> bytes:
    """Read what `datasets.characters` wrote."""
    return bytes(np.asarray(dataset[()], "S1").tobytes().rstrip(b"\0"))


def _texts_of_failures(group: h5py.Group) -> list[str] | None:
    """Read the texts of a table of failures; None if there are none or they are not characters."""
    if TEXT_END not in group:
        return None
    raw, ends = _bytes(group[hdf5.TEXTS]), [0, *group[TEXT_END][()].tolist()]
    return [raw[start:stop].decode() for start, stop in itertools.pairwise(ends)]


def _mask(dataset: xarray.Dataset, names: Iterable[str]) -> tuple[xarray.Dataset, list[str]]:
    """Turn integers with missing points into floats as xarray does; name those that are rounded."""
    made, rounded = {}, []
    for name in names:
        stored = dataset.variables[name].copy(deep=False)
        fill = stored.attrs.pop("_FillValue")
        stored.attrs.pop("missing_value", None)
        is_missing = stored.values == fill
        floats = np.where(is_missing, np.nan, stored.values)
        with np.errstate(invalid="ignore"):  # 2^63 is a float, and no int64
            back = floats[~is_missing].astype(stored.dtype)
        if (stored.values[~is_missing] != back).any():
            rounded.append(name)
        made[name] = stored.copy(data=floats)
        made[name].encoding |= {"_FillValue": fill, "dtype": stored.dtype}
    return dataset.assign(made), rounded


def is_read_at_once(dataset: xarray.Dataset) -> bool:
    """Whether `load` reads all of a dataset, so that it does not need its file any more."""
    return dataset.nbytes < EAGER_BYTES


class _State(hdf5_open.Source):
    """A results file as it was when it was loaded, also in other processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (os.path.abspath(self.path), self._identity())  # noqa: PTH100

    def _identity(self) -> tuple[int, bytes | float]:
        """What identifies this file: its digest, or else its time."""
        digest = seal.held_by(self._descriptor, seal.RESULTS)
        return self.n_bytes, digest or os.fstat(self._descriptor).st_mtime


def _again(path: str, identity: tuple[int, bytes | float]) -> _State:
    """Open a results file that was loaded elsewhere; refuse it if it was replaced."""
    with hdf5_open.damaged(path):
        state = _State(Path(path))
    if state._identity() != identity:
        raise StorageError(
            f"{path} was replaced since it was loaded: load it again, or .load() it before it is "
            "sent to other processes or pickled"
        )
    return state


def _what_is_damaged(path: Path) -> str:
    if seal.is_being_written(path):
        return f"cannot read {path}: {hdf5_open.WRITTEN}"
    return (
        f"{path} is damaged: its content does not match its digest. Run {path.stem} to "
        f"write it again; python -m sweeps verify {path} also checks the stored results"
    )


def _missing(path: Path) -> StorageError:
    hint = nearest(path.stem, (other.stem for other in path.parent.glob("*.h5")))
    return StorageError(
        f"no results file {path}; make it first: python -m sweeps run {path.stem}.{hint}"
    )


def _is_group(thing: Any) -> bool:
    return isinstance(thing, h5py.Group)


def _no_group(path: Path, group: str, groups: list[str]) -> StorageError:
    advice = f"found: {', '.join(sorted(groups)) or 'none'}"
    if group == SUMMARY:
        advice = (
            f"register a function with @{path.stem}.summary, then run it: python -m sweeps "
            f"run {path.stem} reports a summary that fails"
        )
    return StorageError(f"no group {group!r} in {path}; {advice}.{nearest(group, groups)}")


def _decode_times() -> Any:
    """Ask for microseconds if xarray can (2025.1); nanoseconds span only 1678 to 2261."""
    import xarray

    coder = getattr(getattr(xarray, "coders", None), "CFDatetimeCoder", None)
    return True if coder is None else coder(time_unit="us")
