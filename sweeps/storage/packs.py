"""Packs: the contents of files that points hand over, many in one file, each with its digest.

A pack is a row of records: a header of 64 bytes (magic, size, SHA-256 of the content, and a check
of the header), then the content. Only its writer appends to it. So a killed writer leaves at most
a torn record at the end, and damage costs the records that it touches: the next one is found by its
magic.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import struct
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sweeps.errors import StorageError
from sweeps.storage import disk, files

SUFFIX = ".pack"

BAD_SUFFIX = ".pack.bad"

CHUNK_BYTES = 2**20
"""Contents are read and written in such pieces."""

SETTLED_S = 600.0
"""A pack to which nothing was appended for so long is complete: writers begin a new one before."""

_MAGIC = b"sweeps-file-1\r\n\0"

_FAMILY = b"sweeps-file-"

_HEAD = struct.Struct("<16sQ32s8s")

HEAD_BYTES = _HEAD.size

_MERGED_BYTES = 256 * 2**20

_N_SMALL = 32


class DamagedError(Exception):
    """The content of a record does not match its digest."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One content in a pack.

    Attributes
    ----------
    start : int
        Where the content begins.
    digest : str
        SHA-256 of the content, in hexadecimal.
    """

    path: Path
    start: int
    size: int
    digest: str


def new_path(folder: Path) -> Path:
    """Make a unique path for a new pack."""
    return folder / f"{uuid.uuid4().hex}{SUFFIX}"


def head(size: int, digest: bytes) -> bytes:
    """Make the header of a record."""
    return _HEAD.pack(_MAGIC, size, digest, _check(_HEAD.pack(_MAGIC, size, digest, b"")))


def _check(said: bytes) -> bytes:
    return hashlib.sha256(said[:56]).digest()[:8]


def listing(folder: Path) -> list[Path]:
    """List the packs in a folder, sorted."""
    try:
        return [folder / name for name in sorted(disk.names(folder)) if name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def total_bytes(folder: Path) -> int:
    """Return how much disk the packs in a folder take."""
    return sum(map(_size, listing(folder)))


def entries(path: Path) -> list[Entry]:
    """List the contents of a pack by their headers, without reading them.

    What is not a header, after damage, is skipped up to the next one.
    """
    found = []
    with _opened(path) as descriptor:
        n_bytes, at = os.fstat(descriptor).st_size, 0
        while at + HEAD_BYTES <= n_bytes:
            os.lseek(descriptor, at, os.SEEK_SET)
            said = disk.read(descriptor, HEAD_BYTES)
            if len(said) < HEAD_BYTES:
                break
            magic, size, digest, check = _HEAD.unpack(said)
            if magic == _MAGIC and check == _check(said) and at + HEAD_BYTES + size <= n_bytes:
                found.append(Entry(path, at + HEAD_BYTES, size, digest.hex()))
                at += HEAD_BYTES + size
            else:
                at = _next_head(descriptor, at + 1, n_bytes)
    return found


def _next_head(descriptor: int, at: int, n_bytes: int) -> int:
    """Find where the next header may begin; the end if there is none."""
    while at < n_bytes:
        os.lseek(descriptor, at, os.SEEK_SET)
        piece = disk.read(descriptor, CHUNK_BYTES)
        place = piece.find(_MAGIC)
        if place >= 0:
            return at + place
        if len(piece) < len(_MAGIC):
            break
        at += len(piece) - len(_MAGIC) + 1
    return n_bytes


def available(folder: Path) -> dict[str, Entry]:
    """Return where each content in a folder is, by its digest; contents are not checked.

    Another run may merge packs meanwhile, so what has disappeared is looked for again.
    """
    while True:
        listed = listing(folder)
        found: dict[str, Entry] = {}
        try:
            for path in listed:
                for entry in entries(path):
                    found.setdefault(entry.digest, entry)
        except FileNotFoundError:
            continue
        return found


def pieces(entry: Entry) -> Iterator[bytes]:
    """Read a content piece by piece; after the last one, raise `DamagedError` if it is wrong."""
    made, left = hashlib.sha256(), entry.size
    with _opened(entry.path) as descriptor:
        os.lseek(descriptor, entry.start, os.SEEK_SET)
        while left and (piece := disk.read(descriptor, min(left, CHUNK_BYTES))):
            made.update(piece)
            left -= len(piece)
            yield piece
    if made.hexdigest() != entry.digest:
        raise DamagedError(entry.path)


def is_whole(entry: Entry) -> bool:
    """Whether a content matches its digest; it is read for that."""
    try:
        for _ in pieces(entry):
            pass
    except DamagedError:
        return False
    return True


def is_later(path: Path) -> bool:
    """Whether a later version of sweeps wrote a pack."""
    with _opened(path) as descriptor:
        said = disk.read(descriptor, len(_MAGIC))
    return said.startswith(_FAMILY) and said != _MAGIC


def rewrite(
    folder: Path, paths: Sequence[Path], needed: Collection[str] | None = None
) -> list[Entry]:
    """Write the intact contents of some packs to a new one, each once; return the damaged ones.

    The packs themselves stay. `needed` are the digests of the contents to keep, by default all.
    """
    wanted: dict[str, list[Entry]] = {}
    for entry in (each for path in paths for each in entries(path)):
        if needed is None or entry.digest in needed:
            wanted.setdefault(entry.digest, []).append(entry)
    damaged: list[Entry] = []
    if not wanted:
        return damaged
    with files.replacing(new_path(folder)) as new:
        end = 0
        for same in wanted.values():
            for entry in same:
                try:
                    disk.write_all(new.descriptor, head(entry.size, bytes.fromhex(entry.digest)))
                    for piece in pieces(entry):
                        disk.write_all(new.descriptor, piece)
                except DamagedError:
                    disk.truncate(new.descriptor, end)
                    os.lseek(new.descriptor, end, os.SEEK_SET)
                    damaged.append(entry)
                else:
                    end += HEAD_BYTES + entry.size
                    break
    return damaged


def merge(folder: Path) -> None:
    """Merge small packs if there are many; a damaged one stays for `verify` to name.

    The merged pack is complete before an old one is removed.
    """
    small = [path for path in listing(folder) if is_settled(path) and _size(path) < _MERGED_BYTES]
    if len(small) < _N_SMALL:
        return
    with contextlib.suppress(StorageError, OSError):  # merging can wait
        for batch in _batches([path for path in small if not is_later(path)]):
            bad = {entry.path for entry in rewrite(folder, batch)}
            for path in batch:
                if path not in bad:
                    disk.unlink(path)


def is_settled(path: Path) -> bool:
    """Whether nothing is appended to a pack any more."""
    try:
        return time.time() - path.stat().st_mtime > SETTLED_S
    except OSError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    n_bytes = 0
    for path in paths:
        if batch and n_bytes + _size(path) > _MERGED_BYTES:
            yield batch
            batch, n_bytes = [], 0
        batch.append(path)
        n_bytes += _size(path)
    if len(batch) > 1:
        yield batch


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a pack to read; errors of the disk name it, except that it has disappeared."""
    try:
        descriptor = disk.open_to_read(path)
        try:
            yield descriptor
        finally:
            disk.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot read {path}: {os.strerror(error.errno or 0)}")
