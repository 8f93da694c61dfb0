"""The command that shows experiments, runs and results on a page."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import INTERRUPTED, Answer, Asked

if TYPE_CHECKING:
    from sweeps.viewer.serve import Server


@click.command("view", short_help="Show runs and results on a page in the browser.")
@click.argument("name", default="", shell_complete=options.completed("names"))
@click.option(
    "--port",
    type=click.IntRange(min=1, max=65535),
    metavar="N",
    help="Port on this machine [the first free one from 8765 on].",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Open the browser [if there is a screen and a terminal].",
)
@options.options
def command(asked: Asked, port: int | None, opens: bool | None) -> int:
    """Show NAME, or all experiments, on a page: runs under way, what became of points, plots.

    NAME may also be the path of a results file. The page is served at 127.0.0.1 alone, to those who
    have the address with its token. It only reads, and shows runs on any machine that shares the
    folder of results. Press Ctrl-C to end it.

    Exit codes: 2 a mistake, 130 ended by Ctrl-C.
    """
    from sweeps.operations import view

    server = view.prepare(
        asked.name, port=port, results=asked.results, experiments=asked.experiments
    )
    opened: Path | None = None
    try:
        text = f"{server.address}\nThe page is served until you press Ctrl-C."
        asked.say(Answer(text, {"address": server.address, "port": server.port}))
        sys.stdout.flush()
        if opens or (opens is None and _has_screen()):
            opened = _open(server)
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
        if opened is not None:
            opened.unlink(missing_ok=True)
    return INTERRUPTED


def _has_screen() -> bool:
    """Whether somebody sits here: a browser on a machine far away helps nobody."""
    if not sys.stdout.isatty() or "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or any(
        os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def _open(server: Server) -> Path:
    """Open the browser by a file that only this user can read, as Jupyter does.

    All users of a machine see the arguments of its programs, and the address has the token.
    """
    import webbrowser

    with tempfile.NamedTemporaryFile(
        "w", prefix="sweeps-view-", suffix=".html", delete=False
    ) as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={server.address}">')
    opened = Path(file.name)
    webbrowser.open(opened.as_uri())
    return opened
