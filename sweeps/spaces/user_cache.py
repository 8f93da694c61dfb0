"""Small files of the user, for later processes: what takes longer to make than to read.

Each is named by a digest of all that it depends on, and begins with a digest of that and of its
content. So it is right or not there, and nothing is lost with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from sweeps.errors import StorageError
from sweeps.storage import disk, files

_DIGEST_BYTES = 32


def folder(kind: str) -> Path | None:
    """Return the folder of one kind, in XDG_CACHE_HOME or ``~/.cache``; None without a home."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(home).is_absolute():  # to be ignored then, by the XDG base directory specification
        home = os.path.expanduser("~/.cache")  # noqa: PTH111 - pathlib's raises without a home
    return Path(home, "sweeps", kind) if Path(home).is_absolute() else None


def read(folder: Path, said: bytes, n_bytes: int) -> bytes | None:
    """Read what was kept; None if nothing was, or if it is damaged.

    Parameters
    ----------
    said : bytes
        All that it depends on.
    n_bytes : int
        Its size.
    """
    try:
        content = disk.content(folder / _name(said), _DIGEST_BYTES + n_bytes)
    except (OSError, ValueError):
        return None
    data = content[_DIGEST_BYTES:]
    is_whole = len(data) == n_bytes and content[:_DIGEST_BYTES] == _digest(said, data)
    return data if is_whole else None


def keep(folder: Path, said: bytes, data: bytes) -> bool:
    """Keep something; tell whether that was possible. If not, it costs time but no result.

    It is not flushed: what a power cut leaves of it is told from the whole.
    """
    temporary = folder / files.temporary_name()
    try:
        if not folder.is_dir():
            files.make_folder(folder)
        descriptor = disk.create(temporary)
        try:
            disk.write_all(descriptor, _digest(said, data) + data)
        finally:
            disk.close(descriptor)
        disk.replace(temporary, folder / _name(said))
    except (OSError, StorageError):
        with contextlib.suppress(OSError):
            disk.unlink(temporary)
        return False
    return True


def tidy(folder: Path, n_most: int) -> None:
    """Remove all but the files that were written last."""
    with contextlib.suppress(OSError):  # others do the same
        by_age = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime_ns)
        for old in by_age[:-n_most]:
            disk.unlink(old)


def _name(said: bytes) -> str:
    return hashlib.sha256(said).hexdigest()[:32]


def _digest(said: bytes, data: bytes) -> bytes:
    return hashlib.sha256(said + data).digest()
