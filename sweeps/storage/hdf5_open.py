"""HDF5 files to read, none before it is known to ask for nothing but itself.

HDF5 was not made for files that somebody damaged or made to harm: of 7,500 results files with some
bytes changed it (2.0.0) never came to an end with 7, in C, where nothing can stop it; groups within
each other 10^4 deep end the process. So a file that could come from anywhere is read first by a
child, which may spin or die. It is a fork of this process, which takes milliseconds.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import functools
import io
import os
import resource
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Any, NoReturn

import h5py
from h5py._objects import phil

from sweeps.errors import HostileFileError, StorageError
from sweeps.storage import disk, hdf5, hdf5_inspect, seal

_CPU_S, _MOST_CPU_S = 1, 30
"""Processor time for a look at an object, and at a file; 0.1 s and 1 s more for each MB."""

_BYTES_A_SECOND = 10_000_000

_SPARE_BYTES = 2**28

_OVER_TIME = (signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL)

_MOST_SAID = 4096  # a pipe takes that at once

WRITTEN = (
    "it is open for writing, here or in another program, or that did not close it: close it there "
    "first"
)

_HAS_CHILDREN = sys.platform == "linux"  # elsewhere a fork without exec is not safe


class Source(io.RawIOBase):
    """A file for HDF5 to read, as it was when it was opened, also when another takes its name.

    HDF5 opens no file by its path that this process has open with other settings, such as those of
    locks; nor does it later, with other settings, what is open here. It cannot tell which file is
    behind a Python object, so that neither is in the way of the other. Nothing is locked, since
    files are replaced, never changed; Lustre may refuse locks.

    Raises
    ------
    OSError
        Where it cannot be opened.
    StorageError
        For what is not a file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._descriptor = -1
        self._at = 0
        self.path = path
        self._descriptor = disk.open_to_read(path)
        found = os.fstat(self._descriptor)
        if not S_ISREG(found.st_mode):  # a pipe would be waited for
            self.close()
            raise StorageError(f"cannot read {path}: not a file.")
        self.n_bytes = found.st_size

    def __repr__(self) -> str:  # which HDF5 takes for its name
        return str(self.path)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read at any place."""
        return True

    def tell(self) -> int:
        """Say where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in it."""
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.n_bytes}
        self._at = before[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as there are, and a buffer takes."""
        # At a place, since a process that is forked off has the same descriptor.
        n_read = os.preadv(self._descriptor, [buffer], self._at)
        self._at += n_read
        return n_read

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            disk.close(self._descriptor)
            self._descriptor = -1
        super().close()


def open_read(path: Path) -> h5py.File:
    """Open a file for reading that may come from anywhere.

    Raises
    ------
    HostileFileError
        For external links, external storage, virtual layouts, filters other than gzip, shuffle and
        fletcher32, more than the file can hold, and what makes HDF5 spin or die.
    StorageError
        For a path that cannot be read or is no HDF5 file.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        found = None  # opening it will say why
    if found is None or not _HAS_CHILDREN:
        return open_own(path)
    state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    _look_by_child(path, state)
    return _open(path)


def open_own(path: Path) -> h5py.File:
    """Open a file for reading whose bytes are known to be what this project wrote.

    Raises
    ------
    HostileFileError, StorageError
        As `open_read` does, save that HDF5 must come to an end with the file.
    """
    return _inspected(_open(path), str(path))


def open_image(data: bytes | memoryview) -> h5py.File:
    """Open the bytes of a file for reading, as carefully as `open_own`.

    Through BytesIO: 48 MB are read in 16 ms, through the core driver in 62 ms.
    """
    name = "file in memory"
    return _inspected(_opened(io.BytesIO(data), name), name)


def read_attributes(path: Path) -> dict[str, Any]:
    """Read the root attributes of a file that are numbers or text, as Python's own.

    Raises
    ------
    StorageError
        For a path that cannot be read or is no HDF5 file.
    """
    with open_read(path) as file, damaged(path):
        found = {name: hdf5.plain(value) for name, value in file.attrs.items()}
    return {name: value for name, value in found.items() if type(value) in (str, int, float)}


def _open(path: Path) -> h5py.File:
    with _told(path):
        source = Source(path)
        if seal.is_being_written(path):
            source.close()
            raise StorageError(f"cannot read {path}: {WRITTEN}.")
    try:
        return _opened(source, str(path))
    except BaseException:
        source.close()
        raise


def _opened(source: io.RawIOBase | io.BytesIO, name: str) -> h5py.File:
    with _told(name):
        try:
            return h5py.File(source, "r")
        except (OSError, RuntimeError, ValueError) as error:
            if _is_machine(error):
                raise
            raise StorageError(
                f"cannot read {name}: not an HDF5 file, or a damaged one ({error})."
            ) from error


def _inspected(file: h5py.File, name: str) -> h5py.File:
    try:
        with damaged(name):
            hdf5_inspect.inspect(file, name, n_most=sys.maxsize)  # of points of as many shapes
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def damaged(name: object) -> Iterator[None]:
    """Say that a file is damaged where reading it raises, with the reason in the library's words.

    h5py raises nine types of exceptions where metadata are damaged, h5netcdf and xarray others.
    What the machine lacks is no damage, and said as it is.
    """
    with _told(name):
        try:
            yield
        except (StorageError, MemoryError, ImportError):
            raise
        except Exception as error:
            if _is_machine(error):
                raise
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise StorageError(
                f"cannot read {name}: damaged, or no results file ({said}); if a run made it, "
                "remove it and run again, which computes nothing anew"
            ) from error


@contextlib.contextmanager
def _told(name: object) -> Iterator[None]:
    """Say in one line what the machine lacks for reading a file."""
    try:
        yield
    except MemoryError as error:
        raise StorageError(f"cannot read {name}: there is not enough memory.") from error
    except ImportError as error:
        raise StorageError(
            f"cannot read {name}: a package cannot be imported ({error}); install it."
        ) from error
    except OSError as error:
        if not _is_machine(error):
            raise
        raise StorageError(f"cannot read {name}: {os.strerror(error.errno or 0)}.") from error


def _is_machine(error: BaseException) -> bool:
    """Whether the system has refused something, and the file is not at fault."""
    return isinstance(error, OSError) and error.errno not in (None, 0, errno.EINVAL)


@functools.lru_cache(maxsize=64)
def _look_by_child(path: Path, state: tuple[int, ...]) -> None:
    """Let a child read what there is of metadata and text in a file, and raise what it says."""
    with _told(path):
        reader, writer = os.pipe()
    # A lock that another thread holds would be held for ever in the child.
    with _told(path), phil, warnings.catch_warnings():
        # Of Python and of libraries with threads (JAX): the child starts none and needs none.
        warnings.simplefilter("ignore")
        child = os.fork()
    if not child:
        _look(path, state[2], writer)
    os.close(writer)
    with open(reader, "rb", buffering=0) as pipe:  # noqa: PTH123
        # To the end of the message: other forks may hold the pipe open.
        answer = pipe.read(_MOST_SAID)
    kind, _, said = answer.decode("utf-8", "surrogateescape").partition("\n")
    ended = 0
    with contextlib.suppress(ChildProcessError):  # somebody else waits for all children
        _, ended = os.waitpid(child, 0)
    if kind == "fine":
        return
    if kind:
        raise (HostileFileError if kind == "hostile" else StorageError)(said)
    is_endless = os.WIFSIGNALED(ended) and os.WTERMSIG(ended) in _OVER_TIME
    how = "HDF5 does not come to an end with it" if is_endless else "HDF5 does not survive it"
    raise HostileFileError(f"{path}: {how}: damaged, or made to harm.")


def _look(path: Path, n_bytes: int, writer: int) -> NoReturn:
    """Look at a file, and say what is wrong with it; whatever happens, it ends this process."""
    said = "damaged\n"
    try:
        faulthandler.disable()  # a crash is what we are here for
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        held = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # of the group: our parent's matter
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        more_s = n_bytes / _BYTES_A_SECOND
        beat = functools.partial(signal.setitimer, signal.ITIMER_PROF, _CPU_S + more_s)
        beat()
        _limit(resource.RLIMIT_CPU, round(_MOST_CPU_S + 10 * more_s))
        _limit(resource.RLIMIT_CORE, 0)
        with contextlib.suppress(FileNotFoundError):  # without /proc nobody knows what it has
            _limit(resource.RLIMIT_AS, _mapped_bytes() + _SPARE_BYTES + 8 * n_bytes)
        with _open(path) as file, damaged(path):
            hdf5_inspect.exhaust(file, hdf5_inspect.inspect(file, str(path), beat=beat), beat)
        said = "fine\n"
    except HostileFileError as error:
        said = f"hostile\n{error}"
    except BaseException as error:
        said = f"damaged\n{error}"
    finally:
        with contextlib.suppress(BaseException):
            os.write(writer, said.encode("utf-8", "surrogateescape")[:_MOST_SAID])
        os._exit(0)


def _limit(which: int, most: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # of a limit that is lower already
        resource.setrlimit(which, (most, most))


def _mapped_bytes() -> int:
    return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
