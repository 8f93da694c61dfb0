"""One experiment that a page looks at again and again: how far it is, and where its points are.

A results file is shown while nothing newer is stored, else the stored points themselves.
"""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeps.errors import StorageError, SweepsError
from sweeps.memo import listing, record
from sweeps.memo.segment import MergedAwayError
from sweeps.progress import presence
from sweeps.project.sweep import Sweep
from sweeps.results import known_points, state
from sweeps.text import count
from sweeps.viewer.growing import Growing
from sweeps.viewer.landed import Landed, identity
from sweeps.viewer.sheet import Sheet

_SHARE = 40
"""Reading what is new takes a fortieth of the time at most: it shares its core with workers."""

_OFTEN_S = 0.4

_READ_S = 1.2
"""Between two looks for new points: with what a page takes to hear of them, they are seen within
two seconds."""

_CODE_S = 2.0

_WINDOW_S = 10.0

_EARLIER = (
    "These are results of earlier code; the present code has computed no point yet. "
    "See what changed: python -m sweeps why {}"
)

MOST_POINTS = 5 * 10**6  # 48 bytes each


@dataclasses.dataclass(frozen=True)
class Subject:
    """What can be looked at.

    Attributes
    ----------
    path : Path
        Of the results file.
    resolve : callable or None
        Makes the sweep, of the code as it is now; None for a results file alone.
    """

    name: str
    path: Path
    about: str = ""
    resolve: Callable[[], Sweep] | None = None


@dataclasses.dataclass(frozen=True)
class State:
    """How far an experiment is.

    Attributes
    ----------
    rate : float or None
        Points that became done or failed each second of late; None if no run goes on.
    left_s : float or None
        Until the last run ends, as the runs say.
    version, form : str
        Of the values, and of what can be chosen: others are to be read if it changes.
    problem : str
        Why there is less to be seen than there should be.
    """

    name: str
    counts: Mapping[str, int]
    version: str
    form: str
    place: str
    runs: tuple[presence.Running, ...] = ()
    rate: float | None = None
    left_s: float | None = None
    problem: str = ""

    @property
    def news(self) -> object:
        """What a page is to hear of at once."""
        return self.version, tuple(self.counts.items()), len(self.runs), self.problem

    def data(self) -> dict[str, Any]:
        """What the page gets of it."""
        runs = [each.data() for each in self.runs]
        return {**vars(self), "counts": dict(self.counts), "runs": runs}


class Watched:
    """An experiment that is looked at; one thread at a time."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.sheet: Sheet | None = None
        self._sweep: Sweep | None = None
        self._files: dict[str, int] = {}
        self._due_s = self._code_due_s = self._looked_s = 0.0
        self._state: State | None = None
        self._problem = self._earlier = ""
        self._listed: tuple[Any, ...] = ()
        self._over: collections.deque[tuple[float, int]] = collections.deque()

    def look(self) -> State:
        """Look how far it is; what was seen a moment ago is not looked at again."""
        now = time.monotonic()
        if self._state is None or now - self._looked_s >= _OFTEN_S:
            self._looked_s = now
            self._state = self._look(now)
        return self._state

    def look_anew(self) -> State:
        """Look at once for what is stored, because something of it was merged away."""
        self._listed, self._due_s, self._state = (), 0.0, None
        return self.look()

    def close(self) -> None:
        """Close the results file."""
        if self.sheet is not None:
            self.sheet.close()

    def _look(self, now: float) -> State:
        subject = self.subject
        runs = tuple(presence.look(subject.path.parent, subject.path.stem))
        if now >= self._due_s:
            begun_s = time.thread_time()
            try:
                self._read_code(now)
                self._read(is_running=any(run.silent_s is None for run in runs))
                self._problem = self._earlier
            except MergedAwayError:
                self._listed = ()  # looked at again in a moment
            except (SweepsError, OSError) as error:
                self._problem = str(error)
            # of processor time: on a busy machine, waiting for a core costs nobody anything
            took_s = time.thread_time() - begun_s
            self._due_s = now + min(max(_READ_S, _SHARE * took_s), 60.0)
        going_on = [run for run in runs if run.silent_s is None]
        counts = self.sheet.counts if self.sheet is not None else {}
        told = (s.version, s.form, s.place) if (s := self.sheet) is not None else ("", "", "")
        left = [run.left_s for run in going_on if run.left_s is not None]
        rate = self._rate(now, counts, sum(run.rate for run in going_on)) if going_on else None
        last_s = max(left) if left else None
        return State(subject.name, counts, *told, runs, rate, last_s, self._problem)

    def _rate(self, now: float, counts: Mapping[str, int], said: float) -> float:
        """Return the rate of the last seconds; what runs say themselves where that is not known."""
        n_over = counts.get("done", 0) + counts.get("failed", 0)
        if not self._over or self._over[-1][1] != n_over:
            self._over.append((now, n_over))
        while len(self._over) > 2 and now - self._over[0][0] > _WINDOW_S:
            self._over.popleft()
        (first_s, first), (last_s, last) = self._over[0], self._over[-1]
        is_known = last_s - first_s > _WINDOW_S / 4 and last > first
        return (last - first) / (last_s - first_s) if is_known else said

    def _read_code(self, now: float) -> None:
        """Make the sweep, and make it again if a file of its code has changed."""
        if self.subject.resolve is None or now < self._code_due_s:
            return
        self._code_due_s = now + _CODE_S
        if self._sweep is not None and _times(self._sweep) == self._files:
            return
        self._sweep = self.subject.resolve()
        self._files = _times(self._sweep)
        self._listed = ()

    def _read(self, *, is_running: bool) -> None:
        """Look for new points, in the file or in what is stored."""
        made, path = self._sweep, self.subject.path
        names = listing.listing(made.memo) if made is not None else ()
        seen = (made and made.memo, names, _identity(path), is_running)
        if seen == self._listed:
            return
        is_file = made is None or (not is_running and _is_latest(made, path))
        is_earlier = not (is_file or is_running or names) and path.is_file()
        self._earlier = _EARLIER.format(self.subject.path.stem) if is_earlier else ""
        if made is None or is_file or is_earlier:
            self._show_file(path)
        else:
            self._show_stored(made, path)
        self._listed = seen

    def _show_file(self, path: Path) -> None:
        if isinstance(self.sheet, Landed) and self.sheet.version == _identity(path):
            return
        self._replace(Landed(path))

    def _show_stored(self, made: Sweep, path: Path) -> None:
        held = state.held_attributes(path)
        now = _swept(made, path)
        if not isinstance(self.sheet, Growing) or self.sheet.layout != now.layout:
            n_points = now.experiment.space.n_positions
            if n_points > MOST_POINTS:
                raise StorageError(
                    f"{count(n_points, 'point')} are too many to be shown before the results file "
                    "has them; the numbers of runs are shown"
                )
            self._replace(Growing(now))
        assert isinstance(self.sheet, Growing)
        self.sheet.update(held)

    def _replace(self, sheet: Sheet) -> None:
        self.close()
        self.sheet = sheet
        self._over.clear()


def _identity(path: Path) -> str:
    try:
        return identity(path)
    except OSError:
        return ""


def _times(sweep: Sweep) -> dict[str, int]:
    """When the files of its code were last changed."""
    found = {}
    for file, _ in sweep.fingerprint.files.values():
        try:
            found[str(file)] = Path(file).stat().st_mtime_ns
        except OSError:
            found[str(file)] = 0
    return found


def _is_latest(made: Sweep, path: Path) -> bool:
    """Whether a results file has all that is stored, for whatever space it was written."""
    held = state.held_attributes(path)
    if held.get("fingerprint") != made.fingerprint.digest:
        return False
    if state.is_fresh(made, held):
        return True
    latest_ns = path.stat().st_mtime_ns
    folders = [source.folder for source in listing.sources(made.memo)]
    times = (f / name for f in folders for name in listing.listing_of(f))
    return all(each.stat().st_mtime_ns <= latest_ns for each in times)


def _swept(made: Sweep, path: Path) -> Sweep:
    """Return the sweep over the space of the latest run, if that was begun after the file."""
    layouts = record.layouts(made.memo) if made.memo.is_dir() else []
    if not layouts or layouts[-1] == made.layout:
        return made
    begun_ns = (made.memo / f"space-{layouts[-1]}.json").stat().st_mtime_ns
    if path.exists() and path.stat().st_mtime_ns > begun_ns:
        return made
    own = made.experiment
    visited = record.read_space(made.memo, layouts[-1], known_points.elements(own))
    if visited is None:
        return made
    swept = dataclasses.replace(own.with_space(visited.space), constants=visited.constants)
    return made.over(swept)
