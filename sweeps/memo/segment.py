"""The file of one segment: finished points and failures, with a digest behind the end of the HDF5.

The digest is verified before HDF5 sees the file. Readers of HDF5 ignore it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import itertools
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.errors import LaterFormatError, StorageError
from sweeps.memo import header, results_segment
from sweeps.memo.listing import name_of
from sweeps.outputs.failures import Failure
from sweeps.outputs.schema import header_of
from sweeps.outputs.types import Header, Part, Variable
from sweeps.spaces.keys import Factors, Keys, shifted, written
from sweeps.storage import files, hdf5, hdf5_foreign, hdf5_open, hdf5_write, seal
from sweeps.storage.hdf5 import Array

NO_KEY = np.uint64(2**64 - 1)
"""Both halves of a key that no point has."""

_FAILURE_TEXTS = ("kind", "type", "message", "traceback")


@dataclasses.dataclass(frozen=True, eq=False)
class StoredPart:
    """A `Part` on disk; `read` gets its values.

    Attributes
    ----------
    spots : Spots or None
        Where the values are in a results file, if the part is in one.
    lost : Keys or None
        Keys of its points whose files are lost; `stored_keys` has `NO_KEY` in their place.
    """

    path: Path
    group: str
    stored_keys: Keys | Factors
    elapsed: npt.NDArray[np.float32]
    variables: tuple[Header, ...]
    coordinates: tuple[Variable, ...]
    spots: header.Spots | None = None
    lost: Keys | None = None

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
        0 for values of the code itself; a segment of lower rank counts first.
    is_landed : bool
        Whether it is a results file, whose second name this is.
    """

    path: Path
    n_bytes: int
    created_ns: int
    parts: tuple[StoredPart, ...]
    failures: tuple[Failure, ...]
    rank: int = 0
    is_landed: bool = False

    def accepted(self, rank: int, shift: tuple[int, int]) -> Segment:
        """Make it a segment of the code that accepts its values, without its failures."""
        parts = tuple(
            dataclasses.replace(part, stored_keys=shifted(part.stored_keys, shift))
            for part in self.parts
        )
        return dataclasses.replace(self, parts=parts, failures=(), rank=rank)


class MergedAwayError(StorageError):
    """Another run has merged a segment into another one since it was listed: scan again."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"cannot read {path}: another run removed it; run again to continue")


class DamagedError(Exception):
    """The digest of a segment is wrong."""


def open_hdf5(path: Path) -> h5py.File:
    """Open a listed segment; `MergedAwayError` if it no longer exists."""
    try:
        with reading(path):
            return hdf5_open.open_own(path)
    except StorageError as error:
        # HDF5 looks at the name twice: the file may be removed in between.
        if not os.path.lexists(path):
            raise MergedAwayError(path) from error
        raise


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what HDF5 says of an error of the system into one line."""
    try:
        yield
    except (LookupError, OSError, RuntimeError, StorageError) as error:
        told = re.search(r"errno = (\d+)", str(error))
        code = int(told[1]) if told is not None else getattr(error, "errno", None)
        if not code:
            raise
        if code == errno.ENOENT:
            raise MergedAwayError(path) from error
        raise StorageError(f"cannot read {path}: {os.strerror(code)}") from OSError(code, error)


def load(path: Path) -> Segment:
    """Verify a segment and read all but its values.

    It raises `DamagedError` if its digest is wrong, and `MergedAwayError` if it no longer exists.
    """
    found = verify(path)
    try:
        is_landed = found.behind.endswith(seal.RESULTS)
        if not is_landed and (known := header.decode(found.content)) is not None:
            parts = tuple(
                StoredPart(path, f"/part{i}", each.keys, each.elapsed, each.headers, ())
                for i, each in enumerate(known.parts)
            )
            return Segment(path, found.n_bytes, known.created_ns, parts, known.failures)
        with reading(path), open_hdf5(path) as file:
            if is_landed or header.MEMO in file:
                # the folders of the memo are named after the code
                return _landed(path, found.n_bytes, file, path.parent.name)
            parts = tuple(_stored_part(path, file[g]) for g in file if g.startswith("part"))
            created_ns = int(file.attrs["created_ns"])
            return Segment(path, found.n_bytes, created_ns, parts, _failures(file))
    except (MergedAwayError, DamagedError):
        raise
    except (LookupError, OSError, RuntimeError, StorageError, TypeError, ValueError) as error:
        if isinstance(error, LaterFormatError) or getattr(error.__cause__, "errno", None):
            raise  # the machine's fault, not the segment's
        raise StorageError(
            f"cannot read {path}: its digest is right, but this version of sweeps does not "
            "know its content: use the version that wrote it, or move it away"
        ) from error


def verify(path: Path) -> seal.Seal:
    """Check the digest of a segment before anything reads it."""
    try:
        found = seal.look(path, seal.SEGMENT)
    except FileNotFoundError as error:
        if path.is_symlink():  # to nowhere
            raise DamagedError from error
        raise MergedAwayError(path) from error
    except IsADirectoryError as error:
        raise DamagedError from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    if not (found.is_whole(seal.SEGMENT) or found.is_whole(seal.RESULTS)):
        with reading(path):
            _refuse(path)
    return found


def _refuse(path: Path) -> None:
    """Raise why a segment has no right seal; nothing if only the seal is missing.

    A program that opens a file to change it, and changes nothing, cuts the seal off.
    """
    if not path.is_file():
        raise DamagedError
    seal.refuse_later(path)
    if seal.is_being_written(path):
        raise StorageError(f"cannot read {path}: {hdf5_open.WRITTEN}")
    # A file that goes on behind the HDF5 is not ours, and may be of any size: do not read it.
    is_cut = seal.hdf5_end(path) == path.stat().st_size
    if not is_cut or path.name != name_of(seal.digest_of(path)):
        raise DamagedError


def of_results(path: Path, fingerprint: str) -> Segment | None:
    """Read all but the values of a results file; None if its digest is wrong."""
    with hdf5_open.damaged(path):
        if not seal.look(path, seal.RESULTS).is_whole(seal.RESULTS):
            return None
    with hdf5_foreign.open_read(path) as file, hdf5_open.damaged(path):
        return _landed(path, path.stat().st_size, file, fingerprint)


def _landed(path: Path, n_bytes: int, file: h5py.File, fingerprint: str) -> Segment:
    """Read all but the values of a results file that can be a segment."""
    found = header.load_kept(file)
    if found.fingerprint != fingerprint:
        raise ValueError(found.fingerprint)
    parts = tuple(
        StoredPart(
            *(path, "/", each.keys, results_segment.elapsed(file, each.spots)),
            *(each.variables, each.coordinates, each.spots),
        )
        for each in found.parts
    )
    return Segment(path, n_bytes, found.created_ns, parts, (), is_landed=True)


def _stored_part(path: Path, group: h5py.Group) -> StoredPart:
    keys = header.keys(group)
    elapsed = np.asarray(group["elapsed"][()])
    return StoredPart(
        path,
        group.name,
        keys,
        np.broadcast_to(elapsed, len(keys)) if elapsed.ndim == 0 else elapsed,
        header.headers(group),
        header.coordinates(group),
    )


def read(part: StoredPart, number: int, file: h5py.File, rows: slice | None = None) -> Array:
    """Read values of the variable `number` of a part, all or those of a slice of its points.

    Values of free lengths come as they are stored, one point after another.
    """
    with reading(part.path):
        if part.spots is not None:
            return results_segment.read(file, part.spots, number, part.variables[number], rows)
        return hdf5.decode(dataset(part, number, file), () if rows is None else rows)


def spans(
    counts: npt.NDArray[np.int64], rows: npt.NDArray[np.int64] | slice
) -> tuple[slice, npt.NDArray[np.int64]]:
    """Find the values of a free length of some points among those of all.

    Returns
    -------
    span : slice
        From the first of them to the last.
    within : numpy.ndarray
        Where they are in the span, one point after another.

    Examples
    --------
    >>> spans(np.array([2, 1, 3]), np.array([2, 0]))
    (slice(0, 6, None), array([3, 4, 5, 0, 1]))
    """
    own = counts[rows]
    first = (np.cumsum(counts) - counts)[rows]
    low, high = int(first.min()), int((first + own).max())
    places = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
    return slice(low, high), np.repeat(first - low, own) + places


def dataset(part: StoredPart, number: int, file: h5py.File) -> h5py.Dataset:
    """Return the dataset with the values of the variable `number` of a part."""
    if part.spots is not None:
        return file[part.spots.datasets[number]]
    return file[f"{part.group}/values/{number}"]


def _failures(file: h5py.File) -> tuple[Failure, ...]:
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


def image(
    parts: Sequence[Part], failures: Sequence[Failure], created_ns: int
) -> tuple[str, list[hdf5_write.Chunk]]:
    """Make the name of a new segment, which is from its digest, and its content in pieces."""
    content = hdf5_write.image(lambda file, put: _build(file, put, parts, failures, created_ns))
    content.append(header.encode(parts, failures, created_ns))
    digest, behind = seal.sealed(content, seal.SEGMENT)
    return name_of(digest), [*content, behind]


def _build(
    file: h5py.File,
    put: hdf5_write.Put,
    parts: Iterable[Part],
    failures: Sequence[Failure],
    created_ns: int,
) -> None:
    file.attrs["created_ns"] = created_ns
    for number, part in enumerate(parts):
        group = file.create_group(f"part{number}")
        header.write(group, put, part.keys, list(map(header_of, part.variables)), part.coordinates)
        # The points of one call of a vectorized function have one time, which is stored once.
        is_same = len(part.keys) > 1 and part.elapsed.strides == (0,)
        put(group, "elapsed", np.asarray(part.elapsed[0]) if is_same else part.elapsed)
        if part.variables:
            values = group.create_group("values")
            for i, variable in enumerate(part.variables):
                put(values, str(i), variable.values)
    if failures:
        group = file.create_group("failures")
        group["keys"] = np.array([f.key for f in failures], dtype=np.uint64)
        group["attempts"] = np.array([f.attempts for f in failures], dtype=np.int64)
        group["elapsed"] = np.array([f.elapsed_s for f in failures], dtype=np.float64)
        places = [f.place for f in failures]
        # Whether the traceback ends with the message.
        group["ends"] = [p != f.traceback for p, f in zip(places, failures, strict=True)]
        texts = {name: [getattr(f, name) for f in failures] for name in _FAILURE_TEXTS}
        hdf5.write_texts(group, {**texts, "traceback": places})


def commit(
    place: Path,
    parts: Sequence[Part],
    failures: Sequence[Failure] = (),
    created_ns: int | None = None,
) -> Path:
    """Write finished points as a new segment; when this returns, they survive a power cut.

    The values are as old as `created_ns` says, or made now: the newest values of a key count.
    """
    age = time.time_ns() if created_ns is None else created_ns
    name, content = image(parts, failures, age)
    if not place.is_dir():
        files.make_folder(place)
    files.commit(place / name, content)
    return place / name
