"""The file of one segment: finished points and failures, with a digest behind the end of the HDF5.

HDF5 readers tolerate the digest; here it is verified before HDF5 sees the file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps import h5, imaging, opening, outline, sealing
from sweeps.block import Array, Failure, Header, Part, Variable
from sweeps.errors import StorageError
from sweeps.keys import Factors, Keys, shifted, written

SUFFIX = ".seg"
_FAILURE_TEXTS = ("kind", "type", "message", "traceback")


@dataclasses.dataclass(frozen=True, eq=False)
class StoredPart:
    """A `Part` on disk; `read` gets its values."""

    path: Path
    group: str
    stored_keys: Keys | Factors
    elapsed: npt.NDArray[np.float32]
    variables: tuple[Header, ...]
    coordinates: tuple[Variable, ...]

    def __len__(self) -> int:
        return len(self.stored_keys)

    @functools.cached_property
    def keys(self) -> Keys:
        """Key of each point, shape (n, 2)."""
        return written(self.stored_keys)


@dataclasses.dataclass(frozen=True, eq=False)
class Segment:
    """One file of the memo.

    Attributes
    ----------
    rank : int
        0 for the values of the code that is asked about; higher ones count less.
    """

    path: Path
    n_bytes: int
    created_ns: int
    parts: tuple[StoredPart, ...]
    failures: tuple[Failure, ...]
    rank: int = 0

    def accepted(self, rank: int, shift: tuple[int, int]) -> Segment:
        """See it as one of other code that accepts its values; failures may be mended there."""
        parts = tuple(
            dataclasses.replace(part, stored_keys=shifted(part.stored_keys, shift))
            for part in self.parts
        )
        return dataclasses.replace(self, parts=parts, failures=(), rank=rank)


class MergedAwayError(StorageError):
    """A segment that another run has merged into another one since it was listed: scan again."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"cannot read {path}: another run removed it; run again to go on")


class DamagedError(Exception):
    """A segment that is not what was written."""


def open_hdf5(path: Path) -> h5py.File:
    """Open a segment that was listed.

    Raises
    ------
    MergedAwayError
        Where it is not there any more.
    StorageError
        Where it cannot be read.
    """
    try:
        with _reading(path):
            return opening.open_own(path)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise MergedAwayError(path) from error
        raise


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tell in one line what the system said, where HDF5 tells it in its own words."""
    try:
        yield
    except (LookupError, OSError, RuntimeError, StorageError) as error:
        told = re.search(r"errno = (\d+)", str(error))
        code = int(told[1]) if told is not None else getattr(error, "errno", None)
        if not code:
            raise
        raise StorageError(f"cannot read {path}: {os.strerror(code)}") from OSError(code, error)


def load(path: Path) -> Segment:
    """Verify a segment and read all but its values.

    Raises
    ------
    DamagedError
        Where it is not what was written.
    MergedAwayError
        Where it is not there any more.
    StorageError
        Where it cannot be read.
    """
    try:
        seal = _verified(path)
        if (known := outline.decode(seal.content)) is not None:
            parts = tuple(_outlined(path, i, each) for i, each in enumerate(known.parts))
            return Segment(path, seal.n_bytes, known.created_ns, parts, known.failures)
        with _reading(path), open_hdf5(path) as file:
            parts = tuple(_stored_part(path, file[g]) for g in file if g.startswith("part"))
            created_ns = int(file.attrs["created_ns"])
            return Segment(path, seal.n_bytes, created_ns, parts, _failures(file))
    except (MergedAwayError, DamagedError):
        raise
    except (LookupError, OSError, RuntimeError, StorageError, TypeError, ValueError) as error:
        if isinstance(error, StorageError) and getattr(error.__cause__, "errno", None):
            raise  # the machine's fault, not the segment's
        raise DamagedError from error  # whole, but written by something else


def verify(path: Path) -> int:
    """Check the digest of a segment; return its size in bytes.

    Raises
    ------
    DamagedError, MergedAwayError, StorageError
        As `load` does.
    """
    return _verified(path).n_bytes


def _verified(path: Path) -> sealing.Seal:
    """Check the digest of a segment before anything looks into it."""
    try:
        seal = sealing.look(path, sealing.SEGMENT)
    except FileNotFoundError as error:
        if path.is_symlink():  # to nowhere
            raise DamagedError from error
        raise MergedAwayError(path) from error
    except IsADirectoryError as error:
        raise DamagedError from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    if not seal.is_whole(sealing.SEGMENT) or not path.name.startswith(seal.digest.hex()[:32]):
        raise DamagedError
    return seal


def _outlined(path: Path, number: int, known: outline.PartOutline) -> StoredPart:
    return StoredPart(path, f"/part{number}", known.keys, known.elapsed, known.headers, ())


def _stored_part(path: Path, group: h5py.Group) -> StoredPart:
    described = json.loads(group.attrs["variables"])
    coordinates = tuple(
        Variable(
            d["name"], h5.decode(group["coordinates"][str(i)]), tuple(d["dims"]), None, d["attrs"]
        )
        for i, d in enumerate(json.loads(group.attrs["coordinates"]))
    )
    keys = _stored_keys(group)
    elapsed = np.asarray(group["elapsed"][()])
    return StoredPart(
        path,
        group.name,
        keys,
        np.broadcast_to(elapsed, len(keys)) if elapsed.ndim == 0 else elapsed,
        tuple(_header(group, i, d) for i, d in enumerate(described)),
        coordinates,
    )


def _stored_keys(group: h5py.Group) -> Keys | Factors:
    if "keys" in group:
        return np.asarray(group["keys"][()])
    names = tuple(json.loads(group.attrs["factors"]))
    return Factors(names, tuple(np.asarray(group[f"factors/{i}"][()]) for i in range(len(names))))


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
    with _reading(part.path):
        dataset = file[part.group][f"values/{number}"]
        return h5.decode(dataset) if rows is None else h5.decode(dataset, rows)


def _failures(file: h5py.File) -> tuple[Failure, ...]:
    if "failures" not in file:
        return ()
    group = file["failures"]
    if h5.TEXTS in group:
        kinds, types, messages, places = h5.read_texts(group, _FAILURE_TEXTS)
        ends = group["ends"][()].tolist()
        tracebacks = [
            f"{place}{message}\n" if is_end else place
            for place, message, is_end in zip(places, messages, ends, strict=True)
        ]
    else:  # until version 0.1 each text was written as often as it occurs
        kinds, types, messages, tracebacks = (h5.decode(group[n]).tolist() for n in _FAILURE_TEXTS)
    keys = list(map(tuple, group["keys"][()].tolist()))
    numbers = (group[name][()].tolist() for name in ("attempts", "elapsed"))
    columns = (keys, kinds, types, messages, tracebacks, *numbers)
    return tuple(itertools.starmap(Failure, zip(*columns, strict=True)))


def image(
    parts: Sequence[Part], failures: Sequence[Failure], created_ns: int
) -> tuple[str, list[imaging.Chunk]]:
    """Make the name of a new segment, which begins with its digest, and its content in pieces."""
    content = imaging.image(lambda file, put: _build(file, put, parts, failures, created_ns))
    content.append(outline.encode(parts, failures, created_ns))
    digest, seal = sealing.sealed(content, sealing.SEGMENT)
    return f"{digest.hex()[:32]}{SUFFIX}", [*content, seal]


def _build(
    file: h5py.File,
    put: imaging.Put,
    parts: Iterable[Part],
    failures: Sequence[Failure],
    created_ns: int,
) -> None:
    file.attrs["created_ns"] = created_ns
    for number, part in enumerate(parts):
        group = file.create_group(f"part{number}")
        if isinstance(part.keys, Factors):
            group.attrs["factors"] = json.dumps(part.keys.names)
            for i, sums in enumerate(part.keys.sums):
                group[f"factors/{i}"] = sums
        else:
            put(group, "keys", part.keys)
        # Points of a vectorized function took the same time: it is stored once.
        is_same = len(part) > 1 and part.elapsed.strides == (0,)
        put(group, "elapsed", np.asarray(part.elapsed[0]) if is_same else part.elapsed)
        group.attrs["variables"] = outline.described(part.variables)
        group.attrs["coordinates"] = outline.described(part.coordinates)
        for i, variable in enumerate(part.variables):
            put(group.require_group("values"), str(i), variable.values)
            if variable.counts is not None:
                group[f"counts/{i}"] = variable.counts
        for i, coordinate in enumerate(part.coordinates):
            h5.write(group.require_group("coordinates"), str(i), coordinate.values)
    if failures:
        group = file.create_group("failures")
        group["keys"] = np.array([f.key for f in failures], dtype=np.uint64)
        group["attempts"] = np.array([f.attempts for f in failures], dtype=np.int64)
        group["elapsed"] = np.array([f.elapsed_s for f in failures], dtype=np.float64)
        places = [f.place for f in failures]
        # Whether the traceback goes on with the message, and ends with it.
        group["ends"] = [p != f.traceback for p, f in zip(places, failures, strict=True)]
        texts = {name: [getattr(f, name) for f in failures] for name in _FAILURE_TEXTS}
        h5.write_texts(group, {**texts, "traceback": places})
