"""What can be wrong, said in a way that helps: what was given, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Iterable


class SweepsError(Exception):
    """A mistake that its user can mend; the command line prints it and exits with `exit_code`."""

    exit_code = 2


class DeclarationError(SweepsError):
    """An experiment, a space or an axis that cannot mean anything."""


class UnknownNameError(SweepsError):
    """A name of an experiment, an axis or an engine that is not there."""


class OverrideError(SweepsError):
    """An ``axis=values`` of the command line that cannot be read."""


class OutputError(SweepsError):
    """A value returned by a point that a results file cannot hold."""


class StorageError(SweepsError):
    """A file or folder that cannot be written or read."""


class UnfinishedError(StorageError):
    """A run that computed points, and kept them, but could not go on or land."""

    exit_code = 1


class HostileFileError(StorageError):
    """A file that asks for more than to be read."""


def unknown(kind: str, given: str, allowed: Iterable[str], where: str = "") -> UnknownNameError:
    """Make the error for a name that is not there, with the nearest one that is.

    Examples
    --------
    >>> print(unknown("experiment", "pendulun", ["ising", "pendulum"], "in experiments/"))
    no experiment 'pendulun' in experiments/ (found: ising, pendulum). Did you mean 'pendulum'?
    """
    import difflib  # 2 ms, and most runs need no advice

    names = sorted(allowed)
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    place = f" {where}" if where else ""
    found = f"found: {', '.join(names)}" if names else "found none"
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return UnknownNameError(f"no {kind} {given!r}{place} ({found}).{hint}")
