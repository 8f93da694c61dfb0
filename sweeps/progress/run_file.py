"""What a run tells other processes of itself while it goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeps.code import provenance, versions
from sweeps.progress import presence
from sweeps.progress.process import Process
from sweeps.progress.show import Progress
from sweeps.storage import files

_OFTEN_S, _SELDOM_S = 2.0, 15.0
"""Pauses between words to other processes: a twentieth of the time so far, between these."""

_SHARE = 20

_MOST_UNDER_WAY = 20

_TROUBLE = (OSError, ValueError)


class Notice:
    """The file of one run; if it cannot be written, the run goes on unseen."""

    def __init__(self, memo: Path, engine: str, n_workers: int) -> None:
        self._path = memo / presence.FOLDER / f"{uuid.uuid4().hex}{presence.SUFFIX}"
        self._temporary = self._path.with_name(files.temporary_name())
        self._due_s = 0.0
        self._about: dict[str, Any] = {
            **Process.here()._asdict(),
            "user": _user(),
            "command": provenance.command(sys.argv),
            "engine": engine,
            "workers": n_workers,
            "started": provenance.now(),
            "versions": dataclasses.asdict(versions.here()),
        }
        presence.forget_dead(memo)

    def say(self, progress: Progress) -> None:
        """Write how far the run is, if the last word is long enough ago."""
        if progress.seconds < self._due_s:
            return
        pause_s = min(max(progress.seconds / _SHARE, _OFTEN_S), _SELDOM_S)
        self._due_s = progress.seconds + pause_s
        said = {
            "points": progress.n_todo,
            "over": progress.n_computed + progress.n_failed,
            "failed": progress.n_failed,
            "seconds": progress.seconds,
            "left_s": progress.left_s,
            "left_range_s": progress.left_range_s,
            # Apart, since earlier versions read pairs.
            "under_way": [list(each[:2]) for each in progress.under_way[:_MOST_UNDER_WAY]],
            "said": [each.said for each in progress.under_way[:_MOST_UNDER_WAY]],
        }
        content = json.dumps({**self._about, **said}).encode()
        if self._path.parent.is_symlink():
            return
        with contextlib.suppress(*_TROUBLE):
            # Replaced, so that a reader sees all of it; not flushed, since it is not to last.
            self._path.parent.mkdir(exist_ok=True)
            self._temporary.write_bytes(content)
            self._temporary.replace(self._path)

    def close(self) -> None:
        """Remove the file."""
        for path in (self._path, self._temporary):
            with contextlib.suppress(*_TROUBLE):
                path.unlink(missing_ok=True)


def differing(others: Sequence[presence.Running]) -> list[str]:
    """Warn of runs that compute with other versions, each version once."""
    here, told = versions.here(), list[str]()
    for run in {run.versions.counted: run for run in others}.values():
        place = f"a run on {run.host} (process {run.pid}) that shares these results"
        told += versions.differ(here, run.versions, place, is_worker=False).warnings
    return told


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # a number without a name, in a container
        return ""
