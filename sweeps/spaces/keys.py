"""Keys: the 128-bit identity of a point, made of its parameters' names and exact values.

Each (name, value) is hashed once by BLAKE2b, however many points it is part of; the key of a
point is the sum of its parameters' hashes, modulo 2^64 in two lanes. So the order of declaration
does not matter, a point keeps its key whatever space it is in, and a grid's keys are additions.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.spaces import values

Keys = npt.NDArray[np.uint64]
"""Shape (n, 2), one row a point."""

NOTHING: Keys = np.zeros((1, 2), dtype=np.uint64)
"""The sum of no hashes."""
NOTHING.setflags(write=False)


@dataclasses.dataclass(frozen=True, eq=False)
class Factors:
    """Keys of a part of a grid: the sums of one row from each factor, in C order.

    Attributes
    ----------
    names : tuple of str
        What each factor is of.
    sums : tuple of numpy.ndarray
        Shape (size, 2) each.
    """

    names: tuple[str, ...]
    sums: tuple[Keys, ...]

    def __len__(self) -> int:
        return math.prod(map(len, self.sums))

    def part(self, box: Sequence[slice]) -> Factors:
        """Keep a slice of each of the first factors."""
        chosen = [own[at] for own, at in zip(self.sums, box, strict=False)]
        return Factors(self.names, (*chosen, *self.sums[len(chosen) :]))

    def keys(self) -> Keys:
        """Write the keys out, shape (n, 2)."""
        total = NOTHING
        for own in self.sums:
            total = (total[:, np.newaxis] + own).reshape(-1, 2)
        return total


def written(own: Keys | Factors) -> Keys:
    """Keys of points, shape (n, 2), written out where they are a product."""
    return own.keys() if isinstance(own, Factors) else own


def shifted(own: Keys | Factors, shift: tuple[int, int]) -> Keys | Factors:
    """Add the hashes of parameters that are the same for all points."""
    if shift == (0, 0):
        return own
    more = np.array([shift], dtype=np.uint64)
    if isinstance(own, Factors):
        return Factors(own.names, (*own.sums[:-1], own.sums[-1] + more))
    return own + more


def boxes(shape: Sequence[int], start: int, stop: int) -> Iterator[tuple[slice, ...]]:
    """Cut a run of flat positions (C order) into boxes, as few as there can be.

    Examples
    --------
    >>> list(boxes((3, 4), 2, 12))
    [(slice(0, 1, None), slice(2, 4, None)), (slice(1, 3, None), slice(0, 4, None))]
    """
    if start >= stop:
        return
    if not shape:
        yield ()
        return
    row = math.prod(shape[1:])
    head, tail = -(-start // row), stop // row  # whole rows are those from head to tail
    if head > tail:  # all within one row
        for box in boxes(shape[1:], start - tail * row, stop - tail * row):
            yield slice(tail, tail + 1), *box
        return
    for box in boxes(shape[1:], start - (head - 1) * row, row) if start < head * row else ():
        yield slice(head - 1, head), *box
    if head < tail:
        yield slice(head, tail), *(slice(0, size) for size in shape[1:])
    for box in boxes(shape[1:], 0, stop - tail * row):
        yield slice(tail, tail + 1), *box


def hash_values(name: str, table: values.Values, tokens: Mapping[str, str] | None = None) -> Keys:
    """Hash every value of a parameter.

    Parameters
    ----------
    name : str
    table : Values
    tokens : mapping of str to str, optional
        For elements that bring code or data with them, by their label: a digest of it, so that
        another function behind a label makes new points.

    Returns
    -------
    numpy.ndarray
        Shape (len(table), 2), uint64.
    """
    start = hashlib.blake2b(name.encode() + b"\0", digest_size=16)
    digests = []
    for encoded in _encodings(table, tokens or {}):
        state = start.copy()
        state.update(encoded)
        digests.append(state.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2).astype(np.uint64)


def _encodings(table: values.Values, tokens: Mapping[str, str]) -> Iterable[bytes]:
    # As values.encode does; a million values take a third of the time.
    if table.kind == "float":
        data = table.coordinate().astype("<f8").tobytes()
        return (b"f" + data[i : i + 8] for i in range(0, len(data), 8))
    if table.kind == "int":
        return (b"i%d" % element for element in table.elements())
    if tokens:
        return (_with_token(element, tokens) for element in table.elements())
    return map(values.encode, table.elements())


def _with_token(element: Any, tokens: Mapping[str, str]) -> bytes:
    token = tokens.get(values.label(element))
    return values.encode(element) + (b"" if token is None else b"\0" + token.encode())


def match(wanted: Keys, known: Keys, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Find keys among known ones.

    Parameters
    ----------
    wanted : numpy.ndarray
        Shape (n, 2).
    known : numpy.ndarray
        Shape (m, 2), no row twice, sorted by its first lane.
    order : numpy.ndarray
        Shape (m,), what to answer for each known key.

    Returns
    -------
    numpy.ndarray
        Shape (n,), ``order`` of the equal known key, or -1.
    """
    found = np.full(len(wanted), -1, dtype=np.int64)
    if not len(known):
        return found
    first, second = np.ascontiguousarray(known[:, 0]), known[:, 1]
    at = np.searchsorted(first, wanted[:, 0])
    pending = np.arange(len(wanted))
    while pending.size:  # once, and again only where two keys share their first 64 bits
        at_pending = np.minimum(at[pending], len(first) - 1)
        same = (first[at_pending] == wanted[pending, 0]) & (at[pending] < len(first))
        pending, at_pending = pending[same], at_pending[same]
        equal = second[at_pending] == wanted[pending, 1]
        found[pending[equal]] = order[at_pending[equal]]
        pending = pending[~equal]
        at[pending] += 1
    return found
