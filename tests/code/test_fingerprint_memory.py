"""What was set in memory, and stands in no file, counts like what stands there."""

import contextlib
import functools
import io
import runpy
import subprocess
import sys

import pytest

import sweeps
from benchmarks.staleness.trying import in_child
from sweeps import experiment, grid
from sweeps.execution import leaks

HELPERS = """
SCALE = 1
CALLS = 0

def f(x):
    return x * SCALE

def counted(x):
    global CALLS
    CALLS += 1
    return x * SCALE
"""
SCRIPT = """
import sys
import helpers
from sweeps import SweepsError, experiment, grid

FACTOR = 1

@experiment(grid(x=[1.0, 2.0]))
def own(x):
    return x * FACTOR

@experiment(grid(x=[1.0, 2.0]))
def other(x):
    return helpers.f(x)

@experiment(grid(x=[1.0, 2.0]))
def leaking(x):
    return helpers.counted(x)

if __name__ == "__main__":
    what, engine = sys.argv[1:]
    exec(what)
    for each in (own, other):
        try:
            found = each.run(engine=engine, n_workers=1)[each.name].values.tolist()
            assert found == [each(x=1.0), each(x=2.0)], found
            print(found)
        except SweepsError as error:
            print(error)
"""


@pytest.fixture
def script(project):
    (project / "helpers.py").write_text(HELPERS)
    (project / "script.py").write_text(SCRIPT)
    loads_what_runs_need = experiment(grid(x=[1]), name="first")(lambda x: x)
    sweeps.run(loads_what_runs_need, engine="serial", results=project / "first")

    def run(what):
        sys.argv = ["script.py", what, "serial"]
        sys.path.insert(0, ".")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            runpy.run_path("script.py", run_name="__main__")
        return said.getvalue().splitlines()

    return lambda what: in_child(functools.partial(run, what))


def test_each_value_in_memory_has_results_of_its_own(script):
    asked = (
        ("", [1.0, 2.0], [1.0, 2.0]),
        ("FACTOR = 10.0", [10.0, 20.0], [1.0, 2.0]),
        ("FACTOR = 20.0", [20.0, 40.0], [1.0, 2.0]),
        ("helpers.SCALE = 3", [1.0, 2.0], [3.0, 6.0]),
        ("helpers.f = lambda x: 7.0", [1.0, 2.0], [7.0, 7.0]),
        ("", [1.0, 2.0], [1.0, 2.0]),
    )
    for what, *both in asked:
        assert script(what) == list(map(str, both))


def test_workers_do_not_see_it_and_are_not_asked(script):
    """What stands in the script itself goes to the workers as it is in memory."""
    command = [sys.executable, "script.py", "FACTOR = 10.0; helpers.SCALE = 3", "loky"]
    own, other = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    assert own == "[10.0, 20.0]"
    assert "helpers.SCALE was changed in the memory of this process" in other
    assert "use the engine serial or threads" in other


def test_what_functions_leave_behind_is_no_change(script, project, monkeypatch):
    """`CALLS` is counted up by each point; the next run in the same process reuses them."""
    monkeypatch.setattr(leaks, "warning", lambda *_: "")  # which computes points again
    run = "assert leaking.run(engine='serial').leaking.values.tolist() == [1.0, 2.0]"
    script(f"{run}; assert helpers.CALLS == 2; {run}; assert helpers.CALLS == 2")
    folders = [*(project / "results" / ".memo" / "leaking").iterdir()]
    assert len(folders) == 1
