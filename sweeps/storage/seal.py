"""The seal: a digest of a file behind its end, where readers of HDF5 ignore it.

A program that opens the file to change it removes the seal, because HDF5 cuts off what is behind
its own end. So a changed file can be told from a damaged one.

The digest of a results file is a SHA-256 of the SHA-256 of each MiB of it, which all cores make
together, since one takes 1.5 s for 1.3 GB. Any other file has a SHA-256 of its bytes. The digest of
a file whose values were written in place leaves out their stretches, and counts the table of the
checks of their points, which stands before it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from sweeps.errors import LaterFormatError
from sweeps.storage import disk

if TYPE_CHECKING:
    from sweeps.storage.stretches import Stretch

RESULTS = b"sweeps-results-2"

IN_PLACE = b"sweeps-inplace-2"
"""Of a results file that has values which were written in place."""

SEGMENT = b"sweeps-segment-1"

PLACED = b"sweeps-segment-2"
"""Of a segment that says where values are in a draft."""

VALUE = b"sweeps-cached-1"
"""The last bytes of a file, behind the digest: its kind and the number of its format."""

_EARLIER_IN_PLACE = b"sweeps-inplace-1"

_OF_RESULTS = (RESULTS, IN_PLACE, b"sweeps-results-1", _EARLIER_IN_PLACE)

_KINDS = {RESULTS: _OF_RESULTS, SEGMENT: (SEGMENT, PLACED), VALUE: (VALUE,)}
"""What is taken for each kind: values in place or not, and earlier formats."""

_MAGICS = tuple(itertools.chain(*_KINDS.values()))

FORMAT = 2
"""The latest known format. Later ones must end in their number, too."""

# Not 1 or 2 and a stray byte.
_FORMATS = re.compile(rb"sweeps-(?:results|inplace|segment)-([1-9]|[3-9][0-9]+)\Z")

_LONGEST = 24

DIGEST_BYTES = 32

_LENGTH_BYTES = 8
"""Of the length of the table."""

QUICK_BYTES = 64 * 2**20
"""Smaller files are checked at each reading, which takes 40 ms at most."""

PIECE_BYTES = 2**20
"""Of the pieces of a results file that have a SHA-256 each; part of the format."""

_AT_ONCE = 256
"""Pieces that threads are given at a time: whoever interrupts waits for no more."""

_LARGE_BYTES = 8 * 2**20

_HEAD_BYTES = 64

_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_ENDS = {0: 40, 1: 44, 2: 28, 3: 28}  # version of the superblock: where it has the file's end

_FLAGS = {0: 20, 1: 20, 2: 11, 3: 11}  # and its flags, of which the first is "being written"


class Seal(NamedTuple):
    """The content of a file in short, and the bytes behind it.

    Attributes
    ----------
    n_bytes : int
        Of the file, with the seal.
    digest : bytes
        Of the content; empty if there is no seal.
    behind : bytes
        The last bytes, as many as a seal takes.
    content : bytes
        The end of the content of a segment: at most a chunk.
    damaged : tuple of int
        Which points have values in place that are not as they were written.
    """

    n_bytes: int
    digest: bytes
    behind: bytes
    content: bytes
    damaged: tuple[int, ...] = ()

    @property
    def is_of_results(self) -> bool:
        """Whether it is the seal of a results file."""
        return self.behind.endswith(_OF_RESULTS)

    def is_whole(self, magic: bytes) -> bool:
        """Whether the file is what was sealed."""
        return self.is_readable(magic) and not self.damaged

    def is_readable(self, magic: bytes) -> bool:
        """Whether all is what was sealed but, perhaps, some values that were written in place."""
        return self.behind in [self.digest + each for each in _KINDS[magic]]


def sealed(content: Iterable[bytes | memoryview], magic: bytes) -> tuple[bytes, bytes]:
    """Make the digest of a segment, given in pieces, and the seal to append."""
    digest, _ = _sha256(content)
    return digest, digest + magic


def look(path: Path, magic: bytes) -> Seal:
    """Read the seal of a file, and the whole file if it has one.

    It is read, not mapped into memory: a disk that fails under a map ends the process. A file
    without a seal is not read: 20 GB take 20 s, and there is no digest to compare.
    """
    with _opened(path) as descriptor:
        n_bytes = os.fstat(descriptor).st_size
        behind = _last(descriptor, DIGEST_BYTES + len(magic))
        kind = next(filter(behind.endswith, _MAGICS), None)
        if kind is None:
            return Seal(n_bytes, b"", behind, b"")
        n_content = n_bytes - len(behind)
        if kind in (IN_PLACE, _EARLIER_IN_PLACE):
            return _look_around(descriptor, n_content, behind, kind)
        digest, last = _digest(descriptor, [(0, n_content)], kind)
        more = disk.chunks(descriptor, n_content, n_bytes + 1)  # one byte, if it has grown
        return Seal(n_bytes, digest, b"".join(more), last)


def _look_around(descriptor: int, n_content: int, behind: bytes, kind: bytes) -> Seal:
    """Read the seal of a file with values in place, and check each of them."""
    from sweeps.storage import stretches  # which few files need

    n_bytes = n_content + len(behind)
    n_each = stretches.CHECK_BYTES if kind == IN_PLACE else stretches.EARLIER_BYTES
    length = disk.read_at(descriptor, _LENGTH_BYTES, max(0, n_content - _LENGTH_BYTES))
    start = n_content - _LENGTH_BYTES - int.from_bytes(length, "little")
    try:
        table = disk.read_at(descriptor, n_content - _LENGTH_BYTES - start, max(0, start))
        placed = stretches.decode(table, n_each)
    except (ValueError, TypeError, MemoryError, OverflowError, RecursionError):
        return Seal(n_bytes, b"", behind, b"")
    digest, _ = _digest(descriptor, _around(n_content, placed), kind)
    if behind != digest + kind:  # the table may be anything
        return Seal(n_bytes, digest, behind, b"")
    bad = (stretches.damaged(descriptor, own, range(len(own.checks))) for own in placed)
    return Seal(n_bytes, digest, behind, b"", tuple(sorted({*itertools.chain(*bad)})))


def _around(n_bytes: int, placed: Sequence[Stretch]) -> Iterator[tuple[int, int]]:
    """Yield the parts of the first bytes of a file between stretches: start and end."""
    at = 0
    for start, end in [*sorted((s.offset, s.end) for s in placed), (n_bytes, n_bytes)]:
        if at < min(start, n_bytes):
            yield at, min(start, n_bytes)
        at = max(at, end)


def is_damaged(path: Path, magic: bytes) -> bool:
    """Whether a small HDF5 file is followed by something that is not a right seal."""
    refuse_later(path)
    if path.stat().st_size > QUICK_BYTES:
        return False
    seen, end = look(path, magic), hdf5_end(path)
    is_sealed = seen.behind.endswith(_KINDS[magic]) or end not in (None, seen.n_bytes)
    return is_sealed and not seen.is_whole(magic)


def later_format(path: Path) -> int | None:
    """Return the number of the format of a file if it is later than the known ones."""
    with _opened(path) as descriptor:
        said = _FORMATS.search(_last(descriptor, _LONGEST))
    number = FORMAT if said is None else int(said[1])
    return number if number > FORMAT else None


def refuse_later(path: Path) -> None:
    """Refuse a file of a later format, which is not damaged."""
    if (number := later_format(path)) is not None:
        raise LaterFormatError.of(path, number, FORMAT)


def digests_of(path: Path) -> Iterator[bytes]:
    """Make the digests that a seal of a whole file may have had, as a segment and as results."""
    with _opened(path) as descriptor:
        for magic in (SEGMENT, RESULTS):
            yield _digest(descriptor, [(0, os.fstat(descriptor).st_size)], magic)[0]


def hdf5_end(path: Path) -> int | None:
    """Return where the HDF5 content ends: a program that changes the file cuts it there.

    The superblock gives it: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
    """
    head = _head(path)
    at = _ENDS.get(head[len(_SIGNATURE)]) if head else None
    return None if at is None else int.from_bytes(head[at : at + 8], "little")


def _head(path: Path) -> bytes:
    """Read the first bytes of a file; none if it is not HDF5."""
    with _opened(path) as descriptor:
        head = disk.read(descriptor, _HEAD_BYTES)
    return head if len(head) == _HEAD_BYTES and head.startswith(_SIGNATURE) else b""


def is_being_written(path: Path) -> bool:
    """Whether a program has an HDF5 file open to change it, or died doing so.

    HDF5 marks and locks such a file, unless locks are switched off.
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
    """Read the digest behind a file without checking it."""
    with _opened(path) as descriptor:
        return held_by(descriptor, magic)


def held_by(descriptor: int, magic: bytes) -> bytes | None:
    """Read the digest behind an open file, as `held` does."""
    n_behind = DIGEST_BYTES + len(magic)
    behind = _last(descriptor, n_behind)
    is_sealed = len(behind) == n_behind and behind.endswith(_KINDS[magic])
    return behind[:DIGEST_BYTES] if is_sealed else None


def seal(descriptor: int, magic: bytes) -> bytes:
    """Append a seal to a file; return the digest.

    A large file is flushed meanwhile, so that only the seal is left to flush.
    """
    n_bytes = os.fstat(descriptor).st_size
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        flushing = pool.submit(disk.flush, descriptor) if n_bytes >= _LARGE_BYTES else None
        digest, _ = _digest(descriptor, [(0, n_bytes)], magic)
    if flushing is not None:
        flushing.result()
    os.lseek(descriptor, 0, os.SEEK_END)
    disk.write_all(descriptor, digest + magic)
    return digest


def seal_around(descriptor: int, placed: Sequence[Stretch]) -> bytes:
    """Append a seal to a file with values in place, whose checks are known; return the digest."""
    from sweeps.storage import stretches

    n_bytes = os.fstat(descriptor).st_size
    table = stretches.encode(placed)
    os.lseek(descriptor, n_bytes, os.SEEK_SET)
    disk.write_all(descriptor, table + len(table).to_bytes(_LENGTH_BYTES, "little"))
    n_content = n_bytes + len(table) + _LENGTH_BYTES
    digest, _ = _digest(descriptor, _around(n_content, placed), IN_PLACE)
    os.lseek(descriptor, 0, os.SEEK_END)
    disk.write_all(descriptor, digest + IN_PLACE)
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
    """Read the last bytes of an open file, or all if it has fewer; none of a pipe."""
    found = os.fstat(descriptor)
    if not S_ISREG(found.st_mode):
        return b""
    os.lseek(descriptor, max(0, found.st_size - n_bytes), os.SEEK_SET)
    return disk.read(descriptor, n_bytes)


def _digest(descriptor: int, parts: Iterable[tuple[int, int]], magic: bytes) -> tuple[bytes, bytes]:
    """Digest parts of a file as its kind wants it; return the last chunk of a segment, too."""
    if magic in (RESULTS, IN_PLACE):
        return _sha256(_of_pieces(descriptor, parts))[0], b""
    return _sha256(c for start, end in parts for c in disk.chunks(descriptor, start, end))


def _of_pieces(descriptor: int, parts: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the digest of each piece of some parts of a file, made by several threads."""
    pieces = (
        (at, min(at + PIECE_BYTES, end))
        for start, end in parts
        for at in range(start, end, PIECE_BYTES)
    )

    def digest(piece: tuple[int, int]) -> bytes:
        return _sha256(disk.chunks(descriptor, *piece))[0]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        while some := [*itertools.islice(pieces, _AT_ONCE)]:
            yield from (pool.map if len(some) > 1 else map)(digest, some)


def _sha256(chunks: Iterable[bytes | memoryview]) -> tuple[bytes, bytes]:
    """Digest bytes that come in chunks; return the last chunk, too."""
    digest = hashlib.sha256()
    last: bytes | memoryview = b""
    for last in chunks:
        digest.update(last)
    return digest.digest(), bytes(last)
