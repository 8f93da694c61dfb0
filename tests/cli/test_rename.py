"""The command `rename`: what it says, and its exit code."""

import pytest

MODULE = """
from sweeps import experiment, grid

@experiment(grid(x=[1, 2, 3]), name="{}", version={})
def compute(x):
    return x / 2
"""
KEYS = {"old", "new", "points", "done", "missing", "failed", "stale", "results", "landed", "left"}


@pytest.fixture
def name(sweeps, project):
    """Compute something under the name `old`, and give it another name then."""
    path = project / "experiments" / "halves.py"
    path.write_text(MODULE.format("old", 1))
    sweeps("run", "old", "--engine", "serial")

    def rename(name, version=1):
        path.write_text(MODULE.format(name, version))

    return rename


def test_results_go_on_under_the_new_name(sweeps, name, project):
    name("new")
    said = sweeps("rename", "old", "new")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "old → new: 3 points: 3 done, 0 missing, 0 failed, 0 stale → results/new.h5\n"
    )
    again = sweeps("rename", "old", "new", "--json")
    assert again.json.keys() == KEYS
    assert again.json == {
        **again.json,
        "done": 3,
        "landed": True,
        "left": [],
        "results": str(project / "results" / "new.h5"),
    }
    assert sweeps("run", "new", "--json").json["computed"] == 0


def test_what_other_code_made_is_told_with_what_to_do(sweeps, name):
    name("new", version=2)
    said = sweeps("rename", "old", "new")
    assert said.code == 0
    assert "0 done, 0 missing, 0 failed, 3 stale" in said.out
    assert "all results come from other code than 'new' has now" in said.out
    assert "python -m sweeps why new" in said.out
    assert "python -m sweeps accept new" in said.out
    assert "results/new.h5 was only moved and has the old name inside" in said.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("old", "new"), "no experiment 'new'"),
        (("old", "old"), "called 'old' already"),
        (("../old", "new"), "is not the name of an experiment"),
        (("old",), "Missing argument 'NEW'"),
    ],
)
def test_a_mistake_changes_nothing(sweeps, name, project, arguments, said):
    before = sorted((project / "results").rglob("*"))
    answer = sweeps("rename", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert sorted((project / "results").rglob("*")) == before


def test_no_folder_of_results_at_all(sweeps, name):
    name("new")
    said = sweeps("rename", "old", "new", "--results", "nowhere")
    assert said.code == 2
    assert "no results of an experiment 'old'" in said.err
