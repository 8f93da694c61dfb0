"""The temporary folder of a run, in which the run and its workers leave messages for each other.

All kinds of files in it are named here. The most important is the flight record, which says what a
worker is at, where the worker's death cannot take it along: a small file that the worker maps into
memory. A write to it costs about 50 ns and no system call. What the operating system or
`faulthandler` says of a crash goes to a file beside it.

A run keeps one file locked while it lives, and the kernel unlocks it however the run dies: so later
runs find the folders of killed ones, and remove them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import fcntl
import mmap
import os
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from sweeps import signals
from sweeps.storage.files import PROGRAM

# Of one worker, behind its process id; flight records of threads are behind the thread's id.
FLIGHT, FAULT = ".flight", ".fault"  # which point it computes; how it died
SAID = ".said"  # how far it says its point is
PRINTED, MARKS = ".printed", ".marks"  # what it printed; which parts of that are of which point
READY = ".ready"  # it has imported the experiment and opened its resources

# Of one thread of a worker, behind process and thread id.
OPEN, COMPLAINT = ".open", ".complaint"  # its resources are open; could not be closed

# Of the run.
SETTINGS = "settings"  # what workers must know, pickled
COMPILED = "compiled"  # folder for bytecode of modules that were edited meanwhile
VALUES = ".values"  # what points had that were computed again
_STOP = "stop"  # begin no further block
_OVER = "over"  # close your resources
_LOCK = "lock"  # locked while the run lives; holds its process id

_PREFIX = "sweeps-run-"

_SHARED = Path("/dev/shm")  # where Linux keeps semaphores, and joblib large arrays
_OF_PROCESS = ("sem.loky-{}-*", "joblib_memmapping_folder_{}_*")

_LAYOUT = struct.Struct("=qqqqq")  # of a flight record: see `Recorder.begin`
_IDLE = -1

# What faulthandler says, and what a worker says itself.
_TIMEOUT_MARK, _FATAL_MARK, _DYING_MARK = "Timeout (", "Fatal Python error: ", "Dying: "

_MAX_DYING_S, _DYING_CHECK_S = 5.0, 0.005


class Scratch:
    """A new folder for this run; those of runs that were killed are removed.

    Attributes
    ----------
    path : Path
    """

    def __init__(self) -> None:
        _remove_abandoned()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _locked(self.path)

    def remove(self) -> None:
        """Remove it, with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(folder: Path) -> int | None:
    """Lock a folder; one that cannot be locked has no such file, and is left alone by others."""
    new = folder / f"{_LOCK}.new"
    lock = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(lock, str(os.getpid()).encode())
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(folder / _LOCK)
    except OSError:
        os.close(lock)
        return None
    return lock


def ask_to_stop(folder: Path) -> None:
    """Ask all workers of a run to begin no further block."""
    (folder / _STOP).touch()


def is_asked_to_stop(folder: Path) -> bool:
    """Whether `ask_to_stop` was called."""
    return (folder / _STOP).exists()


def say_over(folder: Path) -> None:
    """Tell all workers that the run needs their resources no more.

    Raises
    ------
    OSError
        If the folder or the disk refuses; the workers then find the folder gone.
    """
    (folder / _OVER).touch()


def is_over(folder: Path) -> bool:
    """Whether `say_over` was called, or the run has ended."""
    return (folder / _OVER).exists() or not folder.exists()


# ---- flight records


@dataclasses.dataclass(frozen=True)
class Flight:
    """What a dead worker was computing."""

    pid: int
    block: int
    point: int  # the first of those under way
    n_points: int  # so many were under way
    is_fresh: bool  # it had computed nothing before, so that no other point can be to blame
    kind: str  # "timeout" or "died"
    is_fault: bool  # it was a signal such as SIGSEGV
    cause: str  # what faulthandler or the worker said, such as "Segmentation fault"; may be empty
    traceback: str  # where in the function it was; empty if unknown

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
    path : Path or None
        Of the record.
    said : mmap, optional
        Where its points say how far they are, once one does; as `sweeps.worker.said` does.
    run : tuple of list and int, optional
        Where points are called in a run: a list that grows by one with each of them, and what to
        add to its length to get the point that is under way.
    """

    _has_begun = False

    def __init__(
        self,
        folder: Path | None,
        *,
        is_process: bool = True,
        take: Callable[..., None] | None = None,
    ) -> None:
        self.take, self.path = take, None if folder is None else _path(folder, is_process)
        self.said: mmap.mmap | None = None
        self.run: tuple[list[Any], int] | None = None
        self._fault: IO[str] | None = None
        self._pid = os.getpid()
        if self.path is None:
            self._slots = memoryview(bytearray(_LAYOUT.pack(_IDLE, _IDLE, 1, 0, 0))).cast("q")
            self.at = self._slots[1:3]
            return
        path = self.path
        path.write_bytes(_LAYOUT.pack(_IDLE, _IDLE, 1, 0, 0))
        with path.open("r+b") as file:
            self._slots = memoryview(mmap.mmap(file.fileno(), _LAYOUT.size)).cast("q")
        self.at = self._slots[1:3]
        if not is_process:
            return
        self._fault = path.with_suffix(FAULT).open("w", errors="backslashreplace")
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
        if self.run is not None:
            grown, before = self.run
            point, n_points = before + len(grown), 1
        return None if block == _IDLE or point == _IDLE else (block, point, n_points)

    def suspect_all(self, n_points: int) -> None:
        """Note that any point of the block so far may be to blame for what happens now."""
        self.at[0], self.at[1] = 0, n_points

    def end(self) -> None:
        """Note that no point is being computed."""
        self._slots[0] = _IDLE

    def die(self, cause: str, where: str) -> None:
        """End this process because of the points that are under way; or not, in that of the caller.

        Parameters
        ----------
        cause, where : str
            As in `Flight`: the cause and the traceback.
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


def _path(folder: Path, is_process: bool) -> Path:
    own = os.getpid() if is_process else threading.get_native_id()
    return folder / f"{own}{FLIGHT}"


def read(folder: Path) -> list[Flight]:
    """Return which points workers were computing when they died, and remove their records."""
    flights = []
    for path in sorted(folder.glob(f"*{FLIGHT}")):
        _wait_for_end(int(path.stem))
        block, point, n_points, is_first, _ = _unpacked(path)
        fault = path.with_suffix(FAULT)
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
        for left in folder.glob(f"{path.stem}-*{PROGRAM}"):
            shutil.rmtree(left, ignore_errors=True)
        path.with_suffix(SAID).unlink(missing_ok=True)
    return flights


class Aloft(NamedTuple):
    """Some points of a block that a worker is computing, and since when."""

    block: int
    point: int
    n_points: int
    seconds: float
    path: Path  # of the flight record


def aloft(folder: Path) -> list[Aloft]:
    """Return which points workers are computing now.

    A point is as old as its block, or nearly: no point begins once the block's time is over.
    """
    now_ns, found = time.monotonic_ns(), []
    for path in folder.glob(f"*{FLIGHT}"):
        with contextlib.suppress(OSError):
            block, point, n_points, _, begun_ns = _unpacked(path)
            if block != _IDLE and point != _IDLE:
                found.append(Aloft(block, point, n_points, (now_ns - begun_ns) / 1e9, path))
    return found


def _unpacked(path: Path) -> tuple[int, ...]:
    return _LAYOUT.unpack(path.read_bytes()[: _LAYOUT.size].ljust(_LAYOUT.size))


def under_way(folder: Path, pid: int) -> tuple[int, ...] | None:
    """Return which points a worker is computing: block, first and number of them."""
    try:
        now = _unpacked(folder / f"{pid}{FLIGHT}")[:3]
    except OSError:
        return None
    return None if _IDLE in now[:2] else now


def _wait_for_end(pid: int) -> None:
    """Wait for a worker that is being killed: until then it may commit, and be at another point."""
    deadline = time.monotonic() + _MAX_DYING_S
    while signals.is_alive(pid) and time.monotonic() < deadline:
        time.sleep(_DYING_CHECK_S)


# ---- what killed runs left


def _remove_abandoned() -> None:
    """Remove what killed runs of this user left here: folders, semaphores, arrays of joblib."""
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        folders = [Path(entry) for entry in entries if entry.name.startswith(_PREFIX)]
        for folder in folders:
            with contextlib.suppress(OSError), _abandoned(folder) as pid:
                for each in {pid, *_workers(folder)}:
                    _remove_shared(each)
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _abandoned(folder: Path) -> Iterator[int]:
    """Hold on to a folder whose run is dead, and say which process that was.

    Raises
    ------
    OSError
        For one whose run lives, which is another user's, or which has no lock.
    """
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise OSError(f"{folder} is not ours")
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        said = os.read(lock, 20)
        yield int(said) if said.isdigit() else 0
    finally:
        os.close(lock)


def _workers(folder: Path) -> Iterator[int]:
    """Worker processes of a run, which have files that are named after them."""
    return (int(path.stem) for path in folder.glob(f"*{FLIGHT}") if path.stem.isdigit())


def _remove_shared(pid: int) -> None:
    """Remove what a process that is no more has left in shared memory and the temporary folder."""
    if not pid or signals.is_alive(pid):  # another process has its number now
        return
    for place in (_SHARED, Path(tempfile.gettempdir())):
        for pattern in _OF_PROCESS:
            for path in place.glob(pattern.format(pid)):
                with contextlib.suppress(OSError):
                    if path.lstat().st_uid != os.geteuid():
                        continue
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink()
