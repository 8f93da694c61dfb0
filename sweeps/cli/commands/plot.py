"""The command that draws results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count, path

if TYPE_CHECKING:
    from sweeps.operations.plot import Drawn


_NAMES = options.completed("variables")

_MOST_TOLD = 10


@click.command("plot", short_help="Draw the results.")
@options.name
@click.option(
    "-x",
    metavar="NAME",
    shell_complete=_NAMES,
    help="Horizontal axis: a parameter, dimension or output.",
)
@click.option(
    "-y",
    multiple=True,
    metavar="NAME",
    shell_complete=_NAMES,
    help="Output to draw; or a parameter, for a heat map.",
)
@click.option(
    "--hue",
    metavar="NAME",
    shell_complete=_NAMES,
    help="What colours tell; of a heat map, the output.",
)
@click.option(
    "--row",
    metavar="NAME",
    shell_complete=_NAMES,
    help="Parameter whose values have rows of panels.",
)
@click.option(
    "--col",
    metavar="NAME",
    shell_complete=_NAMES,
    help="Parameter whose values have columns of panels.",
)
@click.option(
    "--log",
    multiple=True,
    metavar="NAME",
    shell_complete=_NAMES,
    help="Logarithmic axis: a name, or x, or y.",
)
@click.option(
    "--group", metavar="GROUP", help="summary: the summary alone; results: all but the summary."
)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    shell_complete=options.completed("files"),
    help="Picture to write: .png, .svg or .pdf [results/NAME.png].",
)
@options.options
def command(asked: Asked, group: str | None, **given: Any) -> None:
    """Draw the results of NAME.

    Without options the right picture is chosen: lines over one parameter, a heat map over two,
    panels or a slice for more, a mean with its band for replicates, scatter plots for samples.
    NAME may also be the path of a results file.
    """
    from sweeps.operations import load, plot
    from sweeps.plots.chart import Wish

    found = load.results_path(asked.name, asked.results)
    load.refuse_unlanded(found)
    file = Path(asked.output) if asked.output else found.with_suffix(".png")
    drawn = plot.draw(found, Wish(**given), file, group)
    asked.say(answer(drawn))
    for name, reason in [*drawn.left_out.items()][:_MOST_TOLD]:
        warn(f"not drawn: {name}: {reason}")
    if (n_more := len(drawn.left_out) - _MOST_TOLD) > 0:
        warn(f"not drawn: {count(n_more, 'more output')}")
    if said := load.running(found):
        warn(f"{said}; this picture shows the results file as it was last written")


def answer(drawn: Drawn) -> Answer:
    """Answer `plot`."""
    parts = [
        "\n    ".join(filter(None, (title, caption)))
        for title, caption in zip(drawn.titles, drawn.captions, strict=True)
    ]
    lines = [f"{drawn.experiment} → {path(Path(drawn.file))}", *(f"  {part}" for part in parts)]
    return Answer("\n".join(lines), vars(drawn))
