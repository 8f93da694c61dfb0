"""Bitmaps in pictures, made small enough for a page: WebP, as good as the room for it allows."""

from __future__ import annotations

import base64
import binascii
import io
import re

from PIL import Image

QUALITIES = (90, 75, 50, 25, 10)
"""Of WebP, the best first. At 10, points of a dense scatter plot take a fourteenth of a PNG."""

_IMAGE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]*)")

_SMALL_BYTES = 4_000


def url(raw: bytes, kind: str) -> str:
    """Write an image so that a page can hold it."""
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"


def smaller(link: str, quality: int) -> str:
    """Take a PNG that matplotlib put into an SVG, and write it as WebP; anything else is dropped.

    Examples
    --------
    >>> smaller("https://example.org/a.png", 50)
    ''
    """
    found = _IMAGE.fullmatch(link)
    if found is None:
        return ""
    try:
        raw = base64.b64decode(found[1])
    except binascii.Error:
        return ""
    return url(raw, "png") if len(raw) < _SMALL_BYTES else url(webp(raw, quality), "webp")


def webp(raw: bytes, quality: int) -> bytes:
    """Write an image as WebP."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(raw), formats=["PNG"]) as image:
        image.save(file, format="webp", quality=quality)
    return file.getvalue()
