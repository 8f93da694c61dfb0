"""Errors for users: each message says what was given, what is allowed and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self


class SweepsError(Exception):
    """A mistake of the user; the command line prints it and exits with `exit_code`."""

    exit_code = 2


class DeclarationError(SweepsError):
    """An experiment, a space or an axis that is not valid."""


class UnknownNameError(SweepsError):
    """An unknown name of an experiment, an axis or an engine."""


class OverrideError(SweepsError):
    """An ``axis=values`` or a condition of ``--only`` that cannot be read or is not valid."""


class OutputError(SweepsError):
    """A returned value that a results file cannot hold."""


class ProgramError(SweepsError):
    """A program that failed, or did not write what is to be read of it."""


class SummaryError(SweepsError):
    """A summary that raised or cannot be stored; the results file is written without it."""


class StorageError(SweepsError):
    """A file or folder that cannot be written or read; all that stores or loads may raise it."""


class UnfinishedError(StorageError):
    """A run that stored points, but could not continue or write the results file."""

    exit_code = 1


class LaterFormatError(StorageError):
    """A file that a later version of sweeps wrote, in a format that this version does not know."""

    @classmethod
    def of(cls, path: Path, number: int, known: int) -> Self:
        """Make the error from the format of a file and the latest known one."""
        return cls(
            f"cannot read {path}: it has format {number}, and this version of sweeps knows "
            f"formats up to {known}: use the version that wrote it, or a later one"
        )


class HostileFileError(StorageError):
    """A file that would make its reader open other files, or run out of memory or time."""


def unknown(kind: str, given: str, allowed: Iterable[str], where: str = "") -> UnknownNameError:
    """Make the error for an unknown name, with the most similar known one.

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
    """Suggest the most similar name; empty if none is similar.

    Examples
    --------
    >>> nearest("pendulun", ["ising", "pendulum"]), nearest("x", ["ising"])
    (" Did you mean 'pendulum'?", '')
    """
    import difflib  # takes 2 ms, and most runs need no advice

    found = difflib.get_close_matches(given, list(names), n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""
