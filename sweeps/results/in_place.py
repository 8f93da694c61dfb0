"""Land in place: make a draft, in which workers have written values, the results file."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sweeps.memo.draft import Column, Draft
from sweeps.memo.reader import Slab
from sweeps.outputs.schema import factors
from sweeps.outputs.types import Agreed
from sweeps.results.contents import Sheet
from sweeps.storage import disk, kinds, stretches
from sweeps.storage.stretches import Checks, Stretch

if TYPE_CHECKING:
    from sweeps.memo.segment import StoredPart
    from sweeps.results.collect import Gathered

_SLAB_BYTES = 4 * 2**20

Read = Callable[[int, int], Slab]
"""Reads the values of some positions, as `Output.read`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """Values of an output that are where the results file will have them, and those that lack.

    Attributes
    ----------
    is_there : numpy.ndarray
        Shape (n_positions,), which positions have the values that count.
    checks : numpy.ndarray
        Shape (n_positions, 4); of the positions that lack, `complete` sets them.
    """

    agreed: Agreed
    offset: int
    is_there: npt.NDArray[np.bool_]
    checks: Checks

    @property
    def point_bytes(self) -> int:
        """Bytes of one point."""
        return math.prod(self.agreed.shape) * self.agreed.dtype.itemsize

    @property
    def stretch(self) -> Stretch:
        """The values of all positions, once they are complete."""
        return Stretch(self.offset, self.point_bytes, self.checks)

    def complete(self, read: Read, descriptor: int, offset: int) -> None:
        """Write the values that lack: those from elsewhere, and NaN where there is none.

        Whatever is in the file there is of points that were not finished.
        """
        if offset != self.offset:
            raise RuntimeError(f"HDF5 has put {self.agreed.name!r} at {offset}, not {self.offset}")
        _, fills = kinds.of(self.agreed.dtype).fills(self.agreed.dtype)
        nan = next(fills)
        for start, stop in self._lacking():
            values, missing = read(start, stop)
            if missing is not None:
                values[missing] = nan
            data = stretches.bytes_of(values)
            disk.write_all_at(descriptor, data, offset + start * self.point_bytes)
            self.checks[start:stop] = stretches.checks(values)

    def _lacking(self) -> Iterator[tuple[int, int]]:
        """Yield runs of positions that lack, of a size that fits into memory."""
        step = max(1, _SLAB_BYTES // self.point_bytes)
        edges = np.flatnonzero(np.diff(self.is_there, prepend=True, append=True))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            for start in range(first, end, step):
                yield start, min(start + step, end)


def placed(draft: Draft, gathered: Gathered) -> dict[str, Placed]:
    """Find what of a space is in a draft, by output; nothing if it cannot be the results file.

    Whatever the results file does not have would be written over, though a segment may name it.
    """
    index = gathered.index
    own = [n for n, part in enumerate(index.parts) if _is_in(part, draft)]
    is_held = {*gathered.parts}.difference(gathered.left_out).issuperset(own)
    if not (own and is_held and draft.has_not_landed()):
        return {}
    found = {}
    for column in draft.columns:
        name = column.header.name or gathered.experiment.name
        agreed = gathered.agreement.outputs.get(name)
        if agreed is None or not _fits(column, agreed):
            return {}
        attrs = (index.parts[n].variables[column.number].attrs for n in own)
        if any(factors(each, agreed.attrs) is not None for each in attrs):
            return {}
        found[name] = _placed(column, agreed, gathered, own)
        if not found[name].is_there.all() and agreed.dtype.kind not in "fc":
            return {}  # missing integers need a wider type
    return found


def _fits(column: Column, agreed: Agreed) -> bool:
    own = column.header
    return (agreed.dtype, agreed.shape) == (own.dtype, own.shape) and not agreed.is_ragged


def _is_in(part: StoredPart, draft: Draft) -> bool:
    return part.placed is not None and part.placed.path == draft.path


def _placed(column: Column, agreed: Agreed, gathered: Gathered, own: Sequence[int]) -> Placed:
    index, entries = gathered.index, gathered.entries[:]
    made = Placed(
        agreed,
        column.offset,
        np.zeros(len(entries), dtype=bool),
        np.zeros((len(entries), stretches.CHECK_BYTES), np.uint8),
    )
    for number in own:
        where = index.parts[number].placed
        assert where is not None
        at = where.positions
        counts = entries[at] == index.starts[number] + np.arange(len(at))
        made.is_there[at[counts]] = True
        made.checks[at[counts]] = where.columns[column.number].checks[counts]
    return made


def completing(sheet: Sheet, found: Mapping[str, Placed]) -> Sheet:
    """Have the outputs of a sheet that are in a draft completed there, instead of written."""
    outputs = list(sheet.outputs)
    for number, each in enumerate(outputs):
        if (own := found.get(each.name)) is not None:
            copy = functools.partial(own.complete, each.read)
            outputs[number] = dataclasses.replace(each, copy=copy, stretch=own.stretch)
    return dataclasses.replace(sheet, outputs=outputs)
