"""The memory of a worker: how much it has had, and a limit, which Linux enforces."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sweeps.errors import SweepsError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]?)(?:I?B)?", re.IGNORECASE | re.ASCII)

_ROOM_BYTES = 32 * 2**20  # of a worker's own: what it collects, and writes to the memo


def parse(size: int | str) -> int:
    """Read a number of bytes.

    Examples
    --------
    >>> parse("512M"), parse("1.5 GiB"), parse(4096)
    (536870912, 1610612736, 4096)
    """
    found = _SIZE.fullmatch(str(size).strip()) if type(size) in (int, str) else None
    n_bytes = float(found[1]) * _UNITS[found[2].upper()] if found else 0.0
    if not 1 <= n_bytes < 2**63:
        raise SweepsError(
            f"memory limit {size!r}: give bytes, or a size such as 512M or 2G (units K, M, G, T)"
        )
    if sys.platform != "linux":
        raise SweepsError("a memory limit needs Linux: leave it out")
    return int(n_bytes)


def show(n_bytes: int) -> str:
    """Write a size as `parse` reads it.

    Examples
    --------
    >>> show(2**30), show(1536 * 2**20), show(1000)
    ('1G', '1.5G', '1000')
    """
    unit = next((u for u in "TGMK" if n_bytes >= _UNITS[u]), "")
    return f"{n_bytes / _UNITS[unit]:.4g}{unit}"


def impose(n_bytes: int | None) -> None:
    """Let this process have so much memory of its own and no more; None lifts the limit.

    What counts are private writable pages, whether or not they were touched: stacks of threads
    too, but neither code nor files that are mapped.

    Raises
    ------
    SweepsError
        Where that is less than it has, and needs for itself.
    """
    if sys.platform != "linux":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    if n_bytes is None:
        return
    status = Path("/proc/self/status").read_text()
    needed = int(status.partition("VmData:")[2].split()[0]) * 2**10 + _ROOM_BYTES
    if n_bytes < needed:
        raise SweepsError(
            f"a memory limit of {show(n_bytes)} is too small: a worker needs {show(needed)} "
            "before its first point"
        )
    lowest = n_bytes if most == resource.RLIM_INFINITY else min(n_bytes, most)
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, most))


def peak_bytes() -> int:
    """Return the most memory that this process has had at one time; 0 if the system does not say.

    Not ``ru_maxrss``: that of a new process begins with what its parent had.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    found = status.partition("VmHWM:")[2].split()
    return int(found[0]) * 2**10 if found else 0


def is_exceeded(error: BaseException | None) -> bool:
    """Whether an exception is for want of memory, or was raised because of one that is."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, MemoryError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
