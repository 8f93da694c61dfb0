"""Hashes of the values of long axes, which are stored for later processes.

To hash 10^6 values takes half a second, which every command would take again; to read what an
earlier one has stored takes 40 ms.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sweeps.spaces import user_cache
from sweeps.spaces.values import NUMERIC, Values

CHUNK = 2**15
"""Values that are stored together: an axis that grows at its end shares all whole chunks."""

LONG = 2 * CHUNK
"""Shorter axes are hashed in less time than it is worth to store them."""

MAX_FILES = 512
"""As many chunks are kept, of 0.5 MB; for others, those that were written first go."""

_FORM = 1
"""Of hashes; to change when `sweeps.spaces.keys.hash_values` hashes otherwise."""

Hashes = npt.NDArray[np.uint64]


def hashed(name: str, table: Values, make: Callable[[Values], Hashes]) -> Hashes:
    """Return the hashes of the values of a parameter, shape (len(table), 2).

    Parameters
    ----------
    table : Values
        Numbers or texts.
    make : callable
        Hashes the values of a table.
    """
    place = user_cache.folder("hashes")
    n_chunks, is_kept, n_new = 0, place is not None, 0
    made = np.empty((len(table), 2), dtype=np.uint64)
    for start in range(0, len(table), CHUNK):
        own = made[start : start + CHUNK]
        values = table.select(np.arange(start, start + len(own)))
        n_chunks += 1
        if place is None or not is_kept or n_chunks > MAX_FILES * 3 // 4:  # not to push out its own
            own[:] = make(values)
            continue
        said = _said(name, values)
        kept = user_cache.read(place, said, own.nbytes)
        if kept is not None:
            own[:] = np.frombuffer(kept, dtype="<u8").reshape(-1, 2)
            continue
        own[:] = make(values)
        is_kept = user_cache.keep(place, said, own.astype("<u8").tobytes())
        n_new += is_kept
    if place is not None and n_new:
        user_cache.tidy(place, MAX_FILES)
    return made


def _said(name: str, values: Values) -> bytes:
    """Write all that hashes depend on."""
    array = values.coordinate()
    # No text has a NUL, which HDF5 could not hold.
    data = array.tobytes() if values.kind in NUMERIC else "\0".join(array.tolist()).encode()
    return repr((_FORM, name, values.kind, array.dtype.str, len(array))).encode() + b"\n" + data
