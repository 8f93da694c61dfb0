"""An answer, as text for people and as data for ``--json``, and how it is printed."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from sweeps.errors import StorageError
from sweeps.text import as_json as json_of
from sweeps.text import printable

_ANSWERS = "sweeps.cli.output"

INTERRUPTED = 130
"""Exit code."""


class Answer(NamedTuple):
    """One answer in both forms."""

    text: str
    data: Any


def say(answer: Answer, as_json: bool) -> None:
    """Print an answer."""
    text = json_of(answer.data) if as_json else printable(answer.text)
    meta = click.get_current_context().meta
    try:
        click.echo(text, file=meta.get(_ANSWERS))
    except ValueError as error:  # user code closed stdout
        sys.stdout = meta[_ANSWERS] = open(os.devnull, "w")  # noqa: PTH123, SIM115
        raise StorageError("cannot write the answer: stdout was closed") from error
    except OSError as error:
        # otherwise Python flushes it again at exit
        sys.stdout = meta[_ANSWERS] = open(os.devnull, "w")  # noqa: PTH123, SIM115
        if not isinstance(error, BrokenPipeError):  # `| head` stopped reading: no error
            raise StorageError(f"cannot write the answer: {error.strerror}") from error


@contextlib.contextmanager
def printing_to_stderr(is_asked: bool) -> Iterator[None]:
    """Send all that is printed to stderr, by C code and other programs too, except the answer.

    C code may print when the process ends, so file number 1 stays stderr. Python's own stdout is
    restored afterwards.
    """
    if not is_asked:
        yield
        return
    with contextlib.suppress(io.UnsupportedOperation, OSError, ValueError):
        if sys.stdout.fileno() == 1:
            sys.stdout.flush()
            encoding, errors = sys.stdout.encoding, sys.stdout.errors
            sys.stdout = os.fdopen(os.dup(1), "w", encoding=encoding, errors=errors)
            os.dup2(2, 1)
    meta = click.get_current_context().meta
    meta[_ANSWERS], sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = meta[_ANSWERS]


def warn(text: str) -> None:
    """Print to stderr what is not the answer."""
    with contextlib.suppress(OSError):  # without stderr, the exit code must suffice
        click.echo(printable(text), err=True)
