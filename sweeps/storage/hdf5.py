"""The one HDF5 codec: numpy values ↔ what every netCDF-4 reader understands.

``tests/results/test_write.py`` shows that xarray (engines ``h5netcdf`` and ``netcdf4``), ncdump and
plain h5py read the files alike.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.errors import OutputError
from sweeps.storage import kinds
from sweeps.storage.kinds import STRING

TEXTS = "texts"

MAX_DIMENSIONS = 32  # numpy 2 has 64

# 1.10 is the oldest HDF5 still met on clusters, and what netCDF-C itself writes.
LIBVER = ("earliest", "v110")

_MOST_FIXED_BYTES = 60_000

Array = npt.NDArray[Any]

GROUP = "_sweeps"

SUMMARY = "summary"

LONG_ATTRIBUTES = ("source", "source_files", "data_files", "git_patch", "packages", "accepted")
"""Long attributes of a results file, which are datasets of the group `GROUP`."""

SUMMARY_SOURCE = "summary_source"

TEXT_END = "text_end"

DTYPES = "dtypes"
"""Attribute of `GROUP`: JSON of the own dtypes of variables that are stored as wider ones."""

STATUS = {"missing": 0, "done": 1, "failed": 2, "excluded": 3}


def storage(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], dict[str, Any]]:
    """Decide how values of a dtype are stored.

    Returns
    -------
    stored : numpy.dtype
        In native byte order.
    attributes : dict
        What a reader needs to restore the dtype: ``dtype`` is a convention of xarray, ``units``
        and ``calendar`` are those of CF.

    Raises
    ------
    OutputError
        For float16, longdouble and every dtype that netCDF-4 does not have.

    Examples
    --------
    >>> storage(np.dtype(bool))
    (dtype('int8'), {'dtype': 'bool'})
    >>> storage(np.dtype("float16"))
    Traceback (most recent call last):
    sweeps.errors.OutputError: cannot store values of dtype float16; allowed are int8 ...
    """
    return kinds.of(dtype).stored(dtype)


def encode(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """Turn values into what h5py stores, and the attributes that `decode` needs.

    Raises
    ------
    OutputError
        For a dtype or an object that cannot be stored, and for a str with NUL or half a surrogate
        pair, which the variable-length strings of HDF5 cannot hold.

    Examples
    --------
    >>> encode(np.array([True, False]))
    (array([1, 0], dtype=int8), {'dtype': 'bool'})
    >>> encode(np.array(["1970-01-03"], "M8[D]"))[0]
    array([2])
    """
    stored, attributes = kinds.of(values.dtype).encoded(values)
    return (_strings(values) if stored.dtype.kind == "O" else stored), attributes


def _strings(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Check that all are str that HDF5 can hold, in one pass at the speed of C."""
    strings = values.astype(object)
    try:
        joined = "".join(strings.ravel().tolist())
    except TypeError:
        odd = next(value for value in strings.flat if not isinstance(value, str))
        kind = type(odd).__name__
        raise OutputError(
            f"cannot store a {kind} ({odd!r:.60}); allowed are {kinds.ALLOWED}."
        ) from None
    if "\0" in joined or joined != text(joined):
        odd = next(value for value in strings.flat if value != text(value))
        raise OutputError(f"cannot store the string {odd!r:.60}: it is not text (NUL, surrogate).")
    return strings


def text(string: str) -> str:
    r"""Escape what strings of HDF5 cannot hold; the message of an exception may hold anything.

    Examples
    --------
    >>> print(text("nul \0, half a pair \ud800"))
    nul \x00, half a pair \ud800
    """
    return string.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def decode(dataset: h5py.Dataset, selection: Any = ()) -> np.ndarray[Any, Any]:
    """Read a dataset, or a selection of it, as the values that `encode` was given.

    Strings come back as an object array of str, times as ``datetime64`` in D, us or ns, and
    differences of times as ``timedelta64`` in us or ns.
    """
    if h5py.check_string_dtype(dataset.dtype) is not None:
        strings: np.ndarray[Any, Any] = np.asarray(dataset.asstr()[selection], dtype=object)
        return strings
    stored: np.ndarray[Any, Any] = np.asarray(dataset[selection])
    if stored.dtype.kind != "i":
        return stored
    said = _attribute(dataset)
    dtype = next(filter(None, (kind.restored(said) for kind in kinds.KINDS)), stored.dtype)
    return stored.astype(dtype, copy=False)


def kind_of(dataset: h5py.Dataset) -> kinds.Kind:
    """Return the kind of values that `encode` made a dataset of, as far as attributes say it."""
    said = _attribute(dataset)
    return next((k for k in kinds.KINDS if k.is_own(dataset.dtype, said)), kinds.NUMBER)


def _attribute(dataset: h5py.Dataset) -> kinds.Attribute:
    return functools.cache(lambda name: str(plain(dataset.attrs.get(name, ""))))


def write(
    group: h5py.Group,
    name: str,
    values: np.ndarray[Any, Any],
    attributes: Mapping[str, Any] | None = None,
) -> h5py.Dataset:
    """Encode values into a new dataset, contiguous and uncompressed."""
    stored, own = encode(values)
    dtype = STRING if stored.dtype.kind == "O" else stored.dtype
    dataset = group.create_dataset(name, data=stored, dtype=dtype, track_order=True)
    for key, value in {**(attributes or {}), **own}.items():
        dataset.attrs[key] = fixed(value) if isinstance(value, str) else value
    return dataset


def fixed(string: str) -> Any:
    """Make a text attribute of fixed length, as netCDF-C writes it.

    ncinfo of Octave and NCO before 5.1.8 fail with variable lengths. In HDF5 1.10 only an attribute
    of variable length can hold more than 64 KiB.
    """
    raw = text(string).encode()
    if len(raw) > _MOST_FIXED_BYTES:
        return raw.decode()
    return np.array(raw, dtype=h5py.string_dtype("utf-8", max(len(raw), 1)))


def plain(value: Any) -> Any:
    """Turn the value of an attribute into a Python number or str, if it is one."""
    own = value.item() if isinstance(value, np.generic) else value
    return own.decode("utf-8", "backslashreplace") if isinstance(own, bytes) else own


def reserve(
    group: h5py.Group, name: str | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> h5py.Dataset:
    """Reserve contiguous space for the values of a new dataset, and write nothing there.

    Without a name it is not in the group yet.
    """
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return group.create_dataset(name, shape, dtype, dcpl=properties, track_order=True)


def write_texts(group: h5py.Group, columns: Mapping[str, Iterable[str]]) -> None:
    """Write columns of text as numbers of texts, and each distinct text once, escaped."""
    write(group, TEXTS, np.array(count_texts(group, columns), dtype=object))


def count_texts(group: h5py.Group, columns: Mapping[str, Iterable[str]]) -> list[str]:
    """Write columns of text as numbers of texts; return the distinct texts, escaped."""
    numbers: dict[str, int] = {}
    for name, column in columns.items():
        group[name] = np.array([numbers.setdefault(s, len(numbers)) for s in column], np.int32)
    return [text(string) for string in numbers]


def read_texts(group: h5py.Group, names: Iterable[str]) -> list[list[str]]:
    """Read columns that `write_texts` wrote; equal texts are one object."""
    texts = decode(group[TEXTS])
    return [texts[group[name][()]].tolist() for name in names]


def check_name(name: str) -> None:
    """Refuse a name that some reader of netCDF-4 would refuse or change.

    Raises
    ------
    OutputError
        For a name that is empty, holds ``/``, ``.``, a control character or half a surrogate pair,
        begins or ends with a blank, or takes more than 255 bytes of UTF-8 (NC_MAX_NAME of netCDF
        counts the final NUL: the netCDF4 package fails at 256).

    Examples
    --------
    >>> check_name("energy drift")
    >>> check_name("a/b")
    Traceback (most recent call last):
    sweeps.errors.OutputError: cannot name a variable 'a/b': '/' is not allowed in names.
    """
    bad = [c for c in name if c in "/." or unicodedata.category(c) in {"Cc", "Cs"}]
    if bad:
        reason = f"{bad[0]!r} is not allowed in names"
    elif name != name.strip() or not name:
        reason = "a name needs a letter or digit at its beginning and end"
    elif len(name.encode()) > 255:
        reason = f"at most 255 bytes are allowed, it has {len(name.encode())}"
    else:
        return
    raise OutputError(f"cannot name a variable {name!r:.80}: {reason}.")


def folded(name: str) -> str:
    """Fold the case and the Unicode form of a name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def clashing(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Find the names that differ only in case or Unicode form.

    Examples
    --------
    >>> clashing(["energy", "Energy", "time"])
    [('energy', 'Energy')]
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(folded(name), []).append(name)
    return [tuple(group) for group in alike.values() if len(group) > 1]
