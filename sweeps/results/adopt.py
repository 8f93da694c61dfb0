"""Adopt the points of a results file whose memo is gone, before the file is replaced.

This happens if someone has copied the results file alone, or removed the memo. The file describes
its points as a segment does, so it becomes one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.errors import StorageError
from sweeps.memo import header, listing, segment
from sweeps.memo import index as memo
from sweeps.memo.segment import Segment
from sweeps.project.sweep import Sweep
from sweeps.results.state import held_attributes
from sweeps.storage import disk, files, hdf5, hdf5_foreign, hdf5_open, seal
from sweeps.text import count
from sweeps.text import path as shown

_CHUNK_BYTES = 2**20


class _Orphan(NamedTuple):
    """A results file with points that the memo does not have.

    Attributes
    ----------
    folder : Path
        Folder of the segments of its code.
    segment : Segment or None
        The file as a segment, if that has all of its points.
    """

    path: Path
    folder: Path
    n_done: int
    segment: Segment | None


def scan(sweep: Sweep, held: Mapping[str, Any], before: memo.Index | None = None) -> memo.Index:
    """Index the memo together with what a run would adopt.

    Parameters
    ----------
    held : mapping
        As for `adopt`.
    before : Index, optional
        What it has is not read again.
    """
    index = memo.scan(sweep.memo, before)
    for orphan in _orphans(sweep, held):
        if orphan.segment is not None and orphan.folder == sweep.memo:
            name = _name(orphan.path)
            segments = {**index.segments, name: orphan.segment}
            index = memo.Index(index.folder, segments, index.bad)
    return index


def adopt(sweep: Sweep, held: Mapping[str, Any]) -> None:
    """Turn results files that may be replaced, and have the only copy of points, into segments.

    Parameters
    ----------
    held : mapping
        Attributes of the one where the sweep lands.

    Raises
    ------
    StorageError
        For a file that cannot be a segment: its points would be lost.
    """
    orphans = _orphans(sweep, held)
    for each in orphans:
        if each.segment is None and each.path == sweep.landed:
            raise StorageError(
                f"{shown(each.path)} holds {count(each.n_done, 'finished point')} that "
                f"{shown(each.folder)} does not have, and this run would replace it: copy the "
                f"folder .memo/{sweep.experiment.name} from where the file comes from, too; or, "
                "to compute its points again, move the file away, or write elsewhere with "
                "--output or --results"
            )
    for each in orphans:
        if each.segment is not None:
            files.make_folder(each.folder)
            _name_as_segment(each)


def _name_as_segment(orphan: _Orphan) -> None:
    with contextlib.suppress(OSError), files.linked(orphan.path, orphan.folder) as new:
        # The digest is checked at each reading; but another run may have replaced the file.
        if held_attributes(new).get("fingerprint") == orphan.folder.name:
            disk.replace(new, orphan.folder / _name(new))
            disk.flush_folder(orphan.folder)
        return
    files.commit(orphan.folder / _name(orphan.path), _content(orphan.path))  # no links here


def _content(path: Path) -> Iterator[bytes]:
    descriptor = disk.open_to_read(path)
    try:
        while chunk := disk.read(descriptor, _CHUNK_BYTES):
            yield chunk
    finally:
        disk.close(descriptor)


def _name(path: Path) -> str:
    return listing.name_of(seal.held(path, seal.RESULTS) or b"")


def _orphans(sweep: Sweep, held: Mapping[str, Any]) -> list[_Orphan]:
    usual = sweep.results / f"{sweep.experiment.name}.h5"
    seen = {sweep.landed: held}
    if usual != sweep.landed:
        seen[usual] = held_attributes(usual)
    found = (_orphan(sweep, path, says) for path, says in seen.items())
    return [each for each in found if each is not None]


def _orphan(sweep: Sweep, path: Path, held: Mapping[str, Any]) -> _Orphan | None:
    """Find out whether a results file has points that the memo does not have; cheap looks first."""
    name, code, n_done = sweep.experiment.name, held.get("fingerprint"), held.get("n_done")
    if held.get("experiment") != name or type(n_done) is not int or not n_done:
        return None
    if type(code) is not str or not code.isalnum():  # it becomes the name of a folder
        return None
    folder = files.memo_folder(sweep.results, name, code)
    if code != sweep.fingerprint.digest and folder.parent.is_dir() and not folder.is_dir():
        return None  # `clean` has removed what earlier code computed
    with hdf5_open.told(path):
        names, digest = set(listing.listing_of(folder)), seal.held(path, seal.RESULTS)
    if digest is not None and listing.name_of(digest) in names:
        return None
    with hdf5_foreign.open_read(path) as file, hdf5_open.damaged(path):
        if hdf5.plain(file.attrs.get("fingerprint")) != code:  # another run has landed since
            return None
        says = header.MEMO in file
        n_others, segments, accepted = header.origin_of_kept(file) if says else (n_done, (), ())
    if accepted and all(c.isalnum() and listing.listing_of(folder.parent / c) for c in accepted):
        n_others = 0  # these are where they were accepted from
    if (segments and names.issuperset(segments)) or (names and not says):
        return None
    if not says:  # of an earlier version
        return _Orphan(path, folder, n_done, None)
    whole = None if digest is None else segment.of_results(path, code)
    if whole is None:  # a program has changed it
        return None if names else _Orphan(path, folder, n_done, None)
    index = memo.scan(folder)
    is_known = all((index.find(part.keys) >= 0).all() for part in whole.parts)
    if is_known and (index.segments or not n_others):
        return None
    return _Orphan(path, folder, n_done, None if n_others else whole)
