"""What commands share: arguments and options, what was asked, and how an answer is printed."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from sweeps.errors import StorageError
from sweeps.text import as_json as json_of
from sweeps.text import printable

if TYPE_CHECKING:
    from sweeps.project.sweep import Sweep


Command = Callable[..., int | None]

_ANSWERS = "sweeps.cli.options"
"""Key of click's context for the stream that gets the answer."""

_QUIET = "sweeps.cli.quiet"
"""Key of click's context that is true where only errors are printed."""

INTERRUPTED = 130
"""Exit code."""


class Answer(NamedTuple):
    """One answer, as text for people and as data for ``--json``."""

    text: str
    data: Any


@dataclasses.dataclass(frozen=True)
class Asked:
    """What was asked by arguments and options that many commands take."""

    name: str = ""
    axes: tuple[str, ...] = ()
    only: str | None = None
    output: str | None = None
    experiments: str | None = None
    results: str | None = None
    as_json: bool = False
    is_quiet: bool = False

    def sweep(self) -> Sweep:
        """Find the experiment, with the axes, condition and folders."""
        from sweeps.declaration import overrides
        from sweeps.project.sweep import resolve
        from sweeps.results import state

        _freeze()
        found = resolve(
            self.name,
            results=self.results,
            experiments=self.experiments,
            axes=overrides.parse_all(self.axes),
            only=self.only,
        )
        return state.elsewhere(found, self.output)

    def command_line(self, *words: str, **options: str | None) -> str:
        """A command line to show as advice, with the folders of this one."""
        options |= {"experiments": self.experiments, "results": self.results}
        given = [f"--{name}={value}" for name, value in options.items() if value]
        return shlex.join(["python", "-m", "sweeps", *words, *given])

    def advise_on_stale(self, n_stale: int) -> None:
        """Show which command explains why points are stale."""
        if n_stale:
            warn(f"see what changed: {self.command_line('why', self.name)}")

    def say(self, answer: Answer, *, is_line: bool = False) -> bool:
        """Print an answer, or one line of it; return whether somebody may read more.

        With --quiet, it is printed only as the JSON that was asked for.
        """
        if self.is_quiet and not self.as_json:
            return True
        indent = None if is_line else 2
        text = json_of(answer.data, indent) if self.as_json else printable(answer.text)
        meta = click.get_current_context().meta
        try:
            click.echo(text, file=meta.get(_ANSWERS))
        except (ValueError, OSError) as error:
            # otherwise Python flushes it again at exit
            sys.stdout = meta[_ANSWERS] = open(os.devnull, "w")  # noqa: PTH123, SIM115
            if isinstance(error, ValueError):  # user code closed stdout
                raise StorageError("cannot write the answer: stdout was closed") from error
            if not isinstance(error, BrokenPipeError):  # `| head` stopped reading: no error
                raise StorageError(f"cannot write the answer: {error.strerror}") from error
            return False
        return True


def warn(text: str, *, is_error: bool = False) -> None:
    """Print to stderr what is not the answer; with --quiet, only errors."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(_QUIET) and not is_error:
        return
    with contextlib.suppress(OSError):  # without stderr, the exit code must suffice
        click.echo(printable(text), err=True)


def completed(what: str) -> Callable[[click.Context, click.Parameter, str], Any]:
    """Return what completes a word in a shell: a function of `completion`, by its name."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
        from sweeps.cli import completion

        return getattr(completion, what)(context, incomplete)

    return complete


def options(command: Command) -> Command:
    """Give a command the common options; it takes an `Asked`, then its own options by name.

    With --json, only its answer goes to stdout.
    """
    names = {field.name for field in dataclasses.fields(Asked)}

    @functools.wraps(command)
    def called(**given: Any) -> int | None:
        asked = Asked(**{name: given.pop(name) for name in names & given.keys()})
        click.get_current_context().meta[_QUIET] = asked.is_quiet
        with _printing_to_stderr(asked.as_json):
            return command(asked, **given)

    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON."),
        click.option(
            "--results",
            metavar="DIR",
            shell_complete=completed("folders"),
            help="Results folder [$SWEEPS_RESULTS, or results].",
        ),
        click.option(
            "--experiments",
            metavar="PATH",
            shell_complete=completed("files"),
            help="Folder, file or module of experiments [$SWEEPS_EXPERIMENTS, or experiments].",
        ),
    ):
        called = option(called)
    return called


@contextlib.contextmanager
def _printing_to_stderr(is_asked: bool) -> Iterator[None]:
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


@functools.cache
def _freeze() -> None:
    """Exclude the objects of numpy and h5py from garbage collection; none of them is garbage.

    Otherwise Python collects again and again while it exits, which takes 30 ms. It happens before
    user code is imported, whose objects may be open files, and once a process: a later call would
    keep garbage alive.
    """
    gc.freeze()


name = click.argument("name", shell_complete=completed("names"))

axes = click.argument(
    "axes", nargs=-1, metavar="[AXIS=VALUES]...", shell_complete=completed("axes")
)

from_ = click.option(
    "--from",
    "earlier",
    metavar="FINGERPRINT",
    help="Earlier code: its fingerprint, or the first digits.",
)

new_default = click.option(
    "--new-default",
    multiple=True,
    metavar="ARGUMENT=VALUE",
    help="Treat results from before this argument existed as if it had this value.",
)


def _all_of(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Join several conditions: points must meet all of them."""
    if len(given) < 2:
        return given[0] if given else None
    return " and ".join(f"({text})" for text in given)


only = click.option(
    "--only",
    multiple=True,
    callback=_all_of,
    metavar="CONDITION",
    help="Only points that meet this condition: 'length<0.5 and method==\"rk4\"'.",
)

quiet = click.option("-q", "--quiet", "is_quiet", is_flag=True, help="Print only errors.")

output = click.option(
    "--output",
    metavar="FILE",
    shell_complete=completed("files"),
    help="Write this file instead of results/NAME.h5.",
)

rows = click.option(
    "--rows", default=10, type=click.IntRange(min=0), metavar="N", help="Rows of a table [10]."
)


workers = click.option(
    "-j",
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of workers [one per core].",
)

engine = click.option(
    "--engine",
    default="loky",
    metavar="NAME",
    shell_complete=completed("engines"),
    help="loky, serial, threads, dask, mpi, or PACKAGE.MODULE:FACTORY of an executor [loky].",
)

address = click.option(
    "--address", metavar="ADDRESS|FILE", help="Address or scheduler file, for --engine dask."
)


def computing(command: Command) -> Command:
    """Give a command the options of how to compute; it takes them together, as `how`."""

    @functools.wraps(command)
    def called(**given: Any) -> int | None:
        from sweeps.execution.options import Options

        engine, n_workers, limit = (given.pop(name) for name in ("engine", "workers", "limit"))
        retry = not given.pop("no_retry")
        names = ("memory_limit", "address", "failed", "kind", "retry_before")
        more = {name: given.pop(name) for name in names}
        return command(how=Options(engine, n_workers, limit, retry=retry, **more), **given)

    for option in (
        click.option(
            "--retry-before",
            metavar="TIME",
            help="Leave points as they are that failed since then: 2026-10-30T12:00.",
        ),
        click.option(
            "--kind",
            metavar="KIND",
            shell_complete=completed("kinds"),
            help="With --failed: exception, timeout, died, output.",
        ),
        click.option("--failed", is_flag=True, help="Compute only points that failed before."),
        click.option("--no-retry", is_flag=True, help="Leave failed points as they are."),
        click.option("--memory-limit", metavar="SIZE", help="Memory of each worker: 512M, 2G."),
        click.option(
            "--limit", type=click.IntRange(min=0), metavar="N", help="Compute at most N points."
        ),
        address,
        engine,
        workers,
    ):
        called = option(called)
    return called
