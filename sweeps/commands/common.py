"""What all commands share: their arguments, the subject they are about, and saying an answer."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from sweeps import answers, display
from sweeps.errors import StorageError

if TYPE_CHECKING:
    from sweeps.subject import Subject

_ANSWERS = "sweeps.answers"

INTERRUPTED = 130
"""Exit code."""

Command = Callable[..., int | None]


def options(command: Command) -> Command:
    """Give a command the options that all have; with --json nothing but its answer is on stdout."""
    command = _alone_on_stdout(command)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
        click.option(
            "--results", metavar="DIR", help="Folder of results [SWEEPS_RESULTS, results]."
        ),
        click.option(
            "--experiments",
            metavar="PATH",
            help="Folder, file or module of experiments [SWEEPS_EXPERIMENTS, experiments].",
        ),
    ):
        command = option(command)
    return command


def _alone_on_stdout(command: Command) -> Command:
    @functools.wraps(command)
    def answer(**given: Any) -> int | None:
        with printing_to_stderr(given["as_json"]):
            return command(**given)

    return answer


name = click.argument("name")
axes = click.argument("axes", nargs=-1, metavar="[AXIS=VALUES]...")


def _all_of(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Join several conditions to one: points must meet all of them."""
    if len(given) < 2:
        return given[0] if given else None
    return " and ".join(f"({text})" for text in given)


only = click.option(
    "--only",
    multiple=True,
    callback=_all_of,
    metavar="CONDITION",
    help="Only points that meet it: 'length<0.5 and method==\"rk4\"'.",
)
output = click.option(
    "--output", metavar="FILE", help="Land in this file instead [results/NAME.h5]."
)
rows = click.option(
    "--rows", default=10, type=click.IntRange(min=0), metavar="N", help="Rows of a table [10]."
)


def subject(
    name: str,
    experiments: str | None,
    results: str | None,
    axes: tuple[str, ...] = (),
    only: str | None = None,
    output: str | None = None,
) -> Subject:
    """Resolve what a command is about."""
    from sweeps import overrides, subject

    _freeze()
    given = overrides.parse_all(axes)
    found = subject.resolve(name, results=results, experiments=experiments, axes=given, only=only)
    return subject.elsewhere(found, output)


@functools.cache
def _freeze() -> None:
    """Take what numpy and h5py have made out of the search for garbage; there is none.

    As it exits, Python searches again and again, for 30 ms. What the user's code makes is not
    frozen: it may be open files. Once a process: later there is garbage, which would stay.
    """
    gc.freeze()


def command_line(*words: str, **options: str | None) -> str:
    """A command line to give as advice, with the options of this one."""
    given = [f"--{name}={value}" for name, value in options.items() if value]
    return shlex.join(["python", "-m", "sweeps", *words, *given])


def say(answer: answers.Answer, as_json: bool) -> None:
    """Print an answer."""
    text = display.as_json(answer.data) if as_json else display.printable(answer.text)
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
        click.echo(display.printable(text), err=True)


def advise_on_stale(n_stale: int, name: str, experiments: str | None, results: str | None) -> None:
    """Say who knows why points are stale."""
    if n_stale:
        why = command_line("why", name, experiments=experiments, results=results)
        warn(f"what changed since: {why}")
