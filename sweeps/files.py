"""Every byte that memo and landing put on a disk goes through here: atomically, and flushed.

A file is written under a temporary name in the folder where it belongs, flushed, and then given
its name in one step, so that a reader sees a whole file or none, whenever the writer dies.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sweeps.errors import StorageError

TEMPORARY_PREFIX = ".tmp-"
_ABANDONED_S = 600.0

_ADVICE = {
    errno.ENOSPC: "free some space, or give another folder with --results",
    errno.EDQUOT: "free some of your quota, or give another folder with --results",
    errno.EROFS: "give another folder with --results",
    errno.EACCES: "make it writable, or give another folder with --results",
    errno.EPERM: "make it writable, or give another folder with --results",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away",
    errno.EEXIST: "a file stands where a folder is needed: move it away",
}


def storage_error(path: str | os.PathLike[str], error: BaseException) -> StorageError:
    """Say which path failed, why, and what to do."""
    code = getattr(error, "errno", None)
    reason = os.strerror(code) if code else str(error) or type(error).__name__
    advice = _ADVICE.get(code or 0, "what was finished before is kept; run again to go on")
    return StorageError(f"cannot write {os.fspath(path)}: {reason}; {advice}")


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an OSError into the `StorageError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, lasting."""
    with told(folder):
        made = [each for each in (folder, *folder.parents) if not each.is_dir()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in made:
            flush_folder(each.parent)


def beside(kept: Path) -> list[Path]:
    """List the folders beside one, sorted: those of other versions of the code; no links."""
    found = (p for p in kept.parent.glob("*") if p.is_dir() and not p.is_symlink())
    return sorted(p for p in found if p != kept)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where its filesystem can."""
    try:
        _flush(folder)
    except OSError as error:  # some network filesystems know no fsync of folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def commit(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file whole, or not at all, in the place of one of that name that is there already.

    Raises
    ------
    StorageError
        Where the disk does not take it; nothing is left behind.
    """

    def write(temporary: Path) -> None:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            for chunk in chunks:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)

    replace_atomically(path, write)


def replace_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file under a temporary name, then put it in the place of `path`.

    Parameters
    ----------
    path : Path
        Readers see the old file until the new one is whole and flushed.
    write : callable
        Gets the temporary path and makes the file there.

    Raises
    ------
    StorageError
        Where the disk does not take it; the old file is untouched and the temporary one removed.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex}")
    try:
        with told(path):
            write(temporary)
            _flush(temporary)
            temporary.replace(path)
            flush_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_abandoned(temporary: Path) -> bool:
    """Whether nobody writes to a temporary file any more.

    A writer takes seconds. It may be a process of another machine that shares the folder, so that
    only time tells.
    """
    try:
        return time.time() - temporary.stat().st_mtime > _ABANDONED_S
    except OSError:
        return False
