"""Where results are, and files that are whole or not there, and that last.

A file is written under a temporary name in its folder, flushed, and then renamed in one step. So a
reader sees the whole file or none, whenever the writer dies.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
import unicodedata
import uuid
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.errors import StorageError
from sweeps.storage import disk

TEMPORARY_PREFIX = ".tmp-"

_ABANDONED_S = 600.0

_NAME = re.compile(r"\w[\w-]*")

MAX_NAME_BYTES = 100
"""Of a file name's 255; temporary names are longer."""

_ADVICE = {
    errno.ENOSPC: "free some space, or give another folder with --results",
    errno.EDQUOT: "free some of your quota, or give another folder with --results",
    errno.EROFS: "give another folder with --results",
    errno.EACCES: "make it writable, or give another folder with --results",
    errno.EPERM: "make it writable, or give another folder with --results",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away",
    errno.EEXIST: "a file stands where a folder is needed: move it away",
}


_results: ContextVar[Path | None] = ContextVar("results", default=None)

_scratch: ContextVar[Path | None] = ContextVar("scratch", default=None)

PROGRAM = ".program"
"""Ends the names of folders in it that programs run in, behind the process id of the worker."""


def is_name(given: Any) -> bool:
    """Whether an experiment can have this name, which becomes part of a path.

    Some filesystems take texts for one that have the same normal form, so only that is allowed.
    """
    return (
        isinstance(given, str)
        and _NAME.fullmatch(given) is not None
        and len(given.encode()) <= MAX_NAME_BYTES
        and unicodedata.is_normalized("NFC", given)
    )


def memo_folder(results: Path, experiment: str, fingerprint: str) -> Path:
    """Folder of the segments of one version of an experiment."""
    return results / ".memo" / experiment / fingerprint


def results_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Folder of results: given, or that of the current run, or SWEEPS_RESULTS, or ``results``."""
    chosen = given or _results.get() or os.environ.get("SWEEPS_RESULTS") or "results"
    return Path(os.path.abspath(chosen))  # noqa: PTH100


@contextlib.contextmanager
def results_in(folder: Path | None) -> Iterator[None]:
    """Make a folder the default of `results_folder` while points of a run are called."""
    before = _results.set(folder)
    try:
        yield
    finally:
        _results.reset(before)


@contextlib.contextmanager
def scratch_in(folder: Path) -> Iterator[None]:
    """Make a folder the one of `scratch_folder` while points of a run are called."""
    before = _scratch.set(folder)
    try:
        yield
    finally:
        _scratch.reset(before)


def scratch_folder() -> Path | None:
    """Return the temporary folder of the current run; None where no point is the caller."""
    return _scratch.get()


def is_in_point() -> bool:
    """Whether a point of a run is the caller."""
    return _results.get() is not None


def storage_error(
    path: str | os.PathLike[str], error: BaseException, advice: str = ""
) -> StorageError:
    """Make the error that says which path failed, why, and what to do, if not what is usual."""
    code = getattr(error, "errno", None)
    reason = os.strerror(code) if code else str(error) or type(error).__name__
    usual = _ADVICE.get(code or 0, "finished points are kept; run again to continue")
    advice = advice or usual
    for each in (Path(path), *Path(path).parents):
        if each.is_symlink() and not each.exists():
            reason = f"{each} is a link to {each.readlink()}"
            advice = "which does not exist: mount it"
    return StorageError(f"cannot write {os.fspath(path)}: {reason}; {advice}")


@contextlib.contextmanager
def told(path: Path, advice: str = "") -> Iterator[None]:
    """Turn an OSError into the `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error, advice) from error


def make_folder(folder: Path) -> None:
    """Make a folder and its parents so that they survive a power cut.

    Each is flushed before the next one is made. So after a kill only the name of the last one may
    not be flushed yet; it is flushed again.
    """
    with told(folder):
        if not folder.is_dir():
            make_folder(folder.parent)
            disk.make_folder(folder)
            disk.flush_folder(folder.parent)
        elif folder.parent != folder:
            with contextlib.suppress(PermissionError):  # of a folder that we may not read
                disk.flush_folder(folder.parent)


def beside(kept: Path) -> list[Path]:
    """List the folders beside one, sorted, without links: those of other versions of the code."""
    found = (p for p in kept.parent.glob("*") if p.is_dir() and not p.is_symlink())
    return sorted(p for p in found if p != kept)


class New(NamedTuple):
    """A file that does not have its final name yet.

    Attributes
    ----------
    path : Path
        Its temporary name.
    descriptor : int
        Open since before the first byte, so that its flush reports every write that failed, also
        those that others made under the temporary name.
    """

    path: Path
    descriptor: int


def commit(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file whole, or nothing at all; an existing one is replaced."""
    with replacing(path) as new:
        for chunk in chunks:
            disk.write_all(new.descriptor, chunk)


@contextlib.contextmanager
def replacing(path: Path, advice: str = "", of: Path | None = None) -> Iterator[New]:
    """Make a new file under a temporary name, then put it in the place of `path`.

    Readers see the old file until the new one is whole and flushed. It may be made `of` an existing
    file, which keeps its own name.

    Raises
    ------
    StorageError
        If the disk does not take it; the old file is untouched and the new one removed. Only if
        the last step fails, flushing the folder, the new one is in place; a power cut may still
        bring back the old one.
    """
    temporary = path.with_name(temporary_name())
    with told(path, advice):
        if of is not None:
            disk.link(of, temporary)
        try:
            descriptor = disk.create(temporary) if of is None else disk.open_to_change(temporary)
            try:
                yield New(temporary, descriptor)
                disk.flush(descriptor)
            finally:
                disk.close(descriptor)
            disk.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                disk.unlink(temporary)
            raise
        disk.flush_folder(path.parent)


def temporary_name() -> str:
    """Make a unique name for a file that may be removed when its maker is gone."""
    return f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex}"


def share(new: New, place: Path) -> None:
    """Give a complete file a second, lasting name elsewhere, before it gets its first one.

    Nobody may write to it any more, under either name.
    """
    with told(place):
        disk.protect(new.descriptor)
        disk.flush(new.descriptor)
        with contextlib.suppress(FileExistsError):  # named after its content, it is the same
            disk.link(new.path, place)
        disk.flush_folder(place.parent)


@contextlib.contextmanager
def linked(path: Path, folder: Path) -> Iterator[Path]:
    """Keep the present file of a name by a second, temporary name in a folder."""
    name = folder / temporary_name()
    disk.link(path, name)
    try:
        yield name
    finally:
        with contextlib.suppress(OSError):
            disk.unlink(name)


def can_share(folder: Path, other: Path) -> bool:
    """Whether a file of one folder can have a second name in another folder."""
    name = temporary_name()
    try:
        disk.close(disk.create(folder / name))
        disk.link(folder / name, other / name)
    except OSError:
        return False
    finally:
        for each in (folder, other):
            with contextlib.suppress(OSError):
                disk.unlink(each / name)
    return True


def set_aside(path: Path, aside: Path) -> Path:
    """Rename a damaged file; return its new path."""
    try:
        disk.replace(path, aside)
    except OSError:  # a folder that is read-only can still be read
        return path
    return aside


def is_abandoned(temporary: Path) -> bool:
    """Whether nobody writes to a temporary file any more.

    A writer takes seconds. It may run on another machine that shares the folder, so only the age of
    the file tells.
    """
    try:
        return time.time() - temporary.stat().st_mtime > _ABANDONED_S
    except OSError:
        return False
