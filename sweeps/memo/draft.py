"""Drafts: files that become results files, in which workers write large values where they stay.

Once the form of the outputs is known, the run lays out a draft in the folder of the memo. It is
only space, reserved where the results file will have the values. A worker writes values there,
flushes them, and commits a segment that says which points they are of, with a check of each. So
what counts is what segments name; anything else in a draft is a hole, whatever stands there.

A draft belongs to one run, which gives each point out once, and again only if no segment has it. So
nothing that a segment names is ever written over. Other runs only read it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import math
import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.errors import StorageError
from sweeps.memo import claims, header, ledger, listing, results_segment
from sweeps.outputs.schema import header_of, is_large
from sweeps.outputs.types import Header, Part, Variable
from sweeps.storage import disk, files, hdf5, hdf5_write, kinds, stretches
from sweeps.storage.hdf5 import Array
from sweeps.storage.stretches import Stretch

_TOTAL_BYTES = 2**25
"""Less is written as quickly in the usual way."""

Runs = npt.NDArray[np.int64]
"""Shape (n, 2): flat positions, as ascending runs, start and stop."""


class Column(NamedTuple):
    """A variable whose values are in a draft: which of a part it is, its header and its place."""

    number: int
    header: Header
    offset: int


@dataclasses.dataclass(frozen=True, eq=False)
class Draft:
    """Where workers write which values.

    Attributes
    ----------
    sizes : tuple of int
        Of the dimensions of the space.
    form : str
        Of all variables of the first part, as `header.described` says it.
    """

    path: Path
    sizes: tuple[int, ...]
    form: str
    columns: tuple[Column, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes up to the end of the last column."""
        return max(c.offset + math.prod(self.sizes) * _point_bytes(c.header) for c in self.columns)

    def has_not_landed(self) -> bool:
        """Whether it is there, and no results file: that would have names of its own."""
        try:
            return self.path.stat().st_nlink == 1
        except FileNotFoundError:
            return False


def plan(folder: Path, sizes: Sequence[int], variables: Sequence[Header]) -> Draft | None:
    """Lay out a draft for outputs of a form; None if none is large, or nothing is left to write.

    The form is known from a point that is done: a space of one point has no other.
    """
    large = [
        (number, each)
        for number, each in enumerate(variables)
        if is_large(each) and is_placeable(each)
    ]
    n_points = math.prod(sizes)
    if n_points == 1 or sum(n_points * _point_bytes(each) for _, each in large) < _TOTAL_BYTES:
        return None
    shapes = [((*sizes, *each.shape), each.dtype) for _, each in large]
    offsets = hdf5_write.offsets(shapes)
    columns = tuple(Column(*own, at) for own, at in zip(large, offsets, strict=True))
    path = folder / f"{uuid.uuid4().hex}{listing.DRAFT_SUFFIX}"
    return Draft(path, tuple(sizes), header.described(variables), columns)


def _point_bytes(one: Header) -> int:
    return math.prod(one.shape) * one.dtype.itemsize


def is_placeable(one: Header) -> bool:
    """Whether the bytes of its values are those that a results file holds."""
    return one.counts is None and kinds.of(one.dtype).is_raw and one.dtype.isnative


def begin(draft: Draft) -> bool:
    """Make the file of a draft; False if that takes its space at once, or is not allowed."""
    try:
        descriptor = disk.create(draft.path)
        try:
            disk.truncate(descriptor, draft.n_bytes)
            is_sparse = os.fstat(descriptor).st_blocks * 512 < draft.n_bytes // 2
        finally:
            disk.close(descriptor)
        disk.flush_folder(draft.path.parent)
    except OSError:
        is_sparse = False
    if not is_sparse:
        with contextlib.suppress(OSError):
            disk.unlink(draft.path)
    return is_sparse


def tell(draft: Draft, note: Path) -> None:
    """Tell workers of a draft, by a file."""
    said = {
        "path": str(draft.path),
        "sizes": draft.sizes,
        "form": draft.form,
        "offsets": {each.number: each.offset for each in draft.columns},
    }
    new = note.with_suffix(".new")
    new.write_text(json.dumps(said))
    new.replace(note)


def told(note: Path) -> Draft:
    """Read what `tell` wrote."""
    said = json.loads(note.read_text())
    every = header.forms(said["form"])
    columns = tuple(Column(int(n), every[int(n)], at) for n, at in said["offsets"].items())
    return Draft(Path(said["path"]), tuple(said["sizes"]), said["form"], columns)


# ---- values of a part


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """Where values of a part are in a draft.

    Attributes
    ----------
    path : Path
        Of the draft.
    runs : numpy.ndarray
        The positions of the points.
    columns : mapping of int to Stretch
        By the number of the variable. The checks are those of the points of the part.
    """

    path: Path
    runs: Runs
    columns: Mapping[int, Stretch]

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """Where each point of the part is, shape (n,)."""
        return ledger.listed(self.runs)


def takes(draft: Draft, part: Part) -> bool:
    """Whether the large values of a part are of the form that a draft is laid out for."""
    own = [header.described([header_of(each)]) for each in part.variables]
    wanted = [(number, header.described([one])) for number, one, _ in draft.columns]
    return not part.coordinates and all(own[n : n + 1] == [said] for n, said in wanted)


def place(draft: Draft, part: Part, positions: npt.NDArray[np.int64]) -> tuple[Part, Placed]:
    """Write the large values of a part, and flush them.

    Parameters
    ----------
    part : Part
        Of a form that the draft `takes`.
    positions : numpy.ndarray
        Where its points are, shape (n,).

    Returns
    -------
    part : Part
        The same one; its large variables have no values.
    placed : Placed

    Raises
    ------
    StorageError
        If the disk does not take the values.
    """
    runs = ledger.spans(positions)
    ends = [0, *np.cumsum(runs[:, 1] - runs[:, 0]).tolist()]
    rows = list(itertools.pairwise(ends))
    variables, columns = list(part.variables), dict[int, Stretch]()
    with files.told(draft.path), concurrent.futures.ThreadPoolExecutor(1) as pool:
        every = [variables[number].values for number, _, _ in draft.columns]
        checks = pool.submit(lambda: [*map(stretches.checks, every)])  # while it is written
        descriptor = disk.open_to_change(draft.path)
        try:
            for values, (_, own, offset) in zip(every, draft.columns, strict=True):
                for (first, stop), (start, _) in zip(rows, runs.tolist(), strict=True):
                    data = stretches.bytes_of(values[first:stop])
                    disk.write_all_at(descriptor, data, offset + start * _point_bytes(own))
            disk.flush(descriptor)
        finally:
            disk.close(descriptor)
    for made, (number, own, offset) in zip(checks.result(), draft.columns, strict=True):
        columns[number] = Stretch(offset, _point_bytes(own), made)
        variables[number] = without_values(variables[number])
    left = dataclasses.replace(part, variables=tuple(variables))
    return left, Placed(draft.path, runs, columns)


def without_values(variable: Variable) -> Variable:
    """Keep the form of a variable: the values take no memory."""
    empty = np.broadcast_to(np.zeros((), variable.values.dtype), variable.values.shape)
    return dataclasses.replace(variable, values=empty)


def write_placed(group: h5py.Group, put: hdf5_write.Put, placed: Placed) -> None:
    """Write into the group of a part where its large values are."""
    group.attrs["draft"] = placed.path.name
    columns = placed.columns.items()
    group.attrs["places"] = json.dumps([(n, c.offset, c.point_bytes) for n, c in columns])
    put(group, "runs", placed.runs)
    for number, column in columns:
        put(group.require_group("digests"), str(number), column.checks)


def placed_of(group: h5py.Group, folder: Path) -> Placed:
    """Read what `write_placed` wrote."""
    columns = {
        number: Stretch(offset, n_bytes, group[f"digests/{number}"][()])
        for number, offset, n_bytes in json.loads(group.attrs["places"])
    }
    name = Path(str(hdf5.plain(group.attrs["draft"]))).name
    return Placed(folder / name, group["runs"][()], columns)


def read(placed: Placed, number: int, one: Header, rows: slice | None) -> Array:
    """Read values of a variable at some rows of a part, shape (n, *own shape)."""
    column = placed.columns[number]
    first, stop, _ = (rows or slice(None)).indices(len(column.checks))
    made = np.empty((max(stop - first, 0), *one.shape), one.dtype)
    if not made.size:
        return made
    into, at = stretches.bytes_of(made), 0
    descriptor = disk.open_to_read(placed.path)
    try:
        for start, end in results_segment.runs(placed.runs, first, stop):
            n_bytes = (end - start) * column.point_bytes
            offset = column.offset + start * column.point_bytes
            if not _fill(descriptor, into[at : at + n_bytes], offset):
                raise StorageError(
                    f"cannot read {placed.path}: it was cut short; run again to continue"
                )
            at += n_bytes
    finally:
        disk.close(descriptor)
    return made


def _fill(descriptor: int, into: memoryview, offset: int) -> bool:
    """Read bytes from a place of a file; False if it has not so many."""
    n_done = 0
    while n_done < len(into):
        chunk = disk.read_at(descriptor, len(into) - n_done, offset + n_done)
        if not chunk:
            return False
        into[n_done : n_done + len(chunk)] = chunk
        n_done += len(chunk)
    return True


def damaged(placed: Placed) -> list[int]:
    """Check the values of a part; return the rows whose values are not as they were written.

    All of them, if the draft is gone.
    """
    try:
        descriptor = disk.open_to_read(placed.path)
    except FileNotFoundError:
        return list(range(len(placed.positions)))
    try:
        at = placed.positions.tolist()
        every = (stretches.damaged(descriptor, own, at) for own in placed.columns.values())
        return sorted({*itertools.chain(*every)})
    finally:
        disk.close(descriptor)


def forget(folder: Path, named: Collection[Path], own: Path | None) -> None:
    """Remove the drafts that no segment names: ours, and those of runs that were killed."""
    is_live = claims.are_live(folder)
    every = [folder / name for name in listing.ending(folder, listing.DRAFT_SUFFIX)]
    gone = [each for each in every if each not in named and (each == own or not is_live)]
    with contextlib.suppress(OSError):  # a power cut must not bring back what names them
        disk.flush_folder(folder)
        for path in gone:
            with contextlib.suppress(FileNotFoundError):  # another run removed it too
                disk.unlink(path)
