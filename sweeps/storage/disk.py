"""The disk: every call that changes or reads stored results and results files.

There is one function for each kind of call and nothing else, so that tests can put a disk that
fails or loses power in their place. Three things bypass it: HDF5 reads files itself, `stat` changes
nothing, and the temporary folder of a run is not meant to last.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 2**20

MOST_BYTES = 2**29
"""Most bytes of a file that is read whole: the list of 16 million points takes as many."""


def create(path: Path) -> int:
    """Open a new file to write and read; its mode is what the umask leaves of 0666."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def open_to_read(path: Path) -> int:
    """Open an existing file; a pipe in its place blocks nobody, and has no content."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def open_to_change(path: Path) -> int:
    """Open an existing file to read it and to change it where it is."""
    return os.open(path, os.O_RDWR)


def close(descriptor: int) -> None:
    """Close a file."""
    os.close(descriptor)


def read(descriptor: int, n_bytes: int) -> bytes:
    """Read at most so many bytes; none at the end of the file."""
    return os.read(descriptor, n_bytes)


def write(descriptor: int, data: bytes | memoryview) -> int:
    """Write some of the bytes; return how many."""
    return os.write(descriptor, data)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of the bytes."""
    rest = memoryview(data)
    while rest:
        rest = rest[write(descriptor, rest) :]


def read_at(descriptor: int, n_bytes: int, offset: int) -> bytes:
    """Read at most so many bytes from a place of a file; none behind its end."""
    return os.pread(descriptor, n_bytes, offset)


def chunks(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """Read a part of a file piece by piece, or less of it if the file is cut."""
    while start < end and (chunk := read_at(descriptor, min(end - start, CHUNK_BYTES), start)):
        yield chunk
        start += len(chunk)


def write_at(descriptor: int, data: memoryview, offset: int) -> int:
    """Write some of the bytes to a place of a file; return how many."""
    return os.pwrite(descriptor, data, offset)


def write_all_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of the bytes to a place of a file."""
    n_done = 0
    while n_done < len(data):
        n_done += write_at(descriptor, data[n_done:], offset + n_done)


def truncate(descriptor: int, n_bytes: int) -> None:
    """Change the length of a file."""
    os.ftruncate(descriptor, n_bytes)


def protect(descriptor: int) -> None:
    """Make a file read-only for everybody."""
    os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o444)


def flush(descriptor: int) -> None:
    """Make the content of a file survive a power cut.

    A flush that failed may succeed the second time although the content is lost, because Linux
    marks pages that it could not write as clean. So a file whose flush failed is thrown away.
    """
    os.fsync(descriptor)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, if its filesystem can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network filesystems cannot flush folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def replace(source: Path, target: Path) -> None:
    """Rename a file or folder; a file of the new name is replaced."""
    source.replace(target)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, which must be free."""
    target.hardlink_to(source)


def unlink(path: Path) -> None:
    """Remove a file."""
    path.unlink()


def make_folder(folder: Path) -> None:
    """Make one folder, which may exist; its mode is what the umask leaves of 0777."""
    folder.mkdir(exist_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove an empty folder."""
    folder.rmdir()


def names(folder: Path) -> list[str]:
    """List the names in a folder."""
    return os.listdir(folder)  # noqa: PTH208 - 10^5 Path objects take 0.1 s


def content(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a file that is small enough to be read whole.

    A larger one is a `ValueError`: it is not ours, and a sparse file of 20 GB takes no space on a
    disk.
    """
    descriptor = open_to_read(path)
    try:
        n_bytes = os.fstat(descriptor).st_size
        if n_bytes > most:
            raise ValueError(f"{path} has {n_bytes} bytes: more than {most}")
        return read(descriptor, n_bytes)
    finally:
        close(descriptor)
