"""Reports: written from the results file alone, whatever the state of the sweep."""

import re

import numpy as np
import pytest

import sweeps as package
from sweeps import experiment, grid, points, replicates, run, sample
from sweeps.errors import StorageError, SweepsError
from sweeps.operations.report import report

pytest.importorskip("jinja2", reason="needs the extra report")


def odd_fails(x):
    if x % 2:
        raise ValueError(f"odd: {x}")
    return {"half": x / 2, "word": "even"}


def fails(x):
    raise ValueError(f"never: {x}")


@pytest.fixture
def html(project):
    """Run a function over a space, and read the report of what it gave."""

    def html(space, function, **how):
        made = experiment(space, name="made")(function)
        with pytest.warns() if function.__name__ != "<lambda>" else pytest.MonkeyPatch.context():
            run(made, engine="serial", **how)
        return report(made).path.read_text()

    return html


DAY = np.datetime64("2026-01-02")

SPACES = {
    "grid": (grid(x=[1.0, 2.0, 3.0]), lambda x: x**2),
    "two axes, one of text": (
        grid(x=np.linspace(0, 1, 15), way=["a", "b"]),
        lambda x, way: {
            "y": x,
            "z": x + 1j,
            "is_a": way == "a",
            "day": DAY,
        },
    ),
    "points": (points([{"x": 1, "y": 2}, {"x": 3}]), lambda x, y=0: x + y),
    "replicates": (grid(x=[1, 2]) * replicates(3), lambda x, rng: rng.normal(x)),
    "sample": (sample.sobol(64, x=(0, 1), y=(0, 1)), lambda x, y: x * y),
    "arrays": (grid(x=[1, 2]), lambda x: {"line": np.arange(4.0) * x, "total": x}),
    "one point": (grid(), lambda g=9.81: g / 2),
    "excluded": (grid(x=range(4)).where(lambda x: x > 1), lambda x: x),
}


@pytest.mark.parametrize("space", SPACES)
def test_every_kind_of_space_has_a_report(html, space):
    text = html(*SPACES[space])
    assert "<h1>made</h1>" in text
    assert "Points: " in text
    assert "<script" not in text


def test_a_report_says_which_points_failed_and_why(html):
    text = html(grid(x=range(6)), odd_fails)
    assert "ValueError, 3 points" in text
    assert re.findall(r"odd: (\d)", text)[:3] == ["1", "3", "5"]
    assert "x = 1 <small>(point 1)</small>" in text
    assert "odd_fails" in text  # the traceback
    assert "Points: 3 done, 3 failed" in text


def fails_at_length(x):
    raise ValueError(f"{x}: " + "and so on " * 2000)


def test_points_that_failed_at_the_same_place_stand_together_whatever_they_said(html):
    text = html(grid(x=range(20)), fails_at_length)
    assert text.count('class="failure"') == 1
    assert "ValueError, 20 points" in text
    assert "and 17 other messages" in text
    assert len(text) < 100_000


def test_a_report_of_failures_alone_has_no_pictures(html):
    text = html(grid(x=range(3)), fails)
    assert "<figure" not in text
    assert "Points: 3 failed" in text


def test_a_report_of_a_sweep_that_is_not_done_yet(html):
    assert "Points: 2 done, 3 missing" in html(grid(x=range(5)), lambda x: x, limit=2)
    assert "Points: 2 done, 3 missing" in report("made").path.read_text()


def test_a_report_needs_no_experiment(sweeps, project):
    (project / "experiments" / "wave.py").write_text(
        '"""How high is it?"""\nfrom sweeps import experiment, grid\n'
        "@experiment(grid(x=[1.0, 2.0]))\ndef wave(x):\n    return x\n"
    )
    assert sweeps("run", "wave", "--engine", "serial").code == 0
    (project / "experiments" / "wave.py").unlink()
    (project / "results" / "wave.h5").rename(project / "sent.h5")
    said = sweeps("report", "sent.h5", "--json")
    assert said.json["experiment"] == "wave"
    text = (project / "sent.html").read_text()
    assert "How high is it?" in text
    assert '<span class="k">def</span> <span class="f">wave</span>' in text


def test_a_report_goes_where_it_is_asked_for(project):
    run(experiment(grid(x=[1, 2]), name="made")(lambda x: x), engine="serial")
    made = package.report("made", "sent/it.html")
    assert made.path == project / "sent" / "it.html"
    assert made.n_bytes == made.path.stat().st_size < 10**6
    with pytest.raises(SweepsError, match=r"ends in \.html"):
        report("made", "it.pdf")
    with pytest.raises(StorageError, match="python -m sweeps run other"):
        report("other")


def test_a_file_of_another_program_is_refused(project):
    import xarray

    xarray.Dataset({"a": ("x", [1.0, 2.0])}).to_netcdf("other.h5", engine="h5netcdf")
    with pytest.raises(StorageError, match="no results file of sweeps"):
        report("other.h5")
