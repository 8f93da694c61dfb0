"""Draws that are stored for later processes.

To import scipy.stats takes ten times as long as all else that a sweep needs whose points are known,
and every worker declares the space again.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.errors import StorageError
from sweeps.spaces.distributions import Floats
from sweeps.storage import disk, files

MAX_BYTES = 16 * 2**20
"""Larger draws are not kept: all that follows takes longer than the import."""

MAX_FILES = 64
"""As many are kept; for another, the one that was written first goes."""

_DIGEST_BYTES = 32


def folder() -> Path | None:
    """Return the folder of stored draws, in XDG_CACHE_HOME or ``~/.cache``; None without a home."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(home).is_absolute():  # to be ignored then, by the XDG base directory specification
        home = os.path.expanduser("~/.cache")  # noqa: PTH111 - pathlib's raises without a home
    return Path(home, "sweeps", "draws") if Path(home).is_absolute() else None


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
    path = place / hashlib.sha256(said).hexdigest()[:32]
    kept = _read(path, said, shape)
    if kept is not None:
        return kept
    found = np.ascontiguousarray(draw(), dtype="<f8")
    if found.shape == shape and found.nbytes <= MAX_BYTES:
        _keep(path, said, found)
    return found


def _read(path: Path, said: bytes, shape: tuple[int, int]) -> Floats | None:
    """Read a stored draw; None if there is none, or if it is damaged."""
    try:
        content = disk.content(path, _DIGEST_BYTES + MAX_BYTES)
    except (OSError, ValueError):
        return None
    data = content[_DIGEST_BYTES:]
    if len(data) != 8 * shape[0] * shape[1] or content[:_DIGEST_BYTES] != _digest(said, data):
        return None
    return np.frombuffer(data, dtype="<f8").astype(np.float64).reshape(shape)


def _keep(path: Path, said: bytes, found: Floats) -> None:
    """Store a draw. Failing to do so costs time but no result, so no one is told."""
    data = found.tobytes()
    try:
        files.make_folder(path.parent)
        files.commit(path, [_digest(said, data), data])
        by_age = sorted(path.parent.iterdir(), key=lambda each: each.stat().st_mtime_ns)
        for old in by_age[:-MAX_FILES]:
            disk.unlink(old)
    except (OSError, StorageError):
        pass


def _digest(said: bytes, data: bytes) -> bytes:
    return hashlib.sha256(said + data).digest()
