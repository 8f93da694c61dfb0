"""Checkpoints: folders in which long points keep how far they are, for when they are killed.

A point has one folder, named after its key, in the memo of its code; a lock beside it says that an
attempt is using it. The kernel gives the lock back however the attempt ends. An attempt that cannot
have the lock gets a folder of its own, and begins at the beginning: slower, and never wrong.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sweeps.errors import StorageError
from sweeps.memo import claimants
from sweeps.memo.ledger import RefusedError, is_at, open_file
from sweeps.memo.listing import BAD_SUFFIX
from sweeps.storage import disk, files
from sweeps.text import size

FOLDER = ".checkpoints"  # as `sweeps.execution.brief` knows it

_LOCK = ".lock"

_NAME = re.compile(rf"[0-9a-f]{{32}}({re.escape(_LOCK)}|{re.escape(BAD_SUFFIX)})?|\.tmp-.*")

_PREFIX = "sweeps-checkpoint-"

_LEASE_S = 100.0
"""So long a server of NFS keeps the locks of a machine that is gone: 90 s, and some."""

_LOOK_S = 1.0

_HELD, _NO_LOCKS = -1, -2

_IS_NO_EMPTY_FOLDER = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)

Key = tuple[int, int]

_Signature = frozenset[tuple[str, int, int]]


def place(memo: Path, own: str = "") -> Path:
    """Folder of the checkpoints in a memo; one of a run's own, where it begins afresh."""
    return memo / FOLDER / own if own else memo / FOLDER


def name_of(key: Iterable[int]) -> str:
    """Name of the folder of a point."""
    first, second = key
    return f"{first:016x}{second:016x}"


class Store:
    """The checkpoints of the points that a process computes for one run; for any threads.

    Parameters
    ----------
    folder : Path or None
        Where they are; None for temporary ones, which do not outlive an attempt.

    Attributes
    ----------
    refused : dict of Key to str
        Points that could get no folder, and why.
    warnings : tuple of str
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._over: set[str] = set()
        self.refused: dict[Key, str] = {}
        self.warnings: tuple[str, ...] = ()

    def take(self, key: Key) -> Attempt:
        """Give the folder of a point to an attempt.

        Raises
        ------
        StorageError
            If the disk refuses.
        """
        if self._folder is None:
            return Attempt(Path(tempfile.mkdtemp(prefix=_PREFIX)), self)
        path = self._folder / name_of(key)
        if self._folder.is_symlink():
            raise StorageError(f"{self._folder} is a link, and links are not followed: remove it")
        with files.told(path):
            try:
                return self._take(path)
            except FileNotFoundError:  # the first one; or a run that ended has removed the folder
                files.make_folder(self._folder)
                return self._take(path)

    def _take(self, path: Path) -> Attempt:
        descriptor = _locked(_lock_of(path))
        if descriptor == _NO_LOCKS:
            said = "no locks, so points that are killed begin at the beginning"
            self.warnings = (f"{path.parent} has {said}",)
        if descriptor < 0:
            path = path.with_name(files.temporary_name())
            disk.make_folder(path)
            return Attempt(path, self)
        try:
            if path.name in self._over:  # computed again: its first attempt had come to its end
                self._over.discard(path.name)
                _remove(path)
            begun = _begun(path)
        except BaseException:
            os.close(descriptor)
            raise
        return Attempt(path, self, descriptor, begun)

    def note_over(self, name: str) -> None:
        """Keep a checkpoint of a point that has returned until its values are on disk."""
        self._over.add(name)

    def forget(self, done: Iterable[Iterable[int]]) -> None:
        """Remove the checkpoints of points whose values are on disk."""
        if self._folder is None or not self._over:
            return
        for path in (self._folder / name_of(key) for key in done):
            if path.name in self._over:
                self._over.discard(path.name)
                with contextlib.suppress(OSError):  # `clean` finds it
                    remove(path)


class Attempt:
    """A point that is being computed, and its folder.

    Attributes
    ----------
    path : Path
    """

    def __init__(
        self, path: Path, store: Store, descriptor: int = -1, begun: _Signature | None = None
    ) -> None:
        self.path = path
        self._store, self._descriptor, self._begun = store, descriptor, begun
        self._pid = os.getpid()
        self._lock = os.fstat(descriptor) if descriptor >= 0 else None

    def end(self, *, has_raised: bool = False, is_cut_off: bool = False) -> None:
        """End with a value, with an error, or before the point came to its end."""
        if os.getpid() != self._pid:  # a copy of the process, which has no part in this
            return
        with contextlib.suppress(OSError):  # a full disk takes no name; the values count
            if self._descriptor < 0:
                _remove(self.path)
            elif _is_empty(self.path) or is_cut_off:
                pass
            elif not has_raised:
                self._store.note_over(self.path.name)
            elif self._begun and self._begun == _signature(self.path):
                _set_aside(self.path)
        self._unlock()

    def _unlock(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        with contextlib.suppress(OSError):
            # A function may close all files, and open others in their place.
            if self._lock is None or not os.path.samestat(self._lock, os.fstat(descriptor)):
                return
            try:
                if is_at(_lock_of(self.path), descriptor):
                    disk.unlink(_lock_of(self.path))
            finally:
                os.close(descriptor)


def _begun(path: Path) -> _Signature | None:
    """Make the folder of a point, or say what an earlier attempt has left there."""
    if os.path.lexists(path):
        if stat.S_ISDIR(path.lstat().st_mode):
            return _signature(path)
        _remove(path)  # a link or a file, which the point has put there
    disk.make_folder(path)
    return None


def _is_empty(path: Path) -> bool:
    """Remove the folder of a point if nothing is in it, and say whether nothing is."""
    try:
        disk.remove_folder(path)
    except FileNotFoundError:  # the point has removed it
        return True
    except OSError as error:
        if error.errno in _IS_NO_EMPTY_FOLDER:
            return False
        raise
    return True


def _signature(path: Path) -> _Signature:
    """What shows whether an attempt has written anything."""
    return frozenset((at, seen.st_mtime_ns, seen.st_size) for at, seen in _below(path))


def _below(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Find all that is in a folder, also while others remove it; links are not followed."""
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            at = os.path.join(folder, name)  # noqa: PTH118 - there may be 10^5
            with contextlib.suppress(OSError):
                yield at, os.lstat(at)


def _set_aside(path: Path) -> None:
    """Keep a checkpoint from the next attempt: the last one raised at it, and got no further."""
    aside = path.with_name(path.name + BAD_SUFFIX)
    if os.path.lexists(aside):
        _remove(aside)
    disk.replace(path, aside)


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + _LOCK)


def _locked(path: Path, patience_s: float = _LEASE_S) -> int:
    """Lock a file; return its descriptor, or that another attempt has it, or that none can.

    Wait for an attempt on another machine, which may be gone while the server keeps its locks.
    """
    here = b"%x" % claimants.machine()
    deadline = time.monotonic() + patience_s
    while True:
        try:
            descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
        except RefusedError:
            return _HELD
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, len(here) + 8, 0)
            os.close(descriptor)
            if holder in (here, b"") or time.monotonic() > deadline:
                return _HELD
            time.sleep(_LOOK_S)
            continue
        except OSError:
            os.close(descriptor)
            disk.unlink(path)
            return _NO_LOCKS
        if is_at(path, descriptor):
            with contextlib.suppress(OSError):  # a full disk; others then do not wait
                os.pwrite(descriptor, here, 0)
            return descriptor
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a checkpoint, unless an attempt is using it."""
    descriptor = _locked(_lock_of(path), 0.0)
    if descriptor >= 0:
        try:
            _remove(path)
            disk.unlink(_lock_of(path))
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a folder, or a link or a file in its place.

    It is renamed first: an attempt must not go on from what is removed in part.
    """
    if path.name.startswith(files.TEMPORARY_PREFIX) or path.name.startswith(_PREFIX):
        hidden = path
    else:
        hidden = path.with_name(files.temporary_name())
        try:
            disk.replace(path, hidden)
        except FileNotFoundError:
            return
    if hidden.is_symlink() or not hidden.is_dir():
        hidden.unlink(missing_ok=True)
        return
    shutil.rmtree(hidden, ignore_errors=True)
    if hidden.exists():  # folders in it may be read-only
        for at, _, _ in os.walk(hidden):
            with contextlib.suppress(OSError):
                Path(at).chmod(0o700)
        shutil.rmtree(hidden, ignore_errors=True)


def tidy(folder: Path, *, is_own: bool = False) -> None:
    """Remove the folder of a run's own checkpoints, and that of all where none is left."""
    if is_own:
        with contextlib.suppress(OSError):
            _remove(folder)
        folder = folder.parent
    with contextlib.suppress(OSError):
        disk.remove_folder(folder)


# ---- what is there


class Kept(NamedTuple):
    """A checkpoint on disk.

    Attributes
    ----------
    written_s : float
        When something was last written to it, in seconds since 1970.
    """

    path: Path
    n_bytes: int
    written_s: float

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.written_s))
        return f"a checkpoint of {size(self.n_bytes)}, from {when}: {self.path}"


def kept(memo: Path) -> list[Kept]:
    """List the checkpoints of points, whatever became of the points."""
    paths = [path for path in _entries(memo) if _is_of_point(path)]
    return [each for each in map(_measured, paths) if each is not None]


def said_of(memo: Path, key: Iterable[int]) -> str:
    """Describe the checkpoint of a point, or one that was set aside; empty if it has none."""
    path = place(memo) / name_of(key)
    aside = path.with_name(path.name + BAD_SUFFIX)
    if (found := _measured(path)) is not None:
        return str(found)
    found = _measured(aside)
    return "" if found is None else f"{found} (set aside, since the point raised at it)"


def _is_of_point(path: Path) -> bool:
    return len(path.name) == len(name_of((0, 0))) and not path.name.startswith(".")


def _measured(path: Path) -> Kept | None:
    """Measure a checkpoint; None where nothing is in it."""
    if path.is_symlink() or not path.is_dir():
        return None
    n_bytes, written_s, is_empty = 0, 0.0, True
    for _, seen in _below(path):
        is_empty = False
        n_bytes += seen.st_size if stat.S_ISREG(seen.st_mode) else 0
        written_s = max(written_s, seen.st_mtime)
    return None if is_empty else Kept(path, n_bytes, written_s)


def left_over(memo: Path, are_done: Callable[[list[Key]], list[bool]]) -> list[Path]:
    """List what no attempt goes on from, where no run goes on.

    Those of points that are done, those that were set aside, and what killed runs have left.
    """
    entries = _entries(memo)
    own = {path.name: path for path in entries if _is_of_point(path)}
    done = are_done([(int(name[:16], 16), int(name[16:], 16)) for name in own])
    over = {path for path, is_done in zip(own.values(), done, strict=True) if is_done}
    live = {name + _LOCK for name, path in own.items() if path not in over}
    return [p for p in entries if p in over or not (_is_of_point(p) or p.name in live)]


def _entries(memo: Path) -> list[Path]:
    """List what is in the folder; its own names only, which others may have put there."""
    folder = place(memo)
    if folder.is_symlink():
        return []
    try:
        names = disk.names(folder)
    except OSError:
        return []
    return sorted(folder / name for name in names if _NAME.fullmatch(name))
