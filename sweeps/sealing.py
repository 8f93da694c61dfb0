"""Sealing: a digest of all that a file holds, behind its end, where readers of HDF5 let it be.

A program that opens the file to change it takes the seal away, since HDF5 cuts off what is behind
its own end: so a changed file is told from a damaged one.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from sweeps import disk

DIGEST_BYTES = 32
_CHUNK_BYTES = 2**20
_LARGE_BYTES = 8 * 2**20


class Seal(NamedTuple):
    """What a file holds, and what stands behind it.

    Attributes
    ----------
    n_bytes : int
        Of the file, with the seal.
    digest : bytes
        SHA-256 of the content.
    behind : bytes
        As many last bytes as a seal takes.
    """

    n_bytes: int
    digest: bytes
    behind: bytes

    def is_whole(self, magic: bytes) -> bool:
        """Whether the file is what was sealed."""
        return self.behind == self.digest + magic


def sealed(content: bytes, magic: bytes) -> tuple[bytes, bytes]:
    """Make the digest of a content, and the seal to write behind it."""
    digest = hashlib.sha256(content).digest()
    return digest, digest + magic


def look(path: Path, magic: bytes) -> Seal:
    """Read a whole file and its seal.

    It is read, not mapped into memory: a disk that fails under a map ends the process.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    descriptor = disk.open_to_read(path)
    try:
        n_bytes = os.fstat(descriptor).st_size
        n_behind = min(n_bytes, DIGEST_BYTES + len(magic))
        digest = _digest(descriptor, n_bytes - n_behind)
        return Seal(n_bytes, digest, disk.read(descriptor, n_behind + 1))
    finally:
        disk.close(descriptor)


def seal(descriptor: int, magic: bytes) -> None:
    """Write a seal behind what a file holds.

    The disk takes a large file meanwhile: what is left to flush then is the seal alone.
    """
    n_bytes = os.fstat(descriptor).st_size
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        flushing = pool.submit(disk.flush, descriptor) if n_bytes >= _LARGE_BYTES else None
        os.lseek(descriptor, 0, os.SEEK_SET)
        digest = _digest(descriptor, n_bytes)
    if flushing is not None:
        flushing.result()
    disk.write_all(descriptor, digest + magic)


def _digest(descriptor: int, n_bytes: int) -> bytes:
    """Digest the next bytes of a file, or those that there are."""
    digest = hashlib.sha256()
    while n_bytes > 0 and (chunk := disk.read(descriptor, min(n_bytes, _CHUNK_BYTES))):
        digest.update(chunk)
        n_bytes -= len(chunk)
    return digest.digest()
