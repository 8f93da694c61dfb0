"""Check, bit by bit, that the results file and stored results are as they were written.

This needs names and digests, not the code of the experiment. Damaged files are set aside, and the
next run computes their points again. Files of other programs are never touched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sweeps.declaration import value_store
from sweeps.errors import LaterFormatError, StorageError, unknown
from sweeps.memo import acceptance, claims, contents, listing, record, segment
from sweeps.memo import index as memo
from sweeps.progress import presence
from sweeps.storage import files, hdf5_open, packs, seal
from sweeps.text import count

_MOST_NAMED = 5

_AGAIN = "the next run computes them again"


@dataclasses.dataclass(frozen=True)
class Damage:
    """A file that is damaged, or that cannot be checked.

    Attributes
    ----------
    path : Path
        Where it is now.
    kind : str
        "results file", "segment", "pack of files", "files", "acceptance" or "cached value".
    state : str
        "damaged"; "unsealed", by an earlier version or changed by another program; "unreadable";
        "of a later format"; "open for writing"; "no results file"; "lost".
    """

    path: Path
    kind: str
    state: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Verified:
    """What was checked, and the damage that was found."""

    experiment: str
    results: Path
    is_landed: bool
    n_segments: int
    n_bytes: int
    damages: tuple[Damage, ...]


def is_in_place(path: Path, given: str, results: str | os.PathLike[str] | None = None) -> bool:
    """Whether a results file is in the results folder, and was given as such."""
    is_plain = not Path(given).is_absolute() and ".." not in Path(given).parts
    return is_plain and Path(os.path.abspath(path)).parent == files.results_folder(results)  # noqa: PTH100


def verify(path: Path, *, sets_aside: bool = True) -> Verified:
    """Check a results file and the stored results beside it, of all versions of the code.

    Parameters
    ----------
    path : Path
    sets_aside : bool
        Whether damaged files are renamed; if not, nothing changes.

    Raises
    ------
    UnknownNameError
        If there is neither.
    """
    kept = files.memo_folder(path.parent, path.stem, "")
    is_landed = os.path.lexists(path)
    if not is_landed and not kept.is_dir():
        names = {each.stem for each in path.parent.glob("*.h5")}
        raise unknown("results of an experiment", path.stem, names, f"in {path.parent}")
    found: list[int | Damage | None] = []
    if is_landed:
        found.append(_results(path, has_memo=kept.is_dir(), sets_aside=sets_aside))
    folders = sorted(p for p in kept.glob("*") if p.is_dir() and not p.is_symlink())
    if sets_aside:
        for folder in folders:
            memo.give_back(folder)
    paths = [folder / name for folder in folders for name in listing.listing_of(folder)]
    segments = [_segment(each, path, sets_aside=sets_aside) for each in paths]
    found += segments + [each for folder in folders for each in _acceptances(folder)]
    found += [each for folder in folders for each in _files(folder, sets_aside=sets_aside)]
    found += _cached(folders, path.parent)
    return Verified(
        path.stem,
        path,
        is_landed,
        len(segments),
        sum(each for each in found if isinstance(each, int)),
        tuple(each for each in found if isinstance(each, Damage)),
    )


def _results(path: Path, *, has_memo: bool, sets_aside: bool) -> int | Damage:
    """Size of a results file in bytes, if it is whole."""
    kind = "results file"
    try:
        seal.refuse_later(path)
        found, end = seal.look(path, seal.RESULTS), seal.hdf5_end(path)
        is_being_written = seal.is_being_written(path)
    except LaterFormatError as error:
        return Damage(path, kind, "of a later format", str(error))
    except OSError as error:
        return Damage(
            path, kind, "unreadable", f"{error.strerror}; check the disk and the permissions"
        )
    if found.is_whole(seal.RESULTS):
        return found.n_bytes
    aside = path.with_name(path.name + listing.BAD_SUFFIX)
    if found.is_readable(seal.RESULTS):  # as a segment, it keeps its other points
        at = files.set_aside(path, aside) if sets_aside and has_memo else path
        return _partly(kind, at, len(found.damaged))
    if is_being_written:
        return Damage(path, kind, "open for writing", hdf5_open.WRITTEN)
    if end == found.n_bytes:
        reason = (
            "it has no digest: an earlier version wrote it, or another program changed it; "
            "move it away, and the next run writes it again"
        )
        return Damage(path, kind, "unsealed", reason)
    if not (has_memo or found.is_of_results) or not path.is_file():
        return Damage(
            path, "file", "no results file", "it does not look like one; it stays unchanged"
        )
    return _damaged(kind, path, files.set_aside(path, aside) if sets_aside else path)


def _segment(path: Path, results: Path, *, sets_aside: bool) -> int | Damage | None:
    """Size of a segment in bytes, if it is whole; None if another run has merged it.

    If the results file is also a segment, it has been checked already.
    """
    kind = "segment"
    with contextlib.suppress(OSError):
        if path.samefile(results):
            return 0
    try:
        found = segment.verify(path)
        if found.is_of_results:
            n_damaged = len(found.damaged)
        else:
            parts = segment.load(path).parts
            n_damaged = sum(len(each.lost) for each in parts if each.lost is not None)
        return _partly(kind, path, n_damaged) if n_damaged else found.n_bytes
    except segment.MergedAwayError:
        return None
    except segment.DamagedError:
        return _damaged(kind, path, listing.set_aside(path) if sets_aside else path)
    except LaterFormatError as error:
        return Damage(path, kind, "of a later format", str(error))
    except StorageError as error:
        return Damage(path, kind, "unreadable", str(error))


def _partly(kind: str, path: Path, n_damaged: int) -> Damage:
    """Tell of values that were written in place and are damaged."""
    reason = f"the values of {count(n_damaged, 'point')} do not match their digests; {_AGAIN}"
    return Damage(path, kind, "damaged", reason)


def _damaged(kind: str, path: Path, aside: Path) -> Damage:
    moved = f"set aside, was {path.name}" if aside != path else "not set aside: move it away"
    return Damage(aside, kind, "damaged", f"its content does not match its digest; {moved}")


def _files(folder: Path, *, sets_aside: bool) -> Iterator[int | Damage]:
    """Check the contents of files that points of a folder have handed over.

    Points whose files are lost are computed again by the next run.
    """
    try:  # points first: a run stores contents before points
        index = memo.scan(folder) if _has_files(folder) else None
    except StorageError:  # which is named already
        index = None
    have: set[str] = set()
    is_complete = True
    for path in packs.listing(folder):
        found: int | Damage
        try:
            if packs.is_later(path):
                is_complete, reason = False, "a later version of sweeps wrote it"
                found = Damage(path, "pack of files", "of a later format", reason)
            else:
                found = _pack(path, have, sets_aside=sets_aside)
        except FileNotFoundError:  # another run has merged it
            is_complete = False
            continue
        except StorageError as error:
            found, is_complete = Damage(path, "pack of files", "unreadable", str(error)), False
        yield found
    lost = list(contents.lost_points(index, have)) if index is not None and is_complete else []
    if not lost:
        return
    if sets_aside:
        contents.suspect(folder)
    n_points = sum(len(each.rows) for each in lost)
    names = list(dict.fromkeys(name for each in lost for name in each.names))
    shown = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
    reason = f"{count(n_points, 'point')} handed over {shown}, whose content is gone"
    yield Damage(folder, "files", "lost", reason)


def _pack(path: Path, have: set[str], *, sets_aside: bool) -> int | Damage:
    """Size of a pack in bytes, if all in it is whole; add the digests of what is to `have`.

    What is intact in a damaged pack is written to a new one, unless a run is writing here.
    """
    kind, folder = "pack of files", path.parent
    entries = packs.entries(path)
    whole = {each.digest for each in entries if packs.is_whole(each)}
    n_damaged = sum(each.digest not in whole for each in entries)
    have |= whole
    if not n_damaged:
        return path.stat().st_size
    aside = path
    if sets_aside and not (claims.are_live(folder) or presence.beside(folder)):
        packs.rewrite(folder, [path])
        aside = files.set_aside(path, path.with_name(path.name + listing.BAD_SUFFIX))
    moved = f"set aside, was {path.name}" if aside != path else "not set aside"
    reason = f"{count(n_damaged, 'file')} of {len(entries):,} in it are damaged; {moved}"
    return Damage(aside, kind, "damaged", reason)


def _has_files(folder: Path) -> bool:
    """Whether points here have handed over files, as one segment tells if no pack is left.

    To find lost files is to read all segments a second time.
    """
    if listing.ending(folder, packs.SUFFIX) or listing.is_suspected(folder):
        return True
    for name in listing.listing_of(folder):
        with contextlib.suppress(segment.DamagedError):
            if parts := segment.load(folder / name).parts:
                return any(map(contents.has_files, parts))
    return False


def _cached(folders: Iterable[Path], results: Path) -> Iterator[Damage]:
    """Check the stored values of the `@cached` functions that the code has called."""
    codes = filter(None, map(record.read_code, folders))
    names = {part.replace(":", ".") for code in codes for part in code.parts}
    reason = "its content does not match its digest; it is computed again when it is needed"
    for name in sorted(names):
        for path in value_store.damaged(results / ".cached" / name):
            yield Damage(path, "cached value", "damaged", reason)


def _acceptances(folder: Path) -> Iterator[Damage]:
    try:
        acceptance.accepted(folder)
    except StorageError as error:
        yield Damage(folder / acceptance.FOLDER, "acceptance", "damaged", str(error))
