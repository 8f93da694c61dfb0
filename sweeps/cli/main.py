"""The command line: arguments to one call, its answer to text or JSON, an exit code."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from sweeps import __version__
from sweeps.cli import output
from sweeps.engines import guard
from sweeps.errors import SweepsError
from sweeps.signals import Interrupted

COMMANDS = {
    "accept": "accept.accept",
    "bench": "bench.bench",
    "clean": "clean.clean",
    "diff": "diff.diff",
    "failures": "failures.failures",
    "land": "run.land",
    "list": "status.list_",
    "new": "new.new",
    "plan": "run.plan",
    "printed": "printed.printed",
    "rename": "rename.rename",
    "reproduce": "reproduce.reproduce",
    "run": "run.run",
    "show": "show.show",
    "status": "status.status",
    "verify": "verify.verify",
    "why": "why.why",
}
"""Command -> its module in `commands`, and its name there."""


class _Commands(click.Group):
    """The commands; only the one that is asked for is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(".")
        home = importlib.import_module(f"sweeps.cli.commands.{module}")
        command: click.Command = getattr(home, name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Parameter sweeps: every result computed once, labelled, in one HDF5 file."""


def main() -> NoReturn:
    """Run the command line; a user's mistake is one message and exit code 2, no traceback."""
    _open_standard_streams()
    code = _exit_code()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Nothing is left to be kept, and what a traceback would break off is Python's own exit.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        sys.stderr.flush()
    except OSError:  # or Python tries again at exit, and exits with 120
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    guard.exit_(code)


def _exit_code() -> int:
    try:
        return cli.main(standalone_mode=False) or 0
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except SweepsError as error:
        output.warn(f"error: {error}")
        return error.exit_code
    except OSError as error:
        is_gone = error.filename is None and not _has_folder()
        output.warn(f"error: {'the working directory is gone' if is_gone else error}")
        return SweepsError.exit_code
    except (Interrupted, KeyboardInterrupt, click.Abort):
        output.warn("interrupted; what was finished is kept")
        return output.INTERRUPTED


def _has_folder() -> bool:
    """Whether the working directory is there; the error of one that is not names no file."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True


def _open_standard_streams() -> None:
    """Make stdin, stdout and stderr exist, here and in workers, and take all characters.

    A closed one (`>&-`) is None to Python, which joblib trips over, and its number would go to the
    next file that is opened, for others to print into.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: PTH123, SIM115
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has by itself
