"""What a page shows of points that runs have stored, before they are in a results file.

A segment never changes, so each one is read once: its keys when it appears, the values of an output
when this is first shown. Nothing is locked.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.declaration.experiment import Experiment
from sweeps.errors import StorageError
from sweeps.memo import index as memo
from sweeps.memo import segment
from sweeps.memo.reader import grouped
from sweeps.memo.segment import MergedAwayError, StoredPart
from sweeps.outputs import schema
from sweeps.outputs.types import Header
from sweeps.project.sweep import Sweep
from sweeps.results import adopt
from sweeps.spaces import keys, quantities
from sweeps.spaces.keys import STEP, Keys
from sweeps.spaces.product import ABSENT
from sweeps.spaces.space import Space
from sweeps.spaces.values import label
from sweeps.storage import hdf5_open
from sweeps.storage.hdf5 import STATUS, Array
from sweeps.viewer.sheet import (
    DONE,
    Failed,
    Sheet,
    Status,
    Variable,
    kind_of,
    text_of,
    units_of,
    with_gaps,
)

_MOST_READ_BYTES = 2**28

_numbers = itertools.count()

Places = npt.NDArray[np.int64]


class Growing(Sheet):
    """The points of a space in the memo, looked at again and again."""

    def __init__(self, sweep: Sweep) -> None:
        made = sweep.experiment
        self._sweep, self._made, self._space = sweep, made, made.space
        self.layout = sweep.layout
        self.place = "stored points; the results file does not have them all yet"
        self.version = ""
        self.sizes = self._space.sizes
        self.own_sizes: dict[str, int] = {}
        self.outputs: dict[str, Variable] = {}
        self.coordinates = _coordinates(made)
        self._coordinate = functools.cache(self._read_coordinate)  # gone with this sheet
        self._sorted, self._order, self._twins = _sorted_keys(sweep)
        self._index: memo.Index | None = None
        self._where: dict[_Name, Places] = {}
        self._parts: tuple[StoredPart, ...] = ()
        self._owner = np.full(self.n_positions, -1, dtype=np.int64)
        self._row = np.zeros(self.n_positions, dtype=np.int64)
        self._columns: dict[str, _Column] = {}
        self._headers: dict[str, dict[int, tuple[int, Header]]] = {}
        self._owned: dict[int, Any] = {}
        self._forms: dict[_Name, list[tuple[int, Header]]] = {}
        self._failed: dict[int, Any] = {}
        self._stated = self._empty()

    def update(self, held: Mapping[str, Any]) -> bool:
        """Look for new segments; return whether there are any. `held` is as for `adopt.scan`."""
        index = adopt.scan(self._sweep, held, self._index)
        if self._index is not None and index.segments == self._index.segments:
            return False
        self._index = index
        self._parts = index.parts
        self._find_owners()
        self._find_failures(index)
        self._find_outputs()
        self.version = f"stored-{next(_numbers)}"
        return True

    def _empty(self) -> Status:
        status = np.full(self.n_positions, STATUS["missing"], dtype=np.int8)
        if (accepted := self._space.accepted) is not None:
            status[:] = STATUS["excluded"]
            status[accepted] = STATUS["missing"]
        return status

    def _find_owners(self) -> None:
        """Find the part and the row with the values of each point: the first part counts."""
        names = [_name(part) for part in self._parts]
        self._where = {
            name: self._where[name] if name in self._where else self._places(part.keys)
            for name, part in zip(names, self._parts, strict=True)
        }
        self._owner[:] = -1
        for number in range(len(names) - 1, -1, -1):
            places = self._where[names[number]]
            rows = np.flatnonzero(places >= 0)
            at = places[rows]
            self._owner[at], self._row[at] = number, rows
        if self._twins is not None:
            self._owner, self._row = self._owner[self._twins], self._row[self._twins]
        self._owned = {n: at for n, at in grouped(self._owner) if n >= 0}
        self._stated = self._empty()
        self._stated[self._owner >= 0] = DONE

    def _places(self, wanted: Keys) -> Places:
        return keys.match(wanted, self._sorted, self._order)

    def _find_failures(self, index: memo.Index) -> None:
        every = list(index.failures.values())
        wanted = np.array([each.key for each in every], dtype=np.uint64).reshape(-1, 2)
        places = self._places(wanted)
        self._failed = {
            int(place): each
            for place, each in zip(places.tolist(), every, strict=True)
            if place >= 0 and self._owner[place] < 0
        }
        self._stated[list(self._failed)] = STATUS["failed"]

    def _find_outputs(self) -> None:
        """Find the outputs of all parts, their forms, and where each part has them."""
        found: dict[str, dict[int, tuple[int, Header]]] = {}
        for number in self._owned:
            for i, header in self._settled(self._parts[number]):
                found.setdefault(header.name, {})[number] = i, header
        self._headers, self.own_sizes = {}, {}
        outputs = {}
        for name, own in found.items():
            first = next(header for _, header in own.values())
            alike = {n: (i, h) for n, (i, h) in own.items() if _is_like(h, first)}
            self._headers[name] = alike
            self.own_sizes |= dict(zip(first.dims, first.shape, strict=True))
            said = {**first.attrs, **self._made.attributes(name)}
            if quantities.LIBRARY in first.attrs:  # converted when the file is written
                said["units"] = first.attrs[quantities.UNITS]
            dims = (*self.sizes, *first.dims)
            kind = kind_of(first.dtype)
            label, units = str(said.get("long_name", "")), str(said.get("units", ""))
            outputs[name] = Variable(name, kind, dims, label, units_of(kind, units))
        self.outputs = outputs
        self._columns = {n: c for n, c in self._columns.items() if n in outputs}

    def _settled(self, part: StoredPart) -> list[tuple[int, Header]]:
        """Name the outputs of a part as they are declared now; units are those of the values.

        Arrays whose lengths differ are shown when the results file has found one length for all.
        """
        name = _name(part)
        if name not in self._forms:
            self._forms[name] = [
                (i, dataclasses.replace(schema.settled(each, self._made), attrs=each.attrs))
                for i, each in enumerate(part.variables)
                if each.counts is None
            ]
        return self._forms[name]

    @property
    def status(self) -> Status:
        """State of each point."""
        return self._stated

    @property
    def elapsed(self) -> npt.NDArray[np.float32]:
        """Seconds that each point took."""
        made = np.full(self.n_positions, np.nan, dtype=np.float32)
        for number, at in self._owned.items():
            made[at] = self._parts[number].elapsed[self._row[at]]
        return made

    def read(self, name: str, at: Mapping[str, int]) -> tuple[Array, npt.NDArray[np.bool_] | None]:
        """Read an output where some dimensions are held."""
        own = self.outputs[name].dims[len(self.sizes) :]
        where = tuple(at.get(dim, slice(None)) for dim in self.sizes)
        within = tuple(at.get(dim, slice(None)) for dim in own)
        places = np.arange(self.n_positions).reshape(tuple(self.sizes.values()))[where]
        if not own:
            column = self._column(name)
            flat, missing = column.values[places], ~column.is_there[places]
            return np.asarray(flat), np.asarray(missing)
        values, missing = self._gather(name, np.ravel(places), within)
        shape = np.shape(places)
        spread = missing.reshape(shape + (1,) * (values.ndim - 1))
        full = values.reshape(shape + values.shape[1:])
        return full, np.broadcast_to(spread, full.shape)

    def _column(self, name: str) -> _Column:
        """Read what is new of an output of single values."""
        headers = self._headers[name]
        column = self._columns.get(name)
        if column is not None and column.version == self.version:
            return column
        dtype = np.result_type(*(h.dtype for _, h in headers.values()))
        if column is None or column.values.dtype != dtype:
            column = self._columns[name] = _Column.empty(self.n_positions, dtype)
        column.is_there[:] = False
        seen = set[tuple[_Name, int]]()
        for number, (i, _) in headers.items():
            part = self._parts[number]
            at = self._owned[number]
            column.is_there[at] = True
            key = _name(part), len(self._row[at])
            if key not in column.seen:
                column.values[at] = self._stored(part, i)[self._row[at]]
            seen.add(key)
        column.seen, column.version = seen, self.version
        return column

    def _gather(
        self, name: str, places: Places, within: tuple[Any, ...]
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Read arrays of some points, or a part of each array."""
        headers = self._headers[name]
        first = next(header for _, header in headers.values())
        dtype = np.result_type(*(h.dtype for _, h in headers.values()))
        shape = np.empty(first.shape, dtype=bool)[within].shape
        missing = np.ones(len(places), dtype=bool)
        if math.prod(shape) * len(places) * dtype.itemsize > _MOST_READ_BYTES:
            return np.zeros((len(places), *shape), dtype), missing
        values = np.full((len(places), *shape), "" if dtype.kind == "O" else 0, dtype=dtype)
        for number, at in grouped(self._owner[places]):
            if number not in headers:
                continue
            rows = self._row[places[at]]
            low, high = int(rows.min()), int(rows.max()) + 1
            stored = self._stored(self._parts[number], headers[number][0], slice(low, high))
            values[at] = stored[(rows - low, *within)]
            missing[at] = False
        return values, missing

    def _stored(self, part: StoredPart, number: int, rows: slice | None = None) -> Array:
        """Read values of a part.

        The scan has verified its digest. To look through the file as well would take four times as
        long as to open it: a second for the thousand segments that 10^5 points may be in.
        """
        try:
            with segment.reading(part.path), hdf5_open.open_plain(part.path) as file:
                return segment.read(part, number, file, rows)
        except StorageError as error:
            if not os.path.lexists(part.path):
                raise MergedAwayError(part.path) from error
            raise

    def coordinate(self, name: str) -> Array:
        """Read a coordinate along its dimensions; None where a point lacks it."""
        return self._coordinate(name)

    def _read_coordinate(self, name: str) -> Array:
        column = self._space.columns[name]
        shape = tuple(self.sizes[dim] for dim in self._space.dims_of(name))
        codes = column.at(np.arange(math.prod(shape)))
        shown: Array = column.table.coordinate(np.maximum(codes, 0))
        return with_gaps(shown, codes == ABSENT).reshape(shape)

    def parameters(self, position: int) -> dict[str, str]:
        """Write the parameters of a point."""
        (params,) = self._space.parameters_at(np.array([position]), labels=True)
        return {
            name: text_of(value) if isinstance(value, Number) else label(value)
            for name, value in params.items()
        }

    def failures(self, start: int, stop: int) -> Sequence[Failed]:
        """List some of the failed points."""
        return [
            Failed(at, self.parameters(at), f.kind, f.type, f.message, f.traceback, f.attempts)
            for at in sorted(self._failed)[start:stop]
            for f in [self._failed[at]]
        ]


_Name = tuple[str, str, int, int]
"""Identity of a part: where it is, its size, and its first key, which acceptance may shift."""


def _name(part: StoredPart) -> _Name:
    first = int(part.keys[0, 0]) if len(part) else 0
    return str(part.path), part.group, len(part), first


@dataclasses.dataclass
class _Column:
    """An output of single values, at all points; `seen` are parts whose values are in it."""

    values: Array
    is_there: npt.NDArray[np.bool_]
    seen: set[tuple[_Name, int]]
    version: str = ""

    @classmethod
    def empty(cls, n: int, dtype: np.dtype[Any]) -> _Column:
        values = np.full(n, "", object) if dtype.kind == "O" else np.zeros(n, dtype)
        return cls(values, np.zeros(n, dtype=bool), set())


def _is_like(header: Header, first: Header) -> bool:
    is_text = header.dtype == object, first.dtype == object
    is_same = (header.dims, header.shape) == (first.dims, first.shape)
    is_same &= header.attrs.get(quantities.UNITS) == first.attrs.get(quantities.UNITS)
    return is_same and is_text[0] == is_text[1] and kind_of(header.dtype) == kind_of(first.dtype)


def _sorted_keys(sweep: Sweep) -> tuple[Keys, Places, Places | None]:
    """Sort the keys of a space; also return, where points are equal, the first one of each."""
    space: Space = sweep.experiment.space
    every = [
        (positions, sweep.keys(positions))
        for start in range(0, len(space), STEP)
        for positions in [space.positions(start, min(start + STEP, len(space)))]
    ]
    positions = np.concatenate([np.empty(0, np.int64), *(p for p, _ in every)])
    made = np.concatenate([np.empty((0, 2), np.uint64), *(k for _, k in every)])
    order = np.argsort(made[:, 0], kind="stable")
    ascending = np.asfortranarray(made[order])
    is_again = (ascending[1:] == ascending[:-1]).all(axis=1)
    if not is_again.any():
        return ascending, positions[order], None
    firsts, first_of = np.unique(made, axis=0, return_index=True, return_inverse=True)[1:]
    twins = np.arange(space.n_positions)
    twins[positions] = positions[firsts[first_of.reshape(-1)]]
    kept = np.flatnonzero(np.concatenate([[True], ~is_again]))
    return ascending[kept], twins[positions[order]][kept], twins


def _coordinates(made: Experiment) -> dict[str, Variable]:
    space = made.space
    return {
        name: Variable(
            name,
            kind_of(column.table.coordinate(np.zeros(1, np.int64)).dtype),
            space.dims_of(name),
            str(made.attributes(name).get("long_name", "")),
            _units(made, name),
        )
        for name, column in space.columns.items()
        if len(column.table)
    }


def _units(made: Experiment, name: str) -> str:
    """Return the units of a parameter; quantities are shown in their own ones."""
    table = made.space.columns[name].table
    if table.kind == "quantity":
        return quantities.unit_of(table.element(0)).text
    return str(made.attributes(name).get("units", ""))
