"""What was set in memory, and stands in no file, counts like what stands there."""

import subprocess
import sys

import pytest

HELPERS = (
    "SCALE = 1\nCALLS = 0\n\n\ndef f(x):\n    global CALLS\n    CALLS += 1\n    return x * SCALE\n"
)
SCRIPT = """
import os, sys
import h5netcdf, xarray  # once for all copies
import helpers
from sweeps import SweepsError, experiment, grid

FACTOR = 1

@experiment(grid(x=[1.0, 2.0]))
def own(x):
    return x * FACTOR

@experiment(grid(x=[1.0, 2.0]))
def other(x):
    return helpers.f(x)

if __name__ == "__main__":
    *whats, engine = sys.argv[1:]
    for what in whats[:-1]:  # each in a copy of this process, as it was when it began
        if os.fork() == 0:
            break
        os.wait()
    else:
        what = whats[-1]
    exec(what)
    for each in (own, other):
        try:
            found = each.run(engine=engine)[each.name].values.tolist()
            assert found == [each(x=1.0), each(x=2.0)], found
            print(found)
        except SweepsError as error:
            print(error)
"""


@pytest.fixture
def script(project):
    (project / "helpers.py").write_text(HELPERS)
    (project / "script.py").write_text(SCRIPT)

    def run(*whats, engine="serial"):
        command = [sys.executable, "script.py", *whats, engine]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_each_value_in_memory_has_results_of_its_own(script):
    asked = (
        ("", [1.0, 2.0], [1.0, 2.0]),
        ("FACTOR = 10.0", [10.0, 20.0], [1.0, 2.0]),
        ("FACTOR = 20.0", [20.0, 40.0], [1.0, 2.0]),
        ("helpers.SCALE = 3", [1.0, 2.0], [3.0, 6.0]),
        ("helpers.f = lambda x: 7.0", [1.0, 2.0], [7.0, 7.0]),
        ("", [1.0, 2.0], [1.0, 2.0]),
    )
    said = script(*(what for what, _, _ in asked))
    assert said == [str(values) for _, *both in asked for values in both]


def test_workers_do_not_see_it_and_are_not_asked(script):
    """What stands in the script itself goes to the workers as it is in memory."""
    own, other = script("FACTOR = 10.0; helpers.SCALE = 3", engine="loky")
    assert own == "[10.0, 20.0]"
    assert "helpers.SCALE was changed in the memory of this process" in other
    assert "use the engine serial or threads" in other


def test_what_functions_leave_behind_is_no_change(script, project):
    """`CALLS` is counted up by each point; the next run in the same process reuses them."""
    again = "assert other.run(engine='serial').other.values.tolist() == [1.0, 2.0]"
    script(again)
    folders = [*(project / "results" / ".memo" / "other").iterdir()]
    assert len(folders) == 1
