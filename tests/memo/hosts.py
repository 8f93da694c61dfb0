"""Machines that share a folder over a network, as files look from each of them.

A host remembers what it has read of a file, and keeps what it writes, as an NFS client does: others
see it after a flush, an unlock or the close; it sees what others wrote after it opens or locks the
file anew. Names, locks and times are the server's, and known to all at once.
"""

import contextlib
import fcntl
import os
import types
from pathlib import Path

REAL = types.SimpleNamespace(
    **{name: getattr(os, name) for name in ("open", "close", "pread", "pwrite", "fstat", "fsync")},
    ftruncate=os.ftruncate,
    flock=fcntl.flock,
)


class Hosts:
    """Replaces calls of files in one folder; `at` says which host makes them."""

    def __init__(self, monkeypatch, folder):
        self.now = 1
        self._folder = str(folder)
        self._descriptors = {}  # each with the host and the file
        self._known = {}  # what each host has of a file, and its changes
        for name in vars(REAL):
            monkeypatch.setattr(fcntl if name == "flock" else os, name, getattr(self, name))
        monkeypatch.setattr("sweeps.memo.claimants.machine", lambda: self.now)

    @contextlib.contextmanager
    def at(self, host):
        before, self.now = self.now, host
        try:
            yield
        finally:
            self.now = before

    def open(self, path, *arguments, **options):
        descriptor = REAL.open(path, *arguments, **options)
        if str(path).startswith(self._folder) and Path(path).is_file():
            at = self._descriptors[descriptor] = self.now, REAL.fstat(descriptor).st_ino
            self._flush(descriptor)
            self._known.pop(at, None)
        return descriptor

    def close(self, descriptor):
        self._flush(descriptor)
        self._descriptors.pop(descriptor, None)
        REAL.close(descriptor)

    def pread(self, descriptor, n_bytes, start):
        return bytes(self._file(descriptor)[0][start : start + n_bytes])

    def pwrite(self, descriptor, data, start):
        content, changes = self._file(descriptor)
        content.extend(bytes(max(0, start + len(data) - len(content))))
        content[start : start + len(data)] = data
        changes.append((start, data))
        return len(data)

    def fstat(self, descriptor):
        found = REAL.fstat(descriptor)
        if descriptor not in self._descriptors:
            return found
        names = ("st_mode", "st_mtime_ns", "st_dev", "st_ino", "st_nlink")
        size = len(self._file(descriptor)[0])
        return types.SimpleNamespace(st_size=size, **{n: getattr(found, n) for n in names})

    def ftruncate(self, descriptor, n_bytes):
        self._flush(descriptor)
        REAL.ftruncate(descriptor, n_bytes)
        self._known.pop(self._descriptors.get(descriptor), None)

    def fsync(self, descriptor):
        self._flush(descriptor)
        REAL.fsync(descriptor)

    def flock(self, file, operation):
        descriptor = file if isinstance(file, int) else file.fileno()
        self._flush(descriptor)
        REAL.flock(descriptor, operation)
        self._known.pop(self._descriptors.get(descriptor), None)

    def _file(self, descriptor):
        at = self._descriptors[descriptor]
        if at not in self._known:
            content = REAL.pread(descriptor, REAL.fstat(descriptor).st_size, 0)
            self._known[at] = bytearray(content), []
        return self._known[at]

    def _flush(self, descriptor):
        _, changes = self._known.get(self._descriptors.get(descriptor), (None, []))
        for start, data in changes:
            REAL.pwrite(descriptor, data, start)
        changes.clear()
