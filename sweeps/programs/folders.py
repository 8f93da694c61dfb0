"""A folder of a point's own, which is removed at its end however that is."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sweeps.storage.files import PROGRAM, scratch_folder

_PREFIX = "sweeps-program-"

_number = itertools.count()


@contextlib.contextmanager
def new() -> Iterator[str]:
    """Make a folder, for as long as a program runs and is read.

    In a run it is in the run's temporary folder: where a worker is killed, the run removes it.
    """
    folder = _made()
    try:
        yield folder
    finally:
        _remove(folder)


def _made() -> str:
    place = scratch_folder()
    if place is not None:
        path = f"{place}/{os.getpid()}-{next(_number)}{PROGRAM}"
        with contextlib.suppress(FileNotFoundError):  # the run is over
            os.mkdir(path, 0o700)  # noqa: PTH102 - for each point
            return path
    return tempfile.mkdtemp(prefix=_PREFIX)


def _remove(folder: str) -> None:
    """Remove a folder: first as if it held files only, which takes a third of the time."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                os.unlink(entry.path)  # noqa: PTH108
        os.rmdir(folder)  # noqa: PTH106
    except OSError:
        shutil.rmtree(folder, onerror=_permit)


def _permit(remove: object, path: str, error: object) -> None:
    """Remove what a program has made unwritable."""
    with contextlib.suppress(OSError):
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        if Path(path).is_dir() and not Path(path).is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            Path(path).unlink()
