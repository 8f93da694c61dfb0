"""The command that writes an experiment to start from."""

from __future__ import annotations

import click

from sweeps.cli import options, output


@click.command(short_help="Write an experiment to start from.")
@options.name
@options.options
def new(name: str, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Write a ready-to-run experiment NAME to start from."""
    from sweeps.project import template

    path = template.write(name, experiments)
    run_it = options.command_line("run", name, experiments=experiments, results=results)
    text = f"wrote {path}; run it by: {run_it}"
    output.say(output.Answer(text, {"experiment": name, "path": path}), as_json)
