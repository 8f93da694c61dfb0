"""Copies of this process that have its parent: who started it waits for their end, too.

A process that has imported all makes a copy of itself in 10 ms, while a new interpreter imports for
0.3 s. A child would be of no use to the process that asks for it, which could not wait for its end
or see how it ended. So a copy is a sibling, which Linux makes with the flag CLONE_PARENT. It is
made as the C library's `fork` makes a child, but without what this and other libraries do for the
sake of other threads; so only a process of one thread makes one.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
from pathlib import Path

_CLONE = {"x86_64": 56, "aarch64": 220}
"""Number of the system call. Both take the same arguments but the last two, which are equal."""

_CLONE_PARENT, _CHILD_CLEARTID, _CHILD_SETTID = 0x8000, 0x200000, 0x1000000  # <linux/sched.h>

_PR_GET_TID_ADDRESS = 40  # <linux/prctl.h>

_THREADS, _OWN_NAME = Path("/proc/self/task"), Path("/proc/self/comm")

_NAME = "sweeps-ahead"  # for people who list processes

_PARENT_CHECK_S = 0.5


def can_be_made() -> bool:
    """Say whether this process can make siblings of itself."""
    with contextlib.suppress(OSError, ImportError, AttributeError):  # no /proc, no ctypes, no prctl
        return _is_known() and len([*_THREADS.iterdir()]) == 1 and _thread_number() != 0
    return False


def _is_known() -> bool:
    is_linux = sys.platform == "linux" and os.uname().machine in _CLONE
    return is_linux and "CS_GNU_LIBC_VERSION" in os.confstr_names and _asks_for_its_number()


def _asks_for_its_number() -> bool:
    """Whether the C library asks for a process's number: before glibc 2.25 it remembers it."""
    said = re.match(r"glibc (\d+)\.(\d+)", os.confstr("CS_GNU_LIBC_VERSION") or "")
    return said is not None and (int(said[1]), int(said[2])) >= (2, 25)


def _thread_number() -> int:
    """Where the C library keeps the number of this thread, which a copy gets anew; 0 if unknown."""
    import ctypes  # which no parent needs

    address = ctypes.c_void_p()
    is_known = ctypes.pythonapi.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0) == 0
    return (address.value or 0) if is_known else 0


def make() -> int:
    """Make a sibling of this process, as `os.fork` makes a child.

    Returns
    -------
    int
        In this process the number of the sibling, or -1 if there can be none; 0 in the sibling.
    """
    import ctypes

    api, number = ctypes.pythonapi, _thread_number()
    flags = _CLONE_PARENT | _CHILD_SETTID | _CHILD_CLEARTID | signal.SIGCHLD
    words = (_CLONE[os.uname().machine], flags, 0, 0, number, number)
    api.syscall.restype = ctypes.c_long
    api.PyOS_BeforeFork()
    pid = int(api.syscall(*map(ctypes.c_long, words)))
    if pid == 0:
        api.PyOS_AfterFork_Child()
        _draw_anew()
    else:
        api.PyOS_AfterFork_Parent()
    return pid


def _draw_anew() -> None:
    """Have numpy's own generator draw other numbers than that of a sibling, as Python's does."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def serve(asked: socket.socket, parent: int) -> socket.socket:
    """Make a sibling whenever one is asked for, until nobody can; returns in each of them.

    Parameters
    ----------
    asked : socket
        Brings one end of a socket for each sibling, which says its number there.
    parent : int
        The process that asks.

    Returns
    -------
    socket
        The sibling's own.
    """
    name = _OWN_NAME.read_text()
    with contextlib.suppress(OSError):  # who asks has ended, or has given up
        _OWN_NAME.write_text(_NAME)
        asked.send(str(os.getpid()).encode())
        while files := received(asked, parent, 1, 1)[1]:
            line = socket.socket(fileno=files[0])
            if make() == 0:
                _OWN_NAME.write_text(name)
                line.send(str(os.getpid()).encode())
                return line
            line.close()
    os._exit(0)


def received(
    line: socket.socket, parent: int, n_bytes: int, n_files: int
) -> tuple[bytes, list[int]]:
    """Wait for what is said, with open files; nothing if nobody is there any more to say it."""
    line.settimeout(_PARENT_CHECK_S)
    while os.getppid() == parent:
        try:
            said, files, *_ = socket.recv_fds(line, n_bytes, n_files)
        except TimeoutError:
            continue
        except ConnectionError:
            break
        return said, files
    return b"", []
