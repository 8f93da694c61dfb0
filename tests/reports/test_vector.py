"""Pictures in a page: nothing of them runs or is asked for, and they take the room they get."""

import base64
import io
import re

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra report")

from matplotlib.figure import Figure
from PIL import Image

from sweeps.reports import vector

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>window.ran = 1</script>",
        "<style>@import url(https://example.org)</style>",
        "<foreignObject><p>no</p></foreignObject>",
        '<a href="javascript:window.ran=1"><text>no</text></a>',
        '<image href="https://example.org/ran.png"/>',
        '<image xlink:href="data:image/svg+xml;base64,PHN2Zy8+"/>',
        '<use href="https://example.org/ran.svg#a"/>',
        '<rect onload="window.ran=1" fill="url(https://example.org/ran)"/>',
        '<rect style="fill: url(//example.org/ran); behavior: url(ran)"/>',
        '<set attributeName="href" to="javascript:ran"/>',
        "<animate onbegin='ran()' attributeName='x'/>",
        '<p xmlns="http://www.w3.org/1999/xhtml" onclick="ran()">ran</p>',
    ],
)
def test_what_does_not_only_draw_is_left_out(hostile):
    made = vector.cleaned(SVG.format(hostile), "p")
    for bad in ("ran", "example", "javascript", "script", "style", "foreign", "<a", "<p", "no<"):
        assert bad not in made


def test_text_stays_text():
    figure = Figure()
    figure.subplots().set_title("a </text><script>b & 'c' ]]> \"d\"")
    made = vector.drawn(figure, "p")
    assert "a &lt;/text&gt;&lt;script&gt;b &amp; 'c' ]]&gt;" in made
    assert "<script" not in made


def test_identifiers_of_two_figures_differ_and_all_that_is_used_is_there():
    figure = Figure()
    figure.subplots().plot([1, 2, 3], marker="o")
    first, second = vector.drawn(figure, "p0"), vector.drawn(figure, "p1")
    names = [set(re.findall(r' id="([^"]+)"', text)) for text in (first, second)]
    assert not names[0] & names[1]
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', first))
    for used in re.findall(r'(?:href="#|url\(#)([^")]+)', first):
        assert used in names[0]


@pytest.mark.parametrize("room", [40_000, 120_000, 10**6])
def test_a_figure_takes_the_room_that_it_is_given(room):
    figure = Figure()
    noise = np.random.default_rng(1).random((2, 3000))
    figure.subplots().scatter(*noise, c=noise[0], rasterized=room > 100_000)
    made = vector.drawn(figure, "p", room)
    assert len(made) <= room
    if made.startswith("<img"):
        raw = base64.b64decode(re.search('base64,([^"]+)', made)[1])
        assert Image.open(io.BytesIO(raw)).format == "WEBP"
