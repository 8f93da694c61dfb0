"""Scratch: the temporary folder of a run, and the removal of those that killed runs left.

A run keeps a file in its folder locked while it lives; the kernel unlocks it however the run dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "sweeps-run-"

_LOCK = "lock"

_SHARED = Path("/dev/shm")
"""Where Linux keeps semaphores, and joblib large arrays."""

_OF_PROCESS = ("sem.loky-{}-*", "joblib_memmapping_folder_{}_*")


class Scratch:
    """A new folder for this run; those of runs that were killed are removed.

    Attributes
    ----------
    path : Path
    """

    def __init__(self) -> None:
        _remove_abandoned()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _locked(self.path)

    def remove(self) -> None:
        """Remove it, with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(folder: Path) -> int | None:
    """Lock a folder; one that cannot be locked has no such file, and is left alone by others."""
    new = folder / f"{_LOCK}.new"
    lock = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(lock, str(os.getpid()).encode())
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(folder / _LOCK)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove_abandoned() -> None:
    """Remove what killed runs of this user left here: folders, semaphores, arrays of joblib."""
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        folders = [Path(entry) for entry in entries if entry.name.startswith(_PREFIX)]
        for folder in folders:
            with contextlib.suppress(OSError), _abandoned(folder) as pid:
                for each in {pid, *_workers(folder)}:
                    _remove_shared(each)
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _abandoned(folder: Path) -> Iterator[int]:
    """Hold on to a folder whose run is dead, and say which process that was.

    Raises
    ------
    OSError
        For one whose run lives, which is another user's, or which nobody has locked.
    """
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise OSError(f"{folder} is not ours")
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        said = os.read(lock, 20)
        yield int(said) if said.isdigit() else 0
    finally:
        os.close(lock)


def _workers(folder: Path) -> Iterator[int]:
    """Worker processes of a run, which have files that are named after them."""
    return (int(path.stem) for path in folder.glob("*.flight") if path.stem.isdigit())


def _remove_shared(pid: int) -> None:
    """Remove what a process that is no more has left in shared memory and the temporary folder."""
    if not pid or _is_alive(pid):  # another process has its number now
        return
    for place in (_SHARED, Path(tempfile.gettempdir())):
        for pattern in _OF_PROCESS:
            for path in place.glob(pattern.format(pid)):
                with contextlib.suppress(OSError):
                    if path.lstat().st_uid != os.geteuid():
                        continue
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
