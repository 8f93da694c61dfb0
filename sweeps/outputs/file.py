"""Files that a point hands over, and the columns that stand for them.

An output of files becomes three: its own name has the names of the files, with ``_bytes`` the sizes
and with ``_sha256`` the digests. The contents go where the digests find them again.
"""

from __future__ import annotations

import dataclasses
import errno
import io
import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sweeps.errors import OutputError
from sweeps.outputs.point import DIGEST, SIZE, fields
from sweeps.outputs.types import Part
from sweeps.storage.pack_writer import Writer, measured
from sweeps.storage.packs import CHUNK_BYTES

MARK = "_file"
"""Attribute, private to the memo, of digests of files; others may have outputs of such names."""

ONE, SEVERAL = "file", "files"
"""Outputs of a function that returns a file, or a list of files, without a name."""

_LONGEST_BYTES, _LONGEST_PART_BYTES = 1024, 255


class ClashError(OutputError):
    """Returned files that cannot all be kept, because of their names."""


class File:
    """A file that a point hands over: its content is stored with the values of the point.

    Parameters
    ----------
    content : str, os.PathLike or bytes
        The path of a complete file, which you may remove afterwards; or the content itself.
    name : str, optional
        The name under which it is kept: by default the last part of the path. It may have folders
        ("VTK/step_1.vtk"); a content without a path needs a name.

    Attributes
    ----------
    name : str

    Raises
    ------
    OutputError
        If there is no such file, or the name could not be written safely.

    Examples
    --------
    >>> import sweeps
    >>> log = sweeps.File(b"converged", name="out.log")
    >>> log.name, log.read_bytes()
    ('out.log', b'converged')
    """

    is_used: ClassVar[bool] = False  # whether this process has made any
    digests: ClassVar[set[str]] = set()  # outputs that have digests of files

    def __init__(self, content: str | os.PathLike[str] | bytes, name: str | None = None) -> None:
        File.is_used = True
        self._file: io.FileIO | None = None
        self._content = b""
        if isinstance(content, (bytes, bytearray, memoryview)):
            if name is None:
                raise OutputError("a File made of bytes needs a name: sweeps.File(bytes, name=...)")
            self.name, self._content = checked(name), bytes(content)
            return
        if not isinstance(content, (str, os.PathLike)):
            raise OutputError(
                f"File got a {type(content).__name__}: give a path, or bytes and name=..."
            )
        path = Path(content)
        self.name = checked(path.name if name is None else name)
        self._read(path)

    def _read(self, path: Path) -> None:
        """Read a small file; hold a large one open, so that it may be removed."""
        try:
            if not path.is_file():
                reason = "is not a file" if path.exists() else "does not exist"
                raise OutputError(f"File({str(path)!r}): {path.absolute()} {reason}")
            file = _opened(path)
        except (OSError, ValueError) as error:  # of a NUL
            raise OutputError(f"cannot read {str(path)!r}: {error}") from error
        if os.fstat(file.fileno()).st_size > CHUNK_BYTES:
            self._file = file
            return
        with file:
            self._content = file.readall()

    def pieces(self) -> bytes | Iterator[bytes]:
        """Return the content, or a large one piece by piece."""
        return self._content if self._file is None else _pieces(self._file)

    def read_bytes(self) -> bytes:
        """Return the whole content."""
        found = self.pieces()
        return found if isinstance(found, bytes) else b"".join(found)

    def __repr__(self) -> str:
        return f"File({self.name!r})"

    def __reduce__(self) -> tuple[type[File], tuple[bytes, str]]:
        return File, (self.read_bytes(), self.name)

    def __del__(self) -> None:
        """Close a file that nothing was made of."""
        if (file := getattr(self, "_file", None)) is not None:
            file.close()


def _opened(path: Path) -> io.FileIO:
    """Open a file, even if a point hands over more large files than may usually be open."""
    try:
        return io.FileIO(path)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the worker takes it back
        return io.FileIO(path)


def _pieces(file: io.FileIO) -> Iterator[bytes]:
    at = 0
    while piece := os.pread(file.fileno(), CHUNK_BYTES, at):
        yield piece
        at += len(piece)


def checked(name: Any) -> str:
    """Refuse a name that would lead elsewhere when it is written, or cannot be shown."""
    if not isinstance(name, str):
        raise OutputError(f"the name of a File is {name!r}: give a string")
    if reason := why_unsafe(name):
        raise OutputError(f"a File cannot be named {name!r}: {reason}; give another with name=...")
    return str(name)


def why_unsafe(name: str) -> str:
    """Say why a file cannot be kept or extracted under a name; empty if it can."""
    parts = name.split("/")
    if name.startswith("/"):
        return "it begins with '/'"
    if any(part in ("", ".", "..") for part in parts):
        return "a part of it is empty, '.' or '..'"
    if not name.isprintable() or "\\" in name:
        return "it has a backslash, or a character that is not printed"
    if len(name.encode()) > _LONGEST_BYTES or any(
        len(part.encode()) > _LONGEST_PART_BYTES for part in parts
    ):
        return f"it is longer than {_LONGEST_PART_BYTES} bytes, or {_LONGEST_BYTES} with folders"
    return ""


def unfolded(value: Any, writer: Writer | None, *, is_column: bool = False) -> Any:
    """Store the files in a returned value, and put their names, sizes and digests in their place.

    Parameters
    ----------
    value
        What a function returned; without files, it is returned as it is.
    writer : Writer or None
        Where contents go; without it, nothing is stored.
    is_column : bool
        Whether the files of a list belong to different points.

    Raises
    ------
    ClashError
        If names are taken twice.
    """
    if not File.is_used:
        return value
    if (found := _files_of(value)) is not None:
        value = {ONE if isinstance(value, File) else SEVERAL: value}
    named = fields(value)
    if named is None:
        return value
    made: dict[Any, Any] = {}
    for key, each in named.items():
        found = _files_of(each) if isinstance(key, str) else None
        if found is None:
            made[key] = each
            continue
        _refuse_clashes(key, found.ravel().tolist(), named, is_column=is_column)
        File.digests.add(key + DIGEST)
        stored = [_store(file, writer) for file in found.flat]
        names, sizes, digests = zip(*stored, strict=True)
        for ending, column in ("", names), (SIZE, sizes), (DIGEST, digests):
            dtype = np.int64 if ending == SIZE else object
            array = np.array(column, dtype=dtype).reshape(found.shape)
            made[key + ending] = array if array.ndim else array.item()
    return made


def marked(part: Part) -> Part:
    """Mark the digests of files among the outputs of points."""
    names = {v.name for v in part.variables}
    stems = {name.removesuffix(DIGEST) for name in File.digests & names}
    found = {stem + DIGEST for stem in stems if {stem, stem + SIZE} <= names}
    if not found:
        return part
    variables = tuple(
        dataclasses.replace(v, attrs={**v.attrs, MARK: 1}) if v.name in found else v
        for v in part.variables
    )
    return dataclasses.replace(part, variables=variables)


def _files_of(value: Any) -> Any:
    """Return an array of files, 0-D for a single one; None for anything else."""
    if isinstance(value, File):
        single = np.empty((), dtype=object)
        single[()] = value
        return single
    if isinstance(value, (list, tuple)) and not hasattr(value, "_asdict"):
        if not value or not all(isinstance(each, File) for each in value):
            return None
        array = np.empty(len(value), dtype=object)
        array[:] = value
        return array
    is_array = isinstance(value, np.ndarray) and value.dtype == object and value.size
    return value if is_array and all(isinstance(each, File) for each in value.flat) else None


def _refuse_clashes(
    key: str, found: Sequence[File], named: Mapping[Any, Any], *, is_column: bool
) -> None:
    for ending, what in (SIZE, "sizes"), (DIGEST, "digests"):
        if key + ending in named:
            raise ClashError(
                f"output {key + ending!r} has the name of the {what} of the files in {key!r}: "
                "rename it"
            )
    names = [file.name for file in found]
    if not is_column and len(set(names)) < len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise ClashError(f"output {key!r} has two files named {name!r}: give one another name=")
    folders = {name[:at] for name in names for at, each in enumerate(name) if each == "/"}
    if not is_column and (both := folders & {*names}):
        name = min(both)
        raise ClashError(f"output {key!r} has a file and a folder named {name!r}: rename one")


def _store(file: File, writer: Writer | None) -> tuple[str, int, str]:
    content = file.pieces()
    return file.name, *(measured(content) if writer is None else writer.add(content))
