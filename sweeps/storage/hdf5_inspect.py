"""Whether an HDF5 file asks for nothing but itself, and for no more than it holds.

Asked are links and headers. Nothing that is refused here has been followed, read or unpacked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import h5py
from h5py import h5a, h5d, h5l, h5o, h5p, h5t, h5z

from sweeps.errors import HostileFileError

MAX_LINKS = 20_000

LEAST_BYTES_OF_OBJECT = 256
"""A file may hold so many links, or one for so many of its bytes: what we write takes more."""

MAX_DEPTH = 16  # HDF5 2.0 goes down by recursion: 10^4 groups within each other end the process

MAX_CHUNKS = 2**17  # HDF5 takes some microseconds for each, in C, where no signal ends it

MAX_RATIO = 100

LEAST_BYTES = 2**28
"""What a file may unpack to: so much, or so many times its own size."""

_FILTERS = frozenset({h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32})

_NUMBERS = frozenset({h5t.INTEGER, h5t.FLOAT})

# netCDF's own, which refer to the datasets that are dimensions, and back.
_REFERRING = frozenset({b"DIMENSION_LIST", b"REFERENCE_LIST"})


def inspect(
    file: h5py.File,
    name: str,
    n_most: int | None = None,
    beat: Callable[[], object] = lambda: None,
) -> tuple[bytes, ...]:
    """Refuse what a results file never has; return the paths of its objects.

    As in `exhaust`, `beat` is called before each object.

    Raises
    ------
    HostileFileError
        Naming the file by `name`, and what is wrong with it.
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

    # h5py makes a SystemError of what is raised in here; what is returned ends the visit.
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
    """Address of the dataset that a link leads to."""
    try:
        info = h5o.get_info(file.id, path)
    except (KeyError, RuntimeError, ValueError):
        raise _refuse(path, "links to nothing that there is, or to itself") from None
    if info.type == h5o.TYPE_GROUP:
        raise _refuse(path, "links to a group that has another name: a way round in circles")
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
    if plan.get_layout() == h5d.CHUNKED:  # one chunk at least is unpacked, whatever its size
        return max(n_declared, math.prod(map(int, plan.get_chunk())) * int(kind.get_size()))
    if (start := dataset.get_offset()) is not None and start + n_declared > n_bytes:
        raise _refuse(path, f"declares {n_declared:,} bytes, which the file does not hold")
    return n_declared


def _n_chunks(dataset: h5d.DatasetID, plan: h5p.PropDCID) -> int:
    """Pieces that a dataset is to be read in, stored or not."""
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
    """Allow numbers, text, names of numbers, and some numbers together, as complex ones are."""
    own = kind.get_class()
    if own in _NUMBERS or own in (h5t.STRING, h5t.ENUM):
        return
    is_flat = own == h5t.COMPOUND and all(
        kind.get_member_class(i) in _NUMBERS for i in range(kind.get_nmembers())
    )
    if not is_flat:
        raise _refuse(path, "holds what is neither numbers nor text")


def exhaust(file: h5py.File, paths: Iterable[bytes], beat: Callable[[], object]) -> None:
    """Read all that has no length in a header: attributes, dimensions, text, lists of chunks.

    Where these are damaged, or made to harm, HDF5 may not come to an end, end the process, or take
    all memory; so `beat` is called before each object.
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
