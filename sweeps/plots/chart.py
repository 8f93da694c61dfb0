"""What is to be drawn, decided before anything is drawn."""

from __future__ import annotations

import dataclasses

LINES, MAP, POINTS, HISTOGRAM, NUMBERS = "lines", "map", "points", "histogram", "numbers"
"""Forms: lines over an axis, a heat map, a scatter plot, how often which value occurs, a list."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the user asks for; what is None or empty is decided.

    Attributes
    ----------
    x : str or None
        Horizontal axis: a parameter, a dimension or an output.
    y : tuple of str
        Outputs to draw, or one parameter or dimension for the vertical axis of a heat map.
    hue : str or None
        What is told by colour: a parameter or dimension; in a heat map, the output.
    row, col : str or None
        Parameters or dimensions whose values have panels of their own.
    log : tuple of str
        Names that get a logarithmic axis; ``x`` and ``y`` mean the axes.
    """

    x: str | None = None
    y: tuple[str, ...] = ()
    hue: str | None = None
    row: str | None = None
    col: str | None = None
    log: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Chart:
    """One picture of one output.

    Attributes
    ----------
    form : str
        `LINES`, `MAP`, `POINTS`, `HISTOGRAM` or `NUMBERS`.
    output : str
        The variable that is drawn.
    x, y : str or None
        Axes; `y` is an axis of a heat map only.
    hue, row, col : str or None
        Dimensions that are told by colour and by panels; `hue` of points may be any variable.
    across : tuple of str
        Of points: the variables on the horizontal axes, one panel each. Of numbers: all that
        are listed.
    part : str
        Of a complex output: ``magnitude`` or ``phase``.
    slices : tuple of (str, int)
        Dimensions that are shown at one position.
    picked : tuple of (str, tuple of int)
        Dimensions of which only some positions are shown.
    steps : tuple of (str, int)
        Dimensions so long that blocks of n positions are drawn as one.
    n_drawn : int or None
        Of points: how many of them are drawn, if there are too many.
    mean_over : str or None
        Dimension that is averaged.
    beside : tuple of str
        Other variables drawn in the same panel, such as exact values.
    error, quantile : str or None
        Variables that hold the standard error, and the quantiles, of the output.
    log : tuple of str
        Names that get a logarithmic axis.
    is_sideways : bool
        Whether the axis `x` stands upright, because its values are long texts.
    notes : tuple of str
        What a reader must know: where it is cut, what is left out.
    """

    form: str
    output: str
    x: str | None = None
    y: str | None = None
    hue: str | None = None
    row: str | None = None
    col: str | None = None
    across: tuple[str, ...] = ()
    part: str = ""
    slices: tuple[tuple[str, int], ...] = ()
    picked: tuple[tuple[str, tuple[int, ...]], ...] = ()
    steps: tuple[tuple[str, int], ...] = ()
    n_drawn: int | None = None
    mean_over: str | None = None
    beside: tuple[str, ...] = ()
    error: str | None = None
    quantile: str | None = None
    log: tuple[str, ...] = ()
    is_sideways: bool = False
    notes: tuple[str, ...] = ()

    @property
    def facets(self) -> tuple[str, ...]:
        """Dimensions whose values have panels of their own."""
        return tuple(name for name in (self.row, self.col) if name)
