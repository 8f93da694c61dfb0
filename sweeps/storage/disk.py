"""The disk: every call by which memo, landing and what is kept beside them change or read it.

One function for each kind of call, and nothing else, so that a disk that fails or forgets can be
put in their place. Three things go past it: HDF5 reads files by their path, `stat` only asks, and
nothing of a run's own folder for temporary files is meant to last.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

MOST_BYTES = 2**29
"""Of a file that is read whole: what names the points of a list of 16 million takes as much."""


def create(path: Path) -> int:
    """Open a new file to write and read; its mode is what the umask leaves of 0666."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def open_to_read(path: Path) -> int:
    """Open a file that is there; what is a pipe instead is not waited for, and has no content."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def close(descriptor: int) -> None:
    """Close a file."""
    os.close(descriptor)


def read(descriptor: int, n_bytes: int) -> bytes:
    """Read some bytes, fewer before the end of a file, none there."""
    return os.read(descriptor, n_bytes)


def write(descriptor: int, data: bytes | memoryview) -> int:
    """Write some of the bytes, and say how many."""
    return os.write(descriptor, data)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of the bytes."""
    rest = memoryview(data)
    while rest:
        rest = rest[write(descriptor, rest) :]


def truncate(descriptor: int, n_bytes: int) -> None:
    """Give a file another length."""
    os.ftruncate(descriptor, n_bytes)


def protect(descriptor: int) -> None:
    """Take from everybody the right to write to a file."""
    os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o444)


def flush(descriptor: int) -> None:
    """Make the content of a file survive a power cut.

    What failed once may succeed when asked again, though the content is lost: Linux takes pages
    that it could not write for clean. So a file whose flush failed is thrown away.
    """
    os.fsync(descriptor)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where its filesystem can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network filesystems know no fsync of folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def replace(source: Path, target: Path) -> None:
    """Give a file or folder another name, in the place of a file of that name."""
    source.replace(target)


def link(source: Path, target: Path) -> None:
    """Give a file one more name, which must be free."""
    target.hardlink_to(source)


def unlink(path: Path) -> None:
    """Remove a file."""
    path.unlink()


def make_folder(folder: Path) -> None:
    """Make one folder, which may be there; its mode is what the umask leaves of 0777."""
    folder.mkdir(exist_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove an empty folder."""
    folder.rmdir()


def names(folder: Path) -> list[str]:
    """Names of what is in a folder."""
    return os.listdir(folder)  # noqa: PTH208 - 10^5 Path objects take 0.1 s


def content(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a file that is small enough to be read whole.

    Raises
    ------
    ValueError
        For a larger one, which is none of ours: 20 GB of nothing take no place on a disk.
    """
    descriptor = open_to_read(path)
    try:
        n_bytes = os.fstat(descriptor).st_size
        if n_bytes > most:
            raise ValueError(f"{path} has {n_bytes} bytes: more than {most}")
        return read(descriptor, n_bytes)
    finally:
        close(descriptor)
