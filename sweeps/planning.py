"""Planning: which points of an experiment the memo lacks, and in which blocks to compute them.

Nothing here touches a disk: what is known comes in as functions of keys.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from sweeps import keys, values
from sweeps.block import Block
from sweeps.declaring import Experiment
from sweeps.errors import DeclarationError
from sweeps.space import ABSENT, Codes, Positions

MAX_POINTS = 2**28
"""Most points that one results file is made for."""

STEP = 2**18
"""Points that are looked at together: bounds the memory, 16 bytes a key."""

Find = Callable[[keys.Keys], npt.NDArray[np.int64]]
"""Keys of shape (n, 2) to entries of shape (n,), -1 where unknown."""


@dataclasses.dataclass(frozen=True, eq=False)
class KeyMaker:
    """Makes the keys of an experiment's points; every value is hashed once."""

    experiment: Experiment
    hashes: Mapping[str, keys.Keys]
    constant: keys.Keys  # shape (1, 2), the sum over the constants

    def __call__(self, positions: Positions) -> keys.Keys:
        """Keys of the points at `positions`, shape (n, 2)."""
        total = np.broadcast_to(self.constant, (len(positions), 2)).copy()
        for name, codes in self.experiment.space.codes(positions).items():
            total += self.hashes[name][codes]  # ABSENT, -1, takes the last row
        return total

    def layout(self) -> bytes:
        """Bytes that say which point stands where."""
        space = self.experiment.space
        along = [(d.name, d.size, [c.name for c in d.columns]) for d in space.dimensions]
        derived = [(name, space.dims_of(name)) for name in space.derived]
        parts = [repr([along, derived]).encode()]
        for name, column in space.columns.items():
            parts += [name.encode(), self.hashes[name].tobytes()]
            parts += [column.codes.tobytes()] if column.codes is not None else []
        if space.accepted is not None:
            parts.append(space.accepted.tobytes())
        return b"\0".join([*parts, self.constant.tobytes()])


def key_maker(experiment: Experiment) -> KeyMaker:
    """Hash all values of an experiment's parameters and constants."""
    space = experiment.space
    if max((d.size for d in space.dimensions), default=0) > MAX_POINTS:
        raise too_many(max(d.size for d in space.dimensions))
    own = {name: _hash(experiment, name, table) for name, table in experiment.constants.items()}
    hashes = {}
    constant = np.zeros((1, 2), dtype=np.uint64)
    for name, column in space.columns.items():
        default = own.pop(name, np.zeros((1, 2), dtype=np.uint64))
        hashes[name] = np.concatenate([_hash(experiment, name, column.table), default])
    for value in own.values():
        constant = constant + value
    return KeyMaker(experiment, hashes, constant)


def _hash(experiment: Experiment, name: str, table: values.Values) -> keys.Keys:
    return keys.hash_values(name, table, experiment.label_tokens(table))


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """What a run would do.

    Attributes
    ----------
    n_points, n_excluded : int
        Points of the space, and places of its product that ``where`` excludes.
    n_reused, n_missing, n_failed, n_stale : int
        They add up to `n_points`: finished; never computed; failed before; computed by earlier
        code only.
    todo : tuple of numpy.ndarray
        Positions to compute, ascending, in pieces of at most `STEP`.
    """

    n_points: int
    n_excluded: int
    n_reused: int
    n_missing: int
    n_failed: int
    n_stale: int
    todo: tuple[Positions, ...]


def plan(
    make_keys: KeyMaker,
    find_done: Find | None,
    find_failed: Find | None,
    find_stale: Find | None,
    *,
    retry: bool = True,
    keep: bool = True,
) -> Plan:
    """Find the points to compute.

    Parameters
    ----------
    make_keys : KeyMaker
    find_done, find_failed, find_stale : callable or None
        What the memo knows: of this code, and of earlier code; None where it knows nothing.
    retry : bool
        Whether failed points are computed again.
    keep : bool
        Whether to list the points to compute, or count only.

    Raises
    ------
    DeclarationError
        For no points at all, and for more than `MAX_POINTS`.
    """
    space = make_keys.experiment.space
    n_points = len(space)
    if not n_points:
        raise DeclarationError(
            f"{make_keys.experiment.name!r} has no points: .where() excludes all of them"
        )
    if n_points > MAX_POINTS:
        raise too_many(n_points)
    n_reused = n_failed = n_stale = 0
    todo = []
    is_blank = not (find_done or find_failed or find_stale)
    for start in range(0, 0 if is_blank and not keep else n_points, STEP):
        positions = space.positions(start, min(start + STEP, n_points))
        if not is_blank:
            own = make_keys(positions)
            unknown = ~_is_known(find_done, own)
            positions, own = positions[unknown], own[unknown]
            has_failed = _is_known(find_failed, own)
            n_reused += len(unknown) - len(own)
            n_failed += int(has_failed.sum())
            n_stale += int((_is_known(find_stale, own) & ~has_failed).sum())
            positions = positions if retry else positions[~has_failed]
        if keep and positions.size:
            todo.append(positions)
    return Plan(
        n_points,
        space.n_positions - n_points,
        n_reused,
        n_points - n_reused - n_failed - n_stale,
        n_failed,
        n_stale,
        tuple(todo),
    )


def _is_known(find: Find | None, own: keys.Keys) -> npt.NDArray[np.bool_]:
    return find(own) >= 0 if find and len(own) else np.zeros(len(own), dtype=bool)


def too_many(n_points: int) -> DeclarationError:
    """Make the error for a space that no results file is made for."""
    return DeclarationError(
        f"{n_points:,} points are more than one results file is made for ({MAX_POINTS:,}): "
        "sweep fewer values with axis=..., or divide the sweep into several experiments"
    )


def cut(make_keys: KeyMaker, positions: Positions, number: int, attempts: Find) -> Block:
    """Make the block of the points at `positions`, which have the same parameters."""
    space = make_keys.experiment.space
    own = make_keys(positions)
    columns = {
        name: space.columns[name].table.column(codes)
        for name, codes in space.codes(positions).items()
        if codes[0] != ABSENT
    }
    before = attempts(own)
    return Block(number, own, columns, before if before.any() else None)


def alike(codes: Mapping[str, Codes]) -> Iterator[slice]:
    """Cut a run of points into slices whose points have the same parameters."""
    absent = [column == ABSENT for column in codes.values()]
    if not absent:
        yield slice(None)
        return
    pattern = np.stack(absent, axis=1)
    changes = np.flatnonzero((pattern[1:] != pattern[:-1]).any(axis=1)) + 1
    edges = [0, *changes.tolist(), len(pattern)]
    yield from (slice(a, b) for a, b in itertools.pairwise(edges))
