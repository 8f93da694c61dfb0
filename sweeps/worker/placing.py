"""Commit points whose large values go to where the results file will have them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweeps.engines import Block
from sweeps.errors import StorageError
from sweeps.memo import draft, segment
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Part
from sweeps.spaces.keys import KeyMaker, written
from sweeps.storage import disk


def commit(
    note: Path,
    keys: KeyMaker,
    block: Block,
    parts: Sequence[Part],
    failures: Sequence[Failure],
    created_ns: int,
) -> None:
    """Write values into the draft that a note tells of, then commit the segment that names them.

    What does not fit there is in the segment.
    """
    known = draft.told(note)
    left, placed = list(parts), dict[int, draft.Placed]()
    for number, part in enumerate(parts):
        if draft.takes(known, part) and known.path.exists():  # it goes where the memo is renamed
            at = _positions(keys, block, part)
            try:
                left[number], placed[number] = draft.place(known, part, at)
            except StorageError:
                if known.path.exists():
                    raise
    made = segment.commit(known.path.parent, left, failures, created_ns, placed)
    if placed and not known.path.exists():  # the memo was renamed while the values were written
        segment.commit(known.path.parent, parts, failures, created_ns)
        with contextlib.suppress(OSError):  # it names no values that are there
            disk.unlink(made)


def _positions(keys: KeyMaker, block: Block, part: Part) -> npt.NDArray[np.int64]:
    """Find where the points of a part are, of which only the keys are known."""
    at = dict(zip(map(tuple, keys(block.at).tolist()), block.at.tolist(), strict=True))
    return np.array([at[key] for key in map(tuple, written(part.keys).tolist())], np.int64)
