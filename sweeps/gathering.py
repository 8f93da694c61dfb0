"""Gathering: from a space and the memo to the sheet that landing writes, slab by slab."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps import h5, memo, schema
from sweeps.block import Failure, Header
from sweeps.landing import STATUS, Coordinate, Failures, Output, Sheet
from sweeps.planning import STEP, KeyMaker
from sweeps.reading import Reader
from sweeps.space import ABSENT

_MAX_SHOWN = 200


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
    agreement : Agreement
    parts : tuple of int
        Numbers of the parts that fit, in the order of their first points.
    n_refused : int
        Failed points that the memo has values of, which do not fit those of the others.
    """

    maker: KeyMaker
    index: memo.Index
    entries: npt.NDArray[np.int64]
    status: npt.NDArray[np.int8]
    failures: Mapping[int, Failure]
    agreement: schema.Agreement
    parts: tuple[int, ...]
    n_refused: int

    def count(self, status: str) -> int:
        """Points of a status, as in `STATUS`."""
        return int(np.count_nonzero(self.status == STATUS[status]))


def gather(maker: KeyMaker, index: memo.Index) -> Gathered:
    """Find every point of a space in the memo, and the form that their outputs agree on."""
    space = maker.experiment.space
    entries = np.full(space.n_positions, -1, dtype=np.int64)
    status = np.full(space.n_positions, STATUS["excluded"], dtype=np.int8)
    failures: dict[int, Failure] = {}
    first_seen: dict[int, int] = {}  # part to position
    failed = list(index.failures.values())
    for start in range(0, len(space), STEP):
        positions = space.positions(start, min(start + STEP, len(space)))
        own = maker(positions)
        found = index.find(own)
        entries[positions] = found
        status[positions] = np.where(found >= 0, STATUS["done"], STATUS["missing"])
        first_seen = _first_points(index, found, positions) | first_seen
        missing = np.flatnonzero(found < 0) if failed else found[:0]
        places = index.find_failed(own[missing])
        has_failed = places >= 0
        for position, place in zip(positions[missing][has_failed], places[has_failed], strict=True):
            failures[int(position)] = failed[place]
    status[list(failures)] = STATUS["failed"]
    in_order = sorted(first_seen, key=first_seen.__getitem__)
    agreement = schema.agree(_forms(maker, index, in_order, entries), maker.experiment.taken)
    refused = _refuse(maker, index, agreement, [(p, first_seen[p]) for p in in_order], entries)
    entries[list(refused)] = -1
    status[list(refused)] = STATUS["failed"]
    fitting = tuple(p for n, p in enumerate(in_order) if n not in agreement.refused)
    return Gathered(
        maker, index, entries, status, failures | refused, agreement, fitting, len(refused)
    )


def count_refused(maker: KeyMaker, index: memo.Index) -> int:
    """Count the points that have values which do not fit those of the others."""
    every = [(part.variables, part.coordinates) for part in index.parts]
    if not schema.agree(every, maker.experiment.taken).refused:
        return 0
    return gather(maker, index).n_refused


def _first_points(
    index: memo.Index, found: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]
) -> dict[int, int]:
    """Position of the first point that each part holds."""
    done = np.flatnonzero(found >= 0)
    parts = np.searchsorted(index.starts, found[done], side="right") - 1
    numbers, first = np.unique(parts, return_index=True)
    return dict(zip(numbers.tolist(), positions[done[first]].tolist(), strict=True))


def _forms(
    maker: KeyMaker, index: memo.Index, parts: list[int], entries: npt.NDArray[np.int64]
) -> list[schema.PartForm]:
    """Outputs and coordinates of parts, with the lengths that points of the space have."""
    declared = maker.experiment.dims
    is_used = np.zeros(index.starts[-1], dtype=bool)
    is_used[entries[entries >= 0]] = True

    def used(part: int, header: Header) -> Header:
        named = declared.get(header.name, header.dims)
        if len(named) == len(header.dims):  # dims may be declared otherwise since it was computed
            header = dataclasses.replace(header, dims=named)
        if header.counts is None:
            return header
        counts = header.counts[is_used[index.starts[part] : index.starts[part + 1]]]
        return dataclasses.replace(header, counts=counts, shape=(int(counts.max()),))

    return [
        ([used(p, h) for h in index.parts[p].variables], index.parts[p].coordinates) for p in parts
    ]


def _refuse(
    maker: KeyMaker,
    index: memo.Index,
    agreement: schema.Agreement,
    parts: list[tuple[int, int]],
    entries: npt.NDArray[np.int64],
) -> dict[int, Failure]:
    """Failures, by position, of the points whose parts do not fit the others."""
    if not agreement.refused:
        return {}
    reasons = {
        parts[number][0]: _reason(maker, misfit, [position for _, position in parts])
        for number, misfit in agreement.refused.items()
    }
    part_of = np.searchsorted(index.starts, entries, side="right") - 1
    at = np.flatnonzero(np.isin(part_of, list(reasons)))
    failures = {}
    for position, part in zip(at.tolist(), part_of[at].tolist(), strict=True):
        first, second = index.parts[part].keys[entries[position] - index.starts[part]].tolist()
        reason = reasons[part]
        failures[position] = Failure((first, second), "output", "OutputError", reason, "")
    return failures


def _reason(maker: KeyMaker, misfit: schema.Misfit, positions: list[int]) -> str:
    if misfit.reference is None:
        return misfit.reason
    at = np.array([positions[misfit.reference]], dtype=np.int64)
    (point,) = maker.experiment.space.parameters_at(at, labels=True)
    shown = ", ".join(itertools.starmap("{}={!r}".format, point.items()))
    return f"{misfit.reason} at the first point that has it, {shown:.{_MAX_SHOWN}}"


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
        reader = Reader(index, gathered.entries, gathered.parts)
        stack.callback(reader.close)
        outputs = [
            output
            for agreed in gathered.agreement.outputs.values()
            for output in _outputs(reader, agreed, units)
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
    for name, column in space.columns.items():
        dims = space.dims_of(name)
        shape = tuple(space.sizes[dim] for dim in dims)
        codes = column.at(np.arange(math.prod(shape))).reshape(shape)
        missing = codes == ABSENT
        if missing.all():  # a derived one that no point has
            continue
        shown = column.table.coordinate(np.where(missing, 0, codes))
        yield Coordinate(name, dims, shown, missing if missing.any() else None, _attrs(units, name))
    for name, table in experiment.constants.items():
        if name not in space.parameters:
            value = np.asarray(table.coordinate()).reshape(())
            yield Coordinate(name, (), value, None, _attrs(units, name))
    for name, variable in gathered.agreement.coordinates.items():
        attrs = {**variable.attrs, **_attrs(units, name)}
        yield Coordinate(name, variable.dims, variable.values, None, attrs)


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


def _outputs(reader: Reader, agreed: schema.Agreed, units: Mapping[str, str]) -> Iterator[Output]:
    holes = reader.has_holes(agreed.name)
    yield Output(
        agreed.name,
        agreed.dtype,
        agreed.dims,
        agreed.shape,
        {**agreed.attrs, **_attrs(units, agreed.name)},
        holes or agreed.is_ragged,
        lambda start, stop: reader.read(agreed, start, stop),
    )
    if agreed.count_name:
        yield Output(
            agreed.count_name,
            np.dtype(np.int64),
            (),
            (),
            {"long_name": f"number of values of {agreed.name}"},
            holes,
            lambda start, stop: reader.read_counts(agreed, start, stop),
        )
