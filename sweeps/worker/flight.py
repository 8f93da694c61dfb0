"""Flight records: which point a worker is at, kept where its death cannot take it along.

A record is a small file that the worker maps into memory; writing to it costs about 50 ns and no
system call. What the operating system or `faulthandler` says of a crash goes to a file beside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

_IDLE = -1

_SUFFIX = ".flight"

_FAULT_SUFFIX = ".fault"

_LAYOUT = struct.Struct("=qqqqq")

_TIMEOUT_MARK = "Timeout ("

_FATAL_MARK = "Fatal Python error: "

_DYING_MARK = "Dying: "

_STOP = "stop"

_MAX_DYING_S = 5.0

_DYING_CHECK_S = 0.005


@dataclasses.dataclass(frozen=True)
class Flight:
    """What a dead worker was at.

    Attributes
    ----------
    pid : int
        The worker.
    block, point, n_points : int
        Number of the block, and which of its points were under way: so many from `point` on.
    is_fresh : bool
        Whether the worker had computed nothing before, so that nobody else can be to blame.
    kind : str
        "timeout" or "died".
    is_fault : bool
        Whether it was a signal such as SIGSEGV.
    cause : str
        What faulthandler said, such as "Segmentation fault", or the worker; empty where neither
        could.
    traceback : str
        Where in the function it was; empty where nobody could say.
    """

    pid: int
    block: int
    point: int
    n_points: int
    is_fresh: bool
    kind: str
    is_fault: bool
    cause: str
    traceback: str

    @property
    def is_own(self) -> bool:
        """Whether the worker died by itself, and was not killed because another one died."""
        return self.kind == "timeout" or bool(self.cause)

    def is_certain(self, is_limited: bool) -> bool:
        """Whether the worker died of these points, and not of what earlier ones left behind.

        Where memory is limited, earlier points may have taken it, and C code then dies in any way.
        """
        return (
            self.kind == "timeout"
            or (self.is_fault and not is_limited)
            or (self.is_own and self.is_fresh)
        )


class Recorder:
    """The record of one worker process; of no effect where `folder` is None.

    Parameters
    ----------
    folder : Path or None
    is_process : bool
        Whether the process is the worker's own, and not that of the run, which is not to die.

    Attributes
    ----------
    take : callable, optional
        Takes what points print, where the worker is this process; as `sweeps.worker.capture.Take`.
    at : memoryview
        Two slots to write to: the first of the points that are under way, and how many there are.
    """

    _has_begun = False

    def __init__(
        self,
        folder: Path | None,
        *,
        is_process: bool = True,
        take: Callable[..., None] | None = None,
    ) -> None:
        self.take = take
        self._fault: IO[str] | None = None
        self._pid = os.getpid()
        if folder is None:
            self._slots = memoryview(bytearray(_LAYOUT.pack(_IDLE, _IDLE, 1, 0, 0))).cast("q")
            self.at = self._slots[1:3]
            return
        own = os.getpid() if is_process else threading.get_native_id()
        path = folder / f"{own}{_SUFFIX}"
        path.write_bytes(_LAYOUT.pack(_IDLE, _IDLE, 1, 0, 0))
        with path.open("r+b") as file:
            self._slots = memoryview(mmap.mmap(file.fileno(), _LAYOUT.size)).cast("q")
        self.at = self._slots[1:3]
        if not is_process:
            return
        self._fault = path.with_suffix(_FAULT_SUFFIX).open("w", errors="backslashreplace")
        faulthandler.enable(self._fault, all_threads=False)

    def begin(self, block: int) -> None:
        """Begin a block; none of its points is under way yet."""
        self.at[0], self.at[1] = _IDLE, 1
        self._slots[3] = not Recorder._has_begun
        Recorder._has_begun = True  # the process may have recorded elsewhere before
        self._slots[4] = time.monotonic_ns()
        self._slots[0] = block
        if self._fault is not None and not faulthandler.is_enabled():  # a function may do that
            faulthandler.enable(self._fault, all_threads=False)

    def under_way(self) -> tuple[int, int, int] | None:
        """Block, first and number of the points that are under way, if any are."""
        block, point, n_points = self._slots[:3].tolist()
        return None if block == _IDLE or point == _IDLE else (block, point, n_points)

    def suspect_all(self, n_points: int) -> None:
        """Say that whatever happens now may be the fault of any point of the block so far."""
        self.at[0], self.at[1] = 0, n_points

    def end(self) -> None:
        """Say that no point is being computed."""
        self._slots[0] = _IDLE

    def die(self, cause: str, where: str) -> None:
        """End this process because of the points that are under way; or not, in that of the caller.

        Parameters
        ----------
        cause, where : str
            As in `Flight`: what is said of it, and the traceback.
        """
        if self._fault is not None:
            with contextlib.suppress(OSError):  # a function may have closed it
                self._fault.write(f"{_DYING_MARK}{cause}\n\n{where}")
                self._fault.flush()
            os._exit(1)

    def arm(self, timeout_s: float) -> None:
        """End this process when the point takes longer; works inside C code too."""
        if self._fault is not None:
            faulthandler.dump_traceback_later(timeout_s, exit=True, file=self._fault)

    def disarm(self) -> None:
        """Call off what `arm` has set; a copy of this process has not got it, and would hang."""
        if self._fault is not None and os.getpid() == self._pid:
            faulthandler.cancel_dump_traceback_later()


def ask_to_stop(folder: Path) -> None:
    """Ask all workers that record in a folder to begin no further block."""
    (folder / _STOP).touch()


def is_asked_to_stop(folder: Path) -> bool:
    """Whether `ask_to_stop` was called."""
    return (folder / _STOP).exists()


def read(folder: Path) -> list[Flight]:
    """Say what the workers that recorded in a folder were at when they died, and clear it."""
    flights = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        _wait_for_end(int(path.stem))
        block, point, n_points, is_first, _ = _unpacked(path)
        fault = path.with_suffix(_FAULT_SUFFIX)
        said = fault.read_text(errors="replace") if fault.exists() else ""
        if block != _IDLE and point != _IDLE:
            kind = "timeout" if _TIMEOUT_MARK in said else "died"
            first = said.partition("\n")[0]
            is_fault = first.startswith(_FATAL_MARK)
            is_told = is_fault or first.startswith(_DYING_MARK)
            cause = first.removeprefix(_FATAL_MARK).removeprefix(_DYING_MARK) if is_told else ""
            is_fresh = bool(is_first) and point == 0
            at = block, point, n_points, is_fresh
            flights.append(Flight(int(path.stem), *at, kind, is_fault, cause, said.strip()))
        path.unlink(missing_ok=True)
        fault.unlink(missing_ok=True)
    return flights


class Aloft(NamedTuple):
    """What a worker is at: some points of a block, which it began some time ago."""

    block: int
    point: int
    n_points: int
    seconds: float


def aloft(folder: Path) -> list[Aloft]:
    """Say what the workers that record in a folder are at.

    A point is as old as its block, or nearly: no point begins once the block's time is over.
    """
    now_ns, found = time.monotonic_ns(), []
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            block, point, n_points, _, begun_ns = _unpacked(path)
            if block != _IDLE and point != _IDLE:
                found.append(Aloft(block, point, n_points, (now_ns - begun_ns) / 1e9))
    return found


def _unpacked(path: Path) -> tuple[int, ...]:
    return _LAYOUT.unpack(path.read_bytes()[: _LAYOUT.size].ljust(_LAYOUT.size))


def under_way(folder: Path, pid: int) -> tuple[int, ...] | None:
    """Say which points a worker is at: block, first and number of them."""
    try:
        now = _unpacked(folder / f"{pid}{_SUFFIX}")[:3]
    except OSError:
        return None
    return None if _IDLE in now[:2] else now


def _wait_for_end(pid: int) -> None:
    """Wait for a worker that is being killed: until then it may commit, and be at another point."""
    deadline = time.monotonic() + _MAX_DYING_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except OSError:
            return
        time.sleep(_DYING_CHECK_S)
