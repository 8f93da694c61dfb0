"""`show --provenance`: where the results in a file come from, in ten lines."""

import json
import subprocess

import h5py
import numpy as np
import pytest

from sweeps import accept, experiment, grid
from sweeps.errors import StorageError
from sweeps.results import origin


def test_it_tells_what_the_file_records(project, git, sweeps):
    file = project / "experiments" / "wave.py"
    file.write_text(
        "from sweeps import experiment, grid\n"
        "@experiment(grid(x=[1, 2, 3]).where(lambda x: x < 3))\n"
        'def wave(x):\n    """How high?"""\n    return 1 / (x - 1)\n'
    )
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    file.write_text(file.read_text() + "# edited\n")
    assert sweeps("run", "wave").code == 1
    said = json.loads(sweeps("show", "wave", "--provenance", "--json").out)
    assert said["commit"] == git("rev-parse", "HEAD").strip()
    assert (said["is_dirty"], said["patch_bytes"] > 0) == (True, True)
    counts = [said[f"n_{name}"] for name in ("points", "done", "failed", "excluded")]
    assert counts == [2, 1, 1, 1]
    assert (said["experiment"], said["about"]) == ("wave", "How high?")
    assert said["command"].endswith("run wave")
    assert said["packages"]["numpy"] == np.__version__
    assert said["source_files"] == ["experiments/wave.py"]
    assert said["accepted"] == []
    lines = sweeps("show", "wave", "--provenance").out.splitlines()
    assert len(lines) == 10
    assert [line.split()[0] for line in lines] == [
        *("experiment", "points", "when", "command", "where"),
        *("system", "commit", "code", "packages", "accepted"),
    ]
    assert "2: 1 done, 1 failed; 1 more are excluded" in lines[1]
    assert f"{said['commit']}, with uncommitted changes" in lines[6]


def test_it_tells_what_is_accepted(project):
    def declared(function):
        return experiment(grid(x=[1, 2]), name="made")(function)

    declared(lambda x: x * x).run(engine="serial")
    again = declared(lambda x: x**2)
    accept(again, reason="another way\nto write it")
    again.run(engine="serial")
    found = origin.read(project / "results" / "made.h5")
    (accepted,) = found.accepted
    assert (accepted.n_points, accepted.reasons) == (2, ("another way\nto write it",))
    assert origin.lines(found)[-1][1].startswith(f"2 points of {accepted.fingerprint[:8]}, ")


@pytest.mark.parametrize("attributes", [{}, {"packages": "[", "accepted": "{}", "n_points": "x"}])
def test_a_file_of_another_program_has_no_origin(tmp_path, attributes):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs.update(attributes)
    found = origin.read(tmp_path / "other.h5")
    said = dict(origin.lines(found))
    assert len(said) == 10
    assert (said["experiment"], said["points"], said["command"]) == ("other", *["not recorded"] * 2)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(StorageError, match="no results file"):
        origin.read(tmp_path / "made.h5")


@pytest.fixture
def git(project):
    def call(*arguments):
        own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *own, *arguments], check=True, capture_output=True, text=True, cwd=project
        )
        return done.stdout

    return call
