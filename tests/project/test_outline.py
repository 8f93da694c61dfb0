"""What modules declare is found in their text, and nothing of theirs is run."""

import pytest

from sweeps.project import outline
from sweeps.project.discovery import find_all

FORMS = {
    "decorated": "@experiment(grid(a=[1]))\ndef it(a, c=2): ...",
    "by the package": "@sweeps.experiment(sweeps.grid(a=[1]))\ndef it(a, c=2): ...",
    "under another name": "@declare(grid(a=[1]))\ndef it(a, c=2): ...",
    "named": "@experiment(grid(a=[1]), name='it')\ndef other(a, c=2): ...",
    "called": "def it(a, c=2): ...\n\nmade = experiment(grid(a=[1]))(it)",
    "async": "@experiment(grid(a=[1]))\nasync def it(a, c=2): ...",
    "keywords only": "@experiment(grid(a=[1]))\ndef it(*, a, c=2): ...",
    "random": "@experiment(grid(a=[1]))\ndef it(a, rng, c=2): ...",
    "resources": "@experiment(grid(a=[1]), resources={'f': open})\ndef it(a, f, c=2): ...",
    "derived": "@experiment(grid(a=[1]).derive(b=lambda a: a))\ndef it(a, b, c=2): ...",
    "in a variable": "space = grid(a=[1])\n@experiment(space)\ndef it(a, c=2): ...",
    "of the tail": "@experiment(grid(a=[1]))\ndef it(a, c=2):\n    def experiment(): ...",
}
HEAD = "import sweeps\nfrom sweeps import experiment, experiment as declare, grid\n\n"


@pytest.mark.parametrize("form", FORMS)
def test_names_and_axes_are_those_of_the_declaration(project, form):
    (project / "experiments" / "made.py").write_text(HEAD + FORMS[form])
    (found,) = outline.outlines()
    ((imported,), ()) = find_all()
    made = imported.experiment
    assert found.name == made.name == "it"
    given = {*made.space.parameters, *made.constants} - {*made.space.derived}
    assert set(found.axes) == given == {"a", "c"}
    assert found.axes["c"] == "2"


def test_axes_that_the_function_does_not_take_are_found_too(project):
    (project / "experiments" / "made.py").write_text(
        HEAD
        + "from sweeps import replicates, sample\n\n"
        + "@experiment(grid(a=[1]).derive(b=lambda a: a) * replicates(3))\ndef one(b): ...\n\n"
        + "@experiment(sample.sobol(8, x=(0, 1), seed=2))\ndef two(x): ..."
    )
    assert [set(each.axes) for each in outline.outlines()] == [{"a", "replicate"}, {"x"}]


def test_a_name_that_two_modules_define_has_its_module_in_front(project):
    for module in ("first", "second"):
        (project / "experiments" / f"{module}.py").write_text(HEAD + FORMS["decorated"])
    assert [each.name for each in outline.outlines()] == ["first.it", "second.it"]


@pytest.mark.parametrize(
    "content",
    [b"experiment(", b"\xff\0experiment", b"experiment" + b"(" * 10_000, b"x = 1", b""],
    ids=["half", "binary", "deep", "other", "empty"],
)
def test_what_is_no_module_of_experiments_is_left_out(project, content):
    (project / "experiments" / "bad.py").write_bytes(content)
    (project / "experiments" / "made.py").write_text(HEAD + FORMS["decorated"])
    assert [each.name for each in outline.outlines()] == ["it"]


def test_where_nothing_is_nothing_is_found(project, monkeypatch):
    monkeypatch.setenv("SWEEPS_EXPERIMENTS", "nowhere")
    assert outline.outlines() == []
    assert outline.outlines("nowhere/else.py") == []
