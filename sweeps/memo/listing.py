"""Which segments are valid for some code: its own, and those of accepted earlier code."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from sweeps.errors import StorageError
from sweeps.memo import acceptance
from sweeps.storage import disk, files

BAD_SUFFIX = ".bad"

SUFFIX = ".seg"

SUSPECTED = "lost.json"
"""A file in the folder of a memo in which contents of files were found damaged or missing."""

DRAFT_SUFFIX = ".draft"

DRAFT_NOTE = "draft.json"
"""A file in the temporary folder of a run, which tells its workers of a draft."""

_LARGE_BYTES = 8 * 2**20
"""With smaller ones HDF5 takes most of the time, which has no parallel calls."""

_N_LOOKED_AT = 100


@dataclasses.dataclass(frozen=True)
class Source:
    """A memo folder whose segments are valid for some code.

    Attributes
    ----------
    chain : tuple of Acceptance
        The acceptances that lead from that code to this folder; empty for its own.
    """

    folder: Path
    chain: tuple[acceptance.Acceptance, ...] = ()

    @property
    def shift(self) -> acceptance.Shift:
        """What is added to the keys in this folder."""
        first, second = zip(acceptance.NO_SHIFT, *(each.shift for each in self.chain), strict=True)
        return sum(first) % 2**64, sum(second) % 2**64

    @property
    def prefix(self) -> str:
        """Prefix of the names of its segments, which differs between sources and shifts."""
        if not self.chain:
            return ""
        shift = self.shift
        return f"{self.folder.name}{'+{:x},{:x}'.format(*shift) if any(shift) else ''}/"


def sources(place: Path) -> tuple[Source, ...]:
    """List the folders whose segments are valid in a memo folder: itself, then accepted ones.

    What accepted code accepts follows behind it, until that is taken back.
    """
    found = [Source(place)]
    seen = {place.name}
    for source in found:  # the list grows: breadth first
        if not os.path.lexists(source.folder / acceptance.FOLDER):  # as it mostly is
            continue
        for each in acceptance.accepted(source.folder):
            if each.fingerprint not in seen:
                seen.add(each.fingerprint)
                folder = place.parent / each.fingerprint
                found.append(Source(folder, (*source.chain, each)))
    return tuple(found)


def listing(place: Path) -> tuple[str, ...]:
    """List the names of all valid segments, sorted: they identify the state of the memo.

    Names of accepted segments begin with their folder.
    """
    found = sources(place)
    return tuple(sorted(s.prefix + name for s in found for name in listing_of(s.folder)))


def listing_of(place: Path) -> tuple[str, ...]:
    """List the names of the segments in one folder, sorted.

    Reading a folder takes time. During a merge, one look may miss the new segment and the next one
    the old ones; so this looks until nothing disappears between two looks.
    """
    before = _names(place)
    while not set(before) <= set(now := _names(place)):
        before = now
    return now


def _names(place: Path) -> tuple[str, ...]:
    return ending(place, SUFFIX)


def ending(place: Path, suffix: str) -> tuple[str, ...]:
    """List the names in a folder with some ending, sorted."""
    try:
        return tuple(sorted(n for n in disk.names(place) if n.endswith(suffix)))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StorageError(f"cannot read {place}: {os.strerror(error.errno or 0)}") from error


def set_aside(path: Path) -> Path:
    """Rename a damaged segment so that no listing has it; return its path."""
    return files.set_aside(path, path.with_suffix(BAD_SUFFIX))


def is_suspected(place: Path) -> bool:
    """Whether files of the points that are valid in a memo folder may be lost."""
    return any(os.path.lexists(source.folder / SUSPECTED) for source in sources(place))


def are_large(paths: Sequence[Path]) -> bool:
    """Whether files are large on average, judged by the first ones."""
    n_bytes = 0
    for path in paths[:_N_LOOKED_AT]:
        with contextlib.suppress(OSError):
            n_bytes += path.stat().st_size
    return len(paths) > 1 and n_bytes > _LARGE_BYTES * len(paths[:_N_LOOKED_AT])


def name_of(digest: bytes) -> str:
    """Return the name of the segment with a digest."""
    return f"{digest.hex()[:32]}{SUFFIX}"
