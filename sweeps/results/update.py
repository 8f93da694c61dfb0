"""The results file shows what the memo has by now, and is left alone where it does."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweeps.code import provenance
from sweeps.errors import StorageError, SummaryError
from sweeps.memo import acceptance, listing, merge, record
from sweeps.memo import index as memo
from sweeps.memo.segment import MergedAwayError
from sweeps.project.sweep import Subject
from sweeps.results import absorb, collect, contents, write
from sweeps.results import summary as results_summary
from sweeps.results.contents import Arrays
from sweeps.results.state import LAYOUT, STATE, beside, held_attributes
from sweeps.storage import disk, files

if TYPE_CHECKING:
    import xarray


_LOOKS = 5


class Refreshed(NamedTuple):
    """What the results file shows now, what a user should know of it, and the file's state."""

    gathered: collect.Gathered
    warnings: tuple[str, ...]
    state: str


def refresh(
    subject: Subject, before: memo.Index, started: str, *, is_last: bool = False
) -> Refreshed:
    """Land all that the memo has by now of the space, unless the file holds just that.

    Parameters
    ----------
    before : Index
        Of the memo some time ago: what it knows is not read again.
    started : str
        When the run began.
    is_last : bool
        Whether to add the summary, and to look again, some times, for what another run committed
        meanwhile: its file, newer than what we had read, may just have been replaced by ours.

    Raises
    ------
    StorageError
        Where the disk does not take it; and, once the rest is landed, where a segment was damaged
        since `before`.
    """
    n_looks = _LOOKS if is_last else 1
    warnings: tuple[str, ...] = ()
    known_bad, bad = set(before.bad), set[Path]()
    while True:
        try:
            scanned = memo.scan(subject.memo, before, sets_aside=True)
            bad |= set(scanned.bad) - known_bad
            index = before = merge.merge(scanned)
            gathered = collect.gather(subject.experiment, subject.keys, index)
            names = tuple(sorted(index.segments))
            state = _fresh_state(subject, names, is_last=is_last)
            if state is None:
                warnings, names, state = _land(subject, gathered, started, is_last=is_last)
        except MergedAwayError:  # another run merged a segment away that this one was to read
            continue
        n_looks -= 1
        if not n_looks or listing.listing(subject.memo) == names:
            break
    if bad and is_last:
        raise StorageError(
            f"set aside the damaged segment {min(bad)}, with points that were finished before: run "
            "again to compute them anew"
        )
    return Refreshed(gathered, warnings, state)


def load_apart(subject: Subject) -> xarray.Dataset:
    """Load what the memo has by now of the space, whatever is in the place of the results file.

    It is landed under a temporary name, which a dataset that is read when used needs until this
    process ends.

    Raises
    ------
    StorageError
        Where the disk does not take it.
    """
    from sweeps.storage import dataset as storage_dataset  # of xarray, which takes a while

    path = subject.results / files.temporary_name()
    try:
        while True:
            with contextlib.suppress(MergedAwayError):  # by another run: scan again
                index = memo.scan(subject.memo)
                gathered = collect.gather(subject.experiment, subject.keys, index)
                said = _provenance(subject, gathered, provenance.now())
                with collect.sheet(gathered, {**said, STATE: subject.state(index.segments)}) as new:
                    write.land(path, new)
                break
        dataset = storage_dataset.load(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if storage_dataset.is_read_at_once(dataset):
        path.unlink(missing_ok=True)
    else:
        atexit.register(path.unlink, missing_ok=True)
    return dataset


def _fresh_state(subject: Subject, segments: Iterable[str], *, is_last: bool) -> str | None:
    """State of the file if it shows what these segments hold, with the summary if it is due."""
    names = beside(subject, segments)
    wanted = {subject.state(names, is_summarized=i) for i in ({True} if is_last else {True, False})}
    held = held_attributes(subject.landed).get(STATE)
    return held if held in wanted else None


def _land(
    subject: Subject, gathered: collect.Gathered, started: str, *, is_last: bool
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Land, and say what of it could not be done, which segments there are then, and the state."""
    for folder in (subject.results, subject.landed.parent):
        files.make_folder(folder)
    for folder in sorted({each.path.parent for each in gathered.index.segments.values()}):
        with files.told(folder):  # a run that was killed may have left names that were not flushed
            disk.flush_folder(folder)
    taken, told = _taken_over(subject, gathered)
    names = [*gathered.index.segments] if taken is None else absorb.settle(subject.memo, taken)
    bare, full = (subject.state(names, is_summarized=i) for i in (False, True))
    attributes = {**_provenance(subject, gathered, started), STATE: bare}
    if taken is not None:
        attributes[absorb.KEEP] = absorb.RESULTS
    summary = _summary(subject, full) if is_last else None
    if taken is None:
        kept, place = absorb.described(gathered, subject.keys), None
    else:
        kept, place = taken.kept, subject.memo
    with collect.sheet(gathered, attributes, kept) as sheet:
        landed = write.land(subject.landed, sheet, summary, place)
    if sheet.rounded:
        told += (
            f"integers beyond 2^53 are rounded in {', '.join(map(repr, sorted(sheet.rounded)))} of "
            f"{subject.experiment.name!r}, since other points returned floats or unsigned integers "
            "there: return one type at all points; the memo has them exactly",
        )
    if taken is not None:
        names.append(landed.segment)
        absorb.let_go(subject.memo, taken, landed.segment)
    if landed.failure is not None:
        told += (
            f"the summary of {subject.experiment.name!r} {landed.failure}; the results are landed "
            "without it, and the next run tries it again",
        )
    is_bare = summary is None or landed.failure is not None
    return told, tuple(sorted(names)), bare if is_bare else full


def _taken_over(
    subject: Subject, gathered: collect.Gathered
) -> tuple[absorb.Absorbed | None, tuple[str, ...]]:
    """Decide what the results file takes over from the memo, where it is to."""
    if not subject.is_only_copy:
        return None, ()
    taken = absorb.absorb(gathered, subject.keys)
    if taken is None or files.can_share(subject.results, subject.memo):
        return taken, ()
    return None, (
        f"the values of {subject.experiment.name!r} are in the memo as well: no file can have a "
        f"name in both {subject.results} and {subject.memo}",
    )


def _summary(subject: Subject, state: str) -> contents.Summary | None:
    """What makes the summary, and the state of a file that has it."""
    function = subject.experiment.registered.summary
    if function is None or subject.summary is None:
        return None

    def arrays(path: Path) -> Arrays:
        if subject.edited is not None:
            raise SummaryError(
                f"was not made: {subject.edited} was edited since it was imported here, and this "
                "process still has the old code: start Python anew"
            )
        return results_summary.summarize(path, function, subject.experiment.name)

    code = subject.summary
    source = "\n".join(code.sources.values())
    return contents.Summary(arrays, {"fingerprint": code.digest}, source, {STATE: state})


def _provenance(subject: Subject, gathered: collect.Gathered, started: str) -> dict[str, str | int]:
    experiment, fingerprint = subject.experiment, subject.fingerprint
    module = subject.location.folder if subject.location is not None else "."
    return {
        "title": experiment.name,
        "summary": experiment.about,
        "experiment": experiment.name,
        "n_points": len(experiment.space),
        "n_done": gathered.count("done"),
        "n_failed": gathered.count("failed"),
        "n_excluded": gathered.count("excluded"),
        "n_known": _n_known(gathered),
        LAYOUT: subject.layout,
        "started": started,
        "ended": provenance.now(),
        **provenance.of_machine(),
        **provenance.of_git(Path(module)),
        "packages": json.dumps(provenance.of_packages()),
        "fingerprint": fingerprint.digest,
        **provenance.of_code(fingerprint, *itertools.chain(*experiment.behind_labels().values())),
        "accepted": json.dumps(list(_accepted(subject, gathered))),
    }


def _n_known(gathered: collect.Gathered) -> int:
    """Count the points that the memo has values of, in this space or not."""
    index, n_done = gathered.index, gathered.count("done")
    return n_done if index.starts[-1] == n_done else index.n_known


def _accepted(subject: Subject, gathered: collect.Gathered) -> Iterator[dict[str, Any]]:
    """Say which values are of earlier code, on whose word, and what that code was."""
    sources = acceptance.sources(subject.memo)[1:]
    if not sources:  # counting takes a while
        return
    index = gathered.index
    numbers = np.searchsorted(index.starts, gathered.entries, side="right") - 1
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
