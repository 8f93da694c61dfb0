"""What each command says, as text for people and as data for ``--json``."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from sweeps import text as texts
from sweeps.errors import StorageError

_ANSWERS = "sweeps.cli.output"

INTERRUPTED = 130
"""Exit code."""


class Answer(NamedTuple):
    """One answer in both forms."""

    text: str
    data: Any


def say(answer: Answer, as_json: bool) -> None:
    """Print an answer."""
    text = texts.as_json(answer.data) if as_json else texts.printable(answer.text)
    meta = click.get_current_context().meta
    try:
        click.echo(text, file=meta.get(_ANSWERS))
    except ValueError as error:  # a function closed it
        sys.stdout = meta[_ANSWERS] = open(os.devnull, "w")  # noqa: PTH123, SIM115
        raise StorageError("cannot write the answer: stdout was closed") from error
    except OSError as error:
        # or it is flushed again at exit
        sys.stdout = meta[_ANSWERS] = open(os.devnull, "w")  # noqa: PTH123, SIM115
        if not isinstance(error, BrokenPipeError):  # `| head` had enough, which is no mistake
            raise StorageError(f"cannot write the answer: {error.strerror}") from error


@contextlib.contextmanager
def printing_to_stderr(is_asked: bool) -> Iterator[None]:
    """Have all that is printed, from C code and other programs too, go to stderr, but answers.

    C code may print when the process ends, so stdout is moved for good: what Python prints
    afterwards goes to where it was.
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
    """Print what is not the answer."""
    with contextlib.suppress(OSError):  # where stderr takes nothing, the exit code must do
        click.echo(texts.printable(text), err=True)
