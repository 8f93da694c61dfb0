"""Keys: the 128-bit identity of a point, made of its parameters' names and exact values.

Each (name, value) is hashed once by BLAKE2b, however many points it is part of; the key of a
point is the sum of its parameters' hashes, modulo 2^64 in two lanes. So the order of declaration
does not matter, a point keeps its key whatever space it is in, and a grid's keys are additions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps import values

Keys = npt.NDArray[np.uint64]
"""Shape (n, 2), one row a point."""


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
    if table.kind == "float":  # as values.encode does, without making a million Python floats
        data = table.coordinate().astype("<f8").tobytes()
        return (b"f" + data[i : i + 8] for i in range(0, len(data), 8))
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
