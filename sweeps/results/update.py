"""Update the results file so that it shows what the memo has, unless it does already."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweeps.code import provenance
from sweeps.declaration import checks
from sweeps.errors import StorageError, SummaryError, SweepsError, nearest
from sweeps.memo import claims, listing, merge, record
from sweeps.memo import index as memo
from sweeps.memo.claims import Claims
from sweeps.memo.segment import MergedAwayError
from sweeps.outputs.schema import Form
from sweeps.outputs.types import Header
from sweeps.project.sweep import Sweep
from sweeps.results import absorb, collect, contents, write
from sweeps.results.contents import Arrays
from sweeps.results.state import LAYOUT, STATE, beside, held_attributes
from sweeps.results.summary import summarize
from sweeps.storage import disk, files

if TYPE_CHECKING:
    from sweeps.memo.draft import Draft
    from sweeps.results.in_place import Placed

_LOOKS = 5

LANDING_SHARE = 50
"""A long run lands what it has when this many times a landing's duration has passed: 2 %."""

_FIRST_LANDING_S = 3.0
_PAUSE_S = 30.0

_BYTES_PER_S = 2e8
"""How fast a landing is, until one was measured: 1.3 GB took 5.8 to 7.9 s on two cores."""

_STATE_BYTES = 5
"""Of a point in a results file, beside its outputs: its status and its time."""


class Refreshed(NamedTuple):
    """What the results file shows now, warnings for the user, and the state of the file."""

    gathered: collect.Gathered
    warnings: tuple[str, ...]
    state: str


def settle(before: memo.Index, present: Claims, draft: Draft | None = None) -> memo.Index:
    """Merge what a run leaves that has ended, if that is much; return the index after that.

    Values in its `draft` are not checked here and later on.
    """
    if draft is not None:
        before = dataclasses.replace(before, trusted=draft.path)
    is_long = len(listing.listing_of(before.folder)) >= merge.N_SMALL
    return merge.merge_alone(before, present) if is_long else before


def refresh(
    sweep: Sweep,
    before: memo.Index,
    started: str,
    draft: Draft | None = None,
    *,
    is_last: bool = False,
) -> Refreshed:
    """Write the results file with all that the memo has of the space, unless it holds that.

    Parameters
    ----------
    before : Index
        An earlier index of the memo: its segments are not read again. If one was damaged since,
        this raises `StorageError` when the rest is written.
    started : str
        When the run began.
    draft : Draft, optional
        In which its workers have written values: it becomes the results file, if it can.
    is_last : bool
        Whether to add the summary, and to look again a few times for segments of other runs: our
        file may just have replaced a newer one of theirs.
    """
    n_looks = _LOOKS if is_last else 1
    warnings: tuple[str, ...] = ()
    known_bad, bad = set(before.bad), set[Path]()
    while True:
        try:
            scanned = memo.scan(sweep.memo, before, sets_aside=True)
            bad |= set(scanned.bad) - known_bad
            is_long = len(scanned.segments) >= merge.N_SMALL
            index = before = merge.merge(scanned) if is_long else scanned
            gathered = collect.gather(sweep.experiment, sweep.keys, index)
            names = tuple(sorted(index.segments))
            state = _fresh_state(sweep, names, is_last=is_last)
            if state is None or (draft is not None and absorb.is_drafted(gathered)):
                warnings, names, state = _land(sweep, gathered, started, draft, is_last=is_last)
        except MergedAwayError:  # another run has merged a segment that we wanted to read
            continue
        n_looks -= 1
        if not n_looks or listing.listing(sweep.memo) == names:
            break
    if listing.ending(sweep.memo, listing.DRAFT_SUFFIX):
        _forget_drafts(gathered.index, None if draft is None else draft.path)
    if bad and is_last:
        raise StorageError(
            f"set aside the damaged file {min(bad)}, which held finished points: run again "
            "to recompute them"
        )
    return Refreshed(gathered, warnings, state)


def _fresh_state(sweep: Sweep, segments: Iterable[str], *, is_last: bool) -> str | None:
    """Return the state of the file if it shows these segments, with the summary if it is due."""
    names = beside(sweep, segments)
    wanted = {sweep.state(names, is_summarized=i) for i in ({True} if is_last else {True, False})}
    held = held_attributes(sweep.landed).get(STATE)
    return held if held in wanted else None


def _land(
    sweep: Sweep,
    gathered: collect.Gathered,
    started: str,
    draft: Draft | None,
    *,
    is_last: bool,
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Write the results file; return warnings, the names of the segments, and the state."""
    for folder in (sweep.results, sweep.landed.parent):
        files.make_folder(folder)
    for folder in sorted({each.path.parent for each in gathered.index.segments.values()}):
        with files.told(folder):  # a killed run may have left names that are not flushed
            disk.flush_folder(folder)
    made = sweep.experiment
    # A later run asks whether its space has all points of this one; a memo may be read-only.
    with contextlib.suppress(StorageError):
        record.keep_space(sweep.memo, sweep.layout, made.space, made.constants)
    placed = _placed(gathered, draft)
    taken, told = _taken_over(sweep, gathered, draft)
    names = [*gathered.index.segments] if taken is None else absorb.settle(sweep.memo, taken)
    bare, full = (sweep.state(names, is_summarized=i) for i in (False, True))
    attributes = {**origin(sweep, gathered, started), STATE: bare}
    if taken is not None:
        attributes[absorb.KEEP] = absorb.RESULTS
    summary = _summary(sweep, full) if is_last else None
    if taken is None:
        kept, second_name = absorb.described(gathered, sweep.keys), None
    else:
        kept, second_name = taken.kept, lambda digest: sweep.memo / listing.name_of(digest)
    place = draft.path if draft is not None and placed and taken is not None else None
    with collect.sheet(gathered, attributes, kept) as sheet:
        if place is not None:
            from sweeps.results import in_place

            sheet = in_place.completing(sheet, placed)
        try:
            landed = write.land(sweep.landed, sheet, summary, second_name, place)
        except StorageError as error:
            if place is None or place.exists():
                raise
            raise MergedAwayError(place) from error  # another run has landed its values
    told += tuple(_misnamed(sheet, gathered))
    if sheet.rounded:
        told += (
            "integers beyond 2^53 are rounded in "
            f"{', '.join(map(repr, sorted(sheet.rounded)))} of {sweep.experiment.name!r}, "
            "because other points returned floats or unsigned integers there: return one "
            "type at all points; the stored results are exact",
        )
    if taken is not None:
        name = listing.name_of(landed.digest)
        names.append(name)
        absorb.let_go(sweep.memo, taken, name)
    if landed.failure is not None:
        told += (
            f"the summary of {sweep.experiment.name!r} {landed.failure}; the results file "
            "is written without it, and the next run tries again",
        )
    is_bare = summary is None or landed.failure is not None
    return told, tuple(sorted(names)), bare if is_bare else full


def _placed(gathered: collect.Gathered, draft: Draft | None) -> dict[str, Placed]:
    """Find what is in a draft that can become the results file."""
    if draft is None:
        return {}
    from sweeps.results import in_place  # which few results need

    return in_place.placed(draft, gathered)


def _forget_drafts(index: memo.Index, own: Path | None) -> None:
    """Remove drafts whose values have landed."""
    from sweeps.memo import draft

    there = listing.listing(index.folder)
    left = [part for name, each in index.segments.items() if name in there for part in each.parts]
    draft.forget(index.folder, {p.placed.path for p in left if p.placed is not None}, own)


def _misnamed(sheet: contents.Sheet, gathered: collect.Gathered) -> Iterator[str]:
    """Warn of names that something is declared of, and that no variable has.

    Only points that are done tell which outputs there are, so all must be.
    """
    made = gathered.experiment
    if gathered.count("done") + gathered.count("excluded") < len(gathered.entries):
        return
    names = {each.name for each in sheet.coordinates} | {each.name for each in sheet.outputs}
    taken = {*names, *made.taken, *checks.arguments(made.function, made.resources)}
    for option in ("units", "long_name", "attrs"):
        for name in getattr(made, option).keys() - taken:
            yield (
                f"{option} of {made.name!r} has {name!r}, which is neither a parameter nor an "
                f"output (found: {', '.join(sorted(names))}).{nearest(name, names)}"
            )


def _taken_over(
    sweep: Sweep, gathered: collect.Gathered, draft: Draft | None
) -> tuple[absorb.Absorbed | None, tuple[str, ...]]:
    """Decide what the results file takes over from the memo, if the sweep asks for that.

    What a run has in a draft is left to it, until it lands.
    """
    is_wanted = sweep.is_only_copy or (sweep.can_land_in_place and absorb.has_large(gathered))
    is_others = draft is None and absorb.is_drafted(gathered) and claims.are_live(sweep.memo)
    taken = absorb.absorb(gathered, sweep.keys) if is_wanted and not is_others else None
    if taken is None or files.can_share(sweep.results, sweep.memo):
        return taken, ()
    if not sweep.is_only_copy:
        return None, ()
    return None, (
        f"the values of {sweep.experiment.name!r} are stored twice, because no file can "
        f"have a name (a hard link) in both {sweep.results} and {sweep.memo}",
    )


def _summary(sweep: Sweep, state: str) -> contents.Summary | None:
    """Make the call that computes the summary, and the state of a file with it."""
    function = sweep.experiment.registered.summary
    if function is None or sweep.summary is None:
        return None

    def arrays(path: Path) -> Arrays:
        if sweep.edited is not None:
            raise SummaryError(
                f"was not made: {sweep.edited} was edited since it was imported here, and this "
                "process still has the old code: restart Python"
            )
        return summarize(path, function, sweep.experiment.name)

    code = sweep.summary
    source = "\n".join(code.sources.values())
    return contents.Summary(arrays, {"fingerprint": code.digest}, source, {STATE: state})


def origin(sweep: Sweep, gathered: collect.Gathered, started: str) -> dict[str, str | int]:
    """Make the attributes that say what is in a results file, and where it is from."""
    experiment, fingerprint = sweep.experiment, sweep.fingerprint
    module = sweep.location.folder if sweep.location is not None else "."
    return {
        "title": experiment.name,
        "summary": experiment.about,
        "experiment": experiment.name,
        "n_points": len(experiment.space),
        "n_done": gathered.count("done"),
        "n_failed": gathered.count("failed"),
        "n_excluded": gathered.count("excluded"),
        "n_known": _n_known(gathered),
        LAYOUT: sweep.layout,
        "started": started,
        "ended": provenance.now(),
        **provenance.of_machine(),
        **provenance.of_git(Path(module)),
        "packages": json.dumps(provenance.of_packages()),
        **_computed_with(sweep),
        "fingerprint": fingerprint.digest,
        **provenance.of_code(fingerprint, *itertools.chain(*experiment.behind_labels().values())),
        "accepted": json.dumps(list(_accepted(sweep, gathered))),
    }


def _computed_with(sweep: Sweep) -> dict[str, str]:
    """Say with which versions points were computed, where these differ."""
    if not (sweep.memo / record.VERSIONS).exists():
        return {}
    from sweeps.memo import computed_with  # which few results need

    known = map(dataclasses.asdict, computed_with.known(sweep.memo))
    return {"computed_with": json.dumps(list(known))}


def _n_known(gathered: collect.Gathered) -> int:
    """Count the points with values in the memo, in this space or not."""
    index, n_done = gathered.index, gathered.count("done")
    return n_done if index.starts[-1] == n_done else index.n_known


def _accepted(sweep: Sweep, gathered: collect.Gathered) -> Iterator[dict[str, Any]]:
    """Describe values of accepted earlier code: how many, why they are accepted, and the code."""
    sources = listing.sources(sweep.memo)[1:]
    if not sources:  # counting takes a while
        return
    index = gathered.index
    numbers = index.part_of(gathered.entries[:])
    counts = np.bincount(numbers[numbers >= 0], minlength=len(index.parts))
    for source in sources:
        own = [n for n, part in enumerate(index.parts) if part.path.parent == source.folder]
        code = record.read_code(source.folder)
        yield {
            "fingerprint": source.folder.name,
            "n_points": int(counts[own].sum()),
            "accepted": [
                {name: getattr(each, name) for name in ("reason", "accepted", "new_defaults")}
                for each in source.chain
            ],
            "source": None if code is None else "\n".join(code.sources.values()),
        }


class Landing:
    """Refreshes the results file while a run goes on, at most 2 % of its time.

    Parameters
    ----------
    index : Index
        The memo when the run began.
    started : str
        When that was.
    forms : sequence of Form
        Of the outputs so far; it grows.
    left : callable
        Says how many seconds the run still takes, if that is known.
    """

    def __init__(
        self,
        sweep: Sweep,
        index: memo.Index,
        started: str,
        forms: Sequence[Form],
        left: Callable[[], tuple[float, object] | None],
    ) -> None:
        self._sweep, self._index, self._started = sweep, index, started
        self._forms, self._left = forms, left
        self._last = time.perf_counter()
        # A file that is there is not replaced by one with less so soon.
        self._pause_s = _PAUSE_S if sweep.landed.exists() else _FIRST_LANDING_S
        self._took_s: float | None = None

    def if_due(self) -> None:
        """Refresh it if the last time is long enough ago, and the run is not about to end."""
        begun = time.perf_counter()
        if begun - self._last <= self._pause_s:
            return
        took_s = self._expected_s() if self._took_s is None else self._took_s
        if begun - self._last <= LANDING_SHARE * took_s:
            return
        if (known := self._left()) is not None and known[0] < max(_FIRST_LANDING_S, took_s):
            return
        with contextlib.suppress(SweepsError):  # the last landing will say it
            refreshed = refresh(self._sweep, self._index, self._started)
            self._index = refreshed.gathered.index
        self._last = time.perf_counter()
        self._pause_s, self._took_s = _PAUSE_S, self._last - begun

    def _expected_s(self) -> float:
        """Estimate how long the first landing takes: the file has room for the whole space."""
        stored = (part.variables for part in self._index.parts)
        seen = (headers for _, headers, _ in self._forms)
        return (
            file_bytes(self._sweep.experiment.space.n_positions, itertools.chain(stored, seen))
            / _BYTES_PER_S
        )


def file_bytes(n_positions: int, forms: Iterable[Sequence[Header]]) -> int:
    """Estimate the size of a results file from the forms of outputs, of which the largest count.

    Texts count as what refers to them.
    """
    largest: dict[str, int] = {}
    for each in itertools.chain(*forms):
        n_bytes = math.prod(each.shape) * each.dtype.itemsize
        largest[each.name] = max(n_bytes, largest.get(each.name, 0))
    return n_positions * (_STATE_BYTES + sum(largest.values()))
