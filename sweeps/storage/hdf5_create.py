"""An HDF5 file to write, on a disk that may be full and under a user who may press Ctrl-C."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import h5py

from sweeps.storage import disk


@contextmanager
def create(descriptor: int) -> Iterator[h5py.File]:
    """Make an HDF5 file in an open file, in the place of all that was in it.

    Raises
    ------
    OSError
        With its ``errno``, at the end, if the disk did not take all.
    KeyboardInterrupt
        At the end, if it was pressed meanwhile; the file is whole then.
    """
    disk.truncate(descriptor, 0)
    with _opened(descriptor, "w", track_order=True) as file:
        yield file


@contextmanager
def extend(descriptor: int) -> Iterator[h5py.File]:
    """Add to an HDF5 file; it is a ruin after an error.

    Raises
    ------
    OSError, KeyboardInterrupt
        As `create` does.
    """
    with _opened(descriptor, "r+") as file:
        yield file


@contextmanager
def _opened(descriptor: int, mode: str, **options: Any) -> Iterator[h5py.File]:
    with _signals_later(), _PatientFile(descriptor, "r+", closefd=False) as patient:
        patient.seek(0)
        try:
            # 1.10 is the oldest HDF5 still met on clusters, and what netCDF-C itself writes.
            with h5py.File(patient, mode, libver=("earliest", "v110"), **options) as file:
                yield file
        finally:
            if patient.error is not None:
                raise patient.error


class _PatientFile(io.FileIO):
    """A file that keeps the first error of the disk until HDF5 is done with it.

    HDF5 does not survive being told of a full disk: closing the file after that is a segmentation
    fault (HDF5 2.0.0, with ENOSPC and EFBIG alike), or an error without a number. What was not
    written reads as zeros: HDF5 looks up the strings that it is about to replace.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        self._ask(disk.write_all, data)
        return len(data)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        found = b""
        try:
            found = disk.read(self.fileno(), len(view))
        except OSError as error:
            self.error = self.error or error
        view[:] = found + bytes(len(view) - len(found))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        n_bytes = self.tell() if size is None else size
        self._ask(disk.truncate, n_bytes)
        return n_bytes

    def _ask(self, change: Callable[[int, Any], None], argument: Any) -> None:
        """Change the file, unless the disk has refused before."""
        if self.error is None:
            try:
                change(self.fileno(), argument)
            except OSError as error:
                self.error = error


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
