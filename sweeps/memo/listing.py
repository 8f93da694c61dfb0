"""Which segments a memo folder has, by their names alone."""

from __future__ import annotations

import os
from pathlib import Path

from sweeps.errors import StorageError
from sweeps.memo import acceptance
from sweeps.storage import disk, files

BAD_SUFFIX = ".bad"

SUFFIX = ".seg"


def listing(place: Path) -> tuple[str, ...]:
    """Names of the segments that count in a folder, sorted: they say all of its state.

    Those of accepted code have the name of their folder in front.
    """
    found = acceptance.sources(place)
    return tuple(sorted(s.prefix + name for s in found for name in listing_of(s.folder)))


def listing_of(place: Path) -> tuple[str, ...]:
    """Names of the segments in a folder itself, sorted.

    A folder is not read in one instant. While segments are merged, a first look may miss the new
    one and a second the old ones; what a look and the next one agree on was there.
    """
    before = _names(place)
    while not set(before) <= set(now := _names(place)):
        before = now
    return now


def _names(place: Path) -> tuple[str, ...]:
    return ending(place, SUFFIX)


def ending(place: Path, suffix: str) -> tuple[str, ...]:
    """Names of the files in a folder that end so, sorted."""
    try:
        return tuple(sorted(n for n in disk.names(place) if n.endswith(suffix)))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StorageError(f"cannot read {place}: {os.strerror(error.errno or 0)}") from error


def set_aside(path: Path) -> Path:
    """Put a damaged segment where no listing sees it; return where."""
    return files.set_aside(path, path.with_suffix(BAD_SUFFIX))


def name_of(digest: bytes) -> str:
    """Name of the segment whose content has a digest."""
    return f"{digest.hex()[:32]}{SUFFIX}"
