"""The command `plot`: one file, or one message that says what to do."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

import sweeps
from sweeps import experiment, grid
from sweeps.cli.main import cli


@experiment(
    grid(x=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], n=[1, 2, 3, 4, 5]),
    units={"x": "m"},
)
def made(x, n):
    if x == 3:
        raise ValueError("no value at 3")
    return {"product": x * n, "name": f"{x}-{n}"}


@pytest.fixture
def results(tmp_path):
    sweeps.run(made, results=tmp_path, engine="serial")
    return tmp_path


def plot(results, *arguments):
    return CliRunner().invoke(cli, ["plot", "made", "--results", str(results), *arguments])


@pytest.mark.filterwarnings("ignore:.*failed")
@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_file_is_written_and_told(results, ending):
    file = results / f"made.{ending}"
    done = plot(results, "-o", str(file), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["file"] == str(file)
    assert told["titles"] == ["product over x and n"]
    assert "5 points failed" in told["alts"][0]
    assert "x goes from 1 m to 6 m" in told["alts"][0]
    assert told["left_out"] == {"name": "it has 25 different texts: see `show`"}
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert file.read_bytes().startswith(start)


@pytest.mark.filterwarnings("ignore:.*failed")
def test_the_same_results_make_the_same_bytes(results):
    for ending in ("png", "svg", "pdf"):
        file = results / f"made.{ending}"
        plot(results, "-o", str(file))
        first = file.read_bytes()
        plot(results, "-o", str(file))
        assert file.read_bytes() == first


@pytest.mark.filterwarnings("ignore:.*failed")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-x", "xx"], "no axis or output 'xx'.*found: n, name, product, x"),
        (["-y", "name"], "cannot draw 'name': it has 25 different texts"),
        (["-x", "n", "-y", "n"], "'n' is given twice"),
        (["--row", "product"], "'product' cannot have panels of its own: give one of x, n"),
        (["--log", "name"], "no logarithmic axis for 'name'"),
        (["-x", ""], "no axis or output ''"),
        (["-o", "/nowhere/made.png"], "cannot write /nowhere/made.png: No such file or directory"),
        (["-o", "made.gif"], "must end in one of .png, .svg, .pdf"),
        (["--group", "summary"], "made has no summary to draw"),
        (["--group", "all"], "no group 'all'.*found: results, summary"),
        (["-y", "x", "-y", "product"], "-y takes outputs, or one axis"),
    ],
)
def test_a_mistake_is_one_message(results, arguments, message):
    done = plot(results, *arguments)
    with pytest.raises(sweeps.SweepsError, match=message):
        raise done.exception
    assert not [path for path in results.iterdir() if path.suffix in (".png", ".gif")]


@pytest.mark.filterwarnings("ignore:.*failed")
@pytest.mark.parametrize(
    "arguments",
    [
        ["-x", "n", "--hue", "x"],
        ["-x", "n", "--col", "x"],
        ["-x", "n", "-y", "x", "--hue", "product"],
        ["-x", "product", "-y", "product"],
        ["-x", "x", "--log", "x", "--log", "y", "-y", "product"],
        ["--row", "n", "-x", "x"],
        ["--hue", "n"],
        ["--group", "results"],
    ],
)
def test_names_may_have_any_place(results, arguments):
    done = plot(results, *arguments)
    assert done.exit_code == 0, done.exception


def test_without_matplotlib_it_says_what_to_install(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('none here')")
    done = subprocess.run(
        [sys.executable, "-m", "sweeps", "plot", "made", "--results", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'sweeps[plot]'" in done.stderr
