"""A matplotlib figure as SVG inside a page: nothing in it runs, styles the page or is asked for.

Only elements and attributes that draw are kept, so that the page needs no trust in what a figure
holds. Styles become attributes, since the page allows no other style than its own; identifiers get
a prefix, since a page has many figures.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any
from xml.etree import ElementTree

import matplotlib as mpl

from sweeps.plots.drawing import style
from sweeps.reports import bitmap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BYTES = 150_000
"""What a figure may take, if there is room."""

_PIXELS_A_POINT = 1.5

_WIDE = 1.6
"""Ratio of width and height."""

_SVG, _LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"

_ELEMENTS = frozenset({
    "svg", "g", "defs", "path", "clipPath", "rect", "use", "image", "text", "tspan", "circle",
    "ellipse", "line", "polyline", "polygon", "linearGradient", "radialGradient", "stop",
})  # fmt: skip

_ATTRIBUTES = frozenset({
    "id", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "ry", "width", "height",
    "points", "viewBox", "transform", "clip-path", "clip-rule", "clipPathUnits", "fill",
    "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
    "stroke-linejoin", "stroke-dasharray", "stroke-dashoffset", "stroke-miterlimit", "opacity",
    "font-size", "font-weight", "font-style", "text-anchor", "offset",
    "stop-color", "stop-opacity", "gradientUnits", "gradientTransform", "preserveAspectRatio",
    "image-rendering",
})  # fmt: skip

_URL = re.compile(r"url\(\s*['\"]?#([\w-]+)['\"]?\s*\)")

_FONT = re.compile(r"(?:(?P<style>italic|oblique) )?(?:(?P<weight>bold|\d+) )?(?P<size>[\d.]+px)")
"""How matplotlib writes one; the family is that of the page."""


def drawn(figure: Figure, prefix: str, room: int = MOST_BYTES) -> str:
    """Write a figure as an SVG element, hidden from screen readers: its text stands beside it.

    `room` is the number of bytes that it should take. Bitmaps in it become coarser for that; if it
    still takes more, all of it becomes an image.
    """
    file = io.StringIO()
    _save(figure, file, format="svg", metadata={"Date": None})
    for quality in bitmap.QUALITIES:
        made = cleaned(file.getvalue(), prefix, quality)
        if len(made) <= room:
            return made
        if "<image" not in made:
            break
    return _image(figure, room)


def cleaned(text: str, prefix: str, quality: int = bitmap.QUALITIES[0]) -> str:
    """Keep of an SVG what only draws; `quality` is that of the bitmaps in it.

    Examples
    --------
    >>> svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script>'
    >>> cleaned(svg + '<rect id="a" style="fill: #fff" onclick="alert(1)"/></svg>', "p")
    '<svg class="plain" ... width="6"><rect id="p-a" fill="#fff" /></svg>'
    """
    root = ElementTree.fromstring(text)
    kept = _kept(root, prefix, quality)
    if kept is None:
        raise ValueError("not an SVG")
    _, _, width, height = map(float, (kept.get("viewBox") or "0 0 4 3").split())
    kept.attrib |= {"class": _shape(width, height), "aria-hidden": "true", "focusable": "false"}
    kept.attrib |= {"width": f"{_PIXELS_A_POINT * width:.0f}"}
    kept.attrib.pop("height", None)
    return ElementTree.tostring(kept, encoding="unicode")


def _kept(element: ElementTree.Element, prefix: str, quality: int) -> ElementTree.Element | None:
    """Copy an element without its name space, as HTML wants it; None if it does not draw."""
    space, _, name = str(element.tag).rpartition("}")
    if space != f"{{{_SVG}" or name not in _ELEMENTS:
        return None
    made = ElementTree.Element(name, dict(_attributes(element, prefix, quality)))
    if name in ("text", "tspan"):
        made.text = element.text
    for child in element:
        if (own := _kept(child, prefix, quality)) is not None:
            if name in ("text", "tspan"):
                own.tail = child.tail
            made.append(own)
    return made


def _attributes(
    element: ElementTree.Element, prefix: str, quality: int
) -> Iterator[tuple[str, str]]:
    given = {k: v for k, v in element.attrib.items() if k != "style"}
    for declared in element.get("style", "").split(";"):
        key, _, value = declared.partition(":")
        given[key.strip()] = value.strip()
    if font := _FONT.match(given.pop("font", "")):
        given |= {f"font-{key}": part for key, part in font.groupdict().items() if part}
    for key, value in given.items():
        if key in ("href", f"{{{_LINK}}}href"):
            if value.startswith("#"):
                yield "href", f"#{prefix}-{value[1:]}"
            elif element.tag == f"{{{_SVG}}}image":
                yield "href", bitmap.smaller(value, quality)
        elif key == "id":
            yield key, f"{prefix}-{value}"
        elif key in _ATTRIBUTES:
            own = _URL.sub(rf"url(#{prefix}-\1)", value)
            if "url(" not in own or own.startswith(f"url(#{prefix}-"):
                yield key, own


def _image(figure: Figure, room: int) -> str:
    """Write a figure as an image; its text stands beside it."""
    file = io.BytesIO()
    _save(figure, file, format="png", dpi=120)
    for quality in bitmap.QUALITIES:
        link = bitmap.url(bitmap.webp(file.getvalue(), quality), "webp")
        if len(link) <= room:
            break
    width, height = figure.get_size_inches()
    size = f'class="{_shape(width, height)}" width="{_PIXELS_A_POINT * 72 * width:.0f}"'
    return f'<img alt="" {size} src="{link}">'


def _save(figure: Figure, file: IO[Any], **how: Any) -> None:
    """Write a figure; of a label that leaves no room for the axes matplotlib only warns."""
    with warnings.catch_warnings(), mpl.rc_context({**style.SETTINGS, "svg.hashsalt": "report"}):
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(file, bbox_inches="tight", **how)


def _shape(width: float, height: float) -> str:
    """Name the shape of a picture, for the style of the page: two plain ones stand in a row."""
    return "wide" if width > _WIDE * height else "plain"
