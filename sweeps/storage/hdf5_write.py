"""HDF5 files to write: on a disk, which may be full, and in memory.

In memory, HDF5 only reserves space for large values; we put them there. So nothing copies them: of
48 MB, BytesIO makes two copies.
"""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import h5py
import numpy as np

from sweeps.storage import disk, hdf5

_PAGE_BYTES = 2**16

Chunk = bytes | memoryview

Put = Callable[[h5py.Group, str, np.ndarray[Any, Any]], None]
"""Writes values into a group, under a name, as `hdf5.write` does."""


@contextmanager
def create(descriptor: int, n_kept: int = 0) -> Iterator[h5py.File]:
    """Make an HDF5 file in an open file; what was in it is replaced.

    The first `n_kept` bytes stay where HDF5 reserves space and writes nothing.

    Raises
    ------
    OSError
        At the end, with its ``errno``, if the disk did not take everything.
    KeyboardInterrupt
        At the end, if Ctrl-C was pressed meanwhile; the file is whole then.
    """
    disk.truncate(descriptor, n_kept)
    with _opened(descriptor, "w", n_kept, track_order=True) as file:
        yield file


@contextmanager
def extend(descriptor: int) -> Iterator[h5py.File]:
    """Add to an HDF5 file; after an error it is unusable."""
    with _opened(descriptor, "r+") as file:
        yield file


@contextmanager
def _opened(descriptor: int, mode: str, n_kept: int = 0, **options: Any) -> Iterator[h5py.File]:
    with _signals_later(), _PatientFile(descriptor, "r+", closefd=False) as patient:
        if n_kept:
            patient.keep(n_kept)
        patient.seek(0)
        try:
            with h5py.File(patient, mode, libver=hdf5.LIBVER, **options) as file:
                yield file
        finally:
            if patient.error is not None:
                raise patient.error


class _PatientFile(io.FileIO):
    """A file that keeps the first error of the disk until HDF5 has closed it.

    HDF5 does not survive an error of a full disk: closing the file afterwards is a segmentation
    fault (HDF5 2.0.0, with ENOSPC and with EFBIG), or an error without a number. What was not
    written reads as zeros, because HDF5 reads the strings that it is about to replace.
    """

    error: OSError | None = None
    n_kept = 0  # bytes that stay, however short HDF5 makes the file meanwhile
    _end: int | None = None  # of the file, for HDF5, which makes a new one only in an empty file

    def keep(self, n_bytes: int) -> None:
        """Have HDF5 take the file for an empty one; the first bytes stay."""
        self.n_kept, self._end = n_bytes, 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and self._end is not None:
            return super().seek(self._end + offset)
        return super().seek(offset, whence)

    def write(self, data: Any) -> int:
        if self._end is not None:
            self._end = max(self._end, self.tell() + len(data))
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
        if self._end is not None:
            self._end = n_bytes
        self._ask(disk.truncate, max(n_bytes, self.n_kept))
        return n_bytes

    def _ask(self, change: Callable[[int, Any], None], argument: Any) -> None:
        """Change the file, unless an earlier change failed."""
        if self.error is None:
            try:
                change(self.fileno(), argument)
            except OSError as error:
                self.error = error


@contextmanager
def _signals_later() -> Iterator[None]:
    """Hold signals back: raised in the methods above, HDF5 would take them for disk errors."""
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


Shape = tuple[tuple[int, ...], np.dtype[Any]]
"""Of a dataset, and the dtype of its values."""


def reserve(file: h5py.File, shapes: Sequence[Shape]) -> list[h5py.Dataset]:
    """Reserve the space of datasets before all else in a new file; they have no names yet.

    The same shapes have the same places in each file.
    """
    return [hdf5.reserve(file, None, shape, hdf5.storage(dtype)[0]) for shape, dtype in shapes]


def offsets(shapes: Sequence[Shape]) -> list[int]:
    """Return where datasets are in a file in which they are reserved."""
    with h5py.File(_Memory(), "w", libver=hdf5.LIBVER, track_order=True) as file:
        return [dataset.id.get_offset() for dataset in reserve(file, shapes)]


def image(build: Callable[[h5py.File, Put], None]) -> list[Chunk]:
    """Build a file in memory and return its content, in pieces.

    The values must stay as they are until the pieces are written.
    """
    memory, left_out = _Memory(), dict[int, np.ndarray[Any, Any]]()

    def put(group: h5py.Group, name: str, values: np.ndarray[Any, Any]) -> None:
        stored, attributes = hdf5.encode(values)
        if stored.dtype.kind == "O" or stored.nbytes < _PAGE_BYTES:
            hdf5.write(group, name, values)
            return
        dataset = hdf5.reserve(group, name, stored.shape, stored.dtype)
        dataset.attrs.update(attributes)
        left_out[dataset.id.get_offset()] = np.ascontiguousarray(stored)

    with h5py.File(memory, "w", libver=hdf5.LIBVER, track_order=True) as file:
        build(file, put)
    return list(_joined(memory, sorted(left_out.items())))


def _joined(
    memory: _Memory, left_out: Sequence[tuple[int, np.ndarray[Any, Any]]]
) -> Iterator[Chunk]:
    end = 0
    for start, values in left_out:
        yield memory.content(end, start)
        yield values.reshape(-1).view(np.uint8).data
        end = start + values.nbytes
    yield memory.content(end, memory.n_bytes)


class _Memory(io.RawIOBase):
    """A sparse file in memory: it takes no memory where nothing was written."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._at = 0
        self.n_bytes = 0

    def content(self, start: int, stop: int) -> bytes:
        """Return some bytes of the file; zeros where nothing was written."""
        found = bytearray(stop - start)
        for page, within, here in _pieces(start, stop):
            if page in self._pages:
                found[here] = self._pages[page][within]
        return bytes(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.n_bytes}
        self._at = before[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view[:] = self.content(self._at, self._at + len(view))
        self._at += len(view)
        return len(view)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for page, within, here in _pieces(self._at, self._at + len(view)):
            self._pages.setdefault(page, bytearray(_PAGE_BYTES))[within] = view[here]
        self._at += len(view)
        self.n_bytes = max(self.n_bytes, self._at)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self.n_bytes = self._at if size is None else size
        return self.n_bytes


def _pieces(start: int, stop: int) -> Iterator[tuple[int, slice, slice]]:
    """Cut a range of bytes at pages: each page, the bytes of the page, and those of the range."""
    at = start
    while at < stop:
        page, first = divmod(at, _PAGE_BYTES)
        end = min(stop, (page + 1) * _PAGE_BYTES)
        yield page, slice(first, first + end - at), slice(at - start, end - start)
        at = end
