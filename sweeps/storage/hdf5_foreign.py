"""HDF5 files that may come from anywhere: a child process reads them first and may hang or die.

HDF5 does not expect damaged or hostile files: with 7 of 7,500 results files with changed bytes it
(2.0.0) hung in C, where nothing can stop it; 10^4 nested groups end the process. The child is a
fork of this process, which takes milliseconds.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import h5py
from h5py._objects import phil

from sweeps.errors import HostileFileError, StorageError
from sweeps.storage import hdf5, hdf5_open
from sweeps.storage.hdf5_open import damaged

_CPU_S, _MOST_CPU_S = 1, 30
"""Seconds of processor time for an object, and for a file; 0.1 s and 1 s more for each MB."""

_BYTES_A_SECOND = 10_000_000

_SPARE_BYTES = 2**28

_OVER_TIME = (signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL)

_MOST_SAID = 4096  # a pipe takes so much in one write

_HAS_CHILDREN = sys.platform == "linux"  # on other systems a fork without exec is not safe


def open_read(path: Path) -> h5py.File:
    """Open a file for reading that may come from anywhere.

    Raises
    ------
    HostileFileError
        For external links, external storage, virtual layouts, filters other than gzip, shuffle and
        fletcher32, sizes that the file cannot hold, and content at which HDF5 hangs or dies.
    StorageError
        For a path that cannot be read or is no HDF5 file.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        found = None  # opening it says why
    if found is None or not _HAS_CHILDREN:
        return hdf5_open.open_own(path)
    state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    _look_by_child(path, state)
    return hdf5_open.open_plain(path)


def read_attributes(path: Path) -> dict[str, Any]:
    """Read the root attributes of a file that are numbers or text, as Python types."""
    with open_read(path) as file, damaged(path):
        found = {name: hdf5.plain(value) for name, value in file.attrs.items()}
    return {name: value for name, value in found.items() if type(value) in (str, int, float)}


@functools.lru_cache(maxsize=64)
def _look_by_child(path: Path, state: tuple[int, ...]) -> None:
    """Let a child read all metadata and text of a file, and raise what it reports."""
    with hdf5_open.told(path):
        reader, writer = os.pipe()
    # A lock that another thread holds would never be released in the child.
    with hdf5_open.told(path), phil, warnings.catch_warnings():
        # Python and libraries with threads (JAX) warn of forks; the child starts no thread.
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
    with contextlib.suppress(ChildProcessError):  # another part of the program waits for all
        _, ended = os.waitpid(child, 0)
    if kind == "fine":
        return
    if kind:
        raise (HostileFileError if kind == "hostile" else StorageError)(said)
    is_endless = os.WIFSIGNALED(ended) and os.WTERMSIG(ended) in _OVER_TIME
    how = "HDF5 does not finish reading it" if is_endless else "HDF5 crashes on it"
    raise HostileFileError(f"{path}: {how}: damaged, or malicious.")


def _look(path: Path, n_bytes: int, writer: int) -> NoReturn:
    """Read a file, report what is wrong with it, and end this process in any case."""
    said = "damaged\n"
    try:
        faulthandler.disable()  # a crash is expected here
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        # Signals of the process group: the parent handles them.
        held = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        more_s = n_bytes / _BYTES_A_SECOND
        beat = functools.partial(signal.setitimer, signal.ITIMER_PROF, _CPU_S + more_s)
        beat()
        _limit(resource.RLIMIT_CPU, round(_MOST_CPU_S + 10 * more_s))
        _limit(resource.RLIMIT_CORE, 0)
        with contextlib.suppress(FileNotFoundError):  # without /proc the present size is unknown
            n_pages = int(Path("/proc/self/statm").read_bytes().split()[0])
            mapped_bytes = n_pages * resource.getpagesize()
            _limit(resource.RLIMIT_AS, mapped_bytes + _SPARE_BYTES + 8 * n_bytes)
        with hdf5_open.open_plain(path) as file, damaged(path):
            _exhaust(file, hdf5_open.inspect(file, str(path), beat=beat), beat)
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
    with contextlib.suppress(OSError, ValueError):  # the limit is lower already
        resource.setrlimit(which, (most, most))


def _exhaust(file: h5py.File, paths: Iterable[bytes], beat: Callable[[], object]) -> None:
    """Read everything whose length no header gives: attributes, dimensions, text, lists of chunks.

    If these are damaged or hostile, HDF5 may hang, end the process or take all memory; so `beat`,
    which restarts the timer, is called before each object.
    """
    for path in paths:
        beat()
        thing = file[path]
        dict(thing.attrs)
        if not isinstance(thing, h5py.Dataset):
            continue
        for dimension in thing.dims:
            len(dimension)
        if thing.chunks is not None:
            thing.id.get_num_chunks()
        if thing.dtype.kind == "O":
            _ = thing[()]
