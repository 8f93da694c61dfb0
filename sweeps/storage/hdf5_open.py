"""Open HDF5 files safely: refuse links to elsewhere, unknown filters and impossible sizes.

Only links and headers are looked at. Nothing that is refused is followed, read or unpacked.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Any

import h5py
from h5py import h5a, h5d, h5l, h5o, h5p, h5t, h5z

from sweeps.errors import HostileFileError, StorageError
from sweeps.storage import disk, seal

WRITTEN = (
    "it is open for writing here or in another program, or a program did not close "
    "it: close it there first"
)

MAX_LINKS = 20_000

LEAST_BYTES_OF_OBJECT = 256
"""A file may have MAX_LINKS links, or one for so many of its bytes; our objects take more."""

MAX_DEPTH = 16  # HDF5 2.0 recurses: 10^4 nested groups end the process

MAX_CHUNKS = 2**17  # HDF5 takes microseconds for each, in C, where no signal stops it

MAX_RATIO = 100

LEAST_BYTES = 2**28
"""A file may unpack to LEAST_BYTES, or to MAX_RATIO times its size."""

_FILTERS = frozenset({h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32})

_NUMBERS = frozenset({h5t.INTEGER, h5t.FLOAT})

# Attributes of netCDF that link datasets and their dimensions.
_REFERRING = frozenset({b"DIMENSION_LIST", b"REFERENCE_LIST"})


class Source(io.RawIOBase):
    """A file for HDF5 to read, as it was when it was opened, even if another one takes its name.

    By its path, HDF5 cannot open a file that this process has open with other settings, such as
    those of locks. It does not know which file is behind a Python object, so both can be open.
    Nothing is locked, because files are replaced, never changed; Lustre may refuse locks.

    Raises
    ------
    OSError
        If it cannot be opened.
    StorageError
        If it is not a regular file.
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
        self.state = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)

    def __repr__(self) -> str:  # which HDF5 takes for its name
        return str(self.path)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.n_bytes}
        self._at = before[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes."""
        # At a position, because a forked process shares the offset of the descriptor.
        n_read = os.preadv(self._descriptor, [buffer], self._at)
        self._at += n_read
        return n_read

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            disk.close(self._descriptor)
            self._descriptor = -1
        super().close()


_inspected: set[tuple[int, ...]] = set()
"""Files as they were when this process found nothing wrong with them.

A run opens segments twice, to index them and to copy from them, and a look takes 2 ms.
"""


def open_own(path: Path) -> h5py.File:
    """Open a file for reading whose digest shows that this project wrote it."""
    file, state = _opened(path)
    if state in _inspected:
        return file
    try:
        with damaged(path):
            inspect(file, str(path), n_most=sys.maxsize)  # points may have very many shapes
    except BaseException:
        file.close()
        raise
    _inspected.add(state)
    return file


def open_plain(path: Path) -> h5py.File:
    """Open a file for reading without a check."""
    return _opened(path)[0]


def _opened(path: Path) -> tuple[h5py.File, tuple[int, ...]]:
    """Open a file for reading, and tell which it is, and as of when."""
    with told(path):
        source = Source(path)
        if seal.is_being_written(path):
            source.close()
            raise StorageError(f"cannot read {path}: {WRITTEN}.")
        try:
            return h5py.File(source, "r"), source.state
        except (OSError, RuntimeError, ValueError) as error:
            source.close()
            if _is_machine(error):
                raise
            raise StorageError(
                f"cannot read {path}: not an HDF5 file, or a damaged one ({error})."
            ) from error
        except BaseException:
            source.close()
            raise


@contextlib.contextmanager
def damaged(name: object) -> Iterator[None]:
    """Turn errors of reading into a `StorageError` that says that the file is damaged, and why.

    For damaged metadata h5py raises nine types of exceptions, h5netcdf and xarray others. A fault
    of the machine, such as too little memory, is reported as such.
    """
    with told(name):
        try:
            yield
        except (StorageError, MemoryError, ImportError):
            raise
        except Exception as error:
            if _is_machine(error):
                raise
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise StorageError(
                f"cannot read {name}: damaged, or not a results file ({said}); if a run wrote "
                "it, delete it and run again: stored points are not computed again"
            ) from error


@contextlib.contextmanager
def told(name: object) -> Iterator[None]:
    """Turn faults of the machine into a `StorageError` of one line."""
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
    """Whether the system refused something, so that the file is not at fault."""
    return isinstance(error, OSError) and error.errno not in (None, 0, errno.EINVAL)


def inspect(
    file: h5py.File,
    name: str,
    n_most: int | None = None,
    beat: Callable[[], object] = lambda: None,
) -> tuple[bytes, ...]:
    """Refuse a file with what results files never have; return the paths of its objects.

    `beat` is called before each object.
    """
    try:
        return _inspect(file, n_most, beat)
    except _RefusedError as error:
        raise HostileFileError(f"{name}: {error}.") from None


class _RefusedError(Exception):
    """What is wrong with a file."""


def _refuse(path: bytes, what: str) -> _RefusedError:
    shown = path.decode("utf-8", "backslashreplace")
    return _RefusedError(f"{shown if len(shown) < 200 else shown[:200] + '…'!r} {what}")


def _inspect(file: h5py.File, n_most: int | None, beat: Callable[[], object]) -> tuple[bytes, ...]:
    n_bytes = file.id.get_filesize()
    if n_most is None:
        n_most = max(MAX_LINKS, n_bytes // LEAST_BYTES_OF_OBJECT)
    if file.userblock_size:
        raise _RefusedError(f"begins with {file.userblock_size} bytes that are not HDF5")
    n_links = _links(file, n_most)
    n_unpacked = n_chunks = 0
    for path, n in n_links.items():
        beat()
        thing = h5o.open(file.id, path)
        _check_attributes(path, thing, n_bytes)
        if isinstance(thing, h5d.DatasetID):
            plan = thing.get_create_plist()
            n_unpacked += n * _check_dataset(path, thing, plan, n_bytes)
            if n_unpacked > max(LEAST_BYTES, MAX_RATIO * n_bytes):
                raise _refuse(path, f"and others declare {n_unpacked:,} bytes in {n_bytes:,}")
            n_chunks += n * _n_chunks(thing, plan)
            if n_chunks > MAX_CHUNKS:
                raise _refuse(path, f"and others are cut into {n_chunks:,} chunks")
        elif isinstance(thing, h5t.TypeID):
            _check_type(path, thing)
    return tuple(n_links)


def _links(file: h5py.File, n_most: int) -> Mapping[bytes, int]:
    """Paths of all objects, and the number of links to each."""
    seen: dict[int, bytes] = {h5o.get_info(file.id).addr: b"/"}
    n_links = Counter({b"/": 1})
    soft: list[bytes] = []
    again: list[bytes] = []
    n_seen = 0

    # h5py turns exceptions in here into SystemError; a value that is returned ends the visit.
    def visit(path: bytes, info: h5l.LinkInfo) -> str | None:
        nonlocal n_seen
        n_seen += 1
        if n_seen > n_most:
            return f"holds more than {n_most:,} objects"
        if path.count(b"/") >= MAX_DEPTH:
            return f"has more than {MAX_DEPTH} groups within each other"
        if info.type == h5l.TYPE_SOFT:
            soft.append(path)
        elif info.type != h5l.TYPE_HARD:
            return str(_refuse(path, "links to another file"))
        elif info.u in seen:
            again.append(path)
        else:
            seen[info.u] = path
            n_links[path] = 1
        return None

    if reason := file.id.links.visit(visit, info=True):
        raise _RefusedError(reason)
    for path in (*again, *soft):
        n_links[seen[_target(file, path)]] += 1
    return n_links


def _target(file: h5py.File, path: bytes) -> int:
    """Return the address of the dataset that a link leads to."""
    try:
        info = h5o.get_info(file.id, path)
    except (KeyError, RuntimeError, ValueError):
        raise _refuse(path, "links to nothing, or to itself") from None
    if info.type == h5o.TYPE_GROUP:
        raise _refuse(path, "links to a group that has another name, in a circle")
    return int(info.addr)


def _check_dataset(path: bytes, dataset: h5d.DatasetID, plan: h5p.PropDCID, n_bytes: int) -> int:
    """Check how a dataset is stored; return the bytes that it takes when read."""
    filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
    if plan.get_external_count():
        raise _refuse(path, "keeps its data in another file")
    if plan.get_layout() == h5d.VIRTUAL:
        raise _refuse(path, "is a virtual dataset")
    if unknown := filters - _FILTERS:
        raise _refuse(
            path, f"needs filter {min(unknown)}; allowed are gzip, shuffle and fletcher32"
        )
    kind = dataset.get_type()
    _check_type(path, kind)
    n_values = dataset.get_space().get_simple_extent_npoints()
    n_declared: int = n_values * kind.get_size()
    if plan.get_layout() == h5d.CHUNKED:  # at least one whole chunk is unpacked
        return max(n_declared, math.prod(map(int, plan.get_chunk())) * int(kind.get_size()))
    if (start := dataset.get_offset()) is not None and start + n_declared > n_bytes:
        raise _refuse(path, f"declares {n_declared:,} bytes, which the file does not hold")
    return n_declared


def _n_chunks(dataset: h5d.DatasetID, plan: h5p.PropDCID) -> int:
    """Count the chunks of a dataset, stored or not."""
    if plan.get_layout() != h5d.CHUNKED:
        return 1
    sizes = zip(dataset.shape, plan.get_chunk(), strict=True)
    return math.prod(-(-int(size) // int(chunk)) for size, chunk in sizes)


def _check_attributes(path: bytes, thing: h5o.ObjectID, n_bytes: int) -> None:
    for i in range(h5a.get_num_attrs(thing)):
        attribute = h5a.open(thing, index=i)
        own, kind = b"%s@%s" % (path, attribute.get_name()), attribute.get_type()
        n_declared = attribute.get_space().get_simple_extent_npoints() * kind.get_size()
        if n_declared > n_bytes:
            raise _refuse(own, f"declares {n_declared:,} bytes, which the file does not hold")
        if attribute.get_name() not in _REFERRING:
            _check_type(own, kind)


def _check_type(path: bytes, kind: h5t.TypeID) -> None:
    """Allow numbers, text, enums, and flat compounds of numbers such as complex ones."""
    own = kind.get_class()
    if own in _NUMBERS or own in (h5t.STRING, h5t.ENUM):
        return
    is_flat = own == h5t.COMPOUND and all(
        kind.get_member_class(i) in _NUMBERS for i in range(kind.get_nmembers())
    )
    if not is_flat:
        raise _refuse(path, "holds what is neither numbers nor text")
