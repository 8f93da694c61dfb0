"""Pictures: a figure with the words that belong to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import SweepsError, unknown
from sweeps.plots import content as contents
from sweeps.plots.chart import Chart, Wish
from sweeps.plots.content import Content
from sweeps.plots.decide import charts, left_out
from sweeps.plots.describe import words
from sweeps.storage.hdf5 import SUMMARY

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_PARTS = 24
"""Pictures in one figure; more take minutes, and nobody looks at them."""

_GROUPS = (SUMMARY, "results")


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


@dataclasses.dataclass(frozen=True, eq=False)
class Decided:
    """What is drawn of a results file, and what is not.

    Attributes
    ----------
    parts : list of (Content, Chart)
    left_out : dict of str to str
        Outputs that are not drawn, and why.
    """

    name: str
    parts: list[tuple[Content, Chart]]
    left_out: dict[str, str]

    def shown(self) -> list[tuple[Content, Chart]]:
        """Return the parts that one figure shows.

        Raises
        ------
        SweepsError
            If there are none.
        """
        if not self.parts:
            reasons = [f"{name}: {reason}" for name, reason in self.left_out.items()]
            raise SweepsError(
                f"nothing to draw of {self.name}: {'; '.join(reasons) or 'it has no outputs'}"
            )
        return self.parts[:MOST_PARTS]

    def not_shown(self) -> dict[str, str]:
        """Outputs that one figure does not show, and why."""
        rest = self.parts[MOST_PARTS:]
        reason = f"a figure has {MOST_PARTS} pictures at most; ask for it by -y"
        return self.left_out | {chart.output: reason for _, chart in rest}


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
    return [picture(content, chart) for content, chart in decided(path, wish).parts]


def decided(path: Path, wish: Wish | None = None, group: str | None = None) -> Decided:
    """Decide what is drawn of a results file, and of its summary unless axes are asked for.

    Parameters
    ----------
    path : Path
        Of a results file.
    wish : Wish, optional
        What is asked for.
    group : str, optional
        ``summary`` or ``results``, to draw one of them alone.

    Raises
    ------
    SweepsError
        For another group.
    """
    if group not in (None, *_GROUPS):
        raise unknown("group", str(group), _GROUPS)
    if group == SUMMARY:
        found = contents.read_summary(path)
        if found is None:
            raise SweepsError(
                f"{path.stem} has no summary to draw: register a function with "
                f"@{path.stem}.summary, then run it again"
            )
        return Decided(path.stem, [(found, c) for c in charts(found, wish)], left_out(found, wish))
    found = contents.read(path)
    own = [(found, chart) for chart in charts(found, wish)]
    reasons = left_out(found, wish)
    is_open = group is None and (wish is None or wish == Wish())
    summary = contents.read_summary(path) if is_open else None
    first: list[tuple[Content, Chart]] = []
    if summary is not None:
        reasons = left_out(summary) | reasons
        for chart in charts(summary):
            repeated = _repeated(chart, own)
            own = [each for each in own if each not in repeated]
            first += repeated or [(summary, chart)]
    return Decided(path.stem, first + own, reasons)


def _repeated(chart: Chart, own: list[tuple[Content, Chart]]) -> list[tuple[Content, Chart]]:
    """Find charts of the results that show the mean over replicates that a summary holds."""
    names = {chart.output, chart.output.removesuffix("_mean")}
    return [each for each in own if each[1].mean_over and each[1].output in names]


def picture(content: Content, chart: Chart) -> Picture:
    """Draw one chart as a figure of its own."""
    own = words(content, chart)
    return Picture(own.title, own.caption, own.alt, drawn([(content, chart)]))


def drawn(found: Sequence[tuple[Content, Chart]]) -> Figure:
    """Draw charts side by side, in one figure."""
    from sweeps.plots.drawing import sheet

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
