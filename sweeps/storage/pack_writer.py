"""Write packs: a worker appends the contents of its points to one, and flushes it at each commit.

A content is stored before the segment that names it. What the disk does not take fails the commit,
not the point.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from sweeps.errors import StorageError
from sweeps.storage import disk, files, packs

_MOST_BYTES = 2**30
"""A pack of this size gets no more contents."""

_FRESH_S = packs.SETTLED_S / 2
"""Nor does one to which nothing was appended for so long: others may merge it soon."""


def measured(content: bytes | Iterable[bytes]) -> tuple[int, str]:
    """Return the size and the digest of a content, whole or in pieces."""
    size, made = 0, hashlib.sha256()
    for piece in (content,) if isinstance(content, bytes) else content:
        made.update(piece)
        size += len(piece)
    return size, made.hexdigest()


class Writer:
    """The pack that this process writes, begun with its first content.

    Several threads may use it.

    Parameters
    ----------
    folder : Path
        Where the segments are that name the contents.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._path, self._descriptor = folder, -1
        self._end = self._flushed = 0
        self._last_s = 0.0
        self._known: set[str] = set()  # digests of what is in the pack
        self._error: StorageError | None = None
        self._n_errors, self._pid = 0, os.getpid()

    def add(self, content: bytes | Iterable[bytes]) -> tuple[int, str]:
        """Append a content, whole or in pieces, unless the pack has it; return size and digest."""
        if os.getpid() != self._pid:  # a copy that a point has made, which ends when that returns
            return measured(content)
        with self._lock, self._begun():
            if isinstance(content, bytes):
                made = hashlib.sha256(content)
                if made.hexdigest() not in self._known:
                    self._write(packs.head(len(content), made.digest()) + content)
                size = len(content)
            else:
                size, made = self._stream(content)
            if self._descriptor >= 0:
                self._known.add(made.hexdigest())
            return size, made.hexdigest()

    def _stream(self, content: Iterable[bytes]) -> tuple[int, hashlib._Hash]:
        start, size, made = self._end, 0, hashlib.sha256()
        self._write(bytes(packs.HEAD_BYTES))
        for piece in content:
            made.update(piece)
            size += len(piece)
            self._write(piece)
        if made.hexdigest() in self._known:
            self._cut(start)
        elif self._descriptor >= 0:
            os.lseek(self._descriptor, start, os.SEEK_SET)
            end, self._end = self._end, start
            self._write(packs.head(size, made.digest()))
            self._end = end
            if self._descriptor >= 0:
                os.lseek(self._descriptor, end, os.SEEK_SET)
        return size, made

    def begin(self) -> int:
        """Return what `commit` must be given: how often the disk has failed so far."""
        return self._n_errors

    def commit(self, n_errors: int) -> None:
        """Make all contents survive a power cut.

        Raises
        ------
        StorageError
            If the disk has not taken all of them since `begin` returned `n_errors`.
        """
        with self._lock:
            self._secure()
            if self._descriptor >= 0 and self._end > self._flushed:
                try:
                    self._flush(self._descriptor)
                except OSError as error:
                    self._fail(error)
            if self._error is not None and self._n_errors != n_errors:
                raise StorageError(str(self._error)) from self._error

    @contextlib.contextmanager
    def _begun(self) -> Iterator[None]:
        """Have a pack to append to; a content that cannot be read leaves nothing in it."""
        is_old = time.monotonic() - self._last_s > _FRESH_S or self._end > _MOST_BYTES
        self._secure()
        if self._descriptor < 0 or (is_old and self._end == self._flushed):
            self._leave()
            self._open()
        self._last_s, start = time.monotonic(), self._end
        try:
            yield
        except BaseException:
            self._cut(start)
            raise

    def _open(self) -> None:
        path = packs.new_path(self._folder)
        try:
            files.make_folder(self._folder)
            self._descriptor = disk.create(path)
            self._path = path
        except (OSError, StorageError) as error:
            self._fail(error)

    def _flush(self, descriptor: int) -> None:
        disk.flush(descriptor)
        if not self._flushed:
            disk.flush_folder(self._folder)
        self._flushed = self._end

    def _is_ours(self) -> bool:
        """Whether the pack still has its name, and our descriptor is still its own."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def _secure(self) -> None:
        """Leave a pack whose descriptor a point has closed, or that somebody has taken away.

        What was appended since the last commit is flushed by its name.
        """
        if self._descriptor < 0 or self._is_ours():
            return
        if self._end > self._flushed:
            try:
                other = disk.open_to_read(self._path)
                try:
                    self._flush(other)
                finally:
                    disk.close(other)
            except OSError as error:
                self._fail(error)
        self._leave()

    def _write(self, data: bytes) -> None:
        if self._descriptor < 0:
            return
        try:
            disk.write_all(self._descriptor, data)
            self._end += len(data)
        except OSError as error:
            self._fail(error)

    def _cut(self, end: int) -> None:
        """Take back what was appended since."""
        if self._descriptor < 0:
            return
        try:
            disk.truncate(self._descriptor, end)
            os.lseek(self._descriptor, end, os.SEEK_SET)
            self._end = end
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError | StorageError) -> None:
        """Note an error, and never append to this pack again."""
        if not isinstance(error, StorageError):
            error = files.storage_error(self._path, error)
        self._error = error
        self._n_errors += 1
        if self._descriptor >= 0 and self._is_ours():
            with contextlib.suppress(OSError):
                disk.truncate(self._descriptor, self._flushed)
        self._leave()

    def _leave(self) -> None:
        """Close the pack; one without any committed content goes."""
        descriptor, self._descriptor = self._descriptor, -1
        is_ours = False
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                is_ours = os.path.samestat(self._path.stat(), os.fstat(descriptor))
            if is_ours and not self._flushed:
                with contextlib.suppress(OSError):
                    disk.unlink(self._path)
            if is_ours:
                with contextlib.suppress(OSError):
                    disk.close(descriptor)
        self._end = self._flushed = 0
        self._known.clear()

    def __del__(self) -> None:
        """Leave nothing behind, in the process that wrote it, unless that ends: modules go then."""
        if sys is not None and not sys.is_finalizing() and os.getpid() == self._pid:
            self._leave()
