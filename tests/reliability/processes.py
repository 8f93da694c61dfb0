"""Processes that a run in a session of its own has started."""

from pathlib import Path


def left(session):
    """Processes of a session that are there still, with their command lines."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = stat.read_text().rpartition(")")[2].split()
            if int(told[3]) == session and told[0] not in "ZX":
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text()
        except (OSError, ValueError):
            continue
    return found


def workers(session):
    """Those of them that compute."""
    return [pid for pid, command in left(session).items() if "LokyProcess" in command]
