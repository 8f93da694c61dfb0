"""Headers: all of a part except its values, in a segment, in its outline, and in a results file.

With these headers a results file can be a segment: if it has the only copy of its points, or if the
memo is gone.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.outputs.failures import Failure
from sweeps.outputs.schema import header_of
from sweeps.outputs.types import Header, Part, Variable
from sweeps.spaces.keys import Factors, Keys
from sweeps.storage import hdf5
from sweeps.storage.hdf5_write import Put

MEMO = f"{hdf5.GROUP}/memo"
"""The group of a results file with the headers of its parts."""

_MAGIC = b"sweeps-outline-1"

_LENGTH_BYTES = 4

_MOST_POINTS = 1000

_FAILURE_TEXTS = ("kind", "type", "message", "traceback")

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
    group.attrs["coordinates"] = described(map(header_of, coordinates))
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


def write_failures(file: h5py.File, failures: Sequence[Failure]) -> None:
    """Write failures, each distinct text once."""
    group = file.create_group("failures")
    group["keys"] = np.array([f.key for f in failures], dtype=np.uint64)
    group["attempts"] = np.array([f.attempts for f in failures], dtype=np.int64)
    group["elapsed"] = np.array([f.elapsed_s for f in failures], dtype=np.float64)
    places = [f.place for f in failures]
    # Whether the traceback ends with the message.
    group["ends"] = [p != f.traceback for p, f in zip(places, failures, strict=True)]
    texts = {name: [getattr(f, name) for f in failures] for name in _FAILURE_TEXTS}
    hdf5.write_texts(group, {**texts, "traceback": places})


def failures(file: h5py.File) -> tuple[Failure, ...]:
    """Read what `write_failures` wrote."""
    if "failures" not in file:
        return ()
    group = file["failures"]
    if hdf5.TEXTS in group:
        kinds, types, messages, places = hdf5.read_texts(group, _FAILURE_TEXTS)
        ends = group["ends"][()].tolist()
        tracebacks = [
            f"{place}{message}\n" if is_end else place
            for place, message, is_end in zip(places, messages, ends, strict=True)
        ]
    else:  # until version 0.1 each text was written as often as it occurs
        kinds, types, messages, tracebacks = (
            hdf5.decode(group[n]).tolist() for n in _FAILURE_TEXTS
        )
    keys = list(map(tuple, group["keys"][()].tolist()))
    numbers = (group[name][()].tolist() for name in ("attempts", "elapsed"))
    columns = (keys, kinds, types, messages, tracebacks, *numbers)
    return tuple(itertools.starmap(Failure, zip(*columns, strict=True)))


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
    """Make the outline of a segment; empty for a large segment, or one of a rare form."""
    if sum(len(part.keys) for part in parts) > _MOST_POINTS or not all(map(_is_plain, parts)):
        return b""
    said = {
        "created_ns": created_ns,
        "parts": [
            [
                _hex(p.keys, np.uint64),
                _hex(p.elapsed, np.float32),
                described(map(header_of, p.variables)),
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
    """Read the outline at the end of a segment, if there is one.

    Raises
    ------
    LookupError, RecursionError, TypeError, ValueError
        If `encode` did not write it.
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
                forms(variables),
            )
            for keys, elapsed, variables in said["parts"]
        ),
        tuple(Failure((key[0], key[1]), *rest) for key, *rest in said["failures"]),
    )


def described(headers: Iterable[Header]) -> str:
    """Write headers as JSON."""
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
def forms(variables: str) -> tuple[Header, ...]:
    """Read what `described` wrote; it is cached, because segments of an experiment are alike."""
    return tuple(_header(each, each["shape"]) for each in json.loads(variables))


def _is_plain(part: Part) -> bool:
    is_free = any(variable.counts is not None for variable in part.variables)
    return isinstance(part.keys, np.ndarray) and not part.coordinates and not is_free


def _hex(values: Any, dtype: Any) -> str:
    return np.ascontiguousarray(values, dtype).tobytes().hex()


@dataclasses.dataclass(frozen=True, eq=False)
class Spots:
    """Where in a results file the values of a part are.

    Attributes
    ----------
    sizes : tuple of int
        Of the dimensions of the space.
    runs : numpy.ndarray
        Shape (n, 2), int64: the flat positions of the points, as ascending runs, start and stop.
    datasets : tuple of str
        The name of each variable of the part.
    """

    sizes: tuple[int, ...]
    runs: npt.NDArray[np.int64]
    datasets: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class KeptPart:
    """A part in a results file; like `StoredPart`, without elapsed times, which the file has."""

    keys: Keys | Factors
    variables: tuple[Header, ...]
    coordinates: tuple[Variable, ...]
    spots: Spots


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """What the memo needs to know of a results file.

    Attributes
    ----------
    fingerprint : str
        Of the code that computed the values; keys do not contain it.
    created_ns : int
        Age of the values, by which the newest of a key count.
    n_others : int
        Number of points that are in no part: the file does not hold them exactly, or they are of
        earlier code.
    segments : tuple of str
        Names of the segments that have all of its points; none if it is a segment itself.
    accepted : tuple of str
        Fingerprints of the earlier code whose points it may have.
    """

    fingerprint: str
    created_ns: int
    parts: tuple[KeptPart, ...]
    n_others: int = 0
    segments: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


def write_kept(file: h5py.File, put: Put, kept: Kept) -> None:
    """Write into a results file what the memo needs to know of it."""
    group = file.create_group(MEMO, track_order=True)
    group.attrs["fingerprint"] = kept.fingerprint
    group.attrs["created_ns"] = kept.created_ns
    group.attrs["n_others"] = kept.n_others
    group.attrs["segments"] = json.dumps(kept.segments)
    group.attrs["accepted"] = json.dumps(kept.accepted)
    # Octave's ncinfo fails with groups beside each other of which one has no variable.
    put(group, "n_parts", np.array(len(kept.parts)))
    for number, part in enumerate(kept.parts):
        own = group.create_group(f"part{number}", track_order=True)
        write(own, put, part.keys, part.variables, part.coordinates)
        own.attrs["datasets"] = json.dumps(part.spots.datasets)
        put(own, "runs", part.spots.runs)
    for each in (group, *group.values()):
        for name, value in each.attrs.items():
            if isinstance(value, str):
                each.attrs[name] = hdf5.fixed(value)


def load_kept(file: h5py.File) -> Kept:
    """Read what `write_kept` wrote; a `LookupError` if that is nothing."""
    group = file[MEMO]
    sizes = tuple(map(int, file[hdf5.GROUP]["status"].shape))
    parts = tuple(_kept_part(group[name], sizes) for name in group if name.startswith("part"))
    fingerprint = str(hdf5.plain(group.attrs["fingerprint"]))
    created_ns = int(group.attrs["created_ns"])
    return Kept(fingerprint, created_ns, parts, *origin_of_kept(file))


def origin_of_kept(file: h5py.File) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Read `n_others`, `segments` and `accepted` of a `Kept`."""
    said = file[MEMO].attrs
    names = (
        tuple(json.loads(hdf5.plain(said.get(name, "[]")))) for name in ("segments", "accepted")
    )
    return int(said.get("n_others", 0)), *names  # type: ignore[return-value]


def _kept_part(group: h5py.Group, sizes: tuple[int, ...]) -> KeptPart:
    spots = Spots(sizes, group["runs"][()], tuple(json.loads(group.attrs["datasets"])))
    return KeptPart(keys(group), headers(group), coordinates(group), spots)
