"""The keys of an experiment's points, and of their random streams, from positions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from sweeps.errors import DeclarationError
from sweeps.spaces import keys, values
from sweeps.spaces.accept import accept
from sweeps.spaces.product import Positions
from sweeps.spaces.space import Space
from sweeps.storage import hdf5

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment
    from sweeps.spaces.keys import Keys


MAX_POINTS = 2**28
"""Most points that one results file is made for."""

Hashes = Mapping[str, keys.Keys]
"""By parameter: a row for each of its values, and a last one for points that do not have it."""

RNG = "rng"
"""The argument that gets a point's own stream of random numbers."""

STEP = 2**18
"""Points that are looked at together: bounds the memory, 16 bytes a key."""


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
    constant: keys.Keys
    shown: Hashes = dataclasses.field(default_factory=dict)
    stream_hashes: Hashes | None = None
    stream_constant: keys.Keys | None = None

    def __call__(self, positions: Positions) -> keys.Keys:
        """Keys of the points at `positions`, shape (n, 2)."""
        return _sum(self.space, positions, self.hashes, self.constant)

    def streams(self, positions: Positions) -> keys.Keys | None:
        """Keys of the random streams of points, shape (n, 2), where there are any."""
        if self.stream_hashes is None or self.stream_constant is None:
            return None
        return _sum(self.space, positions, self.stream_hashes, self.stream_constant)

    @functools.cached_property
    def factors(self) -> keys.Factors | None:
        """The hashes along each dimension; None where a key is no sum of one from each."""
        columns = [(d, c) for d in self.space.dimensions for c in d.columns]
        if self.hashes.keys() != {column.name for _, column in columns}:
            return None
        names, sums = [], []
        for dimension in self.space.dimensions:
            names.append(" ".join(column.name for column in dimension.columns))
            along = np.zeros((dimension.size, 2), dtype=np.uint64)
            for column in dimension.columns:
                along += self.hashes[column.name][column.at(np.arange(dimension.size))]
            sums.append(along)
        return keys.Factors((*names, ""), (*sums, self.constant))

    def boxes(self, start: int, stop: int) -> list[keys.Keys | keys.Factors]:
        """Keys of a run of positions, in pieces that are products if that is possible."""
        if self.factors is None:
            return [self(np.arange(start, stop))]
        shape = tuple(dimension.size for dimension in self.space.dimensions)
        return [self.factors.part(box) for box in keys.boxes(shape, start, stop)]

    def layout(self) -> bytes:
        """Bytes that say which point stands where."""
        space = self.space
        along = [(d.name, d.size, [c.name for c in d.columns]) for d in space.dimensions]
        derived = [(name, space.dims_of(name)) for name in space.derived]
        parts = [repr([along, derived]).encode()]
        for name, hashes in (*self.hashes.items(), *self.shown.items()):
            column = space.columns[name]
            parts += [name.encode(), hashes.tobytes()]
            parts += [column.codes.tobytes()] if column.codes is not None else []
        if space.accepted is not None:
            parts.append(space.accepted.tobytes())
        return b"\0".join([*parts, self.constant.tobytes()])

    def settled(self) -> KeyMaker:
        """Make the same without the functions of the user's, for other processes."""
        return dataclasses.replace(self, space=self.space.settled(), shown={})


def _sum(space: Space, positions: Positions, hashes: Hashes, constant: keys.Keys) -> keys.Keys:
    total = np.broadcast_to(constant, (len(positions), 2)).copy()
    for name, codes in space.codes(positions).items():
        if name in hashes:
            total += hashes[name][codes]  # ABSENT, -1, takes the last row
    return total


def key_maker(experiment: Experiment) -> KeyMaker:
    """Hash all values of an experiment's parameters and constants."""
    space = experiment.space
    largest = max((dimension.size for dimension in space.dimensions), default=0)
    if largest > MAX_POINTS:
        raise too_many(largest)
    only_shown = {*space.derived} - {*experiment.passed}
    tables = {name: column.table for name, column in space.columns.items()}
    columns = {name: _hash(experiment, name, table) for name, table in tables.items()}
    defaults = {name: _hash(experiment, name, t) for name, t in experiment.constants.items()}
    hashes, constant = _joined(columns, defaults)
    shown = {name: hashes.pop(name) for name in only_shown}
    if not experiment.takes_rng:
        return KeyMaker(space, hashes, constant, shown)
    common = experiment.common_random_numbers
    constant = constant + keys.hash_values(RNG, accept(RNG, [(experiment.seed, *common)]))
    streams = _joined(
        {n: _bare(n, tables[n], columns[n]) for n in hashes if n not in common},
        {n: _bare(n, t, defaults[n]) for n, t in experiment.constants.items() if n not in common},
    )
    return KeyMaker(space, hashes, constant, shown, *streams)


def too_many(n_points: int) -> DeclarationError:
    """Make the error for a space that no results file is made for."""
    return DeclarationError(
        f"{n_points:,} points are more than one results file can hold ({MAX_POINTS:,}): "
        "sweep fewer values with axis=..., or divide the sweep into several experiments"
    )


def _hash(experiment: Experiment, name: str, table: values.Values) -> keys.Keys:
    return keys.hash_values(name, table, experiment.label_tokens(table))


def _bare(name: str, table: values.Values, hashed: keys.Keys) -> keys.Keys:
    """Hash values without the code behind them, so that random streams outlive its changes."""
    return keys.hash_values(name, table) if table.objects else hashed


def _joined(
    columns: Hashes, defaults: Mapping[str, keys.Keys]
) -> tuple[dict[str, keys.Keys], keys.Keys]:
    """Put the default behind the values of a parameter, and add up those of all others."""
    hashes = {n: np.concatenate([own, defaults.get(n, keys.NOTHING)]) for n, own in columns.items()}
    rest = [own for name, own in defaults.items() if name not in columns]
    return hashes, sum(rest, keys.NOTHING)


class Generators:
    """The generators of some points, each made when it is asked for.

    The seed of an experiment and the key of a stream go into a `numpy.random.SeedSequence` (M. E.
    O'Neill's design), whose children are independent for all practical purposes. The bit generator
    is named, PCG64: that of `numpy.random.default_rng` may change with numpy (NEP 19).

    Parameters
    ----------
    seed : int
        0 or more.
    streams : numpy.ndarray
        Shape (n, 2), uint64.

    Examples
    --------
    >>> import numpy as np
    >>> streams = np.array([[1, 2], [1, 2], [3, 4]], dtype=np.uint64)
    >>> [rng.integers(1000).item() for rng in Generators(7, streams)]
    [597, 597, 876]
    """

    def __init__(self, seed: int, streams: Keys) -> None:
        self._seed = seed
        self._streams = streams

    def __iter__(self) -> Iterator[np.random.Generator]:
        from numpy.random import PCG64, Generator, SeedSequence

        for key in self._streams.tolist():
            yield Generator(PCG64(SeedSequence(self._seed, spawn_key=key)))

    def __getitem__(self, rows: slice) -> list[np.random.Generator]:
        """List the generators of a slice of the points."""
        return list(Generators(self._seed, self._streams[rows]))


def check(experiment: Experiment) -> None:
    """Refuse a space of no points, of over `MAX_POINTS`, or of over `hdf5.MAX_DIMENSIONS`.

    Raises
    ------
    DeclarationError
        Saying so.
    """
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
