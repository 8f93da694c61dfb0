"""How a worker process starts: below a guard, which ends all that the worker has started with it.

A guard is a process that does nothing but wait: for the end of its worker, for that of the run, and
for being told to end. It is a subreaper (`PR_SET_CHILD_SUBREAPER`): whatever its worker leaves
behind becomes its own child, daemons and processes in sessions of their own too. So whom a process
belongs to is known and not guessed, and nothing that a worker does can keep the guard from ending
it. The death of the run reaches the guard by the kernel's parent-death signal.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from sweeps import signals
from sweeps.signals import SIGNALS, Interrupted

_PARENT_CHECK_S = 0.5

_MAX_ENDING_S = 2.0  # who cannot be killed is another user's, or waits for a disk

_MAX_CLOSING_S = 60  # of a worker that closes its resources

_FIRST = 1000  # of what multiprocessing does as a process ends

_PAUSE_S = 0.002

_END = signal.SIGUSR1

_INTERRUPTED = 130  # exit code

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36  # <linux/prctl.h>

_NAME = b"sweeps-guard"

_TRACKERS = (
    "multiprocessing.resource_tracker",
    "joblib.externals.loky.backend.resource_tracker",
)

_left: list[threading.Thread] = []
"""Threads of points that a run in this process has ended without."""


def begin(parent: int) -> None:
    """Begin to be a worker, before anything of a run is known.

    Parameters
    ----------
    parent : int
        Process that started this one.
    """
    import multiprocessing.util  # which few commands need

    put_below_guard(parent)
    _leave_signals_to_parent()
    # Processes that a point starts are those of a plain script: loky has made its own kind the
    # usual one, and a process that is spawned would import loky's main module.
    multiprocessing.set_start_method(None, force=True)
    main = sys.modules["__main__"]
    main.__spec__ = None
    vars(main).pop("__file__", None)
    os.register_at_fork(after_in_child=faulthandler.disable)  # their deaths are not the worker's
    multiprocessing.util.Finalize(None, _end_for_sure, exitpriority=_FIRST)


def _end_for_sure() -> None:
    """Have this worker end, though children that a point has left are waited for, or threads."""
    end_descendants()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_MAX_CLOSING_S)


def _leave_signals_to_parent() -> None:
    """Finish what is under way when a batch system signals all processes of a run.

    What the function starts is signalled as it would be in a plain script: a program does not
    inherit what is handled, and a copy of this process gives it up. But what `nohup` has ignored
    stays ignored.
    """
    signals.handle_from_now_on(_do_nothing, signals.heard())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal that is the parent's matter."""


def put_below_guard(parent: int) -> None:
    """Put this process, which loky has just started, below a guard; returns in the worker only.

    They have a session of their own, since only the run handles signals from the keyboard.
    Elsewhere than on Linux, and where no further process can be had, the worker looks for the end
    of the run itself, and what it started is ended by its group.

    Parameters
    ----------
    parent : int
        Process that started this one.
    """
    with contextlib.suppress(OSError):
        os.setsid()
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            _fork_guard(parent)
            return
    _end_with(parent)


def _fork_guard(parent: int) -> None:
    _control(_PR_SET_CHILD_SUBREAPER, 1)
    guard = os.getpid()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    trackers = list(_kept_trackers())
    try:
        with warnings.catch_warnings():  # of threads, which linear algebra has as it is imported
            warnings.simplefilter("ignore")
            worker = os.fork()
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        raise
    if worker:
        _guard(worker, parent)
    _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:  # it ended before we could ask for that
        os._exit(1)
    os.setpgid(0, 0)
    for tracker, fd in trackers:
        if tracker._fd is None:
            tracker._fd = fd
        else:
            os.close(fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    _go_by_number_of_guard()


def _control(option: int, value: int | bytes) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _kept_trackers() -> Iterator[tuple[Any, int]]:
    """Trackers of resources with a second descriptor each, since a fork closes the first one."""
    for tracker in _trackers():
        if isinstance(getattr(tracker, "_fd", None), int):
            yield tracker, os.dup(tracker._fd)


def _trackers() -> Iterator[Any]:
    """Trackers of resources, those of this process or its parent's: they clean up behind others."""
    for name in _TRACKERS:
        yield getattr(sys.modules.get(name), "_resource_tracker", None)


class _Numbered:
    """`os` to the loop of a worker, which goes by the number of the process that loky started."""

    getpid = staticmethod(os.getppid)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def _go_by_number_of_guard() -> None:
    """Have the worker say the guard's number where loky asks who is about to end."""
    loop: Any = sys.modules.get("joblib.externals.loky.process_executor")
    if loop is not None:
        loop.os = _Numbered()


def _guard(worker: int, parent: int) -> NoReturn:
    """Wait for the end of worker or run, or for an order; end what is left, and end likewise."""
    with contextlib.suppress(BaseException):
        _control(_PR_SET_PDEATHSIG, signal.SIGTERM)  # also of the thread that started us: look
        _control(_PR_SET_NAME, _NAME)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(_END, signal.SIG_DFL)
        status = None
        while status is None and os.getppid() == parent:
            told = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM, _END}, _PARENT_CHECK_S)
            if told is not None and told.si_signo == _END:
                break
            status = _reap().get(worker)
        with contextlib.suppress(OSError):
            os.killpg(worker, signal.SIGKILL)
        end_descendants()
        if status is not None:
            _end_as(status)
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _reap() -> dict[int, int]:
    """Take leave of children that have ended: process and status of each."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            ended[pid] = status
    return ended


def _end_as(status: int) -> None:
    """End this process as another one has ended."""
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


def end_descendants(spared: Collection[int | None] = ()) -> None:
    """Kill what this process has started, and what that has, except those to be spared."""
    deadline = time.monotonic() + _MAX_ENDING_S
    while (left := descendants().difference(spared)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, _END if _is_guard(pid) else signal.SIGKILL)
        time.sleep(_PAUSE_S)
        _reap()


def descendants() -> set[int]:
    """Processes that this one has started, and those that they have."""
    return {*_below(os.getpid())}


def _below(pid: int) -> Iterator[int]:
    for told in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for child in map(int, told.read_text().split()):
                yield child
                yield from _below(child)


def _is_guard(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_bytes().strip() == _NAME
    except OSError:  # without /proc all are told to end
        return True


def end_process() -> NoReturn:
    """End this process, which was interrupted, and what it has started."""
    _flush()
    with contextlib.suppress(BaseException):
        end_descendants()
    os._exit(_INTERRUPTED)


@contextlib.contextmanager
def nothing_left(is_asked: bool) -> Iterator[None]:
    """End in the end, if that is asked, what this process has started meanwhile, daemons too."""
    if not is_asked:
        yield
        return
    if sys.platform == "linux":
        _control(_PR_SET_CHILD_SUBREAPER, 1)
    before, threads = descendants(), {*threading.enumerate()}
    try:
        yield
    except Interrupted:
        # Threads may be amid points. If they went on now, Python's own exit would wait for locks of
        # theirs, so that all ends at one time, when the rest has been said.
        atexit.register(end_process)
        raise
    end_descendants(before | {getattr(tracker, "_pid", None) for tracker in _trackers()})
    if sys.platform == "linux":
        _control(_PR_SET_CHILD_SUBREAPER, 0)
    _left.extend(t for t in threading.enumerate() if t not in threads and not t.daemon)


def exit_(code: int) -> NoReturn:
    """Exit, but do not wait for threads that points have left."""
    if any(thread.is_alive() for thread in _left):
        _flush()
        atexit._run_exitfuncs()
        os._exit(code)
    sys.exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


def end(process: Any) -> None:
    """End a worker and all that it has started, by means that are always there.

    loky's own way needs psutil or the program `pgrep`. Pools of others end in this way too.

    Parameters
    ----------
    process
        What loky knows as the worker.
    """
    pid = process.pid
    is_guard = sys.platform == "linux" and _is_guard(pid)
    for each in [pid] if is_guard else [*_below(pid), pid]:
        with contextlib.suppress(OSError):
            os.kill(each, _END if is_guard else signal.SIGKILL)
    if sys.platform != "linux":
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    process.join(2 * _MAX_ENDING_S)
    if process.exitcode is None:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        process.join(_MAX_ENDING_S)


def _end_with(parent: int) -> None:
    """End this process soon after its parent, even if that was killed."""
    if os.getppid() != parent:
        os._exit(1)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=look, daemon=True, name="sweeps-parent-watch").start()
