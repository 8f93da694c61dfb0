"""``python -m benchmarks.gallery``: run the experiments that ship and draw the gallery anew.

Each picture is what `python -m sweeps plot NAME` draws. It takes two minutes of one core, most of
them for `ising`. Pages for `fetch_pages` come from a server on this machine.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sweeps
from benchmarks.pages import served

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/gallery"

_COLOURS = 256
"""Of the files, which take half the room then."""

_PAGES = (
    *("page/start", "slow/0.05/manual", "slow/0.12/search", "slow/0.4/archive"),
    *("moved/page/old-address", "status/404"),
)


def names() -> list[str]:
    """Names of the experiments that ship."""
    return sorted(path.stem for path in (ROOT / "experiments").glob("[a-z]*.py"))


def draw(name: str) -> Path:
    """Run an experiment in a folder of its own, and write its picture."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as results, axes_of(name) as axes:
        sweeps.run(name, axes=axes, results=results, experiments=ROOT / "experiments")
        figure = sweeps.plot(name, results=results)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, metadata={"Software": None})
    picture = FOLDER / f"{name}.png"
    Image.open(stream).convert("RGB").quantize(_COLOURS, kmeans=4).save(picture, optimize=True)
    return picture


@contextlib.contextmanager
def axes_of(name: str) -> Iterator[dict[str, Any]]:
    """Values to sweep instead of the declared ones: pages that need no network."""
    if name != "fetch_pages":
        yield {}
        return
    with served() as address:
        yield {"url": [f"{address}/{page}" for page in _PAGES]}


if __name__ == "__main__":
    for each in sys.argv[1:] or names():
        path = draw(each)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
