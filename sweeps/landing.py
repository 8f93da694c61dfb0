"""Labelled arrays → the results file, which any reader of netCDF-4 understands by itself.

Dense N-D arrays over the space's dimensions, axes as dimension scales, CF attributes; what only
this project needs is apart, in the group ``_sweeps``. Nothing here knows of keys or segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from sweeps import creating, files, h5, kept, sealing, segment, writing
from sweeps.errors import OutputError, SummaryError
from sweeps.sheet import (
    GROUP,
    STATUS,
    SUMMARY,
    SUMMARY_SOURCE,
    TEXT_END,
    TEXTS,
    Arrays,
    Coordinate,
    Failures,
    Output,
    Sheet,
    Summary,
    check_names,
)

__all__ = ["GROUP", "STATUS", "Coordinate", "Failures", "Output", "Sheet", "Summary", "land"]


class Landed(NamedTuple):
    """What became of a landing.

    Attributes
    ----------
    segment : str
        What the file is called among segments, if it is one.
    failure : SummaryError or None
        Why the file has no summary; all else is in it.
    """

    segment: str
    failure: SummaryError | None


def land(
    path: Path, sheet: Sheet, summary: Summary | None = None, memo: Path | None = None
) -> Landed:
    """Write the results file in full and put it in the place of the old one.

    Parameters
    ----------
    path : Path
    sheet : Sheet
    summary : Summary, optional
        What to add once the file is written, before it takes the place of the old one.
    memo : Path, optional
        A folder of segments, of which the file becomes one before it takes that place.

    Raises
    ------
    OutputError
        For names and dtypes that a results file cannot hold.
    StorageError
        Where the disk does not take it. The old file stays whole whatever happens.
    """
    check_names(sheet, [GROUP])
    with files.replacing(path) as new:
        _write(new, sheet)
        failure = None if summary is None else _summarize(new, sheet, summary)
        name = segment.name_of(sealing.seal(new.descriptor, sealing.RESULTS))
        if memo is not None:
            files.share(new, memo / name)
    return Landed(name, failure)


def _summarize(new: files.New, sheet: Sheet, summary: Summary) -> SummaryError | None:
    """Add the summary of what is in a file, or leave the file without one."""
    try:
        check_names(sheet, [GROUP, SUMMARY])
        arrays = summary.arrays(new.path)
        check_names(arrays)
    except (SummaryError, OutputError) as error:
        return _told(error)
    try:
        _add(new, arrays, summary)
    except Exception as error:
        _write(new, sheet)  # anew: some of the group may be in it
        return _told(error)
    return None


def _told(error: Exception) -> SummaryError:
    if isinstance(error, SummaryError):
        return error
    return SummaryError(f"cannot be stored: {getattr(error, 'strerror', None) or error}")


def _write(new: files.New, sheet: Sheet) -> None:
    with creating.create(new.descriptor) as file:
        short = {name: value for name, value in sheet.attributes.items() if name not in TEXTS}
        writing.attributes(file, {"Conventions": "CF-1.11", **short})
        scales, left_out = writing.write(file, sheet)
        _bookkeeping(file, sheet, scales)
        writing.refer_back(scales)
    for copy, offset in left_out:
        copy(new.descriptor, offset)


def _add(new: files.New, arrays: Arrays, summary: Summary) -> None:
    with creating.extend(new.descriptor) as file:
        group = file.create_group(SUMMARY, track_order=True)
        writing.attributes(group, summary.attributes)
        writing.refer_back(writing.write(group, arrays).scales)
        writing.characters(file[GROUP], SUMMARY_SOURCE, h5.text(summary.source))
        for name, value in summary.root_attributes.items():
            file.attrs[name] = h5.fixed(value)


def _bookkeeping(file: h5py.File, sheet: Sheet, scales: Mapping[str, writing.Scale]) -> None:
    """Write status, elapsed time and failures of points, apart from what belongs to the user."""
    group = file.create_group(GROUP, track_order=True)
    shape = tuple(sheet.sizes.values())
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
    stands = sheet.status.astype(np.int8, copy=False).reshape(shape)
    writing.label(h5.write(group, "status", stands), tuple(sheet.sizes), scales, status)
    taken = Output(
        *("elapsed", np.dtype(np.float32), (), (), elapsed, False),
        read=lambda start, stop: (sheet.elapsed(start, stop), None),
    )
    writing.label(writing.variable(group, taken, shape), tuple(sheet.sizes), scales, elapsed)
    for name in TEXTS:
        if name in sheet.attributes:
            writing.characters(group, name, h5.text(sheet.attributes[name]))
    if len(sheet.failures.positions):
        _failures(group.create_group("failures", track_order=True), sheet.failures)
    if sheet.kept is not None:
        kept.write(file, _put, sheet.kept)


def _put(group: h5py.Group, name: str, values: np.ndarray[Any, Any]) -> None:
    """Write values whose dimensions have no meaning; netCDF wants to know of some."""
    dataset = h5.write(group, name, values)
    for i, size in enumerate(values.shape):
        dataset.dims[i].attach_scale(writing.bare_dimension(group, f"{name}_{i}", size))


def _failures(group: h5py.Group, failures: Failures) -> None:
    """Write the table of failures, one row per failed point, and each distinct text once."""
    row = writing.bare_dimension(group, "failure", len(failures.positions))
    said = {name: getattr(failures, name) for name in ("kind", "type", "message", "traceback")}
    texts = h5.count_texts(group, said)
    writing.characters(group, h5.TEXTS, "".join(texts))
    ends = np.cumsum([len(text.encode()) for text in texts])
    h5.write(group, TEXT_END, ends, {"long_name": f"where each of the {h5.TEXTS} ends, in bytes"})
    group[TEXT_END].dims[0].attach_scale(writing.bare_dimension(group, "text", len(texts)))
    h5.write(group, "position", failures.positions.astype(np.int64))
    h5.write(group, "attempts", failures.attempts.astype(np.int64))
    for name in ("position", *said, "attempts"):
        group[name].dims[0].attach_scale(row)
    for name in said:
        group[name].attrs["long_name"] = h5.fixed(f"number of the {name} among {h5.TEXTS}")
    where = "flat index of the point in the space, in C order"
    group["position"].attrs["long_name"] = h5.fixed(where)
