"""What is to be known of a part beside its values, in a group of an HDF5 file."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.outputs import types
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Header, Part, Variable, header
from sweeps.spaces.keys import Factors, Keys
from sweeps.storage import hdf5
from sweeps.storage.hdf5_write import Put

_MAGIC = b"sweeps-outline-1"

_LENGTH_BYTES = 4

_MOST_POINTS = 1000

_MOST_BYTES = 2**16


def write(
    group: h5py.Group,
    put: Put,
    keys: Keys | Factors,
    headers: Sequence[Header],
    coordinates: Sequence[Variable],
) -> None:
    """Write the keys of a part, the forms of its variables, and its coordinates."""
    if isinstance(keys, Factors):
        group.attrs["factors"] = json.dumps(keys.names)
        for i, sums in enumerate(keys.sums):
            put(group.require_group("factors"), str(i), sums)
    else:
        put(group, "keys", keys)
    group.attrs["variables"] = described(headers)
    for i, each in enumerate(headers):
        if each.counts is not None:
            put(group.require_group("counts"), str(i), each.counts)
    group.attrs["coordinates"] = described(map(types.header, coordinates))
    for i, coordinate in enumerate(coordinates):
        put(group.require_group("coordinates"), str(i), coordinate.values)


def keys(group: h5py.Group) -> Keys | Factors:
    """Read the keys of a part."""
    if "keys" in group:
        return np.asarray(group["keys"][()])
    names = tuple(json.loads(group.attrs["factors"]))
    return Factors(names, tuple(np.asarray(group[f"factors/{i}"][()]) for i in range(len(names))))


def headers(group: h5py.Group) -> tuple[Header, ...]:
    """Read the forms of the variables of a part."""
    said = json.loads(group.attrs["variables"])
    return tuple(_header(each, *_lengths(group, i, each)) for i, each in enumerate(said))


def _lengths(
    group: h5py.Group, i: int, said: Mapping[str, Any]
) -> tuple[Sequence[int], npt.NDArray[np.int64] | None]:
    """Read the shape of a variable, and the counts of one whose length is free."""
    if said["free"]:
        counts = np.asarray(group[f"counts/{i}"][()])
        return (int(counts.max(initial=0)),), counts
    # Segments from before outlines do not say the shape.
    return said["shape"] if "shape" in said else group[f"values/{i}"].shape[1:], None


def _header(
    said: Mapping[str, Any], shape: Sequence[int], counts: npt.NDArray[np.int64] | None = None
) -> Header:
    return Header(
        said["name"],
        np.dtype(said["dtype"]),
        tuple(said["dims"]),
        tuple(map(int, shape)),
        counts,
        said["attrs"],
    )


def coordinates(group: h5py.Group) -> tuple[Variable, ...]:
    """Read the coordinates of a part."""
    described = json.loads(group.attrs["coordinates"])
    return tuple(
        Variable(
            d["name"], hdf5.decode(group["coordinates"][str(i)]), tuple(d["dims"]), None, d["attrs"]
        )
        for i, d in enumerate(described)
    )


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
                *map(hdf5.text, (f.kind, f.type, f.message, f.traceback)),
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
    return tuple(_header(each, each["shape"]) for each in json.loads(variables))


def _is_plain(part: Part) -> bool:
    is_free = any(variable.counts is not None for variable in part.variables)
    return isinstance(part.keys, np.ndarray) and not part.coordinates and not is_free


def _hex(values: Any, dtype: Any) -> str:
    return np.ascontiguousarray(values, dtype).tobytes().hex()
