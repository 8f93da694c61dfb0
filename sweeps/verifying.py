"""Verifying: whether results file and memo hold, to the last bit, what was written.

Names and digests are all it needs, not the experiment's code. What is damaged is set aside, as
every reading of the memo does it, so that a next run makes up for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from sweeps import acceptance, files, memo, sealing, segment
from sweeps.errors import StorageError, unknown


@dataclasses.dataclass(frozen=True)
class Damage:
    """A file that is not what was written, or nobody can tell.

    Attributes
    ----------
    path : Path
        Where it is now.
    kind : str
        "results file", "segment" or "acceptance".
    state : str
        "damaged"; "unsealed", by an earlier version or changed by another program; "unreadable".
    """

    path: Path
    kind: str
    state: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Verified:
    """What was looked at, and what of it is not whole."""

    experiment: str
    results: Path
    is_landed: bool
    n_segments: int
    n_bytes: int
    damages: tuple[Damage, ...]


def verify(path: Path) -> Verified:
    """Check a results file and the memo beside it, of all versions of the code.

    Raises
    ------
    UnknownNameError
        Where there is neither.
    """
    kept = memo.folder(path.parent, path.stem, "")
    is_landed = os.path.lexists(path)
    if not is_landed and not kept.is_dir():
        names = {each.stem for each in path.parent.glob("*.h5")}
        raise unknown("results of an experiment", path.stem, names, f"in {path.parent}")
    found: list[int | Damage | None] = [_results(path)] if is_landed else []
    folders = sorted(p for p in kept.glob("*") if p.is_dir() and not p.is_symlink())
    segments = [_segment(f / name, path) for f in folders for name in memo.listing_of(f)]
    found += segments + [each for folder in folders for each in _acceptances(folder)]
    return Verified(
        path.stem,
        path,
        is_landed,
        len(segments),
        sum(each for each in found if isinstance(each, int)),
        tuple(each for each in found if isinstance(each, Damage)),
    )


def _results(path: Path) -> int | Damage:
    """Size of a results file in bytes, if it is whole."""
    kind = "results file"
    try:
        seal, end = sealing.look(path, sealing.RESULTS), sealing.hdf5_end(path)
    except OSError as error:
        return Damage(
            path, kind, "unreadable", f"{error.strerror}; see to the disk, or to the rights"
        )
    if seal.is_whole(sealing.RESULTS):
        return seal.n_bytes
    if end == seal.n_bytes:
        reason = (
            "it has no digest: an earlier version landed it, or another program changed it since; "
            "move it away to have it landed anew"
        )
        return Damage(path, kind, "unsealed", reason)
    aside = files.set_aside(path, path.with_name(path.name + memo.BAD_SUFFIX))
    return _damaged(kind, path, aside)


def _segment(path: Path, results: Path) -> int | Damage | None:
    """Size of a segment in bytes, if it is whole; None if another run has merged it away.

    The results file, where it is the memo's too, was looked at already.
    """
    with contextlib.suppress(OSError):
        if path.samefile(results):
            return 0
    try:
        return segment.verify(path)
    except segment.MergedAwayError:
        return None
    except segment.DamagedError:
        return _damaged("segment", path, memo.set_aside(path))
    except StorageError as error:
        return Damage(path, "segment", "unreadable", str(error))


def _damaged(kind: str, path: Path, aside: Path) -> Damage:
    moved = f"set aside, was {path.name}" if aside != path else "cannot be set aside: move it away"
    return Damage(aside, kind, "damaged", f"its content does not match its digest; {moved}")


def _acceptances(folder: Path) -> Iterator[Damage]:
    try:
        acceptance.accepted(folder)
    except StorageError as error:
        yield Damage(folder / acceptance.FOLDER, "acceptance", "damaged", str(error))
