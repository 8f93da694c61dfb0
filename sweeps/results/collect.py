"""Collect the points of a space from the memo, as the sheet that becomes the results file."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps import text
from sweeps.declaration.experiment import Experiment
from sweeps.memo import header, placing
from sweeps.memo import index as memo
from sweeps.memo.header import Kept
from sweeps.memo.reader import SlabReader, copy
from sweeps.outputs import misfits, schema, types
from sweeps.outputs.failures import Failure, refused, shortened
from sweeps.outputs.types import Header
from sweeps.results.contents import Coordinate, Failures, Output, Sheet
from sweeps.spaces import quantities
from sweeps.spaces.keys import STEP, KeyMaker
from sweeps.spaces.product import ABSENT
from sweeps.spaces.values import Values
from sweeps.storage.hdf5 import STATUS, Array

_MOST_SAID = 300

_PADDED_BYTES = 2**30

_MOST_PADDING = 100
"""Arrays of different shapes are padded to _PADDED_BYTES, or _MOST_PADDING times their size."""


@dataclasses.dataclass(frozen=True, eq=False)
class Gathered:
    """The points of a space in the memo.

    Attributes
    ----------
    entries : numpy.ndarray or Runs
        Shape (n_positions,), the entry of the memo with the values of each point, or -1.
    status : numpy.ndarray
        Shape (n_positions,), int8; empty where entries are runs: it follows from these.
    failures : mapping of int to Failure
        By position.
    agreement : Agreement
    parts : tuple of int
        Numbers of the parts that fit, in the order of their first points.
    n_refused : int
        Number of points with stored values none of which fits the others; they count as failed.
    left_out : mapping of int to collection of str
        By number of the part, outputs that do not fit the others while some do.
    told : tuple of str
        Warnings of outputs that do not fit.
    """

    experiment: Experiment
    index: memo.Index
    entries: memo.Entries | placing.Runs
    status: npt.NDArray[np.int8]
    failures: Mapping[int, Failure]
    agreement: schema.Agreement
    parts: tuple[int, ...]
    n_refused: int
    left_out: Mapping[int, Collection[str]] = dataclasses.field(default_factory=dict)
    told: tuple[str, ...] = ()

    def count(self, status: str) -> int:
        """Count the points of a status, as in `STATUS`."""
        if not isinstance(self.entries, placing.Runs):
            return int(np.count_nonzero(self.status == STATUS[status]))
        n_done, n_failed = self.entries.n_found, len(self.failures)
        n_missing = len(self.entries) - n_done - n_failed
        return {"done": n_done, "failed": n_failed, "missing": n_missing}.get(status, 0)

    def status_at(self, start: int, stop: int) -> npt.NDArray[np.int8]:
        """Return the status of the points `start` to `stop`."""
        if not isinstance(self.entries, placing.Runs):
            return self.status[start:stop]
        made = np.full(stop - start, STATUS["missing"], dtype=np.int8)
        for low, high, _ in self.entries.within(start, stop):
            made[low - start : high - start] = STATUS["done"]
        made[[at - start for at in self.failures if start <= at < stop]] = STATUS["failed"]
        return made


def gather(experiment: Experiment, maker: KeyMaker, index: memo.Index) -> Gathered:
    """Find every point of a space in the memo, and one form for their outputs."""
    runs = placing.place(maker, index) if maker.space.n_positions >= placing.LARGE else None
    entries: memo.Entries | placing.Runs
    if runs is None:
        matched = memo.match(maker, index)
        entries, first = matched.entries, matched.first
    else:
        entries, first = runs, runs.first_of(index)
    in_order = sorted(first, key=first.__getitem__)
    forms = _forms(experiment, index, in_order, entries)
    agreement = _agree(experiment, index, in_order, forms, entries)
    agreement = _converted(experiment, index, in_order, agreement)
    first_of = [first[part] for part in in_order]
    refused: dict[int, Failure] = {}
    status = np.empty(0, dtype=np.int8)
    if agreement.refused or not isinstance(entries, placing.Runs):
        entries = entries[:]
        status = np.where(entries >= 0, np.int8(STATUS["done"]), np.int8(STATUS["missing"]))
        if maker.space.accepted is not None:
            is_excluded = np.ones(len(status), dtype=bool)
            is_excluded[maker.space.accepted] = False
            status[is_excluded] = STATUS["excluded"]
        missing: Iterable[npt.NDArray[np.int64]] = [np.flatnonzero(status == STATUS["missing"])]
        parts = list(zip(in_order, first_of, strict=True))
        refused = _refuse(experiment, index, agreement, parts, entries)
        entries[list(refused)] = -1
    else:
        missing = map(np.asarray, entries.gaps())
    failures = _find_failures(maker, index, missing)
    if len(status):
        status[[*failures, *refused]] = STATUS["failed"]
    fitting = tuple(p for n, p in enumerate(in_order) if n not in agreement.refused)
    left_out = {
        in_order[number]: tuple(misfits)
        for number, misfits in agreement.left_out.items()
        if number not in agreement.refused
    }
    told = tuple(misfits.tell(experiment, agreement, first_of)) if agreement.left_out else ()
    return Gathered(
        *(experiment, index, entries, status, failures | refused, agreement, fitting),
        len(refused),
        left_out,
        told,
    )


def _agree(
    experiment: Experiment,
    index: memo.Index,
    in_order: Sequence[int],
    forms: Sequence[schema.PartForm],
    entries: memo.Entries | placing.Runs,
) -> schema.Agreement:
    """Find one form for all outputs, so that a few points do not make the file huge.

    Arrays of different shapes are padded; if that took far more space than the arrays themselves,
    only those with the shape of the first one are kept.
    """
    agree = functools.partial(schema.agree_for, experiment)
    agreement = agree(forms)
    ragged = _padded(agreement)
    if not ragged:
        return agreement
    own = entries[:]
    part_of = index.part_of(own[own >= 0])
    n_points = np.bincount(part_of, minlength=len(index.parts))
    used = dict.fromkeys(ragged, 0)
    for part, (headers, _) in zip(in_order, forms, strict=True):
        for h in headers:
            if h.name in used:
                used[h.name] += int(n_points[part]) * math.prod(h.shape) * h.dtype.itemsize
    fixed = {
        dim
        for name, agreed in ragged.items()
        for dim in agreed.dims
        if len(entries) * math.prod(agreed.shape) * agreed.dtype.itemsize
        > max(_PADDED_BYTES, _MOST_PADDING * used[name])
    }
    if not fixed:
        return agreement
    return agree(forms, fixed=fixed)


def _converted(
    experiment: Experiment, index: memo.Index, in_order: Sequence[int], agreement: schema.Agreement
) -> schema.Agreement:
    """Ask for conversion of quantities whose declared unit has changed."""
    made = dict(agreement.outputs)
    for name in made.keys() & experiment.units.keys():
        unit = experiment.units[name]
        for part in in_order:
            for h in index.parts[part].variables:
                is_own = schema.shown(h.name, experiment.name) == name
                library = h.attrs.get(quantities.LIBRARY) if is_own else None
                if library is None or h.attrs[quantities.UNITS] == unit:
                    continue
                if (wanted := quantities.declared(unit, library)) is not None:
                    dtype = np.result_type(made[name].dtype, np.float64)
                    made[name] = dataclasses.replace(made[name], dtype=dtype, attrs=wanted.attrs)
    return dataclasses.replace(agreement, outputs=made)


def _padded(agreement: schema.Agreement) -> dict[str, types.Agreed]:
    """Return the outputs whose arrays have different shapes."""
    return {n: a for n, a in agreement.outputs.items() if a.is_ragged and len(a.dims) > 1}


def _find_failures(
    maker: KeyMaker, index: memo.Index, missing: Iterable[npt.NDArray[np.int64]]
) -> dict[int, Failure]:
    """Return the failures, by position, of points without values."""
    failed = list(index.failures.values())
    found: dict[int, Failure] = {}
    if not failed:
        return found
    for positions in (p[start : start + STEP] for p in missing for start in range(0, len(p), STEP)):
        places = index.find_failed(maker(positions))
        at = places >= 0
        for position, place in zip(positions[at].tolist(), places[at].tolist(), strict=True):
            found[position] = failed[place]
    return found


def first_failure(gathered: Gathered) -> str:
    """Describe the first failed point and why it failed; empty if none failed."""
    if not gathered.failures:
        return ""
    position = min(gathered.failures)
    failure = gathered.failures[position]
    (params,) = gathered.experiment.space.parameters_at(np.array([position]), labels=True)
    message = shortened(" ".join(failure.message.split()), _MOST_SAID)
    return f"{text.parameters(params)}: {failure.type}: {message}".removesuffix(": ")


def count_refused(experiment: Experiment, maker: KeyMaker, index: memo.Index) -> int:
    """Count the points with values that do not fit the others."""
    every = [
        ([schema.settled(h, experiment) for h in p.variables], p.coordinates) for p in index.parts
    ]
    agreement = schema.agree_for(experiment, every)
    if not (agreement.left_out or _padded(agreement)):
        return 0
    return gather(experiment, maker, index).n_refused


def _forms(
    experiment: Experiment,
    index: memo.Index,
    parts: list[int],
    entries: memo.Entries | placing.Runs,
) -> list[schema.PartForm]:
    """Return outputs and coordinates of parts, with the lengths of the points of this space."""

    @functools.cache
    def is_used() -> npt.NDArray[np.bool_]:
        found = np.zeros(index.starts[-1], dtype=bool)
        own = entries[:]
        found[own[own >= 0]] = True
        return found

    def used(part: int, header: Header) -> Header:
        header = schema.settled(header, experiment)
        if header.counts is None:
            return header
        counts = header.counts[is_used()[index.starts[part] : index.starts[part + 1]]]
        return dataclasses.replace(header, counts=counts, shape=(int(counts.max()),))

    return [
        ([used(p, h) for h in index.parts[p].variables], index.parts[p].coordinates) for p in parts
    ]


def _refuse(
    experiment: Experiment,
    index: memo.Index,
    agreement: schema.Agreement,
    parts: list[tuple[int, int]],
    entries: memo.Entries,
) -> dict[int, Failure]:
    """Return failures, by position, for the points whose parts do not fit the others."""
    if not agreement.refused:
        return {}
    reasons = {
        parts[number][0]: misfits.reason(experiment, misfit, [at for _, at in parts])
        for number, misfit in agreement.refused.items()
    }
    part_of = index.part_of(entries)
    at = np.flatnonzero(np.isin(part_of, list(reasons)))
    failures = {}
    for position, part in zip(at.tolist(), part_of[at].tolist(), strict=True):
        first, second = index.parts[part].keys[entries[position] - index.starts[part]].tolist()
        reason = reasons[part]
        failures[position] = Failure((first, second), *refused(reason))
    return failures


@contextlib.contextmanager
def sheet(
    gathered: Gathered, attributes: Mapping[str, Any], kept: Kept | None = None
) -> Iterator[Sheet]:
    """Make the sheet of a results file; segments stay open until it is written."""
    space, index = gathered.experiment.space, gathered.index
    coordinates = list(_coordinates(gathered))
    with contextlib.ExitStack() as stack:
        name = gathered.experiment.name
        reader = SlabReader(
            index, gathered.entries, gathered.parts, nameless=name, left_out=gathered.left_out
        )
        stack.callback(reader.close)
        outputs = [
            output
            for agreed in gathered.agreement.outputs.values()
            for output in _outputs(reader, agreed, gathered.experiment.attributes(agreed.name))
        ]
        yield Sheet(
            sizes=space.sizes,
            coordinates=coordinates,
            outputs=outputs,
            status=gathered.status_at,
            elapsed=reader.elapsed,
            failures=_failures(gathered.failures),
            attributes=attributes,
            add=None if kept is None else functools.partial(header.write_kept, kept=kept),
            rounded=reader.rounded,
        )


def _coordinates(gathered: Gathered) -> Iterator[Coordinate]:
    experiment = gathered.experiment
    space = experiment.space
    for name, column in space.columns.items():
        dims = space.dims_of(name)
        shape = tuple(space.sizes[dim] for dim in dims)
        codes = column.at(np.arange(math.prod(shape)))
        missing = (codes == ABSENT).reshape(shape)
        if missing.all():  # a derived parameter that no point has
            continue
        shown = column.table.coordinate(np.maximum(codes, 0)).reshape(shape)
        shown, attrs = _in_unit(column.table, shown, experiment.attributes(name))
        yield Coordinate(name, dims, shown, missing if missing.any() else None, attrs)
    for name, table in experiment.constants.items():
        if name not in space.parameters:
            value = np.asarray(table.coordinate()).reshape(())
            value, attrs = _in_unit(table, value, experiment.attributes(name))
            yield Coordinate(name, (), value, None, attrs)
    for name, variable in gathered.agreement.coordinates.items():
        attrs = {**schema.public(variable.attrs), **experiment.attributes(name)}
        yield Coordinate(name, variable.dims, variable.values, None, attrs)


def _in_unit(table: Values, shown: Array, declared: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Return values of a parameter and attributes; quantities are converted to a declared unit."""
    if table.kind != "quantity":
        return shown, declared
    unit = declared.get("units")
    own = quantities.unit_of(table.element(0))
    wanted = quantities.declared(unit or own.text, own.library) or own
    if unit is None or not schema.is_convertible(own.attrs, unit):
        return shown, {**declared, "units": own.text}
    factor, offset = schema.factors(own.attrs, wanted.attrs) or (1.0, 0.0)
    return shown * factor + offset, declared


def _failures(failures: Mapping[int, Failure]) -> Failures:
    at = sorted(failures)
    listed = [failures[position] for position in at]
    return Failures(
        positions=np.array(at, dtype=np.int64),
        kind=[f.kind for f in listed],
        type=[f.type for f in listed],
        message=[f.message for f in listed],
        traceback=[f.place for f in listed],
        attempts=np.array([f.attempts for f in listed], dtype=np.int64),
    )


def _outputs(
    reader: SlabReader, agreed: types.Agreed, declared: Mapping[str, Any]
) -> Iterator[Output]:
    holes = reader.has_holes(agreed.name)
    extents = [] if holes or agreed.is_ragged else reader.extents(agreed)
    yield Output(
        agreed.name,
        agreed.dtype,
        agreed.dims,
        agreed.shape,
        {**schema.public(agreed.attrs), **declared},
        holes or agreed.is_ragged,
        lambda start, stop: reader.read(agreed, start, stop),
        functools.partial(copy, extents) if extents else None,
    )
    for axis, (name, dim) in enumerate(zip(agreed.count_names, agreed.dims, strict=False)):
        along = f" along {dim}" if len(agreed.dims) > 1 else ""
        yield Output(
            name,
            np.dtype(np.int64),
            (),
            (),
            {"long_name": f"number of values of {agreed.name}{along}"},
            holes,
            functools.partial(reader.read_counts, agreed, axis),
        )
