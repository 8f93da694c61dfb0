"""A program that is started in a folder of its own, and ended with all that it has started."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from sweeps.errors import ProgramError
from sweeps.programs import spawn
from sweeps.programs.inputs import PRINTED
from sweeps.programs.spawn import Child

OUTPUT, ERRORS = PRINTED

_MARK = b"SWEEPS_PROGRAM_FOLDER"
"""Environment variable of a program, by which those that it has started are known."""

_MAX_ENDING_S = 2.0

_PAUSE_S = 0.002

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37  # <linux/prctl.h>

_adopting = threading.Lock()
_n_adopting, _before = 0, ctypes.c_int()


def run(
    command: Sequence[str],
    folder: str,
    environment: Mapping[bytes, bytes],
    timeout_s: float | None,
) -> int | None:
    """Run a command until it ends, or its time is over; nothing that it has started goes on.

    What it prints goes to files: what 1 GB of it would take in memory, it takes on disk.

    Returns
    -------
    int or None
        Its exit code; the negative number of the signal that ended it; None if it took too long.

    Raises
    ------
    OSError
        If it cannot be started.
    """
    before = {*_children(os.getpid())} if _has_children() else set[int]()
    _adopt()
    try:
        process = _started(command, folder, environment)
        try:
            return process.returncode if _has_ended(process, timeout_s) else None
        finally:
            _end(process, folder, before)
    finally:
        _adopt_no_more()


def _started(
    command: Sequence[str], folder: str, environment: Mapping[bytes, bytes]
) -> Child | subprocess.Popen[bytes]:
    if "\0" in "".join(command):
        raise ProgramError("a word of the command has a zero byte, which no program can be given")
    if "/" not in command[0]:
        path = os.fsdecode(environment.get(b"PATH", os.defpath.encode()))
        found = shutil.which(command[0], path=path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
        command = [found, *command[1:]]
    if spawn.is_possible():
        return _spawner(folder).start(command, environment)
    with _opened(folder, OUTPUT) as output, _opened(folder, ERRORS) as errors:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, _MARK: os.fsencode(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            # Descriptors of Python are not inherited anyway; to close all others takes long.
            close_fds=False,
            process_group=0,
        )


@functools.lru_cache(maxsize=64)
def _spawner(folder: str) -> spawn.Spawner:
    return spawn.Spawner(folder, OUTPUT, ERRORS, (_MARK, os.fsencode(folder)))


def _opened(folder: str, name: str) -> IO[bytes]:
    return Path(folder, name).open("ab")


def _has_ended(process: Child | subprocess.Popen[bytes], timeout_s: float | None) -> bool:
    """Wait for the end of a process, and say whether it came in time.

    `Popen.wait` with a timeout sleeps up to 50 ms between looks.
    """
    if timeout_s is not None:
        try:
            watched = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # an old kernel, or another system
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
            return process.returncode is not None
        try:
            looker = select.poll()
            looker.register(watched, select.POLLIN)
            deadline = time.monotonic() + timeout_s
            while not looker.poll(max(0.0, deadline - time.monotonic()) * 1000):
                if time.monotonic() >= deadline:
                    return False
        finally:
            os.close(watched)
    process.wait()
    return True


def _end(process: Child | subprocess.Popen[bytes], folder: str, before: set[int]) -> None:
    """Kill what is left of a program: its group, and what has left the group.

    All that it has started is below this process: no child, and nothing is left.
    """
    if sys.platform == "linux" and process.returncode is not None and not _has_children():
        return
    _kill_group(process.pid)
    if process.returncode is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_MAX_ENDING_S)
    if not _has_children():
        return
    deadline, killed = time.monotonic() + _MAX_ENDING_S, set[int]()
    while time.monotonic() < deadline:
        is_group_left = _reap_group(process.pid)
        left = _left_by(folder)
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        killed.update(left)
        killed.difference_update([pid for pid in killed if not left and _is_reaped(pid)])
        own = {*_children(os.getpid())} - before
        if not (left or killed or is_group_left or any(map(_is_dying, own))):
            break
        time.sleep(_PAUSE_S)
    for pid in _ended_daemons(before):
        _is_reaped(pid)


def _reap_group(group: int) -> bool:
    """Take leave of members of a group that this process was given; say whether any is left."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _is_dying(pid: int) -> bool:
    """Say whether a process has neither memory any more, nor ended: it will be left as a zombie."""
    with contextlib.suppress(OSError):
        return not Path(f"/proc/{pid}/exe").exists() and _stat(pid)[0] not in "ZX"
    return False


def _stat(pid: int) -> list[str]:
    """Return the state of a process, its parent, group, session and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _is_reaped(pid: int) -> bool:
    """Take leave of a process that has ended, and say whether it is no more."""
    with contextlib.suppress(ChildProcessError):  # it is another one's child, or was
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return True


def _kill_group(group: int) -> None:
    with contextlib.suppress(OSError):  # none is left, as most often
        os.killpg(group, signal.SIGKILL)


def _has_children() -> bool:
    """Whether this process has any child, also one that it was given: one system call.

    `os.waitid` would raise an error for each program, since there is none.
    """
    if sys.platform != "linux":
        return False
    found: int = spawn.library().waitid(os.P_ALL, 0, None, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found == 0


def _left_by(folder: str) -> list[int]:
    """List processes below this one that a program in this folder has started."""
    mark = _MARK + b"=" + os.fsencode(folder) + b"\0"
    place = os.path.realpath(folder)
    return [pid for pid in _below(os.getpid()) if _has_mark(pid, mark) or _is_at(pid, place)]


def _has_mark(pid: int, mark: bytes) -> bool:
    with contextlib.suppress(OSError):
        return mark in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def _is_at(pid: int, place: str) -> bool:
    """Say whether a process, of any environment, could write to a folder: it is for others then."""
    own = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        for link in (own / "cwd", *(own / "fd").iterdir()):
            with contextlib.suppress(OSError):  # it has closed this one meanwhile
                if f"{link.readlink()}/".startswith(f"{place}/"):
                    return True
    return False


def _ended_daemons(before: set[int]) -> Iterator[int]:
    """Yield processes that have ended, and that this process was given since, of other sessions.

    Those that this process starts by other means are of its own session, or known before.
    """
    session = os.getsid(0)
    for pid in _children(os.getpid()):
        with contextlib.suppress(OSError, IndexError):
            state, _, _, own = _stat(pid)[:4]
            if state == "Z" and int(own) != session and pid not in before:
                yield pid


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for told in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found += map(int, told.read_text().split())
    return found


def _below(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _below(child)


def _adopt() -> None:
    """Have this process be given what programs leave behind, daemons too, while one runs."""
    global _n_adopting
    if sys.platform == "linux":
        with _adopting:
            if not _n_adopting:
                control = spawn.library().prctl
                control(_PR_GET_CHILD_SUBREAPER, ctypes.byref(_before), 0, 0, 0)
                control(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            _n_adopting += 1


def _adopt_no_more() -> None:
    global _n_adopting
    if sys.platform == "linux":
        with _adopting:
            _n_adopting -= 1
            if not _n_adopting and not _before.value:
                spawn.library().prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
