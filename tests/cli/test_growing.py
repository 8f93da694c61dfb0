"""A project from its first command on: only points that this code never computed are computed."""

import shutil

import pytest

DECLARED = "frequency=[0.5, 1.0, 2.0, 4.0],\n        damping=[0.05, 0.1, 0.2],"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Where the results of a first run are kept once they are made."""
    return tmp_path_factory.mktemp("first") / "results"


@pytest.fixture
def wave(sweeps, project, first):
    """A new experiment, run once; computes what `axes` or an edit of its file ask for."""
    assert sweeps("new", "wave").code == 0

    class Wave:
        file = project / "experiments" / "wave.py"

        def run(self, *arguments):
            said = sweeps("run", "wave", *arguments, "--engine", "serial", "--json")
            assert said.code == 0, said.err
            return said.json

        def edit(self, old, new):
            text = self.file.read_text()
            assert old in text
            self.file.write_text(text.replace(old, new))
            return self.run()

        def plan(self):
            return sweeps("plan", "wave", "--json").json

    made = Wave()
    if first.exists():
        shutil.copytree(first, project / "results")
        return made
    assert made.run()["computed"] == made.run()["points"] == 12
    shutil.copytree(project / "results", first)
    return made


# (values on the command line, points, points of these that the declared 4 × 3 have not)
GROWING = {
    "a longer axis": (["frequency=0.5,1,2,4,8"], 15, 3),
    "another axis too": (["frequency=0.5,1,2,4,8", "damping=0.05,0.1,0.2,0.4"], 20, 8),
    "a shorter axis": (["frequency=1,2"], 6, 0),
    "another order": (["frequency=4,2,1,0.5", "damping=0.2,0.05,0.1"], 12, 0),
    "a constant as it is": (["resonance=1.0"], 12, 0),
    "another constant": (["resonance=3.0"], 12, 12),
    "a constant swept": (["resonance=1.0,2.0,3.0"], 36, 24),
    "other values": (["frequency=8,16"], 6, 6),
}


CASES = [
    pytest.param(
        *each,
        id=name,
        marks=pytest.mark.campaign if name in ("a longer axis", "other values") else [],
    )
    for name, each in GROWING.items()
]


@pytest.mark.parametrize(("axes", "n_points", "n_new"), CASES)
def test_new_points_only_and_nothing_when_growing_back(wave, axes, n_points, n_new):
    run = wave.run(*axes)
    assert [run[k] for k in ("points", "computed", "reused")] == [n_points, n_new, n_points - n_new]
    assert wave.run(*axes)["computed"] == 0
    assert wave.run()["computed"] == 0


SPACES = {
    "a longer axis": (DECLARED.replace("4.0]", "4.0, 8.0]"), 3),
    "an axis in another place": (
        "damping=[0.05, 0.1, 0.2],\n        frequency=[0.5, 1.0, 2.0, 4.0],",
        0,
    ),
    "integers for floats that they equal": (DECLARED.replace("4.0]", "4]"), 0),
    "a constant as an axis": (DECLARED + "\n        resonance=[1.0, 2.0],", 12),
}


@pytest.mark.parametrize(("declared", "n_new"), SPACES.values(), ids=SPACES.keys())
def test_a_space_declared_anew_keeps_its_points(wave, declared, n_new):
    assert wave.edit(DECLARED, declared)["computed"] == n_new
    assert wave.edit(declared, DECLARED)["computed"] == 0


def test_the_same_points_as_a_list(wave):
    listed = "points([{'frequency': f, 'damping': d} for d in (0.1, 0.2) for f in (1.0, 2.0)])"
    wave.file.write_text(wave.file.read_text().replace("import experiment, grid", "import *"))
    run = wave.edit(f"grid(\n        {DECLARED}\n    )", listed)
    assert [run[k] for k in ("points", "computed")] == [4, 0]


COSMETIC = {
    "a comment": ("    ratio = ", "    # how far from resonance\n    ratio = "),
    "the docstring": ("Amplitude of a driven", "How far swings a driven"),
    "the summary of the module": ("What does wave depend on?", "On what does it depend?"),
    "the layout": ("frequency / resonance", "(\n        frequency\n        / resonance\n    )"),
    "units": ('"frequency": "Hz"', '"frequency": "s-1"'),
    "a long name": ("units={", 'long_name={"frequency": "how often"},\n    units={'),
    "attributes": ("units={", 'attrs={"amplitude": {"source": [1, 2.5]}},\n    units={'),
}


def test_what_changes_no_result_computes_nothing(wave):
    for name, (old, new) in COSMETIC.items():
        assert wave.edit(old, new)["computed"] == 0, name


def test_changed_code_makes_all_points_stale_and_undoing_it_is_free(wave):
    file, before = wave.file, wave.file.read_text()
    file.write_text(before.replace("2.0 * damping", "3.0 * damping"))
    assert [wave.plan()[k] for k in ("reused", "missing", "failed", "stale")] == [0, 0, 0, 12]
    assert wave.run()["computed"] == 12
    file.write_text(before)
    assert wave.run()["computed"] == 0


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("from .helper import factor", marks=pytest.mark.campaign),
        "from experiments.helper import factor",
    ],
)
def test_a_changed_helper_makes_all_points_stale(wave, project, how):
    helper = project / "experiments" / "helper.py"
    helper.write_text("def factor():\n    return 2.0\n\n\ndef unused():\n    return 1\n")
    text = wave.file.read_text().replace("import math", f"import math\n{how}")
    wave.file.write_text(text.replace("2.0 * damping", "factor() * damping"))
    assert wave.run()["computed"] == 12
    before = helper.read_text()
    helper.write_text(before.replace("return 1", "return 17"))
    assert wave.run()["computed"] == 0
    helper.write_text(before.replace("return 2.0", "return 4.0"))
    assert wave.plan()["stale"] == wave.run()["computed"] == 12
    helper.write_text(before)
    assert wave.run()["computed"] == 0


def test_an_interrupted_beginning_is_completed(wave):
    assert wave.run("resonance=5.0", "--limit", "5")["computed"] == 5
    assert wave.run("resonance=5.0")["computed"] == 7
