"""The command that writes a new experiment."""

from __future__ import annotations

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked


@click.command("new", short_help="Write a new experiment from a template.")
@options.name
@options.options
def command(asked: Asked) -> None:
    """Write a new experiment NAME from a template, ready to run."""
    from sweeps.project import template

    path = template.write(asked.name, asked.experiments)
    text = f"wrote {path}; run it: {asked.command_line('run', asked.name)}"
    asked.say(Answer(text, {"experiment": asked.name, "path": path}))
