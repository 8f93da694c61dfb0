"""A folder of a point's own, which is removed at its end however that is."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import tempfile
from pathlib import Path

from sweeps.programs.inputs import PRINTED
from sweeps.storage.files import PROGRAM, scratch_folder

_PREFIX = "sweeps-program-"

_MODE = 0o700

_SHORT_BYTES = 2**16

_number = itertools.count()


_free: dict[tuple[int, Path], list[str]] = {}
"""Empty folders of a process in a run."""


def take() -> str:
    """Give an empty folder, for as long as a program runs and is read.

    In a run it is in the run's temporary folder: where a worker is killed, the run removes it.
    """
    place = scratch_folder()
    if place is not None:
        with contextlib.suppress(IndexError):
            return _free_in(place).pop()
    return _made(place)


def give_back(folder: str, *, is_let_go: bool) -> None:
    """Empty a folder for the next point, or remove it.

    To make and remove one takes 2.6 ms on ext4 that discards blocks, and a question and an answer
    each on NFS.

    Parameters
    ----------
    is_let_go : bool
        Whether nothing here holds on to the content of its files.
    """
    place = scratch_folder()
    if place is not None and _is_emptied(folder, is_let_go):
        _free_in(place).append(folder)
    else:
        shutil.rmtree(folder, onerror=_permit)


def _free_in(place: Path) -> list[str]:
    return _free.setdefault((os.getpid(), place), [])


def _made(place: Path | None) -> str:
    if place is not None:
        path = f"{place}/{os.getpid()}-{next(_number)}{PROGRAM}"
        with contextlib.suppress(FileNotFoundError):  # the run is over
            os.mkdir(path, _MODE)  # noqa: PTH102 - for each point
            return path
    return tempfile.mkdtemp(prefix=_PREFIX)


def _is_emptied(folder: str, is_let_go: bool) -> bool:
    """Remove the files in a folder; say whether it is as new, and not one with folders in it."""
    try:
        for name in os.listdir(folder):  # noqa: PTH208 - for each point
            path = f"{folder}/{name}"
            if not (name in PRINTED and _is_blank(path, is_let_go)):
                os.unlink(path)  # noqa: PTH108
        mode = os.lstat(folder).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and stat.S_IMODE(mode) == _MODE


def _is_blank(path: str, is_let_go: bool) -> bool:
    """Empty what a program has printed, if it is short; say whether it is as a start makes it.

    To remove a file and make it again takes 0.15 ms of a core on ext4, which does not use the
    number of a removed file again at once, and looks at all of them. A file that was emptied is
    closed before it is written to: else ext4 and btrfs write it to the disk when it is closed.
    """
    told = os.lstat(path)
    if told.st_mode != stat.S_IFREG | 0o600 or told.st_nlink != 1:
        return False
    if told.st_size:
        if not is_let_go or told.st_size > _SHORT_BYTES:
            return False
        os.close(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW))
    return True


def _permit(remove: object, path: str, error: object) -> None:
    """Remove what a program has made unwritable."""
    with contextlib.suppress(OSError):
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink()
