"""All points of an experiment in the memo, whatever spaces they were computed for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.declaration.experiment import Experiment
from sweeps.memo import index as memo
from sweeps.memo import listing, record
from sweeps.memo.record import Visited
from sweeps.project.sweep import Sweep
from sweeps.results.collect import Gathered
from sweeps.results.state import LAYOUT
from sweeps.spaces.accept import accept
from sweeps.spaces.keys import KeyMaker, key_maker
from sweeps.spaces.product import Column, Derived, Dimension, axis
from sweeps.spaces.space import Space, union
from sweeps.spaces.values import NUMERIC, Values, encode
from sweeps.storage import files
from sweeps.text import count, path

_MOST_SHOWN = 2**28  # points of a grid of known ones, each of which is looked up

_MOST_GAPS = 4
"""Spaces become one grid if they fill at least 1/_MOST_GAPS of it, else a list of points."""

_MOST_COMPARED = 10**5


@dataclasses.dataclass(frozen=True, eq=False)
class Everything:
    """The known points that one space can show.

    Attributes
    ----------
    experiment : Experiment
        Over the space of these points.
    n_hidden : int
        Number of points with values that the space does not have.
    why : str
        Why it does not have them.
    """

    experiment: Experiment
    n_hidden: int = 0
    why: str = ""


def everything(sweep: Sweep, index: memo.Index) -> Everything:
    """Find a space of all known points.

    It is the declared one if that has them all; otherwise a grid of the values that have known
    points, if these fill most of it; otherwise a list of points.
    """
    made = sweep.experiment
    n_declared = _n_known(sweep.keys, index)
    if n_declared == index.n_known:
        return Everything(made)
    ours = Visited(made.space, made.constants)
    every, differing = _alike([ours, *_visited(sweep)])
    swept = _swept(every)
    spaces = [_spread(each, made.constants, swept) for each in every]
    space = _grid(made, spaces, index) or _list(made, spaces, index)
    found = made if space is None else made.with_space(space)
    n_shown = n_declared if space is None else _n_known(key_maker(found), index)
    why = "they were computed before spaces were recorded, or one of their labels no longer exists"
    if differing:
        why = f"their values of {differing} have another type, such as integers instead of floats"
    return Everything(found, index.n_known - n_shown, why)


def shrunk(held: Mapping[str, Any], sweep: Sweep, gathered: Gathered) -> str:
    """Warn if a results file shows less than the one that it replaced; else an empty text.

    `held` are the attributes of the replaced file.
    """
    name = sweep.experiment.name
    n_before, n_now = held.get("n_done"), gathered.count("done")
    if type(n_before) is not int or not n_before or held.get("experiment") != name:
        return ""
    code = str(held.get("fingerprint"))
    is_of_this_code = code == sweep.fingerprint.digest
    if n_now >= n_before and (
        not is_of_this_code or _is_all(gathered) or _is_within(held.get(LAYOUT), sweep)
    ):
        return ""
    of = "" if is_of_this_code else " of earlier code"
    others = "" if n_now < n_before else ", not all the same"
    if not (code.isalnum() and listing.listing_of(files.memo_folder(sweep.results, name, code))):
        now = "results of the earlier code are no longer stored"
    elif is_of_this_code:
        call = f"sweeps.land({name}, everything=True)"
        call = f"python -m sweeps land {name} --all" if sweep.location else call
        now = f"all are still stored; write all of them together: {call}"
    else:
        call = f"python -m sweeps why {name}" if sweep.location else f"sweeps.why({name})"
        now = f"all are still stored; see what changed: {call}"
    return (
        f"{path(sweep.landed)} held {count(n_before, 'point')}{of} and holds {n_now:,} "
        f"now{others}; {now}"
    )


def _n_known(maker: KeyMaker, index: memo.Index) -> int:
    """Count the different points of a space with values."""
    entries = memo.match(maker, index).entries
    return len(np.unique(entries[entries >= 0]))


def _is_all(gathered: Gathered) -> bool:
    """Whether the space has all that the memo knows, as far as that is cheap to find out."""
    are_different = all(each.is_first is None for each in gathered.experiment.space.dimensions)
    return are_different and gathered.count("done") == gathered.index.starts[-1]


def _is_within(layout: Any, sweep: Sweep) -> bool:
    """Whether the space has all points of an earlier one, as far as that is cheap to find out.

    Files of early versions do not name their layout; they count as files of this space.
    """
    if layout in (None, sweep.layout):
        return True
    made = sweep.experiment
    swept = record.read_space(sweep.memo, str(layout), elements(made))
    if swept is None:
        return False
    earlier = dataclasses.replace(made.with_space(swept.space), constants=swept.constants)
    old, new = key_maker(earlier), sweep.keys
    theirs, ours = old.factors, new.factors
    if theirs and ours and theirs.names == ours.names and new.space.accepted is None:
        pairs = zip(theirs.sums, ours.sums, strict=True)
        return all(bool(np.isin(before[:, 0], now[:, 0]).all()) for before, now in pairs)
    if old.space.n_positions + len(new.space) > _MOST_COMPARED:
        return False
    now = new(new.space.positions(0, len(new.space)))
    before = old(np.arange(old.space.n_positions))
    return bool(np.isin(before[:, 0], now[:, 0]).all())


def elements(made: Experiment) -> record.Elements:
    """Find the values of an experiment that only it has, such as objects behind labels."""
    tables = {name: [column.table] for name, column in made.space.columns.items()}
    for name, table in made.constants.items():
        tables.setdefault(name, []).append(table)
    return record.elements(tables)


def _visited(sweep: Sweep) -> Iterator[Visited]:
    """Read the spaces that runs of this code, and of accepted code, have swept."""
    now = elements(sweep.experiment)
    for source in listing.sources(sweep.memo):
        for layout in record.layouts(source.folder):
            found = record.read_space(source.folder, layout, now)
            if found is not None:
                yield found


def _alike(every: Sequence[Visited]) -> tuple[list[Visited], str]:
    """Leave out spaces with other kinds of values than the first; return such a parameter."""
    kinds: dict[str, str] = {}
    kept, differing = [], ""
    for each in every:
        tables = {**each.constants, **{n: c.table for n, c in each.space.columns.items()}}
        own = {name: table.kind for name, table in tables.items()}
        others = [name for name, kind in own.items() if kinds.get(name, kind) != kind]
        if not others:
            kinds |= own
            kept.append(each)
        differing = differing or "".join(map(repr, others[:1]))
    return kept, differing


def _swept(every: Sequence[Visited]) -> list[str]:
    """Return the parameters that vary: those of the spaces, and constants that differ."""
    names = dict.fromkeys(name for each in every for name in each.space.parameters)
    seen: dict[str, set[bytes]] = {}
    for each in every:
        for name, table in each.constants.items():
            seen.setdefault(name, set()).add(encode(table.element(0)))
    return list(names | dict.fromkeys(name for name, own in seen.items() if len(own) > 1))


def _spread(each: Visited, constants: Mapping[str, Values], swept: Sequence[str]) -> Space:
    """Turn constants of a space that vary elsewhere into axes of one value."""
    space = each.space
    for name in swept:
        table = each.constants.get(name, constants.get(name))
        if name not in space.parameters and table is not None:
            space = Space((axis(name, table),)) * space
    return space


def _grid(made: Experiment, spaces: Sequence[Space], index: memo.Index) -> Space | None:
    """Make the grid of all values; None if spaces are not grids, or leave too much of it empty.

    Its axes have the order of the first space.
    """
    names = {frozenset(space.parameters) for space in spaces}
    are_grids = all(d.is_axis for space in spaces for d in space.dimensions)
    if len(names) > 1 or not are_grids or any(space.derived for space in spaces):
        return None
    axes = [
        axis(dim, _merged(dim, [space.columns[dim].table for space in spaces]))
        for dim in spaces[0].dims
    ]
    hull = Space(tuple(axes))
    n_candidates = sum(space.n_positions for space in spaces)
    if hull.n_positions > min(_MOST_GAPS * n_candidates, _MOST_SHOWN):
        return None
    is_known = memo.match(key_maker(made.with_space(hull)), index).entries >= 0
    if not is_known.any():
        return None
    shaped = is_known.reshape([each.size for each in axes])
    trimmed = []
    for number, each in enumerate(axes):
        others = tuple(n for n in range(len(axes)) if n != number)
        places = np.flatnonzero(shaped.any(axis=others))
        trimmed.append(axis(each.name, each.columns[0].table.select(places)))
    return Space(tuple(trimmed))


def _merged(name: str, tables: Sequence[Values]) -> Values:
    """Join values, each once; numbers ascend if those of the first table do."""
    dtypes = {table.coordinate().dtype for table in tables}
    if tables[0].kind in NUMERIC and len(dtypes) == 1:
        every = np.concatenate([table.coordinate() for table in tables])
        values, first = np.unique(every, return_index=True)
        own = tables[0].coordinate()
        is_ascending = tables[0].kind != "complex" and bool((own[1:] >= own[:-1]).all())
        return Values(tables[0].kind, values if is_ascending else every[np.sort(first)])
    distinct = {encode(e): e for table in tables for e in table.elements()}
    return accept(name, list(distinct.values()))


def _list(made: Experiment, spaces: Sequence[Space], index: memo.Index) -> Space | None:
    """List the known points of all spaces; None if there are none."""
    listed = []
    for space in spaces:
        entries = memo.match(key_maker(made.with_space(space)), index).entries
        positions = np.flatnonzero(entries >= 0)
        if len(positions):
            listed.append(_listed(space, positions))
    return union(*listed) if listed else None


def _listed(space: Space, positions: npt.NDArray[np.int64]) -> Space:
    """Make a list of some points of a space."""
    columns = {
        name: Column(name, space.columns[name].table, codes)
        for name, codes in space.codes(positions).items()
    }
    dim = space.dims[0] if len(space.dims) == 1 and space.dims[0] not in columns else "point"
    own = tuple(column for name, column in columns.items() if name not in space.derived)
    derived = tuple(Derived((dim,), columns[name]) for name in space.derived)
    return Space((Dimension(dim, len(positions), own),), derivations=derived)
