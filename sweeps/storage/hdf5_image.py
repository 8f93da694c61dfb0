"""A file of HDF5 in memory, whose large values stay where they are.

HDF5 is told of large values, but never sees them: they are put at the place that it has kept for
them. So they are copied nowhere: of 48 MB, BytesIO makes two copies.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import h5py
import numpy as np

from sweeps.storage import hdf5

_PAGE_BYTES = 2**16

Chunk = bytes | memoryview

Put = Callable[[h5py.Group, str, np.ndarray[Any, Any]], None]
"""Writes values into a group, under a name, as `h5.write` does."""


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
    """A file that takes no memory where nothing was written."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._at = 0
        self.n_bytes = 0

    def content(self, start: int, stop: int) -> bytes:
        """Bytes of a part of the file; zeros where nothing was written."""
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
    """Pages of a part of the file, what of each is in it, and which of its bytes these are."""
    at = start
    while at < stop:
        page, first = divmod(at, _PAGE_BYTES)
        end = min(stop, (page + 1) * _PAGE_BYTES)
        yield page, slice(first, first + end - at), slice(at - start, end - start)
        at = end
