"""The command line: samples, and runs of only some points."""

import numpy as np
import pytest

import sweeps as framework

DRAWN = """
from sweeps import experiment, grid, sample

@experiment(sample.sobol(1024, seed=3, length=(0.1, 2.0), angle=range(1, 5)))
def drawn(length, angle, g=9.81):
    return length * angle * g
"""
FRAGILE = """
from sweeps import experiment, grid

@experiment(grid(x=[1, 2, 3], method={"one": len, "two": abs}))
def fragile(x, method, limit=2):
    if x == limit:
        raise ValueError("not this")
    return x / 2
"""


@pytest.fixture
def drawn(project):
    (project / "experiments" / "drawn.py").write_text(DRAWN)


@pytest.fixture
def fragile(project):
    (project / "experiments" / "fragile.py").write_text(FRAGILE)


def run(sweeps, *arguments):
    return sweeps("run", *arguments, "--engine", "serial", "--json").json


def test_equal_points_are_computed_once_and_none_is_left(sweeps, drawn):
    said = sweeps("run", "drawn", "length=choice(1,2)", "g=1,2", "--engine", "serial").out
    assert "2,048 points: 16 computed, 2,032 reused, 0 failed (took" in said


def test_conditions_add_up(sweeps, fragile):
    twice = ("--only", "x == 1 or x == 3", "--only", "method == 'two' and x > 1")
    assert run(sweeps, "fragile", *twice)["points"] == 1


def test_twice_the_points_of_a_sequence_are_half_known(sweeps, drawn):
    assert run(sweeps, "drawn")["computed"] == 1024
    again = run(sweeps, "drawn", "sample=sobol(2048)")
    assert [again[k] for k in ("points", "reused", "computed")] == [2048, 1024, 1024]
    assert framework.load("drawn").sizes == {"sample": 2048}


def test_another_seed_and_another_method_are_other_points(sweeps, drawn):
    run(sweeps, "drawn")
    for how in ("sobol(1024, seed=4)", "halton(1024)", "latin_hypercube(1024)"):
        assert sweeps("plan", "drawn", f"sample={how}", "--json").json["reused"] == 0
    assert sweeps("plan", "drawn", "sample=sobol(1024, seed=3)", "--json").json["reused"] == 1024


def test_ranges_of_a_grid_are_sampled(sweeps, fragile):
    texts = ("x=10:20", "method=choice(one)", "limit=1,2", "sample=halton(5)")
    assert run(sweeps, "fragile", *texts)["computed"] == 10
    landed = framework.load("fragile")
    assert landed.sizes == {"limit": 2, "sample": 5}
    assert landed.x.dims == ("sample",)
    assert landed.x.dtype.kind == "i"
    assert set(landed.method.values) == {"one"}


def test_a_range_without_sampling_says_what_to_write(sweeps, fragile):
    said = sweeps("run", "fragile", "x=10:20")
    assert said.code == 2
    assert "'x=linspace(10,20,20)'" in said.err
    assert "'sample=sobol(1024)'" in said.err


# ---- only


def test_only_some_points_are_computed_landed_and_counted(sweeps, fragile):
    only = ("--only", "x != limit and method == 'one'")
    done = run(sweeps, "fragile", *only)
    assert [done[k] for k in ("points", "computed", "failed", "excluded")] == [2, 2, 0, 4]
    landed = framework.load("fragile").fragile
    assert landed.sizes == {"x": 3, "method": 2}
    assert np.isfinite(landed.values).tolist() == [[True, False], [False, False], [True, False]]
    assert run(sweeps, "fragile", *only)["reused"] == 2
    assert sweeps("plan", "fragile", *only, "--json").json["reused"] == 2
    assert sweeps("plan", "fragile", "--json").json["missing"] == 4


def test_only_restricts_what_is_given_instead(sweeps, fragile):
    said = sweeps("plan", "fragile", "x=range(100)", "limit=1,2,3", "--only", "x<limit", "--json")
    assert said.json["points"] == 2 * (1 + 2 + 3)


def test_only_some_failures_are_shown(sweeps, fragile):
    run(sweeps, "fragile")
    shown = sweeps("failures", "fragile", "--only", "method == 'two'", "--json").json
    assert [failure["params"] for failure in shown] == [{"x": 2, "method": "two"}]


def test_the_advice_after_failures_keeps_the_condition(sweeps, fragile):
    said = sweeps("run", "fragile", "--engine", "serial", "--only", "x < 3 and method=='one'")
    assert said.code == 1
    assert "failures fragile '--only=x < 3 and method=='\"'\"'one'\"'\"''" in said.err
    assert "1 point failed" in sweeps("failures", "fragile", "--only=x < 3 and method=='one'").out


@pytest.mark.parametrize("command", ["run", "plan", "failures"])
@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("x > 9", "'fragile' has no points with x > 9"),
        ("x <", "expected a parameter"),
        ("", "expected a parameter"),
        ("xx < 1", "Did you mean 'x'?"),
        ("x < 'a'", "cannot compare 1 with 'a'"),
    ],
)
def test_a_wrong_condition_is_one_message(sweeps, fragile, command, only, message):
    said = sweeps(command, "fragile", "--only", only)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert message in said.err


def test_python_gives_the_same(sweeps, fragile, project):
    from sweeps.project.discovery import find

    experiment = find("fragile").experiment
    options = {"axes": {"limit": 0}, "only": "x <= 2 and method in ('one', 'two')"}
    assert framework.plan(experiment, **options).points == 4
    assert framework.run(experiment, engine="serial", **options).fragile.count() == 4
    assert framework.plan("fragile", axes={"limit": 0}).reused == 4
