"""Draw results: the right picture of each output, or what is asked for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.declaration.experiment import Experiment
from sweeps.errors import SweepsError
from sweeps.operations import load
from sweeps.plots import describe, pictures
from sweeps.plots.chart import Wish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Names = str | Sequence[str]


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What the command `plot` tells.

    Attributes
    ----------
    file : str
        The picture.
    titles, captions, alts : tuple of str
        Of each part, from left to right and down.
    left_out : dict of str to str
        Outputs that are not drawn, and why.
    """

    experiment: str
    file: str
    titles: tuple[str, ...]
    captions: tuple[str, ...]
    alts: tuple[str, ...]
    left_out: dict[str, str]


def plot(
    experiment: str | os.PathLike[str] | Experiment,
    *,
    x: str | None = None,
    y: Names = (),
    hue: str | None = None,
    row: str | None = None,
    col: str | None = None,
    log: Names = (),
    group: str | None = None,
    results: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draw the results of an experiment.

    Without options it decides itself: lines over one parameter, a heat map over two, panels or a
    slice for more, a mean with its band for replicates, scatter plots for samples.

    Parameters
    ----------
    experiment : str, path or Experiment
        A name, which stands for a file in the results folder, or the path of a results file.
    x : str, optional
        Horizontal axis: a parameter, a dimension or an output.
    y : str or sequence of str, optional
        Outputs to draw; or one parameter, which makes a heat map.
    hue : str, optional
        What colours tell: a parameter, or the output of a heat map.
    row, col : str, optional
        Parameters whose values have panels of their own.
    log : str or sequence of str, optional
        Names that get a logarithmic axis; ``"x"`` and ``"y"`` mean the axes.
    group : str, optional
        ``"summary"`` draws the summary alone; ``"results"`` leaves it out.
    results : path, optional
        Results folder; by default SWEEPS_RESULTS, else ``results``.

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it; ``figure.savefig("name.pdf")`` writes it.

    Raises
    ------
    SweepsError
        If matplotlib is not installed, for unknown names, and if nothing can be drawn.
    StorageError
        If there is no results file, or it cannot be read.

    Examples
    --------
    >>> from sweeps import experiment, grid
    >>> @experiment(grid(x=[1.0, 2.0, 3.0]))
    ... def square(x):
    ...     return x * x
    >>> results = square.run(engine="serial")
    >>> figure = plot("square")
    >>> [axes.get_xlabel() for axes in figure.get_axes()]
    ['x']
    """
    pictures.require()
    wish = Wish(x, _names(y), hue, row, col, _names(log))
    found = pictures.decided(load.results_path(experiment, results), wish, group)
    return pictures.drawn(found.shown())


def draw(path: Path, wish: Wish, file: Path, group: str | None = None) -> Drawn:
    """Draw a results file into a file.

    Raises
    ------
    SweepsError
        As for `plot`, and if the file's name has another ending than png, svg and pdf.
    """
    pictures.require()
    from sweeps.plots.drawing import save

    save.format_of(file)
    found = pictures.decided(path, wish, group)
    shown = found.shown()
    words = [describe.words(content, chart) for content, chart in shown]
    alt = " ".join(each.alt for each in words)
    save.save(pictures.drawn(shown), file, path.stem, alt)
    return Drawn(
        path.stem,
        str(file),
        tuple(each.title for each in words),
        tuple(each.caption for each in words),
        tuple(each.alt for each in words),
        found.not_shown(),
    )


def _names(given: Names) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    names = tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise SweepsError(f"{given!r:.200} must be a name, or a list of names")
    return names
