"""Every experiment that ships has the right picture by itself, and a place in the gallery."""

import re
import shutil
from pathlib import Path

import pytest

import sweeps
from sweeps.plots import pictures
from sweeps.plots.chart import LINES, MAP, NUMBERS, POINTS

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "experiments").glob("[a-z]*.py"))
GALLERY = (ROOT / "docs/gallery.md").read_text()

SMALL = {
    "anharmonic": {"coupling": [0.0, 0.1, 1.0, 3.0, 10.0]},
    "black_scholes": {"n_paths": [1000]},
    "ishigami": {},
    "ising": {"n_sweeps": [5], "n_warmup": [0], "size": [4]},
    "logistic": {"initial": [0.01 * (1 + i) for i in range(20)], "n_warmup": [200]},
    "pendulum": {"length": [0.5, 1.0, 1.5, 2.0, 2.5], "amplitude": [0.1, 1.0, 1.5, 2.0, 2.5]},
    "sir_replicates": {"replicate": range(5), "n_people": [50]},
    "stdlib_tokens": {"batch": range(4), "package": ["json"], "n_batches": [4]},
}
"""Fewer points than declared, or cheaper ones; fetch_pages needs a network."""

EXPECTED = {
    "anharmonic": [(LINES, "energy"), (LINES, "spacing")],
    "black_scholes": [
        (NUMBERS, "largest_deviation"),
        *((MAP, name) for name in ("deviation", "price", "standard_error", "exact")),
    ],
    "ishigami": [(LINES, "first_order"), (LINES, "total_order"), (POINTS, "y")],
    "ising": [
        *((LINES, name) for name in ("magnetization", "magnetization_excess", "energy")),
        (LINES, "magnetization_history"),
    ],
    "logistic": [(POINTS, "x"), (POINTS, "lyapunov_exponent")],
    "pendulum": [(MAP, "period"), (MAP, "energy_drift")],
    "sir_replicates": [
        *((LINES, name) for name in ("major_fraction", "whittle", "major_size")),
        *((LINES, name) for name in ("kermack_mckendrick", "infected", "final_size")),
        *((LINES, name) for name in ("is_major", "duration", "peak")),
    ],
    "stdlib_tokens": [
        (NUMBERS, "files"),
        *((LINES, name) for name in ("files", "lines", "tokens", "functions", "unreadable")),
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_picture_answers_the_question(name, tmp_path):
    if name == "anharmonic" and shutil.which("cc") is None:
        pytest.skip("anharmonic needs a C compiler (cc)")
    sweeps.run(
        name,
        axes=SMALL[name],
        results=tmp_path,
        experiments=ROOT / "experiments",
        engine="serial",
    )
    found = pictures.decided(tmp_path / f"{name}.h5")
    assert [(chart.form, chart.output) for _, chart in found.parts] == EXPECTED[name]
    assert not found.left_out


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_gallery_has_a_section_with_a_picture(name):
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", GALLERY, re.MULTILINE | re.DOTALL)
    assert section, "write a section, then draw: python -m benchmarks.gallery"
    assert f"python -m sweeps plot {name}\n" in section[1]
    alt, file = re.search(r"!\[(.*?)\]\((.*?)\)", section[1], re.DOTALL).groups()
    assert len(alt) > 80
    assert (ROOT / "docs" / file).name == f"{name}.png"
    assert 0 < (ROOT / "docs" / file).stat().st_size <= 150_000
    assert "?" in section[1].split("\n\n")[0], "the question"


def test_the_gallery_has_no_other_pictures():
    assert sorted(path.stem for path in (ROOT / "docs/gallery").iterdir()) == EXPERIMENTS
