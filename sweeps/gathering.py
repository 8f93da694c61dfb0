"""Gathering: from a space and the memo to the sheet that landing writes, slab by slab."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps import h5, memo, schema, values
from sweeps.block import Array, Failure, class_of, digest
from sweeps.landing import STATUS, Coordinate, Failures, Output, Sheet
from sweeps.planning import STEP, KeyMaker
from sweeps.space import ABSENT, Space

_MAX_OPEN = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Gathered:
    """Which entry of the memo stands where in a space.

    Attributes
    ----------
    entries : numpy.ndarray
        Shape (n_positions,), the entry of the memo with a point's values, or -1.
    status : numpy.ndarray
        Shape (n_positions,), int8.
    failures : mapping of int to Failure
        By position.
    """

    maker: KeyMaker
    index: memo.Index
    entries: npt.NDArray[np.int64]
    status: npt.NDArray[np.int8]
    failures: Mapping[int, Failure]
    agreement: schema.Agreement
    used: tuple[int, ...]  # numbers of the parts, as the agreement counts them
    n_refused: int  # failed points that the memo has values of, which do not fit

    def count(self, status: str) -> int:
        """Points of a status, as in `STATUS`."""
        return int(np.count_nonzero(self.status == STATUS[status]))


def gather(maker: KeyMaker, index: memo.Index) -> Gathered:
    """Find every point of a space in the memo, and the form that their outputs agree on."""
    space = maker.experiment.space
    entries = np.full(space.n_positions, -1, dtype=np.int64)
    status = np.full(space.n_positions, STATUS["excluded"], dtype=np.int8)
    failures: dict[int, Failure] = {}
    first_seen: dict[int, None] = {}
    failed = list(index.failures.values())
    for start in range(0, len(space), STEP):
        positions = space.positions(start, min(start + STEP, len(space)))
        own = maker(positions)
        found = index.find(own)
        entries[positions] = found
        status[positions] = np.where(found >= 0, STATUS["done"], STATUS["missing"])
        first_seen |= dict.fromkeys(_parts_in_order(index, found))
        for i in np.flatnonzero(found < 0)[: 0 if not failed else None]:
            place = int(index.find_failed(own[i : i + 1])[0])
            if place >= 0:
                failures[int(positions[i])] = failed[place]
    status[list(failures)] = STATUS["failed"]
    used = tuple(first_seen)
    described = [(index.parts[p].variables, index.parts[p].coordinates) for p in used]
    agreement = schema.agree(described, space.sizes)
    n_failed = len(failures)
    for number, reason in agreement.refused.items():
        _refuse(index, used[number], reason, entries, status, failures)
    n_refused = len(failures) - n_failed
    return Gathered(maker, index, entries, status, failures, agreement, used, n_refused)


def count_refused(maker: KeyMaker, index: memo.Index) -> int:
    """Count the points that have values which do not fit those of the others."""
    if len({_form(part) for part in index.parts}) < 2:
        return 0
    return gather(maker, index).n_refused


def _form(part: memo.StoredPart) -> tuple[object, ...]:
    headers = tuple((h.name, class_of(h.dtype), h.dims, h.shape) for h in part.variables)
    return headers, tuple((c.name, c.dims, digest(c.values)) for c in part.coordinates)


def _parts_in_order(index: memo.Index, found: npt.NDArray[np.int64]) -> list[int]:
    """Numbers of the parts that hold entries, in the order of their first one."""
    parts = np.searchsorted(index.starts, found[found >= 0], side="right") - 1
    numbers, first = np.unique(parts, return_index=True)
    return [int(n) for n in numbers[np.argsort(first)]]


def _refuse(
    index: memo.Index,
    part: int,
    reason: str,
    entries: npt.NDArray[np.int64],
    status: npt.NDArray[np.int8],
    failures: dict[int, Failure],
) -> None:
    """Let the points of a part fail that does not fit the others."""
    start, stop = index.starts[part], index.starts[part + 1]
    for position in np.flatnonzero((entries >= start) & (entries < stop)).tolist():
        row = int(entries[position] - start)
        key = index.parts[part].keys[row]
        failures[position] = Failure(
            (int(key[0]), int(key[1])), "output", "OutputError", reason, "", attempts=1
        )
        entries[position] = -1
        status[position] = STATUS["failed"]


@contextlib.contextmanager
def sheet(gathered: Gathered, attributes: Mapping[str, Any]) -> Iterator[Sheet]:
    """Make the sheet that landing writes; the memo's files are open for that long."""
    space, index = gathered.maker.experiment.space, gathered.index
    units = gathered.maker.experiment.units
    elapsed = np.full(space.n_positions, np.nan, dtype=np.float32)
    is_done = gathered.entries >= 0
    if index.parts:
        elapsed[is_done] = np.concatenate([p.elapsed for p in index.parts])[
            gathered.entries[is_done]
        ]
    coordinates = list(_coordinates(gathered, units))
    with contextlib.ExitStack() as stack:
        reader = _Reader(gathered, stack)
        outputs = [
            o
            for agreed in gathered.agreement.outputs.values()
            for o in _outputs(reader, agreed, units)
        ]
        yield Sheet(
            sizes=space.sizes,
            coordinates=coordinates,
            outputs=outputs,
            status=gathered.status,
            elapsed=elapsed,
            failures=_failures(gathered.failures),
            attributes=attributes,
        )


def _coordinates(gathered: Gathered, units: Mapping[str, str]) -> Iterator[Coordinate]:
    experiment = gathered.maker.experiment
    space = experiment.space
    for dimension in space.dimensions:
        for column in dimension.columns:
            codes = column.at(np.arange(dimension.size))
            missing = codes == ABSENT
            shown = column.table.coordinate(np.where(missing, 0, codes))
            yield Coordinate(
                column.name,
                (dimension.name,),
                shown,
                missing if missing.any() else None,
                _attrs(units, column.name),
            )
    for name, table in experiment.constants.items():
        if name not in space.parameters:
            value = np.asarray(table.coordinate()).reshape(())
            yield Coordinate(name, (), value, None, _attrs(units, name))
    for name, variable in gathered.agreement.coordinates.items():
        if name not in _names(space, experiment.constants):
            attrs = {**variable.attrs, **_attrs(units, name)}
            yield Coordinate(name, variable.dims, variable.values, None, attrs)


def _names(space: Space, constants: Mapping[str, values.Values]) -> set[str]:
    return {*space.parameters, *space.dims, *constants}


def _attrs(units: Mapping[str, str], name: str) -> dict[str, Any]:
    return {"units": units[name]} if name in units else {}


def _failures(failures: Mapping[int, Failure]) -> Failures:
    at = sorted(failures)
    listed = [failures[position] for position in at]
    return Failures(
        positions=np.array(at, dtype=np.int64),
        kind=[h5.text(f.kind) for f in listed],
        type=[h5.text(f.type) for f in listed],
        message=[h5.text(f.message) for f in listed],
        traceback=[h5.text(f.traceback) for f in listed],
        attempts=np.array([f.attempts for f in listed], dtype=np.int64),
    )


def _outputs(reader: _Reader, agreed: schema.Agreed, units: Mapping[str, str]) -> Iterator[Output]:
    holes = reader.has_holes(agreed.name)
    attrs = {**agreed.attrs, **_attrs(units, agreed.name)}
    yield Output(
        agreed.name,
        agreed.dtype,
        agreed.dims,
        agreed.shape,
        attrs,
        holes or agreed.ragged,
        lambda start, stop: reader.read(agreed, start, stop),
    )
    if agreed.ragged and len(agreed.shape) == 1:
        yield Output(
            f"n_{agreed.name}",
            np.dtype(np.int64),
            (),
            (),
            {"long_name": f"number of values of {agreed.name}"},
            holes,
            lambda start, stop: reader.read_counts(agreed, start, stop),
        )


class _Reader:
    """Reads outputs of the points of a space out of the memo's parts."""

    def __init__(self, gathered: Gathered, stack: contextlib.ExitStack) -> None:
        self._index = gathered.index
        self._entries = gathered.entries
        self._open: OrderedDict[Path, h5py.File] = OrderedDict()
        stack.callback(self._close)
        self._used = [
            part for n, part in enumerate(gathered.used) if n not in gathered.agreement.refused
        ]
        self._all_done = bool((gathered.entries >= 0).all())

    def has_holes(self, name: str) -> bool:
        """Whether some point has no value of an output."""
        parts = (self._index.parts[part] for part in self._used)
        return not self._all_done or any(_number(p, name) is None for p in parts)

    def read(self, agreed: schema.Agreed, start: int, stop: int) -> tuple[Array, Array | None]:
        """Values of the points `start` to `stop`, and a mask of what is missing."""
        shape = (stop - start, *agreed.shape)
        made = (
            np.full(shape, "", object) if agreed.dtype == object else np.zeros(shape, agreed.dtype)
        )
        missing = np.ones(shape, dtype=bool)
        for part, at, rows in self._pieces(start, stop):
            number = _number(part, agreed.name)
            if number is None:
                continue
            header = part.variables[number]
            if header.counts is not None:
                self._fill_ragged(part, number, at, rows, made, missing)
                continue
            low, high = int(rows.min()), int(rows.max()) + 1
            found = memo.read(part, number, self._file(part.path), slice(low, high))
            inner = tuple(slice(size) for size in header.shape)
            is_run = high - low == len(rows) and bool((np.diff(rows) == 1).all())
            made[(at, *inner)] = found if is_run else found[rows - low]
            missing[(at, *inner)] = False
        return made, missing if missing.any() else None

    def _fill_ragged(
        self, part: memo.StoredPart, number: int, at: Any, rows: Array, made: Array, missing: Array
    ) -> None:
        flat = memo.read(part, number, self._file(part.path))
        counts = part.variables[number].counts
        assert counts is not None
        ends = np.cumsum(counts)
        for place, row in zip(np.arange(len(made))[at].tolist(), rows.tolist(), strict=True):
            n = int(counts[row])
            made[place, :n] = flat[ends[row] - n : ends[row]]
            missing[place, :n] = False

    def read_counts(
        self, agreed: schema.Agreed, start: int, stop: int
    ) -> tuple[Array, Array | None]:
        """Read how many values a ragged output has at each point."""
        made = np.zeros(stop - start, dtype=np.int64)
        missing = np.ones(stop - start, dtype=bool)
        for part, at, rows in self._pieces(start, stop):
            number = _number(part, agreed.name)
            if number is not None:
                header = part.variables[number]
                made[at] = header.shape[0] if header.counts is None else header.counts[rows]
                missing[at] = False
        return made, missing if missing.any() else None

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[memo.StoredPart, Any, Array]]:
        """Each part that holds some of the points, where they stand, and their rows in it."""
        entries = self._entries[start:stop]
        parts = np.searchsorted(self._index.starts, entries, side="right") - 1
        for number in np.unique(parts):
            if number < 0:
                continue
            at = np.flatnonzero(parts == number)
            rows = entries[at] - self._index.starts[number]
            is_run = at[-1] - at[0] + 1 == len(at)
            where = slice(int(at[0]), int(at[-1]) + 1) if is_run else at
            yield self._index.parts[number], where, rows

    def _file(self, path: Path) -> h5py.File:
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        if len(self._open) >= _MAX_OPEN:
            self._open.popitem(last=False)[1].close()
        self._open[path] = h5.open_read(path)
        return self._open[path]

    def _close(self) -> None:
        for file in self._open.values():
            file.close()


def _number(part: memo.StoredPart, name: str) -> int | None:
    return next((i for i, header in enumerate(part.variables) if header.name == name), None)
