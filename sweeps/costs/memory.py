"""How much memory workers have had, by a note in the memo."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from sweeps.errors import StorageError
from sweeps.storage import disk, files

_FILE = "memory.json"

_PEAK = "peak_bytes"

_UNREADABLE = (OSError, StorageError, ValueError, TypeError, KeyError, RecursionError)


def note(folder: Path, peak_bytes: int) -> None:
    """Note how much memory a worker has had, if none before has had more; results need no note."""
    if peak_bytes > known(folder):
        with contextlib.suppress(StorageError):
            files.commit(folder / _FILE, [json.dumps({_PEAK: peak_bytes}).encode()])


def known(folder: Path) -> int:
    """Return the most memory that a worker has had, in bytes; 0 if unknown."""
    with contextlib.suppress(*_UNREADABLE):
        return max(0, int(json.loads(disk.content(folder / _FILE))[_PEAK]))
    return 0
