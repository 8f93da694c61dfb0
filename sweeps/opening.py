"""Opening: HDF5 files to read, none before it is known to ask for nothing but itself.

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
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
from h5py._objects import phil

from sweeps import inspecting
from sweeps.errors import HostileFileError, StorageError

_CPU_S, _MOST_CPU_S = 1, 30
"""Processor time for a look at an object, and at a file; 0.1 s and 1 s more for each MB."""

_BYTES_A_SECOND = 10_000_000
_SPARE_BYTES = 2**28
_OVER_TIME = (signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL)
_MOST_SAID = 4096  # a pipe takes that at once
_HAS_CHILDREN = sys.platform == "linux"  # elsewhere a fork without exec is not safe


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
    return _open(path, str(path), locking=False)


def open_own(path: Path) -> h5py.File:
    """Open a file for reading whose bytes are known to be what this project wrote.

    Raises
    ------
    HostileFileError, StorageError
        As `open_read` does, save that HDF5 must come to an end with the file.
    """
    # Files are replaced, never changed, so that readers need no lock, which Lustre may refuse.
    return _inspected(_open(path, str(path), locking=False), str(path))


def open_image(data: bytes | memoryview) -> h5py.File:
    """Open the bytes of a file for reading, as carefully as `open_own`.

    Through BytesIO: 48 MB are read in 16 ms, through the core driver in 62 ms.
    """
    name = "file in memory"
    return _inspected(_open(io.BytesIO(data), name), name)


def read_attributes(path: Path) -> dict[str, Any]:
    """Read the root attributes of a file that are numbers or text, as Python's own.

    Raises
    ------
    StorageError
        For a path that cannot be read or is no HDF5 file.
    """
    with open_read(path) as file, damaged(path):
        found = {n: v.item() if isinstance(v, np.generic) else v for n, v in file.attrs.items()}
    return {name: value for name, value in found.items() if type(value) in (str, int, float)}


def _open(source: Path | io.BytesIO, name: str, **options: Any) -> h5py.File:
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise StorageError(f"cannot read {name}: not a file.")  # a pipe would be waited for
    try:
        return h5py.File(source, "r", **options)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        if number in (None, errno.EINVAL):
            reason = f"not an HDF5 file, or a damaged one ({error})"
        else:
            reason = os.strerror(number)
        raise StorageError(f"cannot read {name}: {reason}.") from error


def _inspected(file: h5py.File, name: str) -> h5py.File:
    try:
        with damaged(name):
            inspecting.inspect(file, name, n_most=sys.maxsize)  # of points of as many shapes
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def damaged(name: object) -> Any:
    """Say that a file is damaged where reading it raises, with the reason in the library's words.

    h5py raises nine types of exceptions where metadata are damaged, h5netcdf and xarray others.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise StorageError(
            f"cannot read {name}: damaged, or no results file ({said}); if a run made it, "
            "remove it and run again, which computes nothing anew"
        ) from error


@functools.lru_cache(maxsize=64)
def _look_by_child(path: Path, state: tuple[int, ...]) -> None:
    """Let a child read what there is of metadata and text in a file, and raise what it says."""
    reader, writer = os.pipe()
    # A lock that another thread holds would be held for ever in the child.
    with phil, warnings.catch_warnings():
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
        more_s = n_bytes / _BYTES_A_SECOND
        beat = functools.partial(signal.setitimer, signal.ITIMER_PROF, _CPU_S + more_s)
        beat()
        _limit(resource.RLIMIT_CPU, round(_MOST_CPU_S + 10 * more_s))
        _limit(resource.RLIMIT_CORE, 0)
        with contextlib.suppress(FileNotFoundError):  # without /proc nobody knows what it has
            _limit(resource.RLIMIT_AS, _mapped_bytes() + _SPARE_BYTES + 8 * n_bytes)
        with _open(path, str(path), locking=False) as file, damaged(path):
            inspecting.exhaust(file, inspecting.inspect(file, str(path)), beat)
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
