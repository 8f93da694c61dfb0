"""Stretches: parts of a file with values of many points, written by many, with a check of each.

The values of large outputs are written where they stay, by several workers at once and in any
order. So no digest of the whole can be made on the way; each point has a check of its own, and
damage costs only the points that it touches.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.storage import disk

CHECK_BYTES = 4
"""Of a CRC-32. It finds damage and names nothing, so it need not be as strong as a SHA-256, and
takes a third of its time: 0.10 instead of 0.28 s of CPU time for 300 MiB."""

EARLIER_BYTES = 32
"""Of a SHA-256, which was the check of a point in format 1."""

_MANY_BYTES = 2**24
"""More bytes are read by several threads."""

Checks = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, eq=False)
class Stretch:
    """A part of a file: the values of points, of the same size, one after the other.

    Attributes
    ----------
    offset : int
        Of the first byte.
    point_bytes : int
        Of one point.
    checks : numpy.ndarray of uint8
        Shape (n, 4), the CRC-32 of the bytes of each point; (n, 32) if an earlier version wrote it.
    """

    offset: int
    point_bytes: int
    checks: Checks

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.offset + self.point_bytes * len(self.checks)


def checks(values: npt.NDArray[Any]) -> Checks:
    """Make the check of each point; shape (n, 4) for values of shape (n, ...)."""
    made = b"".join(_crc([bytes_of(each)]) for each in values)
    return np.frombuffer(made, np.uint8).reshape(-1, CHECK_BYTES)


def _crc(pieces: Iterable[bytes | memoryview]) -> bytes:
    made = 0
    for piece in pieces:
        made = zlib.crc32(piece, made)
    return made.to_bytes(CHECK_BYTES, "little")


def _sha256(pieces: Iterable[bytes | memoryview]) -> bytes:
    made = hashlib.sha256()
    for piece in pieces:
        made.update(piece)
    return made.digest()


def bytes_of(values: npt.NDArray[Any]) -> memoryview:
    """Return the bytes of an array, without a copy if it is contiguous."""
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def encode(stretches: Sequence[Stretch]) -> bytes:
    """Make the table of stretches that is stored behind a file."""
    said = [(each.offset, each.point_bytes, len(each.checks)) for each in stretches]
    return b"\n".join([json.dumps(said).encode(), b"".join(s.checks.tobytes() for s in stretches)])


def decode(table: bytes, check_bytes: int = CHECK_BYTES) -> tuple[Stretch, ...]:
    """Read what `encode` made.

    Raises
    ------
    ValueError
        If it is not that.
    """
    head, _, content = table.partition(b"\n")
    made, at = list[Stretch](), 0
    for offset, point_bytes, n in json.loads(head):
        end = at + n * check_bytes
        own = np.frombuffer(content[at:end], np.uint8).reshape(n, check_bytes)
        made.append(Stretch(int(offset), int(point_bytes), own))
        at = end
    return tuple(made)


def damaged(descriptor: int, stretch: Stretch, at: Sequence[int]) -> list[int]:
    """Return the numbers of the checks that do not match.

    Those of the stretch are of the points `at` these places.
    """
    check = _crc if stretch.checks.shape[1] == CHECK_BYTES else _sha256

    def is_damaged(number: int) -> bool:
        start = stretch.offset + int(at[number]) * stretch.point_bytes
        own: bytes = stretch.checks[number].tobytes()
        return check(disk.chunks(descriptor, start, start + stretch.point_bytes)) != own

    numbers = range(len(stretch.checks))
    if len(numbers) * stretch.point_bytes < _MANY_BYTES:
        return list(filter(is_damaged, numbers))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [
            n for n, is_bad in zip(numbers, pool.map(is_damaged, numbers), strict=True) if is_bad
        ]
