"""What `failures` says."""

import pytest

HALF = """
from sweeps import experiment, grid


@experiment(grid(x=[2, 4]))
def half(x):
    if x % 2:
        raise ValueError(f"odd: {x}")
    return x // 2
"""


@pytest.fixture
def half(project):
    (project / "experiments" / "half.py").write_text(HALF)


def test_who_forgets_the_values_of_a_run_is_told_of_its_failed_points(half, sweeps):
    sweeps("run", "half", "x=2,3", "--engine", "serial")
    said = sweeps("failures", "half")
    assert said.out == "0 points failed\n"
    assert "shows 1 failed point of an earlier run: sweeps run half x=2,3" in said.err
    assert "odd: 3" in sweeps("failures", "half", "x=2,3").out


def test_nothing_more_is_said_where_nothing_failed(half, sweeps):
    assert sweeps("failures", "half").err == ""
    sweeps("run", "half", "--engine", "serial")
    assert sweeps("failures", "half").err == ""


def test_the_answer_in_json_stands_alone(half, sweeps):
    sweeps("run", "half", "x=2,3", "--engine", "serial")
    said = sweeps("failures", "half", "--json")
    assert (said.json, said.err) == ([], "")
