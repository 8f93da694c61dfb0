"""What can be wrong, said in a way that helps: what was given, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self


class SweepsError(Exception):
    """A mistake that its user can mend; the command line prints it and exits with `exit_code`."""

    exit_code = 2


class DeclarationError(SweepsError):
    """An experiment, a space or an axis that cannot mean anything."""


class UnknownNameError(SweepsError):
    """A name of an experiment, an axis or an engine that is not there."""


class OverrideError(SweepsError):
    """An ``axis=values`` or a condition of ``--only`` that cannot be read, or makes no sense."""


class OutputError(SweepsError):
    """A value returned by a point that a results file cannot hold."""


class SummaryError(SweepsError):
    """A summary of results that could not be made or stored; the results land without it."""


class StorageError(SweepsError):
    """A file or folder that cannot be written or read."""


class UnfinishedError(StorageError):
    """A run that computed points, and kept them, but could not go on or land."""

    exit_code = 1


class LaterFormatError(StorageError):
    """A file that a later version of this package wrote, in a format that this one cannot know."""

    @classmethod
    def of(cls, path: Path, number: int, known: int) -> Self:
        """Say which format a file has, and which ones are known."""
        return cls(
            f"cannot read {path}: it has format {number}, and this version of sweeps knows "
            f"formats up to {known}: use the version that wrote it, or a later one"
        )


class HostileFileError(StorageError):
    """A file that asks for more than to be read."""


def unknown(kind: str, given: str, allowed: Iterable[str], where: str = "") -> UnknownNameError:
    """Make the error for a name that is not there, with the nearest one that is.

    Examples
    --------
    >>> print(unknown("experiment", "pendulun", ["ising", "pendulum"], "in experiments/"))
    no experiment 'pendulun' in experiments/ (found: ising, pendulum). Did you mean 'pendulum'?
    """
    names = sorted(allowed)
    place = f" {where}" if where else ""
    found = f"found: {', '.join(names)}" if names else "found none"
    return UnknownNameError(f"no {kind} {given!r}{place} ({found}).{nearest(given, names)}")


def nearest(given: str, names: Iterable[str]) -> str:
    """Ask whether the name most like the given one was meant; empty where none is like it.

    Examples
    --------
    >>> nearest("pendulun", ["ising", "pendulum"]), nearest("x", ["ising"])
    (" Did you mean 'pendulum'?", '')
    """
    import difflib  # 2 ms, and most runs need no advice

    found = difflib.get_close_matches(given, list(names), n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""
