"""The contents of files that stored points name by digest: find them, and notice lost ones.

After damage, `listing.SUSPECTED` stands in the folder of the memo. While it does, a scan compares
the digests of all points with the contents that are there, and a point whose file is lost counts as
not computed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from sweeps.errors import StorageError
from sweeps.memo import listing, segment
from sweeps.memo.segment import Segment, StoredPart
from sweeps.outputs.file import MARK, why_unsafe
from sweeps.outputs.point import DIGEST, SIZE
from sweeps.outputs.types import Header
from sweeps.spaces.keys import Keys
from sweeps.storage import disk, files, packs
from sweeps.storage.hdf5 import Array
from sweeps.storage.packs import Entry

if TYPE_CHECKING:
    from sweeps.memo.index import Index


@dataclasses.dataclass(frozen=True)
class StoredFile:
    """A file that a point handed over.

    Attributes
    ----------
    name : str
        Its name, which may have folders.
    output : str
        The output that it belongs to.
    size : int
        In bytes.
    digest : str
        SHA-256 of its content, in hexadecimal.
    """

    name: str
    output: str
    size: int
    digest: str
    _entry: Entry | None = dataclasses.field(default=None, repr=False, compare=False)
    _again: str = dataclasses.field(default="", repr=False, compare=False)

    @property
    def is_stored(self) -> bool:
        """Whether its content was found; it is checked when it is read."""
        return self._entry is not None

    def read_bytes(self) -> bytes:
        """Read the whole content."""
        return b"".join(self._pieces())

    def open(self) -> BinaryIO:
        """Open the content to read; it is checked before."""
        if self.size <= packs.CHUNK_BYTES:
            return io.BytesIO(self.read_bytes())
        for _ in self._pieces():
            pass
        assert self._entry is not None  # else `_pieces` has raised
        return io.BufferedReader(_Slice(self._entry))

    def extract(self, folder: str | Path) -> Path:
        """Write the file below a folder, complete or not at all, and return its path."""
        if reason := why_unsafe(self.name):
            raise StorageError(f"cannot extract {self.name!r}: {reason}")
        path = Path(folder) / self.name
        advice = "give another folder"
        with files.told(path, advice):
            path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path, advice) as new:
            for piece in self._pieces():
                disk.write_all(new.descriptor, piece)
        return path

    def _pieces(self) -> Iterator[bytes]:
        if self._entry is None:
            raise StorageError(f"the content of {self.name!r} is lost: {self._again}")
        try:
            yield from packs.pieces(self._entry)
        except packs.DamagedError as error:
            reason = f"the content of {self.name!r} is damaged in {self._entry.path}"
            raise StorageError(f"{reason}: {self._again}") from error
        except FileNotFoundError as error:
            raise StorageError(
                f"cannot read {self._entry.path}: another run has merged it; open the file again"
            ) from error


class _Slice(io.RawIOBase):
    """A content in its pack, read as a file of its own."""

    def __init__(self, entry: Entry) -> None:
        self._file = io.FileIO(entry.path)
        self._start, self._size, self._at = entry.start, entry.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        self._file.seek(self._start + self._at)
        n_bytes = self._file.readinto(view[: max(0, self._size - self._at)]) or 0
        self._at += n_bytes
        return n_bytes

    def close(self) -> None:
        self._file.close()
        super().close()


def of_point(
    values: Mapping[str, Array], folders: Iterable[Path], again: str
) -> dict[str, StoredFile]:
    """Find the files among the outputs of a point.

    Parameters
    ----------
    values : mapping of str to numpy.ndarray
        Outputs by name.
    folders : iterable of Path
        Where their contents may be.
    again : str
        What to do if one is lost.
    """
    said = [
        (None if not values[name].ndim else f"{name}/{own}", StoredFile(own, name, size, digest))
        for name in values
        if {name + SIZE, name + DIGEST} <= values.keys()
        for own, size, digest in zip(
            *(values[name + ending].ravel().tolist() for ending in ("", SIZE, DIGEST)), strict=False
        )
        if isinstance(own, str) and isinstance(digest, str) and isinstance(size, int)
    ]
    left = {file.digest for _, file in said}
    found: dict[str, Entry] = {}
    for folder in folders:
        if left:
            found |= {d: e for d, e in packs.available(folder).items() if d in left}
            left -= found.keys()
    return {
        key or file.output: dataclasses.replace(file, _entry=found.get(file.digest), _again=again)
        for key, file in said
    }


# ---- lost contents


@dataclasses.dataclass(frozen=True, eq=False)
class Lost:
    """Points of a part whose files are lost: their rows, and the names of the files."""

    part: StoredPart
    rows: npt.NDArray[np.int64]
    names: tuple[str, ...]


def lost(parts: Iterable[StoredPart], have: Collection[str]) -> Iterator[Lost]:
    """Find the points that name contents which are not among `have`."""
    for part in parts:
        rows, names = list[npt.NDArray[np.int64]](), dict[str, None]()
        for number, digests in _digests(part):
            is_gone = np.array([digest not in have for digest in digests.flat], dtype=bool)
            if not is_gone.any():
                continue
            header = part.variables[number]
            rows.append(_owners(header, digests, len(part))[is_gone])
            names |= dict.fromkeys(np.asarray(_names(part, header)).ravel()[is_gone].tolist())
        if rows:
            yield Lost(part, np.unique(np.concatenate(rows)), tuple(names))


def named(parts: Iterable[StoredPart]) -> set[str]:
    """Return the digests of all contents that points name."""
    return {digest for part in parts for _, found in _digests(part) for digest in found.flat}


def has_files(part: StoredPart) -> bool:
    """Whether points of a part have handed over files."""
    return bool(_numbers(part))


def _numbers(part: StoredPart) -> list[int]:
    """Return which variables of a part are digests of files."""
    return [number for number, header in enumerate(part.variables) if MARK in header.attrs]


def _digests(part: StoredPart) -> Iterator[tuple[int, Array]]:
    """Read the digests of files in a part; with the number of the variable."""
    if wanted := _numbers(part):
        with segment.open_hdf5(part.path) as file:
            for number in wanted:
                yield number, segment.read(part, number, file)


def _names(part: StoredPart, header: Header) -> Array:
    name = header.name.removesuffix(DIGEST)
    number = next(i for i, each in enumerate(part.variables) if each.name == name)
    with segment.open_hdf5(part.path) as file:
        return segment.read(part, number, file)


def _owners(header: Header, values: Array, n_points: int) -> npt.NDArray[np.int64]:
    """Return the row that each value belongs to."""
    counts = header.counts
    if counts is None:
        return np.repeat(np.arange(n_points), values.size // max(1, n_points))
    return np.repeat(np.arange(n_points), counts)


def suspect(folder: Path) -> None:
    """Have the next runs look for lost contents."""
    files.commit(folder / listing.SUSPECTED, [b"{}"])


def masked(loaded: Segment, folder: Path, have: Collection[str]) -> Segment:
    """Hide the points of a segment whose files are lost: neither among `have` nor there now."""
    if not list(lost(loaded.parts, have)):
        return loaded
    now = packs.available(folder).keys()  # a run may have stored them since
    found = {id(each.part): each.rows for each in lost(loaded.parts, now)}
    return dataclasses.replace(
        loaded,
        parts=tuple(p.without(found[id(p)]) if id(p) in found else p for p in loaded.parts),
    )


def lost_points(index: Index, have: Collection[str]) -> Iterator[Lost]:
    """Find the points of an index whose files are lost, but not values with newer ones."""
    segments = {
        name: dataclasses.replace(each, parts=tuple(map(_whole, each.parts)))
        for name, each in index.segments.items()
    }
    index = dataclasses.replace(index, segments=segments)
    for number, part in enumerate(index.parts):
        for each in lost([part], have):
            is_newest = index.find(part.keys[each.rows]) == index.starts[number] + each.rows
            if is_newest.any():
                yield dataclasses.replace(each, rows=each.rows[is_newest])


def _whole(part: StoredPart) -> StoredPart:
    """Undo `masked`."""
    if part.lost is None:
        return part
    return dataclasses.replace(part, stored_keys=part.every_key, lost=None)


def settle(index: Index) -> None:
    """End the suspicion if all points whose files are lost have been computed again."""
    hidden: list[Keys] = [part.lost for part in index.parts if part.lost is not None]
    if hidden and (index.find(np.concatenate(hidden)) < 0).any():
        return
    for source in listing.sources(index.folder):
        with contextlib.suppress(OSError):
            disk.unlink(source.folder / listing.SUSPECTED)
