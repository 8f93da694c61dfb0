"""Whether a worker that was killed had run out of memory, as Linux and Slurm tell.

The kernel kills a process of a cgroup whose limit is reached, as in a container or a batch job, or
a large one where the machine is full. It counts these kills, and says nothing else to the parent.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sweeps.worker import memory_limit

_ROOT = Path("/")

_KILLED = "SIGKILL"

_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)

_BYTES = re.compile(r"^(\d+)$", re.MULTILINE)

_TOTAL = re.compile(r"^MemTotal: +(\d+) kB$", re.MULTILINE)


class _Version(NamedTuple):
    """Where a version of cgroups has what, by default of all distributions."""

    controller: str  # in a line of /proc/self/cgroup
    place: str
    counter: str  # file with the number of kills, of the group and in version 2 of those below
    limit: str


_VERSIONS = (
    _Version("", "sys/fs/cgroup", "memory.events", "memory.max"),
    _Version("memory", "sys/fs/cgroup/memory", "memory.oom_control", "memory.limit_in_bytes"),
)


class Kills:
    """Kills for want of memory since now, among the processes of this one's cgroup."""

    def __init__(self, root: Path = _ROOT, environment: Mapping[str, str] = os.environ) -> None:
        self._root, self._environment = root, environment
        self._groups = tuple(_groups(root))
        self._n = self._count()

    def why(self, cause: str) -> str:
        """Say of a process that ended whether memory is why; empty if it is not.

        Where the kernel counts, it is sure. Elsewhere a limit makes it likely.

        Parameters
        ----------
        cause : str
            What the engine says of its end.
        """
        if _KILLED not in cause:
            return ""
        before, self._n = self._n, self._count()
        limit = limit_bytes(self._groups, self._root, self._environment)
        said = "" if limit is None else f" (the limit is {memory_limit.show(limit)})"
        if before is not None and self._n is not None:
            sure = "" if self._n > before else None
        else:
            sure = "likely " if said else None
        return "" if sure is None else f"killed ({_KILLED}): {sure}out of memory{said}"

    def _count(self) -> int | None:
        places = [folder / version.counter for version, folder in self._groups]
        counts = (_number(each, _COUNT) for each in (*places, self._root / "proc/vmstat"))
        return next((n for n in counts if n is not None), None)


_Groups = tuple[tuple[_Version, Path], ...]


def limit_bytes(groups: _Groups, root: Path, environment: Mapping[str, str]) -> int | None:
    """Return what the memory of this process is limited to; None if to what the machine has."""
    total_kb = _number(root / "proc/meminfo", _TOTAL)
    found = [_of_slurm(environment)]
    for version, folder in groups:
        above = len(folder.relative_to(root / version.place).parts)
        chain = (folder, *folder.parents[:above])
        found += [_number(each / version.limit, _BYTES) for each in chain]  # the lowest counts
    limits = [n for n in found if n is not None and (total_kb is None or n < total_kb * 2**10)]
    return min(limits, default=None)


def _groups(root: Path) -> Iterator[tuple[_Version, Path]]:
    """Find the cgroups of this process that may limit its memory."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        for version in _VERSIONS:
            if version.controller in controllers.split(","):
                top = root / version.place
                folder = top / name.lstrip("/")
                yield version, folder if folder.is_dir() else top  # a container sees its own only


def _of_slurm(environment: Mapping[str, str]) -> int | None:
    """Bytes that a job of Slurm may have on this node; it writes 0 where that is all."""
    with contextlib.suppress(LookupError, ValueError):
        if "SLURM_MEM_PER_NODE" in environment:
            return int(environment["SLURM_MEM_PER_NODE"]) * 2**20 or None
        n_cores = int(environment["SLURM_CPUS_ON_NODE"])
        return int(environment["SLURM_MEM_PER_CPU"]) * n_cores * 2**20 or None
    return None


def _number(path: Path, pattern: re.Pattern[str]) -> int | None:
    found = pattern.search(_text(path))
    return None if found is None else int(found[1])


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):  # there is no such controller, or this is no Linux
        return ""
