"""Processes that a run has started, wherever they are: they have inherited its environment."""

import os
import uuid
from pathlib import Path

_NAME = "STARTED_BY_TEST"

_GUARD, _SOURCE = "sweeps-guard\n", "sweeps-ahead\n"


def marked():
    """Make an environment for a run, and the mark by which its processes are found."""
    mark = uuid.uuid4().hex
    return mark, {**os.environ, _NAME: mark}


def left(mark):
    """Processes with a mark that are there still, with their command lines."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        folder = stat.parent
        try:
            is_alive = stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
            if is_alive and f"{_NAME}={mark}".encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def workers(mark):
    """Those of them that compute."""
    return [pid for pid in _of_loky(mark) if _name(pid) not in (_GUARD, _SOURCE)]


def guards(mark):
    """Those that a worker is below of."""
    return [pid for pid in _of_loky(mark) if _name(pid) == _GUARD]


def sources(mark):
    """Those that workers are copied from."""
    return [pid for pid in _of_loky(mark) if _name(pid) == _SOURCE]


def _of_loky(mark):
    return [pid for pid, command in left(mark).items() if "LokyProcess" in command]


def _name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
