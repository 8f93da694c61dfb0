"""Refreshing: the results file shows what the memo has by now, and is left alone where it does."""

from __future__ import annotations

import json
from pathlib import Path

from sweeps import files, gathering, landing, memo, merging, provenance
from sweeps.segment import MergedAwayError
from sweeps.subject import STATE, Subject, held_attributes

_LOOKS = 5


def refresh(
    subject: Subject, before: memo.Index, started: str, *, is_last: bool = False
) -> gathering.Gathered:
    """Land all that the memo has by now of the space, unless the file holds just that.

    Parameters
    ----------
    before : Index
        Of the memo some time ago: what it knows is not read again.
    started : str
        When the run began.
    is_last : bool
        Whether to look again, some times, for what another run committed meanwhile: its file, newer
        than what we had read, may just have been replaced by ours.
    """
    n_looks = _LOOKS if is_last else 1
    while True:
        try:
            index = before = merging.merge(memo.scan(subject.memo, before))
            gathered = gathering.gather(subject.experiment, subject.keys, index)
            state = subject.state(index.segments)
            if held_attributes(subject.landed).get(STATE) != state:
                files.make_folder(subject.results)
                attributes = {**_provenance(subject, gathered, started), STATE: state}
                with gathering.sheet(gathered, attributes) as sheet:
                    landing.land(subject.landed, sheet)
        except MergedAwayError:  # another run merged a segment away that this one was to read
            continue
        n_looks -= 1
        if not n_looks or memo.listing(subject.memo) == tuple(sorted(index.segments)):
            return gathered


def _provenance(
    subject: Subject, gathered: gathering.Gathered, started: str
) -> dict[str, str | int]:
    experiment, fingerprint = subject.experiment, subject.fingerprint
    module = subject.location.folder if subject.location is not None else "."
    return {
        "title": experiment.name,
        "summary": experiment.summary,
        "experiment": experiment.name,
        "n_points": len(experiment.space),
        "n_done": gathered.count("done"),
        "n_failed": gathered.count("failed"),
        "n_excluded": gathered.count("excluded"),
        "started": started,
        "ended": provenance.now(),
        **provenance.of_machine(),
        **provenance.of_git(Path(module)),
        "packages": json.dumps(provenance.of_packages()),
        "fingerprint": fingerprint.digest,
        "source": "\n".join(fingerprint.sources.values()),
    }
