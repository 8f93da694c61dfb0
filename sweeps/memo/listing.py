"""Which segments count for some code: those of its memo folder, and of the code that it accepts."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from sweeps.errors import StorageError
from sweeps.memo import acceptance
from sweeps.storage import disk, files

BAD_SUFFIX = ".bad"

SUFFIX = ".seg"


@dataclasses.dataclass(frozen=True)
class Source:
    """A memo folder whose segments count for some code.

    Attributes
    ----------
    chain : tuple of Acceptance
        From that code back to this folder; empty for its own.
    """

    folder: Path
    chain: tuple[acceptance.Acceptance, ...] = ()

    @property
    def shift(self) -> acceptance.Shift:
        """What the keys in this folder gain."""
        first, second = zip(acceptance.NO_SHIFT, *(each.shift for each in self.chain), strict=True)
        return sum(first) % 2**64, sum(second) % 2**64

    @property
    def prefix(self) -> str:
        """What tells its segments from those of other sources, and from the same shifted."""
        if not self.chain:
            return ""
        shift = self.shift
        return f"{self.folder.name}{'+{:x},{:x}'.format(*shift) if any(shift) else ''}/"


def sources(place: Path) -> tuple[Source, ...]:
    """List the folders whose segments count in a memo folder: itself, then what it accepts.

    What accepted code had accepted counts as well, behind it, for as long as that is not taken
    back.

    Raises
    ------
    StorageError
        Where an acceptance cannot be read.
    """
    found = [Source(place)]
    seen = {place.name}
    for source in found:  # grows meanwhile: breadth first
        if not os.path.lexists(source.folder / acceptance.FOLDER):  # as it mostly is
            continue
        for each in acceptance.accepted(source.folder):
            if each.fingerprint not in seen:
                seen.add(each.fingerprint)
                folder = place.parent / each.fingerprint
                found.append(Source(folder, (*source.chain, each)))
    return tuple(found)


def listing(place: Path) -> tuple[str, ...]:
    """Names of the segments that count in a folder, sorted: they say all of its state.

    Those of accepted code have the name of their folder in front.
    """
    found = sources(place)
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
