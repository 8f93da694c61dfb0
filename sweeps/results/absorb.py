"""Decide which points the results file holds exactly, so that the memo needs no copy of them.

With ``keep="results"``, values are stored in the results file alone. It gets a second name among
the segments, then its own name; then the segments whose points it holds are removed. So a crash at
any moment leaves every point in a segment.

A segment is not removed because a newer one has its points: the run with the older results file may
remove the newer one at the same time. A run removes only segments whose points its file holds, so
the last file with a point stays, whatever other runs do.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sweeps.memo import index as memo
from sweeps.memo import ledger, merge, placing, segment
from sweeps.memo.header import Kept, KeptPart, Spots
from sweeps.memo.segment import Segment
from sweeps.outputs import schema
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Agreed, Header, Variable
from sweeps.results.collect import Gathered
from sweeps.spaces.keys import Factors, KeyMaker, Keys
from sweeps.storage import disk, kinds

KEEP = "keep"
"""Attribute of a results file that is also a segment."""

RESULTS = "results"
"""Its value, and the value of the option ``keep``."""

Runs = npt.NDArray[np.int64]

_MOST_NAMES = 1000

_APART = 2**14
"""Points in a row that are described apart: this takes 2 ms, and to list so many keys as well."""

_MOST_FORMS = 1000
"""Points of more forms than this stay in the memo, because each form takes time to read."""


@dataclasses.dataclass(frozen=True, eq=False)
class Absorbed:
    """What a results file takes over from the memo.

    Attributes
    ----------
    superfluous, others : tuple of str
        Names of the segments that hold nothing else, and of all others.
    failures : tuple of Failure
        Of superfluous segments; they must be stored elsewhere.
    """

    kept: Kept
    superfluous: tuple[str, ...]
    others: tuple[str, ...]
    failures: tuple[Failure, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class _Form:
    """Numbers of parts with the same names, types and shapes; free lengths may differ."""

    variables: tuple[Header, ...]
    coordinates: tuple[Variable, ...]
    datasets: tuple[str, ...]
    parts: list[int]


def has_large(gathered: Gathered) -> bool:
    """Whether the results have large values, which are kept once."""
    parts = (gathered.index.parts[number] for number in gathered.parts)
    return any(schema.is_large(own) for part in parts for own in part.variables)


def is_drafted(gathered: Gathered) -> bool:
    """Whether values of the space are in drafts."""
    return any(gathered.index.parts[number].placed is not None for number in gathered.parts)


def absorb(gathered: Gathered, maker: KeyMaker) -> Absorbed | None:
    """Decide what a results file takes over; None if nothing."""
    forms = _forms(gathered)
    if not forms:
        return None
    gathered = dataclasses.replace(gathered, entries=gathered.entries[:])
    form_of = _form_of(gathered, forms)
    parts, n_others = _parts(gathered, maker, forms, form_of)
    looks = list(_looks(gathered, form_of))
    # Newer than the values that it replaces, and older than what other runs compute now.
    created_ns = max(
        min(each.segment.created_ns for each in looks if each.is_used),
        max((each.segment.created_ns + 1 for each in looks if each.is_outdated), default=0),
    )
    gone = [each.segment for each in looks if not each.is_needed]
    names = tuple(each.path.name for each in gone)
    failures = tuple(merge.open_failures(gathered.index, gone))
    others = tuple(name for name in gathered.index.segments if name not in names)
    accepted = _accepted(gathered)
    kept = Kept(gathered.index.folder.name, created_ns, parts, n_others, accepted=accepted)
    return Absorbed(kept, names, others, failures)


def described(gathered: Gathered, maker: KeyMaker) -> Kept | None:
    """Describe the points of a results file, so that it can be a segment if the memo is lost.

    It has the newest values of all its points, so it is as new as the newest segment.
    """
    if not gathered.parts:
        return None
    forms = _forms(gathered)
    parts, n_others = _parts(gathered, maker, forms, _form_of(gathered, forms))
    own = [each for each in gathered.index.segments.values() if not each.rank]
    names = tuple(sorted(each.path.name for each in own)) if len(own) < _MOST_NAMES else ()
    created_ns = max((each.created_ns for each in own), default=0)
    accepted = _accepted(gathered)
    return Kept(gathered.index.folder.name, created_ns, parts, n_others, names, accepted)


def _accepted(gathered: Gathered) -> tuple[str, ...]:
    """Return the fingerprints of accepted earlier code."""
    others = (each.path.parent.name for each in gathered.index.segments.values() if each.rank)
    return tuple(sorted({*others}))


def _form_of(gathered: Gathered, forms: Sequence[_Form]) -> npt.NDArray[np.int16]:
    """Return the number of the form of each part, or -1; the last element is for missing points."""
    made = np.full(len(gathered.index.parts) + 1, -1, dtype=np.int16)
    for number, each in enumerate(forms):
        made[each.parts] = number
    return made


def _parts(
    gathered: Gathered,
    maker: KeyMaker,
    forms: Sequence[_Form],
    form_of: npt.NDArray[np.int16],
) -> tuple[tuple[KeptPart, ...], int]:
    """Describe the points of each form; count those without a form."""
    if isinstance(gathered.entries, placing.Runs):
        runs, n_others = _runs_of_runs(gathered.index, gathered.entries, form_of, len(forms))
        return tuple(_described(gathered, maker, forms, runs)), n_others
    entries = gathered.entries
    # The usual case is one form: otherwise 10^7 points take 0.3 s.
    if np.unique(form_of[list(gathered.parts)]).size == 1:
        found = np.where(entries >= 0, form_of[gathered.parts[0]], -1)
    else:
        found = form_of[gathered.index.part_of(entries)]
    n_others = int(np.count_nonzero((found < 0) & (entries >= 0)))
    runs = _runs(gathered, found, len(forms))
    return tuple(_described(gathered, maker, forms, runs)), n_others


def _described(
    gathered: Gathered, maker: KeyMaker, forms: Sequence[_Form], runs: Sequence[Runs]
) -> Iterator[KeptPart]:
    """Describe the points of each form; long boxes of a grid apart, which list no keys."""
    for form, own in zip(forms, runs, strict=True):
        rest: list[tuple[int, int]] = []
        for start, stop in own.tolist():
            is_long = stop - start >= _APART and maker.factors is not None
            pieces = map(len, maker.boxes(start, stop)) if is_long else [stop - start]
            for n_points in pieces:
                if is_long and n_points >= _APART:
                    yield _part(gathered, maker, form, np.array([(start, start + n_points)]))
                else:
                    rest.append((start, start + n_points))
                start += n_points
        if rest:
            yield _part(gathered, maker, form, np.array(rest))


def _runs_of_runs(
    index: memo.Index, entries: placing.Runs, form_of: npt.NDArray[np.int16], n_forms: int
) -> tuple[list[Runs], int]:
    """Return the runs of the points of each form, and the number of points without one."""
    found = [
        (start + first - low, start + last - low, int(form_of[number]))
        for start, stop, low in entries.within(0, len(entries))
        for number, first, last in _in_parts(index, low, low + stop - start)
    ]
    rows = np.array(found, dtype=np.int64).reshape(-1, 3)
    n_others = int((rows[:, 1] - rows[:, 0])[rows[:, 2] < 0].sum())
    made = []
    for number in range(n_forms):
        own = rows[rows[:, 2] == number, :2]
        is_new = np.append(True, own[1:, 0] != own[:-1, 1])[: len(own)]
        ends = np.append(np.flatnonzero(is_new)[1:], len(own))[: int(is_new.sum())] - 1
        made.append(np.stack([own[is_new, 0], own[ends, 1]], axis=1))
    return made, n_others


def _in_parts(index: memo.Index, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """Cut entries at the ends of parts: number of the part, first and last entry."""
    number = int(index.part_of(first))
    while first < last:
        end = min(last, int(index.starts[number + 1]))
        yield number, first, end
        first, number = end, number + 1


def _forms(gathered: Gathered) -> list[_Form]:
    """Group the parts of this code that the results file holds exactly."""
    index = gathered.index
    is_own = [not each.rank for each in index.in_order for _ in each.parts]
    forms: dict[Hashable, _Form] = {}
    for number in gathered.parts:
        part = index.parts[number]
        if number in gathered.left_out:
            continue
        settled = [schema.renamed(h, gathered.experiment.name) for h in part.variables]
        agreed = [gathered.agreement.outputs[h.name] for h in settled]
        if is_own[number] and all(map(_is_exact, part.variables, agreed)):
            names = tuple(each.name for each in agreed)
            new = _Form(part.variables, part.coordinates, names, [])
            alike = schema.form(part.variables, part.coordinates)
            forms.setdefault(alike, new).parts.append(number)
    return list(forms.values())[:_MOST_FORMS]


def _is_exact(header: Header, agreed: Agreed) -> bool:
    """Whether the dtype of the results file gives the values of a part back exactly."""
    own, wide = header.dtype, agreed.dtype
    if schema.factors(header.attrs, agreed.attrs) is not None:
        return False
    if 0 in header.shape:
        return True
    if not kinds.of(own).is_raw:
        return own == wide
    is_rounded = own.kind in "iu" and wide.kind in "fc" and own.itemsize == 8  # beyond 2^53
    return not is_rounded and np.can_cast(own, wide, "safe")


def _runs(gathered: Gathered, forms: npt.NDArray[np.int16], n_forms: int) -> list[Runs]:
    """Return the flat positions of the points of each form, as ascending runs."""
    entries = gathered.entries[:]
    if any(dimension.is_first is not None for dimension in gathered.experiment.space.dimensions):
        is_first = np.zeros(len(forms), dtype=bool)  # equal points have several positions
        is_first[np.unique(entries, return_index=True)[1]] = True
        forms[~is_first] = -1
    edges = np.concatenate([[0], np.flatnonzero(forms[1:] != forms[:-1]) + 1, [len(forms)]])
    runs = np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64)
    return [runs[forms[edges[:-1]] == number] for number in range(n_forms)]


def _part(gathered: Gathered, maker: KeyMaker, own: _Form, runs: Runs) -> KeptPart:
    variables = tuple(
        h if h.counts is None else _counted(gathered, own, i, runs)
        for i, h in enumerate(own.variables)
    )
    spots = Spots(tuple(gathered.experiment.space.sizes.values()), runs, own.datasets)
    return KeptPart(_keys(maker, runs), variables, own.coordinates, spots)


def _keys(maker: KeyMaker, runs: Runs) -> Keys | Factors:
    if len(runs) == 1:
        pieces = maker.boxes(*runs[0].tolist())
        if len(pieces) == 1:
            return pieces[0]
    return maker(ledger.listed(runs))


def _counted(gathered: Gathered, own: _Form, variable: int, runs: Runs) -> Header:
    """Add the number of values of each point to a header."""
    index = gathered.index
    every = np.zeros(int(index.starts[-1]), dtype=np.int64)
    for number in own.parts:
        start, stop = index.starts[number : number + 2].tolist()
        every[start:stop] = np.asarray(index.parts[number].variables[variable].counts)
    counts = every[gathered.entries[:][ledger.listed(runs)]]
    longest = (int(counts.max(initial=0)),)
    return dataclasses.replace(own.variables[variable], counts=counts, shape=longest)


class _Look(NamedTuple):
    """What the results file has of a segment of this code.

    Attributes
    ----------
    is_used : bool
        Whether the results file has values of it.
    is_outdated : bool
        Whether it has values that newer ones replace.
    is_needed : bool
        Whether it has a point that the results file does not have.
    """

    segment: Segment
    is_used: bool
    is_outdated: bool
    is_needed: bool


def _looks(gathered: Gathered, form_of: npt.NDArray[np.int16]) -> Iterator[_Look]:
    """Look at each segment of this code."""
    index = gathered.index
    is_held = np.zeros(int(index.starts[-1]), dtype=bool)
    entries = gathered.entries[:]
    is_held[entries[entries >= 0]] = True
    is_held &= np.repeat(form_of[:-1] >= 0, np.diff(index.starts))
    stop = 0
    for each in index.in_order:
        start, stop = stop, stop + len(each.parts)
        if each.rank:
            continue
        taken = outdated = needed = False
        for number in range(start, stop):
            first, last = index.starts[number : number + 2].tolist()
            rest = np.flatnonzero(~is_held[first:last])
            taken |= len(rest) < last - first
            if len(rest):
                newest = index.find(index.parts[number].every_key[rest])
                needed |= not (is_held[newest] & (newest >= 0)).all()  # -1 is hidden, and not known
                outdated |= bool((newest != first + rest).any())
        if not each.parts:  # failures alone: another segment for them would be no smaller
            needed = bool(merge.open_failures(index, [each]))
        yield _Look(each, taken, outdated, needed)


def settle(folder: Path, taken: Absorbed) -> list[str]:
    """Store failures of segments that will be removed; return the names of those that stay."""
    names = list(taken.others)
    if taken.failures:
        names.append(segment.commit(folder, (), taken.failures, taken.kept.created_ns).name)
    return names


def let_go(folder: Path, taken: Absorbed, landed: str) -> None:
    """Remove the segments whose points the results file, itself a segment, has."""
    for name in {*taken.superfluous} - {landed}:
        with contextlib.suppress(OSError):  # another run removed it too, or we may not remove it
            disk.unlink(folder / name)
