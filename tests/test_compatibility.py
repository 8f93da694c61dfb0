"""Results that earlier commits made: read, and reused where they said what they are alike.

``tests/stored/COMMIT.zip`` is the results folder that a commit made of
``tests/stored/earlier.py``, by ``python -m sweeps run earlier --engine serial``.
``tests/stored/in_place/COMMIT.zip`` is what it made of ``tests/stored/large.py`` with all numbers
taken for large ones and a block for each point: the folders of a run that landed, and of one that
was killed before. The promise is in docs/compatibility.md.
"""

import math
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import sweeps as public

STORED = Path(__file__).parent / "stored"
ALL = sorted(path.stem for path in STORED.glob("*.zip"))
OTHER_FINGERPRINTS = {"4e8640a"}  # before a cached helper counted by its code alone
WITHOUT_KEYS = {"081f741", "9624bb4"}  # their results files do not name the points they hold
ALIKE = [commit for commit in ALL if commit not in OTHER_FINGERPRINTS]


@pytest.fixture
def stored(project):
    """Make the project that a commit has left."""
    shutil.copy(STORED / "earlier.py", project / "experiments")

    def unpack(commit):
        with zipfile.ZipFile(STORED / f"{commit}.zip") as archive:
            archive.extractall(project)
        return project

    return unpack


def are_right(ds):
    """Compare every value with what the function gives."""
    hows = {"half": lambda x: x / 2, "root": math.sqrt}
    for x in (1.0, 4.0, -9.0):
        for n in (1, 3):
            for how, function in hows.items():
                point = ds.sel(x=x, n=n, how=how)
                if (x, how) == (-9.0, "root"):
                    assert math.isnan(float(point.value))
                    continue
                assert float(point.value) == 9.81 * function(x)
                assert int(point.large) == 2**60 + n
                assert str(point["name"].item()) == f"{how} of {x}"
                assert bool(point.is_positive) == (x > 0)
                assert np.array_equal(point.wave.values[:n], np.arange(n) ** 2 * x)
    assert ds.value.attrs["units"] == ds.x.attrs["units"] == "m"


@pytest.mark.parametrize("commit", ALL)
def test_results_of_earlier_commits_are_read(stored, commit):
    stored(commit)
    are_right(public.load("earlier", masked=False))


@pytest.mark.parametrize("commit", ALIKE)
def test_results_of_earlier_commits_are_reused_whole(stored, sweeps, commit):
    stored(commit)
    ran = sweeps("run", "earlier", "--engine", "serial", "--no-retry", "--json")
    assert (ran.json["reused"], ran.json["computed"], ran.json["failed"]) == (10, 0, 2)
    assert "warning" not in ran.err
    are_right(public.load("earlier", masked=False))
    assert sweeps("verify", "earlier").code == 0
    assert len(public.failures("earlier")) == 2


@pytest.mark.parametrize("commit", sorted(OTHER_FINGERPRINTS))
def test_where_fingerprints_differ_the_earlier_results_are_named_and_stay(stored, sweeps, commit):
    before = {path.name for path in stored(commit).rglob("*.seg")}
    assert "since the earlier code" in sweeps("why", "earlier").out
    assert sweeps("run", "earlier", "--engine", "serial", "--json").json["computed"] == 10
    assert before <= {path.name for path in Path().rglob("*.seg")}


@pytest.mark.parametrize("commit", ALIKE)
def test_the_memo_alone_is_enough(stored, sweeps, commit):
    (stored(commit) / "results" / "earlier.h5").unlink()
    ran = sweeps("run", "earlier", "--engine", "serial", "--no-retry", "--json")
    assert (ran.json["reused"], ran.json["computed"]) == (10, 0)
    are_right(public.load("earlier", masked=False))


@pytest.mark.parametrize("commit", ALIKE)
def test_a_results_file_alone_is_adopted_or_left_as_it_is(stored, sweeps, commit):
    folder = stored(commit) / "results"
    shutil.rmtree(folder / ".memo")
    before = (folder / "earlier.h5").read_bytes()
    ran = sweeps("run", "earlier", "--engine", "serial", "--no-retry", "--json")
    if commit in WITHOUT_KEYS:
        assert (ran.code, "memo" in ran.err) == (2, True)
        assert (folder / "earlier.h5").read_bytes() == before
    else:
        assert (ran.json["reused"], ran.json["computed"]) == (10, 0)
    are_right(public.load("earlier", masked=False))


@pytest.fixture
def in_place(project):
    """Make the project that a run of 62d0973 has left that wrote values in place."""
    shutil.copy(STORED / "large.py", project / "experiments")

    def unpack(left):
        with zipfile.ZipFile(STORED / "in_place" / "62d0973.zip") as archive:
            archive.extractall(project)
        (project / left).rename(project / "results")
        return Path("results/large.h5") if left == "landed" else next(Path().rglob("*.draft"))

    return unpack


@pytest.mark.parametrize("left", ["landed", "killed"])
def test_values_that_an_earlier_commit_wrote_in_place_are_reused_whole(in_place, sweeps, left):
    path = in_place(left)
    before = path.read_bytes()
    assert sweeps("verify", "large").code == 0
    ran = sweeps("run", "large", "--engine", "serial", "--json").json
    assert (ran["reused"], ran["computed"]) == (6, 0)
    if left == "landed":
        assert before == path.read_bytes()
    found = public.load("large")
    assert found["line"].values.tolist() == [[x, x * 0.1, -x] for x in range(6)]
    assert found["text"].values.tolist() == [f"line {x}" for x in range(6)]
    assert sweeps("verify", "large").code == 0


@pytest.mark.parametrize("left", ["landed", "killed"])
def test_damage_of_values_of_an_earlier_commit_costs_what_it_touches(in_place, sweeps, left):
    path = in_place(left)
    content = path.read_bytes()
    at = content.index(np.array([3, 3 * 0.1, -3]).tobytes())
    for each in Path("results").rglob("*"):  # all names of the file
        if each.is_file() and each.read_bytes() == content:
            each.write_bytes(content[:at] + b"spoiled!" + content[at + 8 :])
    assert sweeps("verify", "large").code == 1
    ran = sweeps("run", "large", "--engine", "serial", "--json").json
    assert (ran["reused"], ran["computed"]) == (5, 1)
    found = public.load("large")
    assert found["line"].values.tolist() == [[x, x * 0.1, -x] for x in range(6)]
