"""A folder of a point's own, which is removed at its end however that is."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sweeps.programs.inputs import PRINTED
from sweeps.storage.files import PROGRAM, scratch_folder

_PREFIX = "sweeps-program-"

_MODE = 0o700

_number = itertools.count()


_free: dict[tuple[int, Path], list[str]] = {}
"""Empty folders of a process in a run."""


@contextlib.contextmanager
def new() -> Iterator[str]:
    """Give an empty folder, for as long as a program runs and is read.

    In a run it is in the run's temporary folder: where a worker is killed, the run removes it. At
    the end it is emptied for the next point: to make and remove one takes 2.6 ms on ext4 that
    discards blocks, and a question and an answer each on NFS.
    """
    place = scratch_folder()
    free = [] if place is None else _free.setdefault((os.getpid(), place), [])
    try:
        folder = free.pop()
    except IndexError:
        folder = _made(place)
    try:
        yield folder
    finally:
        if place is not None and _is_emptied(folder):
            free.append(folder)
        else:
            shutil.rmtree(folder, onerror=_permit)


def _made(place: Path | None) -> str:
    if place is not None:
        path = f"{place}/{os.getpid()}-{next(_number)}{PROGRAM}"
        with contextlib.suppress(FileNotFoundError):  # the run is over
            os.mkdir(path, _MODE)  # noqa: PTH102 - for each point
            return path
    return tempfile.mkdtemp(prefix=_PREFIX)


def _is_emptied(folder: str) -> bool:
    """Remove the files in a folder; say whether it is as new, and not one with folders in it."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name in PRINTED and _is_plain(entry.stat(follow_symlinks=False)):
                    continue  # to remove one and make it again takes 70 us
                os.unlink(entry.path)  # noqa: PTH108
        mode = os.lstat(folder).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and stat.S_IMODE(mode) == _MODE


def _is_plain(told: os.stat_result) -> bool:
    """Say whether a file is as the start of a program makes it, and empty."""
    return told.st_mode == stat.S_IFREG | 0o600 and told.st_size == 0 and told.st_nlink == 1


def _permit(remove: object, path: str, error: object) -> None:
    """Remove what a program has made unwritable."""
    with contextlib.suppress(OSError):
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink()
