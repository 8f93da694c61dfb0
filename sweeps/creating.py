"""An HDF5 file to write, on a disk that may be full and under a user who may press Ctrl-C."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import h5py


@contextmanager
def create(path: Path) -> Iterator[h5py.File]:
    """Create a file to write, which must not exist.

    Raises
    ------
    OSError
        With its ``errno``, at the end, if the disk did not take all.
    KeyboardInterrupt
        At the end, if it was pressed meanwhile; the file is whole then.
    """
    with _opened(path, "x+", "w", track_order=True) as file:
        yield file


@contextmanager
def extend(path: Path) -> Iterator[h5py.File]:
    """Open a file to add to it; it is a ruin after an error.

    Raises
    ------
    OSError, KeyboardInterrupt
        As `create` does.
    """
    with _opened(path, "r+", "r+") as file:
        yield file


@contextmanager
def _opened(path: Path, disk_mode: str, mode: str, **options: Any) -> Iterator[h5py.File]:
    with _signals_later(), _PatientFile(path, disk_mode) as disk:
        try:
            # 1.10 is the oldest HDF5 still met on clusters, and what netCDF-C itself writes.
            with h5py.File(disk, mode, libver=("earliest", "v110"), **options) as file:
                yield file
        finally:
            if disk.error is not None:
                raise disk.error


class _PatientFile(io.FileIO):
    """A file that keeps the first error of the disk until HDF5 is done with it.

    HDF5 does not survive being told of a full disk: closing the file after that is a segmentation
    fault (HDF5 2.0.0, with ENOSPC and EFBIG alike), or an error without a number. What was not
    written reads as zeros: HDF5 looks up the strings that it is about to replace.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest and self.error is None:
            try:
                rest = rest[super().write(rest) or 0 :]
            except OSError as error:
                self.error = error
        return len(data)

    def readinto(self, buffer: Any) -> int:
        n_read = super().readinto(buffer) or 0
        view = memoryview(buffer).cast("B")
        view[n_read:] = bytes(len(view) - n_read)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


@contextmanager
def _signals_later() -> Iterator[None]:
    """Hold signals back: raised in the methods above, they would look to HDF5 like a bad disk."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only
        return
    pending: list[int] = []

    def later(number: int, frame: FrameType | None) -> None:
        pending.append(number)

    held = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    held = {n: handler for n, handler in held.items() if callable(handler)}
    for number in held:
        signal.signal(number, later)
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for late in pending:
            signal.raise_signal(late)
