"""Which runs go on, on any machine that sees the memo, and what they say of themselves.

Each run replaces a small file beside its segments every few seconds, and removes it at its end. So
a file that stays the same is that of a run that was killed or stopped, or whose machine is gone.
Clocks of machines differ: a file is as old as the file system says, by the time that it gives to a
new file. What a file says may be anything, and is shown on terminals.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from sweeps import text
from sweeps.code import versions
from sweeps.code.versions import Versions
from sweeps.progress.process import Process
from sweeps.progress.show import Slow
from sweeps.storage import files
from sweeps.text import count, duration

FOLDER = ".running"

SUFFIX = ".json"

SILENT_S = 90.0
"""A run speaks every 15 s at least; NFS may show what others have written up to 60 s later."""

_FORGOTTEN_S = 86400.0

MOST_BYTES = 2**16

_MOST_SAID = 200  # characters of a text

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)


@dataclasses.dataclass(frozen=True)
class Running:
    """A run that goes on, or was killed.

    Attributes
    ----------
    points, over, failed : int
        To compute in this run; finished by now; and how many of these failed.
    seconds : float
        Since it began to compute.
    left_s : float or None
        Until it ends; None if unknown.
    left_range_s : (float, float) or None
        Between which `left_s` likely is; None if unknown.
    under_way : tuple of Slow
        Points that take a while, the longest first.
    host, pid, user, command : str, int, str, str
        Where it runs, who started it, and how.
    engine, workers : str, int
    started : str
        In UTC, ISO 8601, by the clock of its machine.
    versions : Versions
    silent_s : float or None
        How long it has said nothing; None if it goes on.
    """

    points: int
    over: int
    failed: int
    seconds: float
    left_s: float | None
    under_way: tuple[Slow, ...]
    host: str
    pid: int
    user: str
    command: str
    engine: str
    workers: int
    started: str
    versions: Versions
    silent_s: float | None = None
    left_range_s: tuple[float, float] | None = None

    @property
    def rate(self) -> float:
        """Points that it finished each second."""
        return self.over / self.seconds if self.seconds > 0 else 0.0

    def __str__(self) -> str:
        place = "" if self.host in ("", platform.node()) else f" on {self.host}"
        failed = f", {self.failed:,} failed" if self.failed else ""
        done = f"{self.over:,} of {count(self.points, 'point')} finished{failed}"
        if self.silent_s is not None:
            return (
                f"a run{place} (process {self.pid}) has been silent for {duration(self.silent_s)}: "
                f"it was killed, or it is stopped or out of reach; it had {done}"
            )
        rate = f", {self.rate:,.3g} points/s" if self.over else ""
        left = ""
        if self.left_s is not None:
            left = f", {text.left(self.left_s, self.left_range_s)}"
        said = f"{done}{rate}{left}{text.under_way(self.under_way)}"
        return f"a run{place} started {duration(self.seconds)} ago: {said}"

    def data(self) -> dict[str, Any]:
        """What ``--json`` says of it."""
        return {
            **vars(self),
            "under_way": [each._asdict() for each in self.under_way],
            "versions": vars(self.versions),
            "rate": self.rate,
        }


def look(results: Path, name: str) -> list[Running]:
    """List the runs of an experiment, of any code, the longest first: also silent ones."""
    found = [each.run for each in _seen(_folders(results, name)) if each.run is not None]
    return sorted(found, key=lambda run: (run.silent_s is not None, -run.seconds))


def beside(memo: Path) -> list[Running]:
    """List the runs that go on in a folder of the memo."""
    runs = (each.run for each in _seen([memo / FOLDER]))
    return [run for run in runs if run is not None and run.silent_s is None]


def n_beside(memo: Path) -> int:
    """Count the runs in a folder of the memo, also silent ones; no file is read."""
    try:
        return sum(name.endswith(SUFFIX) for name in os.listdir(memo / FOLDER))  # noqa: PTH208
    except OSError:
        return 0


def abandoned(results: Path, name: str) -> list[Path]:
    """List the files of runs that are surely dead: gone from this machine, or silent for a day."""
    return [each.path for each in _seen(_folders(results, name)) if each.is_dead]


def forget_dead(memo: Path) -> None:
    """Remove the files of runs that are surely dead from a folder of the memo."""
    for each in _seen([memo / FOLDER]):
        if each.is_dead:
            with contextlib.suppress(OSError):
                each.path.unlink()


def _folders(results: Path, name: str) -> Iterator[Path]:
    return (results / ".memo" / name).glob(f"*/{FOLDER}")


class _Seen(NamedTuple):
    """A file in the place of those of runs.

    Attributes
    ----------
    run : Running or None
        None for something else.
    is_dead : bool
        Whether it can be removed.
    """

    path: Path
    run: Running | None
    is_dead: bool


def _seen(folders: Iterable[Path]) -> Iterator[_Seen]:
    here = Process.here()
    for folder in folders:
        found = list(_read_all(folder))
        is_far = any(not _process(said).is_of(here) for _, said, _ in found)
        now = _now(folder) if is_far else time.time()
        for path, said, written in found:
            yield _judged(path, said, max(0.0, now - written), here)


def _judged(path: Path, said: Mapping[str, Any], age_s: float, here: Process) -> _Seen:
    process = _process(said)
    is_gone = process.is_of(here) and not process.is_there()
    is_silent = is_gone or age_s > SILENT_S
    run = _run(said, process, age_s, is_silent=is_silent)
    return _Seen(path, run, is_gone or age_s > _FORGOTTEN_S)


def _now(folder: Path) -> float:
    """Return the time of a file system, as it gives it to a new file; ours where that fails."""
    try:
        path = folder / files.temporary_name()
        with path.open("xb"):
            pass
        try:
            return path.stat().st_mtime
        finally:
            path.unlink()
    except OSError:  # we may read only
        return time.time()


def _read_all(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any], float]]:
    if folder.is_symlink():  # what it leads to is not ours to read, and to remove
        return
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):  # noqa: PTH208
            if name.endswith(SUFFIX) or name.startswith(files.TEMPORARY_PREFIX):
                with contextlib.suppress(OSError):
                    yield folder / name, *_read(folder / name)


def _read(path: Path) -> tuple[Mapping[str, Any], float]:
    """Read a file, and when it was written; nothing of one that is no file of a run.

    Raises
    ------
    OSError
        For what is no file: a pipe would be waited for.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        if not S_ISREG(found.st_mode):
            raise OSError(f"{path} is no file")
        said: Any = {}
        if path.suffix == SUFFIX and found.st_size <= MOST_BYTES:
            with contextlib.suppress(ValueError, RecursionError):
                said = json.loads(os.read(descriptor, MOST_BYTES))
        return said if isinstance(said, dict) else {}, found.st_mtime
    finally:
        os.close(descriptor)


def _process(said: Mapping[str, Any]) -> Process:
    host, boot, pids, born = (_text(said.get(n)) for n in ("host", "boot", "pids", "born"))
    pid = said.get("pid")
    return Process(host, boot, pids, pid if type(pid) is int and pid > 0 else 0, born)


def _run(
    said: Mapping[str, Any], process: Process, age_s: float, *, is_silent: bool
) -> Running | None:
    try:
        left_s = None if is_silent else said["left_s"]
        likely = said.get("left_range_s") if left_s is not None else None
        under_way = [(_text(point), _number(each)) for point, each in said["under_way"]]
        told = [*map(_text, said.get("said", ())), *[""] * len(under_way)]
        since_s = 0.0 if is_silent else age_s
        return Running(
            points=int(_number(said["points"])),
            over=int(_number(said["over"])),
            failed=int(_number(said["failed"])),
            seconds=_number(said["seconds"]) + since_s,
            left_s=None if left_s is None else max(0.0, _number(left_s) - age_s),
            under_way=tuple(
                Slow(point, each + since_s, line)
                for (point, each), line in zip(under_way, told, strict=False)
            ),
            host=process.host,
            pid=process.pid,
            user=_text(said.get("user")),
            command=_text(said.get("command")),
            engine=_text(said.get("engine")),
            workers=int(_number(said.get("workers", 0))),
            started=_text(said.get("started")),
            versions=versions.of({k: _text(v) for k, v in said.get("versions", {}).items()}),
            silent_s=age_s if is_silent else None,
            left_range_s=None if likely is None else _range(likely, age_s),
        )
    except _UNREADABLE:
        return None


def _range(said: Any, age_s: float) -> tuple[float, float]:
    low, high = said
    return max(0.0, _number(low) - age_s), max(0.0, _number(high) - age_s)


def _text(said: Any) -> str:
    """Take a text that may be shown on a terminal, in one line."""
    return text.printable(" ".join(said[:_MOST_SAID].split())) if isinstance(said, str) else ""


def _number(said: Any) -> float:
    """Take a number that is no less than 0.

    Raises
    ------
    ValueError
    """
    if type(said) not in (int, float) or not 0 <= said < math.inf:
        raise ValueError(said)
    return float(said)
