"""A digest of all that a file holds, behind its end, where readers of HDF5 let it be.

A program that opens the file to change it takes the seal away, since HDF5 cuts off what is behind
its own end: so a changed file is told from a damaged one.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from sweeps.errors import LaterFormatError
from sweeps.storage import disk

RESULTS = b"sweeps-results-1"

SEGMENT = b"sweeps-segment-1"

VALUE = b"sweeps-cached-1"
"""What ends a file, behind the digest: its kind, and the number of its format."""

_MAGICS = (RESULTS, SEGMENT, VALUE)

FORMAT = 1
"""The latest format that is known. A later one must end in its number, too."""

_FORMATS = re.compile(
    rb"sweeps-(?:results|segment)-([1-9]|[2-9][0-9]+)\Z"
)  # not 1 and a stray byte

_LONGEST = 24

DIGEST_BYTES = 32

QUICK_BYTES = 64 * 2**20
"""Files that are checked whenever they are read: that takes 40 ms at most."""

_CHUNK_BYTES = 2**20

_LARGE_BYTES = 8 * 2**20

_HEAD_BYTES = 64

_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_ENDS = {0: 40, 1: 44, 2: 28, 3: 28}  # version of the superblock: where it has the file's end

_FLAGS = {
    0: 20,
    1: 20,
    2: 11,
    3: 11,
}  # and where its flags, of which the first says "being written"


class Seal(NamedTuple):
    """What a file holds, and what stands behind it.

    Attributes
    ----------
    n_bytes : int
        Of the file, with the seal.
    digest : bytes
        SHA-256 of the content; empty where no seal stands behind it.
    behind : bytes
        As many last bytes as a seal takes.
    content : bytes
        What comes before, or the last of it: at most a chunk.
    """

    n_bytes: int
    digest: bytes
    behind: bytes
    content: bytes

    def is_whole(self, magic: bytes) -> bool:
        """Whether the file is what was sealed."""
        return self.behind == self.digest + magic


def sealed(content: Iterable[bytes | memoryview], magic: bytes) -> tuple[bytes, bytes]:
    """Make the digest of a content, given in pieces, and the seal to write behind it."""
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return digest.digest(), digest.digest() + magic


def look(path: Path, magic: bytes) -> Seal:
    """Read the seal of a file, and the whole file where there is one.

    It is read, not mapped into memory: a disk that fails under a map ends the process. What has no
    seal is not read: 20 GB take 20 s, and no digest tells anything of them.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    with _opened(path) as descriptor:
        n_bytes = os.fstat(descriptor).st_size
        behind = _last(descriptor, DIGEST_BYTES + len(magic))
        if not behind.endswith(_MAGICS):
            return Seal(n_bytes, b"", behind, b"")
        os.lseek(descriptor, 0, os.SEEK_SET)
        digest, last = _digest(descriptor, n_bytes - len(behind))
        return Seal(n_bytes, digest, disk.read(descriptor, len(behind) + 1), last)


def is_damaged(path: Path, magic: bytes) -> bool:
    """Whether an HDF5 file that is quick to check has something behind it that is no whole seal.

    Raises
    ------
    LaterFormatError
        For a file of a later format.
    OSError
        Where it cannot be read.
    """
    refuse_later(path)
    if path.stat().st_size > QUICK_BYTES:
        return False
    seen, end = look(path, magic), hdf5_end(path)
    is_sealed = seen.behind.endswith(magic) or end not in (None, seen.n_bytes)
    return is_sealed and not seen.is_whole(magic)


def later_format(path: Path) -> int | None:
    """Number of the format of a file, if it is later than any that is known.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    with _opened(path) as descriptor:
        said = _FORMATS.search(_last(descriptor, _LONGEST))
    number = FORMAT if said is None else int(said[1])
    return number if number > FORMAT else None


def refuse_later(path: Path) -> None:
    """Refuse a file of a later format: it is no damaged one.

    Raises
    ------
    LaterFormatError, OSError
    """
    if (number := later_format(path)) is not None:
        raise LaterFormatError.of(path, number, FORMAT)


def digest_of(path: Path) -> bytes:
    """Make the digest of all that is in a file."""
    with _opened(path) as descriptor:
        return _digest(descriptor, os.fstat(descriptor).st_size)[0]


def hdf5_end(path: Path) -> int | None:
    """Where HDF5 says that its file ends: there a program that changes it cuts off the seal.

    The superblock says so: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
    """
    head = _head(path)
    at = _ENDS.get(head[len(_SIGNATURE)]) if head else None
    return None if at is None else int.from_bytes(head[at : at + 8], "little")


def _head(path: Path) -> bytes:
    """Read the first bytes of an HDF5 file; none of what is no HDF5."""
    with _opened(path) as descriptor:
        head = disk.read(descriptor, _HEAD_BYTES)
    return head if len(head) == _HEAD_BYTES and head.startswith(_SIGNATURE) else b""


def is_being_written(path: Path) -> bool:
    """Whether some program has an HDF5 file open to change it, or died over that.

    HDF5 notes it in the file, and locks the file where it is not told to leave that.
    """
    head = _head(path)
    flags = _FLAGS.get(head[len(_SIGNATURE)]) if head else None
    if flags is not None and head[flags] & 1:
        return True
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no locks here
            return False
    return False


def held(path: Path, magic: bytes) -> bytes | None:
    """Read the digest that stands behind a file, without checking it.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    with _opened(path) as descriptor:
        return held_by(descriptor, magic)


def held_by(descriptor: int, magic: bytes) -> bytes | None:
    """Read the digest that stands behind an open file, as `held` does."""
    n_behind = DIGEST_BYTES + len(magic)
    behind = _last(descriptor, n_behind)
    is_sealed = len(behind) == n_behind and behind.endswith(magic)
    return behind[:DIGEST_BYTES] if is_sealed else None


def seal(descriptor: int, magic: bytes) -> bytes:
    """Write a seal behind what a file holds, and return the digest.

    The disk takes a large file meanwhile: what is left to flush then is the seal alone.
    """
    n_bytes = os.fstat(descriptor).st_size
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        flushing = pool.submit(disk.flush, descriptor) if n_bytes >= _LARGE_BYTES else None
        os.lseek(descriptor, 0, os.SEEK_SET)
        digest, _ = _digest(descriptor, n_bytes)
    if flushing is not None:
        flushing.result()
    disk.write_all(descriptor, digest + magic)
    return digest


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a file to read, and close it."""
    descriptor = disk.open_to_read(path)
    try:
        yield descriptor
    finally:
        disk.close(descriptor)


def _last(descriptor: int, n_bytes: int) -> bytes:
    """Read the last bytes of an open file, or all that it has; none of a pipe, which has no end."""
    found = os.fstat(descriptor)
    if not S_ISREG(found.st_mode):
        return b""
    os.lseek(descriptor, max(0, found.st_size - n_bytes), os.SEEK_SET)
    return disk.read(descriptor, n_bytes)


def _digest(descriptor: int, n_bytes: int) -> tuple[bytes, bytes]:
    """Digest the next bytes of a file, or those that there are; return the last chunk too."""
    digest, last = hashlib.sha256(), b""
    while n_bytes > 0 and (chunk := disk.read(descriptor, min(n_bytes, _CHUNK_BYTES))):
        digest.update(chunk)
        n_bytes -= len(chunk)
        last = chunk
    return digest.digest(), last
