"""Stretches: parts of a file with values of many points, written by many, with a digest of each.

The values of large outputs are written where they stay, by several workers at once and in any
order. So no digest of the whole can be made on the way; each point has one of its own, and damage
costs only the points that it touches.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.storage import disk

DIGEST_BYTES = 32

_CHUNK_BYTES = 2**20

_MANY_BYTES = 2**24
"""More bytes are read by several threads."""

Digests = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, eq=False)
class Stretch:
    """A part of a file: the values of points, of the same size, one after the other.

    Attributes
    ----------
    offset : int
        Of the first byte.
    point_bytes : int
        Of one point.
    digests : numpy.ndarray of uint8
        Shape (n, 32), the SHA-256 of the bytes of each point.
    """

    offset: int
    point_bytes: int
    digests: Digests

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.offset + self.point_bytes * len(self.digests)


def digests(values: npt.NDArray[Any]) -> Digests:
    """Make the digest of each point; shape (n, 32) for values of shape (n, ...)."""
    made = b"".join(hashlib.sha256(bytes_of(each)).digest() for each in values)
    return np.frombuffer(made, np.uint8).reshape(-1, DIGEST_BYTES)


def bytes_of(values: npt.NDArray[Any]) -> memoryview:
    """Return the bytes of an array, without a copy if it is contiguous."""
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def encode(stretches: Sequence[Stretch]) -> bytes:
    """Make the table of stretches that is stored behind a file."""
    said = [(each.offset, each.point_bytes, len(each.digests)) for each in stretches]
    return b"\n".join([json.dumps(said).encode(), b"".join(s.digests.tobytes() for s in stretches)])


def decode(table: bytes) -> tuple[Stretch, ...]:
    """Read what `encode` made.

    Raises
    ------
    ValueError
        If it is not that.
    """
    head, _, content = table.partition(b"\n")
    made, at = list[Stretch](), 0
    for offset, point_bytes, n in json.loads(head):
        end = at + n * DIGEST_BYTES
        own = np.frombuffer(content[at:end], np.uint8).reshape(n, DIGEST_BYTES)
        made.append(Stretch(int(offset), int(point_bytes), own))
        at = end
    return tuple(made)


def damaged(descriptor: int, stretch: Stretch, at: Sequence[int]) -> list[int]:
    """Return the numbers of the digests that do not match.

    Those of the stretch are of the points `at` these places.
    """

    def is_damaged(number: int) -> bool:
        start = stretch.offset + int(at[number]) * stretch.point_bytes
        own: bytes = stretch.digests[number].tobytes()
        return digest_at(descriptor, start, stretch.point_bytes) != own

    numbers = range(len(stretch.digests))
    if len(numbers) * stretch.point_bytes < _MANY_BYTES:
        return list(filter(is_damaged, numbers))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [
            n for n, is_bad in zip(numbers, pool.map(is_damaged, numbers), strict=True) if is_bad
        ]


def digest_at(descriptor: int, start: int, n_bytes: int) -> bytes:
    """Make the SHA-256 of some bytes of a file, or of fewer if it is cut."""
    digest, end = hashlib.sha256(), start + n_bytes
    while start < end and (
        chunk := disk.read_at(descriptor, min(end - start, _CHUNK_BYTES), start)
    ):
        digest.update(chunk)
        start += len(chunk)
    return digest.digest()
