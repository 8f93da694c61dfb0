"""Keys: the 128-bit identity of a point, made of its parameters' names and exact values.

Each (name, value) is hashed once by BLAKE2b, however many points it is part of; the key of a
point is the sum of its parameters' hashes, modulo 2^64 in two lanes. So the order of declaration
does not matter, a point keeps its key whatever space it is in, and a grid's keys are additions.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError
from sweeps.spaces import hash_cache, product, values
from sweeps.spaces.accept import accept
from sweeps.spaces.product import Places, Positions
from sweeps.spaces.space import Space
from sweeps.storage import hdf5

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment

Keys = npt.NDArray[np.uint64]
"""Shape (n, 2), one row a point."""

NOTHING: Keys = np.zeros((1, 2), dtype=np.uint64)
"""The sum of no hashes."""
NOTHING.setflags(write=False)

MAX_POINTS = 2**30
"""Most points that one results file is made for."""

Hashes = Mapping[str, Keys]
"""By parameter: a row for each of its values, and a last one for points that do not have it."""

RNG = "rng"
"""The argument that gets a point's own stream of random numbers."""

STEP = 2**18
"""Points that are looked at together: bounds the memory, 16 bytes a key."""

_N_ENDINGS = 2**16
"""Values of the last bits of a number, by which few numbers are looked up among many."""

_FEW, _RUN = 64, 1024
"""How many times more the others are then; and of how many in a row one is looked up."""

MIN_PRODUCT = 4096
"""Points in a row whose keys are stored as a product; fewer make more parts than it is worth."""


@dataclasses.dataclass(frozen=True, eq=False)
class Factors:
    """Keys of a part of a grid: the sums of one row from each factor, in C order.

    Attributes
    ----------
    names : tuple of str
        What each factor is of.
    sums : tuple of numpy.ndarray
        Shape (size, 2) each.
    """

    names: tuple[str, ...]
    sums: tuple[Keys, ...]

    def __len__(self) -> int:
        return math.prod(map(len, self.sums))

    @functools.cached_property
    def has_equal(self) -> bool:
        """Whether two sums along a dimension have the same first half; a run asks thrice."""
        ascending = (np.sort(own[:, 0]) for own in self.sums[:-1])
        return any(bool((own[1:] == own[:-1]).any()) for own in ascending)

    def part(self, box: Sequence[slice]) -> Factors:
        """Keep a slice of each of the first factors."""
        chosen = [own[at] for own, at in zip(self.sums, box, strict=False)]
        return Factors(self.names, (*chosen, *self.sums[len(chosen) :]))

    def keys(self) -> Keys:
        """Write the keys out, shape (n, 2)."""
        total = NOTHING
        for own in self.sums:
            total = (total[:, np.newaxis] + own).reshape(-1, 2)
        return total


def written(own: Keys | Factors) -> Keys:
    """Keys of points, shape (n, 2), written out where they are a product."""
    return own.keys() if isinstance(own, Factors) else own


def shifted(own: Keys | Factors, shift: tuple[int, int]) -> Keys | Factors:
    """Add the hashes of parameters that are the same for all points."""
    if shift == (0, 0):
        return own
    more = np.array([shift], dtype=np.uint64)
    if isinstance(own, Factors):
        return Factors(own.names, (*own.sums[:-1], own.sums[-1] + more))
    return own + more


def boxes(shape: Sequence[int], start: int, stop: int) -> Iterator[tuple[slice, ...]]:
    """Cut a run of flat positions (C order) into boxes, as few as there can be.

    Examples
    --------
    >>> list(boxes((3, 4), 2, 12))
    [(slice(0, 1, None), slice(2, 4, None)), (slice(1, 3, None), slice(0, 4, None))]
    """
    if start >= stop:
        return
    if not shape:
        yield ()
        return
    row = math.prod(shape[1:])
    head, tail = -(-start // row), stop // row  # whole rows are those from head to tail
    if head > tail:  # all within one row
        for box in boxes(shape[1:], start - tail * row, stop - tail * row):
            yield slice(tail, tail + 1), *box
        return
    for box in boxes(shape[1:], start - (head - 1) * row, row) if start < head * row else ():
        yield slice(head - 1, head), *box
    if head < tail:
        yield slice(head, tail), *(slice(0, size) for size in shape[1:])
    for box in boxes(shape[1:], 0, stop - tail * row):
        yield slice(tail, tail + 1), *box


def hash_values(name: str, table: values.Values, tokens: Mapping[str, str] | None = None) -> Keys:
    """Hash every value of a parameter, shape (len(table), 2).

    Parameters
    ----------
    tokens : mapping of str to str, optional
        For elements that bring code or data with them, by their label: a digest of it, so that
        another function behind a label makes new points.
    """
    is_plain = table.objects is None and not tokens  # its bytes say all
    if is_plain and len(table) >= hash_cache.LONG:
        return hash_cache.hashed(name, table, functools.partial(_hash, name))
    return _hash(name, table, tokens)


def _hash(name: str, table: values.Values, tokens: Mapping[str, str] | None = None) -> Keys:
    start = hashlib.blake2b(name.encode() + b"\0", digest_size=16)
    digests = []
    for encoded in _encodings(table, tokens or {}):
        state = start.copy()
        state.update(encoded)
        digests.append(state.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2).astype(np.uint64)


def _encodings(table: values.Values, tokens: Mapping[str, str]) -> Iterable[bytes]:
    # As values.encode does; a million values take a third of the time.
    if table.kind == "float":
        data = table.coordinate().astype("<f8").tobytes()
        return (b"f" + data[i : i + 8] for i in range(0, len(data), 8))
    if table.kind == "int":
        return (b"i%d" % element for element in table.elements())
    if table.kind == "str":
        return (b"s" + element.encode() for element in table.elements())
    if tokens:
        return (_with_token(element, tokens) for element in table.elements())
    return map(values.encode, table.elements())


def _with_token(element: Any, tokens: Mapping[str, str]) -> bytes:
    token = tokens.get(values.label(element))
    return values.encode(element) + (b"" if token is None else b"\0" + token.encode())


def match(wanted: Keys, known: Keys, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Find keys among `known` ones, which are all different, and sorted by their first lane.

    Returns
    -------
    numpy.ndarray
        Shape (n,), ``order`` of the equal known key, or -1.
    """
    found = np.full(len(wanted), -1, dtype=np.int64)
    if not len(known):
        return found
    first, second = np.ascontiguousarray(known[:, 0]), known[:, 1]
    at = np.searchsorted(first, wanted[:, 0])
    pending = np.arange(len(wanted))
    while pending.size:  # once, and again only where two keys share their first 64 bits
        at_pending = np.minimum(at[pending], len(first) - 1)
        same = (first[at_pending] == wanted[pending, 0]) & (at[pending] < len(first))
        pending, at_pending = pending[same], at_pending[same]
        equal = second[at_pending] == wanted[pending, 1]
        found[pending[equal]] = order[at_pending[equal]]
        pending = pending[~equal]
        at[pending] += 1
    return found


def finder(sums: Keys, parts: Iterable[Keys]) -> Callable[[Keys], Positions]:
    """Make the function that finds the place of each sum of a part, or -1.

    Most parts have runs of the values of the space, in its order. So the place of one tells with
    which sums to compare those that follow it: 10^6 take 1 ms in one run, 30 ms in several, and
    0.2 s one by one. The first halves of `sums` differ; `parts` are all that will be asked for.
    """

    @functools.cache
    def in_order() -> tuple[Keys, Positions]:
        order = np.argsort(sums[:, 0])
        return sums[order], order

    def look(wanted: Keys) -> Positions:
        are_few = len(wanted) * _FEW < len(sums)
        return match(wanted, *(_ending_as(wanted, sums) if are_few else in_order()))

    firsts = np.array([part[0] for part in parts if len(part)], dtype=np.uint64).reshape(-1, 2)
    starts = dict(zip(firsts[:, 0].tolist(), look(firsts).tolist(), strict=True))

    def find(part: Keys) -> Positions:
        start = starts.get(part[0, 0].item(), -1) if len(part) else -1
        if start >= 0 and np.array_equal(sums[start : start + len(part)], part):
            return np.arange(start, start + len(part))
        if len(part) < 2 * _RUN:
            return look(part)
        rows = np.arange(len(part))
        found: Positions = np.clip(look(part[::_RUN])[rows // _RUN] + rows % _RUN, 0, len(sums) - 1)
        wrong = np.flatnonzero((sums[found] != part).any(axis=1))
        found[wrong] = look(part[wrong])
        return found

    return find


def _ending_as(wanted: Keys, sums: Keys) -> tuple[Keys, Positions]:
    """Sort only those sums whose first halves end as some wanted one; return also their places."""
    last = np.uint64(_N_ENDINGS - 1)
    is_wanted = np.zeros(_N_ENDINGS, dtype=bool)
    is_wanted[wanted[:, 0] & last] = True
    at = np.flatnonzero(is_wanted[sums[:, 0] & last])
    order = at[np.argsort(sums[at, 0])]
    return sums[order], order


@dataclasses.dataclass(frozen=True, eq=False)
class KeyMaker:
    """Makes the keys of the points of a space; every value was hashed once.

    Attributes
    ----------
    hashes : mapping of str to numpy.ndarray
        Of the parameters that identify a point.
    constant : numpy.ndarray
        Shape (1, 2), the sum over all that is the same for all points.
    shown : mapping of str to numpy.ndarray
        Of the parameters that only label it: derived ones that the function does not take.
    stream_hashes, stream_constant
        The same for the keys of random streams; None where the function takes no `rng`.
    """

    space: Space
    hashes: Hashes
    constant: Keys
    shown: Hashes = dataclasses.field(default_factory=dict)
    stream_hashes: Hashes | None = None
    stream_constant: Keys | None = None

    def __call__(self, positions: Positions) -> Keys:
        """Keys of the points at `positions`, shape (n, 2)."""
        return _sum(self.space, positions, self.hashes, self.constant)

    def streams(self, places: Places) -> Keys | None:
        """Keys of the random streams of points, shape (n, 2), where there are any."""
        if self.stream_hashes is None or self.stream_constant is None:
            return None
        return _sum(self.space, product.written(places), self.stream_hashes, self.stream_constant)

    @functools.cached_property
    def factors(self) -> Factors | None:
        """The hashes along each dimension; None where a key is no sum of one from each."""
        columns = [(d, c) for d in self.space.dimensions for c in d.columns]
        if self.hashes.keys() != {column.name for _, column in columns}:
            return None
        names, sums = [], []
        for dimension in self.space.dimensions:
            names.append(" ".join(column.name for column in dimension.columns))
            along: Keys = NOTHING
            for column in dimension.columns:
                hashes = self.hashes[column.name]
                along = along + (
                    hashes[: dimension.size] if column.codes is None else hashes[column.codes]
                )
            sums.append(along)
        return Factors((*names, ""), (*sums, self.constant))

    def boxes(self, start: int, stop: int) -> list[Keys | Factors]:
        """Keys of a run of positions, in pieces that are products if that is possible."""
        if self.factors is None:
            return [self(np.arange(start, stop))]
        shape = tuple(dimension.size for dimension in self.space.dimensions)
        return [self.factors.part(box) for box in boxes(shape, start, stop)]

    def layout(self) -> bytes:
        """Bytes that say which point stands where."""
        space = self.space
        along = [(d.name, d.size, [c.name for c in d.columns]) for d in space.dimensions]
        derived = [(name, space.dims_of(name)) for name in space.derived]
        parts: list[Any] = [repr([along, derived]).encode()]
        for name, hashes in (*self.hashes.items(), *self.shown.items()):
            column = space.columns[name]
            parts += [name.encode(), np.ascontiguousarray(hashes)]  # 16 MB are copied once
            parts += [column.codes.tobytes()] if column.codes is not None else []
        if space.accepted is not None:
            parts.append(space.accepted.tobytes())
        return b"\0".join([*parts, self.constant.tobytes()])

    def settled(self) -> KeyMaker:
        """Make the same without the user's functions, for other processes."""
        return dataclasses.replace(self, space=self.space.settled(), shown={})


def _sum(space: Space, positions: Positions, hashes: Hashes, constant: Keys) -> Keys:
    total = np.broadcast_to(constant, (len(positions), 2)).copy()
    for name, codes in space.codes(positions).items():
        if name in hashes:
            total += hashes[name][codes]  # ABSENT, -1, takes the last row
    return total


def key_maker(experiment: Experiment, identify: Callable[[Any], str] | None = None) -> KeyMaker:
    """Hash all values of an experiment's parameters and constants.

    `identify` finds the identity of the code behind a value, where the experiment's own way is not
    the one to take.
    """

    def hashed(name: str, table: values.Values) -> Keys:
        return hash_values(name, table, experiment.label_tokens(table, identify))

    space = experiment.space
    if (largest := max(space.sizes.values(), default=0)) > MAX_POINTS:
        raise too_many(largest)
    only_shown = {*space.derived} - {*experiment.passed}
    tables = {name: column.table for name, column in space.columns.items()}
    columns = {name: hashed(name, table) for name, table in tables.items()}
    defaults = {name: hashed(name, table) for name, table in experiment.constants.items()}
    hashes, constant = _joined(columns, defaults)
    shown = {name: hashes.pop(name) for name in only_shown}
    if not experiment.takes_rng:
        return KeyMaker(space, hashes, constant, shown)
    common = experiment.common_random_numbers
    constant = constant + hash_values(RNG, accept(RNG, [(experiment.seed, *common)]))
    streams = _joined(
        {n: _bare(n, tables[n], columns[n]) for n in hashes if n not in common},
        {n: _bare(n, t, defaults[n]) for n, t in experiment.constants.items() if n not in common},
    )
    return KeyMaker(space, hashes, constant, shown, *streams)


def too_many(n_points: int) -> DeclarationError:
    """Make the error for a space with more points than a results file can hold."""
    return DeclarationError(
        f"{n_points:,} points are more than one results file can hold ({MAX_POINTS:,}): "
        "sweep fewer values with axis=..., or divide the sweep into several experiments"
    )


def _bare(name: str, table: values.Values, hashed: Keys) -> Keys:
    """Hash values without the code behind them, so that code changes keep random streams."""
    return hash_values(name, table) if table.objects else hashed


def _joined(columns: Hashes, defaults: Mapping[str, Keys]) -> tuple[dict[str, Keys], Keys]:
    """Append the default to the values of a parameter; add up the defaults of all others."""
    hashes = {n: np.concatenate([own, defaults.get(n, NOTHING)]) for n, own in columns.items()}
    rest = [own for name, own in defaults.items() if name not in columns]
    return hashes, sum(rest, NOTHING)


def check(experiment: Experiment) -> None:
    """Refuse a space of no points, of over `MAX_POINTS`, or of over `hdf5.MAX_DIMENSIONS`."""
    n_points = len(experiment.space)
    if not n_points:
        raise DeclarationError(f"{experiment.name!r} has no points: .where() excludes all of them")
    if n_points > MAX_POINTS:
        raise too_many(n_points)
    n_dimensions = len(experiment.space.sizes)
    if n_dimensions > hdf5.MAX_DIMENSIONS:
        raise DeclarationError(
            f"{experiment.name!r} has {n_dimensions} dimensions, and HDF5 has room for "
            f"{hdf5.MAX_DIMENSIONS}: let axes vary together with zipped() or points(), or "
            "make axes with one value constants"
        )
