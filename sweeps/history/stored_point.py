"""All that is stored for one point, by the present code or else by earlier code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sweeps.memo import index as memo
from sweeps.memo import reader
from sweeps.memo.segment import MergedAwayError
from sweeps.outputs import schema
from sweeps.outputs.failures import Failure
from sweeps.project.sweep import Sweep
from sweeps.results import collect
from sweeps.storage import files
from sweeps.storage.hdf5 import Array


@dataclasses.dataclass(frozen=True, eq=False)
class Recalled:
    """What is stored for a point.

    Attributes
    ----------
    values : mapping of str to numpy.ndarray, or None
        Its outputs and their coordinates, under their names in the results file.
    failure : Failure or None
        Why it has no values, or why its values do not fit those of other points.
    is_earlier : bool
        Whether only earlier code has it.
    bad : tuple of Path
        Damaged segments.
    """

    values: Mapping[str, Array] | None = None
    failure: Failure | None = None
    is_earlier: bool = False
    bad: tuple[Path, ...] = ()


def recall(sweep: Sweep, position: int) -> Recalled:
    """Find what is stored for the point at a position of a sweep's space."""
    index = memo.scan(sweep.memo)
    found = _of_code(sweep, position, index)
    if found is not None:
        return dataclasses.replace(found, bad=index.bad)
    earlier = [memo.scan(folder) for folder in files.beside(sweep.memo)]
    earlier.sort(key=lambda one: max((s.created_ns for s in one.segments.values()), default=0))
    every = [_of_code(sweep, position, one) for one in reversed(earlier)]
    newest = sorted(filter(None, every), key=lambda one: one.values is None)  # values first
    found = newest[0] if newest else Recalled()
    return dataclasses.replace(found, is_earlier=bool(newest), bad=index.bad)


def _of_code(sweep: Sweep, position: int, index: memo.Index) -> Recalled | None:
    """Look up a point in an index, again if its segment is merged meanwhile."""
    key = sweep.keys(np.array([position], dtype=np.int64))
    while True:
        entry = int(index.find(key)[0])
        if entry < 0:
            failure = index.failures.get((int(key[0, 0]), int(key[0, 1])))
            return None if failure is None else Recalled(failure=failure)
        try:
            stored = reader.values_at(index, entry)
        except MergedAwayError:
            index = memo.scan(index.folder, index)
            continue
        name = sweep.experiment.name
        values = {schema.shown(own, name): array for own, array in stored.items()}
        return Recalled(values, _refusal(sweep, position, index))


def _refusal(sweep: Sweep, position: int, index: memo.Index) -> Failure | None:
    """Why the values of a point are not in the results file."""
    if not collect.count_refused(sweep.experiment, sweep.keys, index):
        return None
    gathered = collect.gather(sweep.experiment, sweep.keys, index)
    return gathered.failures.get(position)
