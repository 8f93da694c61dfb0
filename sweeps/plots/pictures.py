"""Pictures: a figure with the words that belong to it."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import SweepsError
from sweeps.plots import content as contents
from sweeps.plots.chart import Chart, Wish
from sweeps.plots.content import Content
from sweeps.plots.decide import REPLICATE, charts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A figure, and the words that belong to it.

    Attributes
    ----------
    title : str
        What is shown, in a few words.
    caption : str
        What a reader must know: where it is cut, what is missing, what a band means.
    alt : str
        What is to be seen, for those who cannot see it.
    figure : matplotlib.figure.Figure
        It belongs to no window and no `pyplot`.
    """

    title: str
    caption: str
    alt: str
    figure: Figure


def default_pictures(path: Path, wish: Wish | None = None) -> list[Picture]:
    """Draw what a results file shows, one picture for each output; its summary comes first.

    Parameters
    ----------
    path : Path
        Of a results file.
    wish : Wish, optional
        What is asked for; by default all is decided.

    Returns
    -------
    list of Picture
        Without those outputs that no axis can show, such as many different texts.

    Raises
    ------
    SweepsError
        If matplotlib is not installed; for unknown names.
    StorageError
        If there is no such file, or it cannot be read.
    """
    require()
    return [picture(content, chart) for content, chart in decided(path, wish)]


def decided(path: Path, wish: Wish | None = None) -> list[tuple[Content, Chart]]:
    """Decide what is drawn of a results file, and of its summary unless axes are asked for."""
    found = contents.read(path)
    summary = contents.read_summary(path) if wish is None or wish == Wish() else None
    own = [(found, chart) for chart in charts(found, wish)]
    if summary is None:
        return own
    first = [(summary, chart) for chart in charts(summary) if not _is_repeated(chart, found)]
    return first + own


def _is_repeated(chart: Chart, results: Content) -> bool:
    """Whether a summary holds the mean over replicates that a picture of the results shows."""
    name = chart.output.removesuffix("_mean")
    return name in results.outputs and REPLICATE in results.dataset[name].dims


def picture(content: Content, chart: Chart) -> Picture:
    """Draw one chart as a figure of its own."""
    from sweeps.plots import describe

    figure = drawn([(content, chart)])
    words = describe.words(content, chart)
    return Picture(words.title, words.caption, words.alt, figure)


def drawn(found: Sequence[tuple[Content, Chart]]) -> Figure:
    """Draw charts side by side, in one figure."""
    from sweeps.plots import sheet

    with warnings.catch_warnings():
        # a font that lacks a character draws a box, which is no reason to stop
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        return sheet.draw_sheet(found)


def require() -> None:
    """Refuse if matplotlib is not installed.

    Raises
    ------
    SweepsError
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise SweepsError(
            f"pictures need matplotlib ({error}): install it, pip install 'sweeps[plot]'"
        ) from error
