"""Outline: what a scan must know of a small segment, as JSON between its HDF5 and its digest.

HDF5 takes 0.5 ms to say the same, and a memo may have 10^5 segments that are not merged yet. It
is all in the HDF5 too, where it is read of segments that have no outline.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sweeps import h5
from sweeps.block import Failure, Header, Part, Variable

_MAGIC = b"sweeps-outline-1"
_LENGTH_BYTES = 4
_MOST_POINTS = 1000
_MOST_BYTES = 2**16


class PartOutline(NamedTuple):
    """A part, without its values."""

    keys: npt.NDArray[np.uint64]
    elapsed: npt.NDArray[np.float32]
    headers: tuple[Header, ...]


class Outline(NamedTuple):
    """A segment, without its values."""

    created_ns: int
    parts: tuple[PartOutline, ...]
    failures: tuple[Failure, ...]


def encode(parts: Sequence[Part], failures: Sequence[Failure], created_ns: int) -> bytes:
    """Write the outline of a segment; nothing for a large one, or of another form than most."""
    if sum(map(len, parts)) > _MOST_POINTS or not all(map(_is_plain, parts)):
        return b""
    said = {
        "created_ns": created_ns,
        "parts": [
            [
                _hex(p.keys, np.uint64),
                _hex(p.elapsed, np.float32),
                described(map(header, p.variables)),
            ]
            for p in parts
        ],
        "failures": [
            [
                f.key,
                *map(h5.text, (f.kind, f.type, f.message, f.traceback)),
                f.attempts,
                f.elapsed_s,
            ]
            for f in failures
        ],
    }
    text = json.dumps(said).encode()
    if len(text) > _MOST_BYTES:
        return b""
    return text + len(text).to_bytes(_LENGTH_BYTES, "little") + _MAGIC


def decode(content: bytes) -> Outline | None:
    """Read the outline at the end of what a segment holds, if there is one.

    Raises
    ------
    LookupError, RecursionError, TypeError, ValueError
        For one that `encode` did not write.
    """
    if not content.endswith(_MAGIC):
        return None
    end = len(content) - len(_MAGIC) - _LENGTH_BYTES
    n_bytes = int.from_bytes(content[end : end + _LENGTH_BYTES], "little")
    said = json.loads(content[end - n_bytes : end])
    return Outline(
        int(said["created_ns"]),
        tuple(
            PartOutline(
                np.frombuffer(bytes.fromhex(keys), np.uint64).reshape(-1, 2),
                np.frombuffer(bytes.fromhex(elapsed), np.float32),
                _headers(variables),
            )
            for keys, elapsed, variables in said["parts"]
        ),
        tuple(Failure((key[0], key[1]), *rest) for key, *rest in said["failures"]),
    )


def header(variable: Variable) -> Header:
    """Say the form of a variable without its values; how long those of a free length are is not."""
    v = variable
    return Header(v.name, v.values.dtype, v.dims, v.values.shape[1:], v.counts, v.attrs)


def described(headers: Iterable[Header]) -> str:
    """Say as JSON what is to be known of variables beside their values."""
    said = [
        {
            "name": h.name,
            "dtype": h.dtype.str,
            "dims": h.dims,
            "free": h.counts is not None,
            "attrs": h.attrs,
            "shape": h.shape,
        }
        for h in headers
    ]
    return json.dumps(said)


@functools.lru_cache
def _headers(variables: str) -> tuple[Header, ...]:
    """Read what `described` said; the segments of an experiment mostly say the same."""
    return tuple(
        Header(
            d["name"], np.dtype(d["dtype"]), tuple(d["dims"]), tuple(d["shape"]), None, d["attrs"]
        )
        for d in json.loads(variables)
    )


def _is_plain(part: Part) -> bool:
    is_free = any(variable.counts is not None for variable in part.variables)
    return isinstance(part.keys, np.ndarray) and not part.coordinates and not is_free


def _hex(values: Any, dtype: Any) -> str:
    return np.ascontiguousarray(values, dtype).tobytes().hex()
