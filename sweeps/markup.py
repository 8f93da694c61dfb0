"""HTML that notebooks show: everything that is put into it is escaped, save what is made here.

It has no script, no style sheet and no colour of text, so that it fits light and dark themes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_COLOURS = {
    "done": "#009e73",
    "reused": "#009e73",
    "failed": "repeating-linear-gradient(45deg, #d55e00 0 4px, #8f3f00 4px 8px)",
    "stale": "repeating-linear-gradient(90deg, #e69f00 0 3px, #a87400 3px 6px)",
    "missing": "#9995",
}
"""Colours that colour-blind people can tell apart (Okabe and Ito), and stripes for those who see
none."""

_TABLE = "border-collapse: collapse; margin: 0.4em 0; font-size: 0.95em"
_CELL = "text-align: left; vertical-align: top; padding: 0.15em 1.2em 0.15em 0"
_BAR = "display: flex; height: 0.9em; max-width: 40em; border: 1px solid; border-radius: 3px"
_SWATCH = "display: inline-block; width: 0.7em; height: 0.7em; border: 1px solid"


class Markup(str):
    """HTML that is complete: it is put into other HTML as it is, and all other text is escaped."""

    __slots__ = ()


def element(name: str, *inside: object, **attributes: object) -> Markup:
    """Make an element; of attributes that are words of Python, leave the underscore behind.

    Examples
    --------
    >>> element("b", "1 < 2", element("i", "!"), title='"')
    '<b title="&quot;">1 &lt; 2<i>!</i></b>'
    """
    own = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{own}>{''.join(map(escaped, inside))}</{name}>")


def escaped(thing: object) -> str:
    r"""Escape what is no `Markup`; control characters are shown by their names in Python.

    Examples
    --------
    >>> escaped("<script>\x1b"), escaped(Markup("<br>"))
    ('&lt;script&gt;\\x1b', '<br>')
    """
    if isinstance(thing, Markup):
        return str(thing)
    text = str(thing)
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
    return html.escape(text)


def card(title: str, *inside: object) -> Markup:
    """Put what is shown of one thing below its title."""
    return element("div", element("strong", title), *inside, style="margin: 0.3em 0")


def line(*inside: object) -> Markup:
    """Make a line of text."""
    return element("div", *inside)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """Lay out rows; the first cell of each is its head."""
    heads = (element("th", name, scope="col", style=_CELL) for name in header)
    body = (
        element(
            "tr",
            *(element("th", cell, scope="row", style=_CELL) for cell in row[:1]),
            *(element("td", cell, style=_CELL) for cell in row[1:]),
        )
        for row in rows
    )
    return element(
        "table", element("thead", element("tr", *heads)), element("tbody", *body), style=_TABLE
    )


def bar(counts: Mapping[str, int]) -> Markup:
    """Draw how many points are in which state, with the numbers below.

    Parameters
    ----------
    counts : mapping of str to int
        By "done", "reused", "failed", "stale" or "missing".
    """
    total = sum(counts.values())
    said = {name: f"{n:,} {name}{_share(n, total)}" for name, n in counts.items() if n}
    parts = (_part(name, f"flex: {counts[name]} 1 0; min-width: 2px") for name in said)
    legend: list[Any] = []
    for name, text in said.items():
        swatch = element("span", style=f"{_SWATCH}; background: {_COLOURS[name]}")
        legend.append(element("span", swatch, f" {text}", style="margin-right: 1.2em"))
    picture = element("div", *parts, style=_BAR, role="img", aria_label=", ".join(said.values()))
    return element("div", *([picture, line(*legend)] if said else ["no points"]))


def progress(text: str, n_over: int, n_todo: int) -> Markup:
    """Draw how far a run is, beside a text that says so."""
    style = "width: 12em; margin-right: 0.8em; vertical-align: middle"
    given = {"max": max(1, n_todo), "value": min(n_over, max(1, n_todo)), "aria_label": text}
    return element("div", element("progress", style=style, **given), text)


def _part(name: str, style: str) -> Markup:
    return element("span", style=f"{style}; background: {_COLOURS[name]}")


def _share(n: int, total: int) -> str:
    if n == total:
        return ""
    percent = 100 * n / total
    return f" ({'<1' if percent < 1 else '>99' if percent > 99 else f'{percent:.0f}'} %)"
