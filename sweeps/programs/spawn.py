"""Start a process by ``posix_spawn`` of the C library, which can also change its folder.

Python's own `os.posix_spawn` cannot, and `subprocess` takes 0.2 ms more of a core for each process:
what is the same for all points of a worker is made ready once here.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

_ROOM_BYTES = 1024
"""For what the C library keeps in its own form; glibc and musl need 80 to 336 bytes."""

_SETPGROUP, _SETSIGDEF = 0x02, 0x04  # <spawn.h>

_CHANGE_FOLDER = "posix_spawn_file_actions_addchdir_np"  # glibc 2.29, musl 1.1.24

_TO_FILE = os.O_CREAT | os.O_WRONLY | os.O_APPEND

_FORM = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # as of `os.fsencode`

_PAUSE_S = 0.002


class Child:
    """A process that was started.

    Attributes
    ----------
    pid : int
    returncode : int or None
        As that of `subprocess.Popen`; None until it was waited for.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises
        ------
        subprocess.TimeoutExpired
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            pid, status = os.waitpid(self.pid, 0 if deadline is None else os.WNOHANG)
            if pid == self.pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            else:
                time.sleep(_PAUSE_S)
        return self.returncode


class Spawner:
    """Starts processes in a folder, in groups of their own; they print to two files in it.

    All of them have the environment variable `mark`, a name and its value.
    """

    def __init__(self, folder: str, output: str, errors: str, mark: tuple[bytes, bytes]) -> None:
        self._library = library()
        self._actions = ctypes.create_string_buffer(_ROOM_BYTES)
        self._attributes = ctypes.create_string_buffer(_ROOM_BYTES)
        self._mark = mark
        self._environment: Mapping[bytes, bytes] | None = None
        self._variables: ctypes.Array[ctypes.c_char_p] = _texts([])
        self._pid = ctypes.c_int()
        self._act("init")
        self._act("addopen", 0, os.devnull.encode(), os.O_RDONLY, 0)
        self._act("addchdir_np", os.fsencode(folder))
        for number, name in ((1, output), (2, errors)):
            self._act("addopen", number, os.fsencode(name), _TO_FILE, 0o600)
        self._set("init")
        self._set("setpgroup", 0)
        # Python ignores these two, and a program would inherit that.
        heard = ctypes.create_string_buffer(_ROOM_BYTES)
        self._library.sigemptyset(heard)
        for each in (signal.SIGPIPE, signal.SIGXFSZ):
            self._library.sigaddset(heard, int(each))
        self._set("setsigdefault", heard)
        self._set("setflags", ctypes.c_short(_SETPGROUP | _SETSIGDEF))

    def _act(self, what: str, *given: object) -> None:
        _check(getattr(self._library, f"posix_spawn_file_actions_{what}")(self._actions, *given))

    def _set(self, what: str, *given: object) -> None:
        _check(getattr(self._library, f"posix_spawnattr_{what}")(self._attributes, *given))

    def start(self, command: Sequence[str], environment: Mapping[bytes, bytes]) -> Child:
        """Start a process.

        Raises
        ------
        OSError
            If its program is not there, or no program.
        """
        if environment != self._environment:
            self._environment = dict(environment)
            named = {**self._environment, self._mark[0]: self._mark[1]}
            self._variables = _texts([name + b"=" + own for name, own in named.items()])
        words = [word.encode(*_FORM) for word in command]
        _check(
            self._library.posix_spawn(
                ctypes.byref(self._pid),
                words[0],
                self._actions,
                self._attributes,
                _texts(words),
                self._variables,
            ),
            command[0],
        )
        return Child(self._pid.value)

    def __del__(self) -> None:
        """Give the memory back; it names nothing of this module, which may be gone by then."""
        library = self._library
        library.posix_spawn_file_actions_destroy(self._actions)
        library.posix_spawnattr_destroy(self._attributes)


def _check(code: int, path: str | None = None) -> None:
    if code:
        raise OSError(code, os.strerror(code), path)


def _texts(given: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(given) + 1))(*given)


@functools.cache
def is_possible() -> bool:
    """Whether the C library can do so."""
    return sys.platform == "linux" and hasattr(library(), _CHANGE_FOLDER)


@functools.cache
def library() -> ctypes.CDLL:
    """Return the C library of this process."""
    return ctypes.CDLL(None)
