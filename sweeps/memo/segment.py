"""The file of one segment: finished points and failures, with a digest behind the end of the HDF5.

The digest is verified before HDF5 sees the file. Readers of HDF5 ignore it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from sweeps.memo import draft

NO_KEY = np.uint64(2**64 - 1)
"""Both halves of a key that no point has."""


@dataclasses.dataclass(frozen=True, eq=False)
class StoredPart:
    """A `Part` on disk; `read` gets its values.

    Attributes
    ----------
    spots : Spots or None
        Where the values are in a results file, if the part is in one.
    placed : Placed or None
        Where its large values are in a draft, if they are in one.
    lost : Keys or None
        Of its points whose files are lost, or values damaged; `stored_keys` has `NO_KEY` there.
    """

    path: Path
    group: str
    stored_keys: Keys | Factors
    elapsed: npt.NDArray[np.float32]
    variables: tuple[Header, ...]
    coordinates: tuple[Variable, ...]
    spots: header.Spots | None = None
    placed: draft.Placed | None = None
    lost: Keys | None = None

    def __len__(self) -> int:
        return len(self.stored_keys)

    @functools.cached_property
    def keys(self) -> Keys:
        """Key of each point, shape (n, 2)."""
        return written(self.stored_keys)

    @property
    def every_key(self) -> Keys:
        """The keys, with those of the points that are hidden."""
        if self.lost is None:
            return self.keys
        own = self.keys.copy()
        own[own[:, 0] == NO_KEY] = self.lost
        return own

    def without(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> StoredPart:
        """Hide some of its points."""
        if not len(rows):
            return self
        own = self.keys.copy()
        own[rows] = NO_KEY
        lost = self.every_key[own[:, 0] == NO_KEY]
        return dataclasses.replace(self, stored_keys=own, lost=lost)


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

    @property
    def is_placed(self) -> bool:
        """Whether large values of it are in a draft."""
        return any(part.placed is not None for part in self.parts)

    @property
    def is_adrift(self) -> bool:
        """Whether a draft with large values of it is gone."""
        return any(p.placed is not None and not p.placed.path.exists() for p in self.parts)

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


def load(path: Path, trusted: Path | None = None) -> Segment:
    """Verify a segment and read all but its values.

    Values in a draft are checked, too, if it is not the `trusted` one: damaged ones are hidden. It
    raises `DamagedError` if its digest is wrong, and `MergedAwayError` if it no longer exists.
    """
    found = verify(path)
    try:
        is_landed = found.is_of_results
        if not is_landed and (known := header.decode(found.content)) is not None:
            parts = tuple(
                StoredPart(path, f"/part{i}", each.keys, each.elapsed, each.headers, ())
                for i, each in enumerate(known.parts)
            )
            return Segment(path, found.n_bytes, known.created_ns, parts, known.failures)
        with reading(path), open_hdf5(path) as file:
            if is_landed or header.MEMO in file:
                # the folders of the memo are named after the code
                return _landed(path, found, file, path.parent.name)
            every = (_stored_part(path, file[g]) for g in file if g.startswith("part"))
            parts = tuple(_checked(part, trusted) for part in every)
            created_ns = int(file.attrs["created_ns"])
            return Segment(path, found.n_bytes, created_ns, parts, header.failures(file))
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
    """Check the digest of a segment before anything reads it; values in place may be damaged."""
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
    if not (found.is_whole(seal.SEGMENT) or found.is_readable(seal.RESULTS)):
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
    if not is_cut or path.name not in map(name_of, seal.digests_of(path)):
        raise DamagedError


def of_results(path: Path, fingerprint: str) -> Segment | None:
    """Read all but the values of a results file; None if its digest is wrong."""
    with hdf5_open.damaged(path):
        found = seal.look(path, seal.RESULTS)
    if not found.is_readable(seal.RESULTS):
        return None
    with hdf5_foreign.open_read(path) as file, hdf5_open.damaged(path):
        return _landed(path, found, file, fingerprint)


def _landed(path: Path, sealed: seal.Seal, file: h5py.File, fingerprint: str) -> Segment:
    """Read all but the values of a results file that can be a segment."""
    found = header.load_kept(file)
    if found.fingerprint != fingerprint:
        raise ValueError(found.fingerprint)
    parts = tuple(
        StoredPart(
            *(path, "/", each.keys, results_segment.elapsed(file, each.spots)),
            *(each.variables, each.coordinates, each.spots),
        ).without(results_segment.rows_at(each.spots, sealed.damaged))
        for each in found.parts
    )
    return Segment(path, sealed.n_bytes, found.created_ns, parts, (), is_landed=True)


def _checked(part: StoredPart, trusted: Path | None) -> StoredPart:
    """Hide the points of a part whose values in a draft are damaged."""
    if part.placed is None or (part.placed.path == trusted and trusted.exists()):
        return part
    from sweeps.memo import draft  # which few segments need

    rows = draft.damaged(part.placed)
    if rows and not part.path.exists():  # it has landed, and the draft is gone
        raise MergedAwayError(part.path)
    return part.without(rows)


def _stored_part(path: Path, group: h5py.Group) -> StoredPart:
    keys = header.keys(group)
    elapsed = np.asarray(group["elapsed"][()])
    placed = None
    if "draft" in group.attrs:
        from sweeps.memo import draft

        placed = draft.placed_of(group, path.parent)
    return StoredPart(
        path,
        group.name,
        keys,
        np.broadcast_to(elapsed, len(keys)) if elapsed.ndim == 0 else elapsed,
        header.headers(group),
        header.coordinates(group),
        placed=placed,
    )


def read(part: StoredPart, number: int, file: h5py.File, rows: slice | None = None) -> Array:
    """Read values of the variable `number` of a part, all or those of a slice of its points.

    Values of free lengths come as they are stored, one point after another.
    """
    with reading(part.path):
        if part.placed is not None and number in part.placed.columns:
            from sweeps.memo import draft

            return draft.read(part.placed, number, part.variables[number], rows)
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


def image(
    parts: Sequence[Part],
    failures: Sequence[Failure],
    created_ns: int,
    placed: Mapping[int, draft.Placed] | None = None,
) -> tuple[str, list[hdf5_write.Chunk]]:
    """Make the name of a new segment, which is from its digest, and its content in pieces."""
    content = hdf5_write.image(
        lambda file, put: _build(file, put, parts, failures, created_ns, placed or {})
    )
    content.append(b"" if placed else header.encode(parts, failures, created_ns))
    digest, behind = seal.sealed(content, seal.PLACED if placed else seal.SEGMENT)
    return name_of(digest), [*content, behind]


def _build(
    file: h5py.File,
    put: hdf5_write.Put,
    parts: Iterable[Part],
    failures: Sequence[Failure],
    created_ns: int,
    placed: Mapping[int, draft.Placed] = MappingProxyType({}),
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
            elsewhere = placed[number].columns if number in placed else ()
            for i, variable in enumerate(part.variables):
                if i not in elsewhere:
                    put(values, str(i), variable.values)
        if number in placed:
            from sweeps.memo import draft

            draft.write_placed(group, put, placed[number])
    if failures:
        header.write_failures(file, failures)


def commit(
    place: Path,
    parts: Sequence[Part],
    failures: Sequence[Failure] = (),
    created_ns: int | None = None,
    placed: Mapping[int, draft.Placed] | None = None,
) -> Path:
    """Write finished points as a new segment; when this returns, they survive a power cut.

    They are as old as `created_ns` says, or made now: the newest values of a key count. Large ones
    of parts, by their number, may be `placed` in a draft.
    """
    age = time.time_ns() if created_ns is None else created_ns
    name, content = image(parts, failures, age, placed)
    if not place.is_dir():
        files.make_folder(place)
    files.commit(place / name, content)
    return place / name
