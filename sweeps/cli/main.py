"""The entry point: it finds the command, and turns errors into messages and exit codes."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from sweeps import __version__
from sweeps.cli import options
from sweeps.engines import guard
from sweeps.errors import SweepsError
from sweeps.signals import Interrupted

COMMANDS = (
    *("list", "new", "plan", "run", "work", "submit", "land", "status", "failures", "printed"),
    *(
        "show",
        "files",
        "export",
        "plot",
        "report",
        "view",
        "why",
        "diff",
        "accept",
        "reproduce",
        "bench",
    ),
    *("rename", "verify", "clean"),
)
"""In the order of a sweep's life; `commands/NAME.py` is the command NAME."""


_COMPLETE = "_SWEEPS_COMPLETE"
"""Environment variable by which a shell asks what completes a word, as click has it."""


class _Commands(click.Group):
    """The commands; only the one that is asked for is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        home = importlib.import_module(f"sweeps.cli.commands.{cmd_name}")
        command: click.Command = home.command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Compute a function at many points, never one twice, into one labelled HDF5 file."""


def main() -> NoReturn:
    """Run the command line; a user's mistake gives one message and exit code 2, no traceback."""
    code = _exit_code()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # All is stored; now Ctrl-C would only interrupt Python's own exit, with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        sys.stderr.flush()
    except OSError:  # otherwise Python tries again at exit, and exits with 120
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    guard.exit_(code)


def _exit_code() -> int:
    if _COMPLETE in os.environ:
        from sweeps.cli import completion

        completion.register()
    try:
        return cli.main(standalone_mode=False, complete_var=_COMPLETE) or 0
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except SweepsError as error:
        options.warn(f"error: {error}")
        return error.exit_code
    except OSError as error:
        is_gone = error.filename is None and not _has_folder()
        options.warn(
            f"error: {'the working directory does not exist any more' if is_gone else error}"
        )
        return SweepsError.exit_code
    except (Interrupted, KeyboardInterrupt, click.Abort):
        options.warn("interrupted; finished points are kept")
        return options.INTERRUPTED


def _has_folder() -> bool:
    """Whether the working directory exists; the error for a deleted one names no file."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True
