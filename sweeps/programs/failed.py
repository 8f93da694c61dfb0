"""Why a program failed, in words, with the ends of what it printed."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from sweeps.errors import ProgramError
from sweeps.programs.places import Places
from sweeps.programs.started import ERRORS, OUTPUT

_SHOWN_BYTES = 2000
"""Of the end of each of stdout and stderr; a message holds them both."""


def ended(name: str, code: int | None, timeout_s: float | None, folder: str) -> ProgramError:
    """Make the error for a program that ended with an exit code, by a signal, or too late."""
    if code is None:
        said = f"took longer than the timeout of {timeout_s:g} s, and was killed"
    elif code < 0:
        said = f"was ended by {_signal(-code)}"
    else:
        said = f"ended with exit code {code}"
    return with_ends(ProgramError(f"{name} {said}"), folder)


def unread(name: str, error: ProgramError, folder: str) -> ProgramError:
    """Make the error for an output that cannot be read."""
    return with_ends(ProgramError(f"{name} ended with exit code 0, but {error}"), folder)


def not_started(word: str, error: OSError) -> ProgramError:
    """Make the error for a program that cannot be started."""
    advice = "install it, or give its path from the project's root"
    if isinstance(error, PermissionError):
        advice = f"allow it, chmod +x {word}"
    elif not isinstance(error, FileNotFoundError):
        advice = "a script needs a first line such as #!/bin/sh, and a program this machine's kind"
    return ProgramError(f"{word} cannot be started ({error.strerror}): {advice}")


def missing(word: str | Path, places: Places) -> ProgramError:
    """Make the error for a program of the project that is not there."""
    where = dict.fromkeys((places.folder, places.root))
    return ProgramError(
        f"there is no program {str(word)!r} in {' or '.join(where)}: build it, or make it "
        "executable (chmod +x)"
    )


def with_ends(error: ProgramError, folder: str) -> ProgramError:
    """Add the ends of what a program printed to an error."""
    add_ends(error, folder)
    return error


def add_ends(error: Exception, folder: str) -> None:
    """Add the ends of what a program printed to any error, as notes."""
    for name in (ERRORS, OUTPUT):
        text, n_bytes = end_of(Path(folder, name))
        if n_bytes:
            whole = "" if n_bytes <= _SHOWN_BYTES else f", the end of {n_bytes:,} bytes"
            error.add_note(f"--- {name}{whole}:\n{text.rstrip()}")


def end_of(path: Path) -> tuple[str, int]:
    """Return the end of what was printed, and how much it was."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        n_bytes = file.seek(0, os.SEEK_END)
        file.seek(max(0, n_bytes - _SHOWN_BYTES))
        return file.read(_SHOWN_BYTES).decode(errors="replace"), n_bytes
    return "", 0


def _signal(number: int) -> str:
    name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
    return f"{name} ({(signal.strsignal(number) or '').lower()})"
