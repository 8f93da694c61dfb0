"""Draws that are stored for later processes.

To import scipy.stats takes ten times as long as all else that a sweep needs whose points are known,
and every worker declares the space again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.spaces import user_cache
from sweeps.spaces.distributions import Floats

MAX_BYTES = 32 * 2**20
"""Larger draws, such as 1.4 million points of three parameters, are not kept."""

MAX_FILES = 32
"""As many are kept; for another, the one that was written first goes."""


def folder() -> Path | None:
    """Return the folder of stored draws; None without a home."""
    return user_cache.folder("draws")


def once(shape: tuple[int, int], settings: tuple[Any, ...], draw: Callable[[], Floats]) -> Floats:
    """Return a draw; if scipy.stats is not imported yet, that of an earlier process if stored.

    `settings` is all that the draw depends on, beside its shape and versions of scipy and numpy;
    its repr tells it.
    """
    place = folder()
    if place is None or "scipy.stats" in sys.modules:
        return draw()
    import scipy  # 10 ms without scipy.stats

    said = repr((shape, settings, scipy.__version__, np.__version__)).encode()
    kept = user_cache.read(place, said, 8 * shape[0] * shape[1])
    if kept is not None:
        return np.frombuffer(kept, dtype="<f8").astype(np.float64).reshape(shape)
    found = np.ascontiguousarray(draw(), dtype="<f8")
    if found.shape == shape and found.nbytes <= MAX_BYTES:
        user_cache.keep(place, said, found.tobytes())
        user_cache.tidy(place, MAX_FILES)
    return found
