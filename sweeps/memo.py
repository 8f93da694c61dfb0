"""The memo: every finished point, by key, in immutable segments; nothing of spaces or functions.

A segment is an HDF5 file with a digest behind its end, written once and never changed. Any number
of processes add segments to a folder at the same time; nobody needs a lock. Reading is listing the
folder. A segment whose digest is wrong is set aside before HDF5 sees it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import mmap
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps import files, h5, keys
from sweeps.block import Array, Failure, Header, Part, Variable
from sweeps.errors import StorageError

SUFFIX = ".seg"
BAD_SUFFIX = ".bad"
_MAGIC = b"sweeps-segment-1"
_TRAILER_BYTES = 32 + len(_MAGIC)
_FAILURE_TEXTS = ("kind", "type", "message", "traceback")


@dataclasses.dataclass(frozen=True, eq=False)
class StoredPart:
    """A `Part` on disk; `read` gets its values."""

    path: Path
    group: str
    keys: keys.Keys
    elapsed: npt.NDArray[np.float32]
    variables: tuple[Header, ...]
    coordinates: tuple[Variable, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Segment:
    """One file of the memo."""

    path: Path
    n_bytes: int
    created_ns: int
    parts: tuple[StoredPart, ...]
    failures: tuple[Failure, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """All that the memo of one fingerprint holds, as of one listing of its folder.

    Attributes
    ----------
    segments : mapping of str to Segment
        By file name.
    bad : tuple of Path
        Damaged segments that this listing set aside.
    """

    folder: Path
    segments: Mapping[str, Segment]
    bad: tuple[Path, ...] = ()

    @functools.cached_property
    def parts(self) -> tuple[StoredPart, ...]:
        """Every part of every segment, the newest segments first: what they say of a key counts."""
        return tuple(p for segment in self._newest_first for p in segment.parts)

    @functools.cached_property
    def _newest_first(self) -> tuple[Segment, ...]:
        return tuple(
            sorted(self.segments.values(), key=lambda s: (s.created_ns, s.path.name), reverse=True)
        )

    @functools.cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Number of the first entry of each part; entries are counted through all parts."""
        sizes = [len(part.keys) for part in self.parts]
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @functools.cached_property
    def _sorted(self) -> tuple[keys.Keys, npt.NDArray[np.int64]]:
        empty = np.empty((0, 2), dtype=np.uint64)
        every = np.concatenate([empty, *(part.keys for part in self.parts)])
        order = _order(every)
        return every[order], order

    def find(self, wanted: keys.Keys) -> npt.NDArray[np.int64]:
        """Entry of each key, shape (n,), or -1 where the memo has no values for it."""
        return keys.match(wanted, *self._sorted)

    @functools.cached_property
    def failures(self) -> dict[tuple[int, int], Failure]:
        """The failure of each key that failed, the one with the most attempts."""
        latest: dict[tuple[int, int], Failure] = {}
        for segment in self._newest_first:
            for failure in segment.failures:
                known = latest.get(failure.key)
                if known is None or known.attempts < failure.attempts:
                    latest[failure.key] = failure
        return latest

    @functools.cached_property
    def _failed(self) -> tuple[keys.Keys, npt.NDArray[np.int64]]:
        failed = np.array(list(self.failures), dtype=np.uint64).reshape(-1, 2)
        order = _order(failed)
        return failed[order], order

    def find_failed(self, wanted: keys.Keys) -> npt.NDArray[np.int64]:
        """Place of each key among `failures`, shape (n,), or -1."""
        return keys.match(wanted, *self._failed)


def _order(rows: keys.Keys) -> npt.NDArray[np.int64]:
    return np.argsort(rows[:, 0], kind="stable")


def folder(results: Path, experiment: str, fingerprint: str) -> Path:
    """Where the segments of one version of an experiment are."""
    return results / ".memo" / experiment / fingerprint


def listing(place: Path) -> tuple[str, ...]:
    """Names of the segments in a folder, sorted: they say all of its state."""
    try:
        with os.scandir(place) as entries:
            return tuple(sorted(e.name for e in entries if e.name.endswith(SUFFIX)))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StorageError(f"cannot read {place}: {os.strerror(error.errno or 0)}") from error


def scan(place: Path, before: Index | None = None) -> Index:
    """Read the keys of all segments in a folder; those that `before` knows are not read again."""
    known = dict(before.segments) if before is not None else {}
    bad: list[Path] = []
    while True:
        segments: dict[str, Segment] = {}
        complete = True
        for name in listing(place):
            try:
                segments[name] = known[name] = known.get(name) or _open(place / name)
            except FileNotFoundError:  # merged into another one since it was listed
                complete = False
            except _DamagedError:
                bad.append(_set_aside(place / name))
        if complete:
            return Index(place, segments, tuple(bad))


class _DamagedError(Exception):
    """A segment that is not what was written."""


def _set_aside(path: Path) -> Path:
    aside = path.with_suffix(BAD_SUFFIX)
    try:
        path.replace(aside)
    except OSError:  # a memo that cannot be written to can still be read
        return path
    return aside


def _open(path: Path) -> Segment:
    n_bytes = _verify(path)
    try:
        with h5.open_read(path) as file:
            parts = tuple(_stored_part(path, file[g]) for g in file if g.startswith("part"))
            return Segment(path, n_bytes, int(file.attrs["created_ns"]), parts, _failures(file))
    except (KeyError, ValueError, StorageError) as error:
        raise _DamagedError from error


def _verify(path: Path) -> int:
    """Check the digest of a segment before anything looks into it; return its size."""
    with path.open("rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        if n_bytes <= _TRAILER_BYTES:
            raise _DamagedError
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            end = n_bytes - _TRAILER_BYTES
            digest = hashlib.sha256(memoryview(content)[:end]).digest()
            if content[end:] != digest + _MAGIC or not path.name.startswith(digest.hex()[:32]):
                raise _DamagedError
    return n_bytes


def _stored_part(path: Path, group: h5py.Group) -> StoredPart:
    described = json.loads(group.attrs["variables"])
    coordinates = tuple(
        Variable(
            d["name"], h5.decode(group["coordinates"][str(i)]), tuple(d["dims"]), None, d["attrs"]
        )
        for i, d in enumerate(json.loads(group.attrs["coordinates"]))
    )
    return StoredPart(
        path,
        group.name,
        np.asarray(group["keys"][()]),
        np.asarray(group["elapsed"][()]),
        tuple(_header(group, i, d) for i, d in enumerate(described)),
        coordinates,
    )


def _header(group: h5py.Group, i: int, described: Mapping[str, Any]) -> Header:
    dataset = group[f"values/{i}"]
    counts = np.asarray(group[f"counts/{i}"][()]) if described["free"] else None
    shape = dataset.shape[1:] if counts is None else (int(counts.max(initial=0)),)
    return Header(
        described["name"],
        np.dtype(described["dtype"]),
        tuple(described["dims"]),
        tuple(map(int, shape)),
        counts,
        described["attrs"],
    )


def read(part: StoredPart, number: int, file: h5py.File, rows: slice | None = None) -> Array:
    """Read values of the variable `number` of a part, all or those of a slice of its points.

    Values of a free length come as they are stored, one point after another.
    """
    dataset = file[part.group][f"values/{number}"]
    return h5.decode(dataset) if rows is None else h5.decode(dataset, rows)


def _failures(file: h5py.File) -> tuple[Failure, ...]:
    if "failures" not in file:
        return ()
    group = file["failures"]
    texts = [h5.decode(group[name]).tolist() for name in _FAILURE_TEXTS]
    rows = zip(
        group["keys"][()].tolist(),
        group["attempts"][()].tolist(),
        group["elapsed"][()].tolist(),
        *texts,
        strict=True,
    )
    return tuple(
        Failure((key[0], key[1]), kind, type_, message, traceback, attempts, elapsed)
        for key, attempts, elapsed, kind, type_, message, traceback in rows
    )


def commit(place: Path, parts: Sequence[Part], failures: Sequence[Failure] = ()) -> Path:
    """Write finished points as a new segment; when this returns, they are safe.

    Raises
    ------
    StorageError
        Where the disk does not take them; then nothing is left behind.
    """
    image = h5.image(functools.partial(_build, parts=parts, failures=failures))
    digest = hashlib.sha256(image).digest()
    path = place / f"{digest.hex()[:32]}{SUFFIX}"
    files.make_folder(place)
    files.commit(path, [image, digest + _MAGIC])
    return path


def _build(file: h5py.File, parts: Iterable[Part], failures: Sequence[Failure]) -> None:
    file.attrs["created_ns"] = time.time_ns()
    for number, part in enumerate(parts):
        group = file.create_group(f"part{number}")
        group["keys"] = part.keys
        group["elapsed"] = part.elapsed
        group.attrs["variables"] = json.dumps([_described(v) for v in part.variables])
        group.attrs["coordinates"] = json.dumps([_described(c) for c in part.coordinates])
        for i, variable in enumerate(part.variables):
            h5.write(group.require_group("values"), str(i), variable.values)
            if variable.counts is not None:
                group[f"counts/{i}"] = variable.counts
        for i, coordinate in enumerate(part.coordinates):
            h5.write(group.require_group("coordinates"), str(i), coordinate.values)
    if failures:
        group = file.create_group("failures")
        group["keys"] = np.array([f.key for f in failures], dtype=np.uint64)
        group["attempts"] = np.array([f.attempts for f in failures], dtype=np.int64)
        group["elapsed"] = np.array([f.elapsed_s for f in failures], dtype=np.float64)
        for name in _FAILURE_TEXTS:
            texts = np.array([h5.text(getattr(f, name)) for f in failures], dtype=object)
            h5.write(group, name, texts)


def _described(variable: Variable) -> dict[str, Any]:
    dtype = variable.values.dtype
    return {
        "name": variable.name,
        "dtype": dtype.str,
        "dims": variable.dims,
        "free": variable.counts is not None,
        "attrs": variable.attrs,
    }
