"""Write the results file, which any reader of netCDF-4 understands without `sweeps`.

It holds dense N-D arrays over the dimensions of the space, axes as dimension scales, and CF
attributes. What only `sweeps` needs is apart, in the group ``_sweeps``. Nothing here knows of keys
or segments.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from sweeps.errors import OutputError, SummaryError
from sweeps.results import datasets
from sweeps.results.contents import Arrays, Failures, Output, Sheet, Summary
from sweeps.storage import files, hdf5, hdf5_write, kinds, seal
from sweeps.storage.hdf5 import (
    DTYPES,
    GROUP,
    LONG_ATTRIBUTES,
    STATUS,
    SUMMARY,
    SUMMARY_SOURCE,
    TEXT_END,
    Array,
)

_MANY = 2**20
"""Points of a space from which on it is worth to pack their states."""

if TYPE_CHECKING:
    from sweeps.storage.stretches import Stretch


class Landed(NamedTuple):
    """The digest of the file that was written, and why it has no summary."""

    digest: bytes
    failure: SummaryError | None


def land(
    path: Path,
    sheet: Sheet,
    summary: Summary | None = None,
    second_name: Callable[[bytes], Path] | None = None,
    draft: Path | None = None,
) -> Landed:
    """Write the results file in full, then replace the old one, which stays whole until then.

    Parameters
    ----------
    summary : Summary, optional
        What to add to the file before it replaces the old one.
    second_name : callable, optional
        From the digest of the file to a second name, which it gets before it replaces the old one.
    draft : Path, optional
        What becomes the results file: outputs with a stretch are in it.
    """
    datasets.check_names(sheet, [GROUP])
    with files.replacing(path, of=draft) as new:
        _write(new, sheet)
        failure = None if summary is None else _summarize(new, sheet, summary)
        if draft is None:
            digest = seal.seal(new.descriptor, seal.RESULTS)
        else:
            digest = seal.seal_around(new.descriptor, _stretches(sheet))
        if second_name is not None:
            files.share(new, second_name(digest))
    return Landed(digest, failure)


def _summarize(new: files.New, sheet: Sheet, summary: Summary) -> SummaryError | None:
    """Add the summary to a file, or leave the file without one."""
    try:
        datasets.check_names(sheet, [GROUP, SUMMARY])
        arrays = summary.arrays(new.path)
        datasets.check_names(arrays)
    except (SummaryError, OutputError) as error:
        return _told(error)
    try:
        _add(new, arrays, summary)
    except Exception as error:
        _write(new, sheet)  # again, since a part of the group may be in it
        return _told(error)
    return None


def _told(error: Exception) -> SummaryError:
    if isinstance(error, SummaryError):
        return error
    return SummaryError(f"cannot be stored: {getattr(error, 'strerror', None) or error}")


def _stretches(sheet: Sheet) -> list[Stretch]:
    return [each.stretch for each in sheet.outputs if each.stretch is not None]


def _write(new: files.New, sheet: Sheet) -> None:
    n_kept = max((each.end for each in _stretches(sheet)), default=0)
    with hdf5_write.create(new.descriptor, n_kept) as file:
        reserved = datasets.reserve(file, sheet)
        short = {
            name: value for name, value in sheet.attributes.items() if name not in LONG_ATTRIBUTES
        }
        datasets.attributes(file, {"Conventions": "CF-1.11", **short})
        scales, left_out = datasets.write(file, sheet, reserved)
        _bookkeeping(file, sheet, scales)
        datasets.refer_back(scales)
    for copy, offset in left_out:
        copy(new.descriptor, offset)


def _add(new: files.New, arrays: Arrays, summary: Summary) -> None:
    with hdf5_write.extend(new.descriptor) as file:
        group = file.create_group(SUMMARY, track_order=True)
        datasets.attributes(group, summary.attributes)
        datasets.refer_back(datasets.write(group, arrays).scales)
        datasets.characters(file[GROUP], SUMMARY_SOURCE, hdf5.text(summary.source))
        for name, value in summary.root_attributes.items():
            file.attrs[name] = hdf5.fixed(value)


def _bookkeeping(file: h5py.File, sheet: Sheet, scales: Mapping[str, datasets.Scale]) -> None:
    """Write status, elapsed times and failures of points into a group of their own."""
    group = file.create_group(GROUP, track_order=True)
    if own := _own_dtypes(sheet):
        group.attrs[DTYPES] = hdf5.fixed(json.dumps(own))
    status = {
        "long_name": "state of the point",
        "flag_values": np.array(list(STATUS.values()), dtype=np.int8),
        "flag_meanings": " ".join(STATUS),
    }
    elapsed = {
        "_FillValue": np.float32(np.nan),
        "long_name": "time taken by the point",
        "units": "s",
    }
    for name, dtype, read, attrs in (
        ("status", np.dtype(np.int8), sheet.status, status),
        ("elapsed", np.dtype(np.float32), sheet.elapsed, elapsed),
    ):
        output = Output(name, dtype, (), (), attrs, False, read=_whole(read))
        dataset = _state(group, output, sheet)
        datasets.label(dataset, tuple(sheet.sizes), scales, attrs)
    for name in LONG_ATTRIBUTES:
        if name in sheet.attributes:
            datasets.characters(group, name, hdf5.text(sheet.attributes[name]))
    if len(sheet.failures.positions):
        _failures(group.create_group("failures", track_order=True), sheet.failures)
    if sheet.add is not None:
        sheet.add(file, _put)


def _state(group: h5py.Group, output: Output, sheet: Sheet) -> h5py.Dataset:
    """Write the state of points; packed in a large space, if other values take more by far.

    A file that unpacks to many times its size is not opened.
    """
    sizes = tuple(sheet.sizes.values())
    if math.prod(sizes) >= _MANY and any(math.prod(each.shape) for each in sheet.outputs):
        from sweeps.results import packed  # which few results need

        if packed.is_worth(output, math.prod(sizes)):
            return packed.variable(group, output, sizes)
    return datasets.variable(group, output, sizes)


def _whole(read: Callable[[int, int], Array]) -> Callable[[int, int], tuple[Array, None]]:
    """Make an output's way to read of one that misses nothing."""
    return lambda start, stop: (read(start, stop), None)


def _own_dtypes(sheet: Sheet) -> dict[str, str]:
    """Return the dtypes of integers and booleans that are stored as wider ones for a fill value."""
    every = [*map(datasets.as_output, sheet.coordinates), *sheet.outputs]
    odd = [each for each in every if each.has_missing and each.dtype.kind in "biu"]
    return {
        each.name: each.dtype.str
        for each in odd
        if kinds.of(each.dtype).fills(each.dtype)[0] != each.dtype
    }


def _put(group: h5py.Group, name: str, values: np.ndarray[Any, Any]) -> None:
    """Write values whose dimensions have no meaning, with the dimensions that netCDF requires."""
    dataset = hdf5.write(group, name, values)
    for i, size in enumerate(values.shape):
        dataset.dims[i].attach_scale(datasets.bare_dimension(group, f"{name}_{i}", size))


def _failures(group: h5py.Group, failures: Failures) -> None:
    """Write the table of failures: one row for each failed point, each distinct text once."""
    row = datasets.bare_dimension(group, "failure", len(failures.positions))
    said = {name: getattr(failures, name) for name in ("kind", "type", "message", "traceback")}
    texts = hdf5.count_texts(group, said)
    datasets.characters(group, hdf5.TEXTS, "".join(texts))
    ends = np.cumsum([len(text.encode()) for text in texts])
    hdf5.write(
        group, TEXT_END, ends, {"long_name": f"where each of the {hdf5.TEXTS} ends, in bytes"}
    )
    group[TEXT_END].dims[0].attach_scale(datasets.bare_dimension(group, "text", len(texts)))
    hdf5.write(group, "position", failures.positions.astype(np.int64))
    hdf5.write(group, "attempts", failures.attempts.astype(np.int64))
    for name in ("position", *said, "attempts"):
        group[name].dims[0].attach_scale(row)
    for name in said:
        group[name].attrs["long_name"] = hdf5.fixed(f"number of the {name} among {hdf5.TEXTS}")
    where = "flat index of the point in the space, in C order"
    group["position"].attrs["long_name"] = hdf5.fixed(where)
