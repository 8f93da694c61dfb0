"""Refreshing: the results file shows what the memo has by now, and is left alone where it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sweeps import files, gathering, h5, landing, memo, merging, provenance
from sweeps.errors import StorageError
from sweeps.segment import MergedAwayError
from sweeps.subject import Subject

STATE = "sweeps_state"
"""Attribute of a results file that says what it was made from."""


def fresh_attributes(subject: Subject) -> dict[str, Any] | None:
    """Attributes of the results file if it shows all that the memo has, else None."""
    held = _attributes(subject.landed)
    return held if held.get(STATE) == subject.state(memo.listing(subject.memo)) else None


def refresh(subject: Subject, before: memo.Index, started: str) -> gathering.Gathered:
    """Land all that the memo has by now of the space, unless the file holds just that.

    Parameters
    ----------
    before : Index
        Of the memo some time ago: what it knows is not read again.
    started : str
        When the run began.
    """
    while True:
        try:
            index = merging.merge(memo.scan(subject.memo, before))
            gathered = gathering.gather(subject.keys, index)
            state = subject.state(index.segments)
            if _attributes(subject.landed).get(STATE) != state:
                files.make_folder(subject.results)
                attributes = {**_provenance(subject, gathered, started), STATE: state}
                with gathering.sheet(gathered, attributes) as sheet:
                    landing.land(subject.landed, sheet)
        except MergedAwayError:  # another run merged a segment away that this one was to read
            continue
        return gathered


def _attributes(path: Path) -> dict[str, Any]:
    try:
        return h5.read_attributes(path)
    except StorageError:
        return {}


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
