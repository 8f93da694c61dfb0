"""Whether a process is there, so that files of runs that are gone can be told from others."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import NamedTuple

from sweeps import signals


class Process(NamedTuple):
    """A process, so that others can tell whether it is there: numbers are used again and again.

    Attributes
    ----------
    host, boot, pids : str
        The machine; its present boot; and the namespace of process numbers, since containers have
        their own. Empty where that is unknown.
    born : str
        When the process began, in ticks of the clock of the kernel; empty where unknown.
    """

    host: str
    boot: str
    pids: str
    pid: int
    born: str

    @classmethod
    def here(cls) -> Process:
        """Return this process."""
        boot, pids = "", ""
        with contextlib.suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            pids = str(Path("/proc/self/ns/pid").readlink())
        return cls(platform.node(), boot, pids, os.getpid(), _born(os.getpid()))

    def is_of(self, here: Process) -> bool:
        """Whether process numbers mean the same to both."""
        return bool(self.boot and self.pids) and self[:3] == here[:3]

    def is_there(self) -> bool:
        """Whether it exists; to be asked where `is_of` is true.

        Where it belongs to another user, /proc may hide it.
        """
        born = _born(self.pid)
        return signals.is_alive(self.pid) and (not born or born == self.born)


def _born(pid: int) -> str:
    """When a process began; "dead" for one that only its parent keeps, empty where unknown."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "dead" if state in "ZX" else rest[18]
    except (OSError, ValueError, IndexError):
        return ""
