"""What a run tells other processes of itself while it goes on.

It keeps a small file beside its segments, locked for as long as it lives, so that the kernel tells
which runs there are. It says what progress says, and which points are under way and since when.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sweeps import text
from sweeps.execution.options import Progress, Slow
from sweeps.text import count, duration

FOLDER = ".running"

_SUFFIX = ".json"

_MOST_BYTES = 2**16

_TROUBLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Running:
    """A run that goes on.

    Attributes
    ----------
    points, over, failed : int
        To compute in this run; finished by now; and how many of these failed.
    seconds : float
        Since it began to compute.
    left_s : float or None
        Until it ends; None if unknown.
    under_way : tuple of Slow
        Points that take a while, the longest first.
    """

    points: int
    over: int
    failed: int
    seconds: float
    left_s: float | None
    under_way: tuple[Slow, ...]

    def __str__(self) -> str:
        failed = f", {self.failed:,} failed" if self.failed else ""
        left = f", {duration(self.left_s)} left" if self.left_s is not None else ""
        said = f"{self.over:,} of {count(self.points, 'point')} finished{failed}{left}"
        said += text.under_way(self.under_way)
        return f"a run started {duration(self.seconds)} ago: {said}"

    def data(self) -> dict[str, Any]:
        """What ``--json`` says of it."""
        return {**vars(self), "under_way": [each._asdict() for each in self.under_way]}


class Notice:
    """The file of one run; if it cannot be written, the run goes on unseen."""

    def __init__(self, memo: Path) -> None:
        self._path = memo / FOLDER / f"{uuid.uuid4().hex}{_SUFFIX}"
        self._file: io.FileIO | None = None
        with contextlib.suppress(*_TROUBLE):
            self._path.parent.mkdir(exist_ok=True)
            self._forget_dead()
            self._file = io.FileIO(self._path, "x+")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _forget_dead(self) -> None:
        for path in self._path.parent.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError), _opened(path) as file:
                if not _is_locked(file):
                    path.unlink()

    def say(self, progress: Progress) -> None:
        """Write how far the run is."""
        said: dict[str, Any] = {
            "points": progress.n_todo,
            "over": progress.n_computed + progress.n_failed,
            "failed": progress.n_failed,
            "seconds": progress.seconds,
            "left_s": progress.left_s,
            "under_way": [list(each) for each in progress.under_way],
            "said": time.time(),
        }
        content = json.dumps(said).encode()
        with contextlib.suppress(*_TROUBLE):
            if self._file is not None and len(content) <= _MOST_BYTES:
                os.pwrite(self._file.fileno(), content + b"\n", 0)
                self._file.truncate(len(content) + 1)

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(*_TROUBLE):
            if self._file is not None:
                self._path.unlink(missing_ok=True)
                self._file.close()


def look(results: Path, name: str) -> list[Running]:
    """List the runs of an experiment that go on, of any code, the longest first."""
    found = []
    for path in (results / ".memo" / name).glob(f"*/{FOLDER}/*{_SUFFIX}"):
        with contextlib.suppress(*_TROUBLE), _opened(path) as file:
            if _is_locked(file):
                found.append(_read(file))
    return sorted(found, key=lambda each: -each.seconds)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[io.FileIO]:
    """Open a file to read, and no pipe, which would be waited for."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    with io.FileIO(os.open(path, flags), "r") as file:
        yield file


def _is_locked(file: io.FileIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _read(file: io.FileIO) -> Running:
    """Read what a run said, and how long ago it did."""
    said = json.loads(os.pread(file.fileno(), _MOST_BYTES + 1, 0))
    ago_s = max(0.0, time.time() - float(said["said"]))
    left_s = said["left_s"]
    return Running(
        int(said["points"]),
        int(said["over"]),
        int(said["failed"]),
        float(said["seconds"]) + ago_s,
        None if left_s is None else max(0.0, float(left_s) - ago_s),
        tuple(Slow(str(point), float(seconds) + ago_s) for point, seconds in said["under_way"]),
    )
