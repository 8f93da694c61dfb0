"""The command that writes a new experiment."""

from __future__ import annotations

import click

from sweeps.cli import options
from sweeps.cli.output import Answer, say


@click.command("new", short_help="Write a new experiment from a template.")
@options.name
@options.options
def command(name: str, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Write a new experiment NAME from a template, ready to run."""
    from sweeps.project import template

    path = template.write(name, experiments)
    run_it = options.command_line("run", name, experiments=experiments, results=results)
    text = f"wrote {path}; run it: {run_it}"
    say(Answer(text, {"experiment": name, "path": path}), as_json)
