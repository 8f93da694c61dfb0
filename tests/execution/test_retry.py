"""Laws of trying again: what failed is computed again as asked, and nothing else is."""

import datetime
import itertools

import pytest

FAILS = """
import os
from sweeps import experiment, grid

@experiment(grid(x=range(8)))
def fails(x):
    calls = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(calls, f"{x} ".encode())
    os.close(calls)
    if x < 2: raise ValueError(x)
    return object() if x == 2 else x / 2
"""
EARLY, LATE = "2020-01-01T12:00", "2099-01-01T12:00+01:00"
AGAIN = {
    (): {0, 1, 2, 5, 6, 7},
    ("--no-retry",): {5, 6, 7},
    ("--failed",): {0, 1, 2},
    ("--failed", "--kind", "output"): {2},
    ("--failed", "--kind", "died"): set(),
    ("--retry-before", EARLY): {5, 6, 7},
    ("--retry-before", LATE): {0, 1, 2, 5, 6, 7},
    ("--failed", "--retry-before", EARLY): set(),
    ("--failed", "--kind", "output", "--retry-before", LATE): {2},
}


OFTEN = (
    ("run", ("--failed",)),
    ("work", ("--retry-before", EARLY)),
    ("work", ("--failed", "--kind", "output", "--retry-before", LATE)),
)
CELLS = [
    pytest.param(*each, marks=[] if each in OFTEN else pytest.mark.campaign)
    for each in itertools.product(("run", "work"), AGAIN)
]


@pytest.mark.parametrize(("command", "options"), CELLS)
def test_it_can_be_chosen_which_failed_points_are_computed_again(sweeps, project, command, options):
    (project / "experiments" / "fails.py").write_text(FAILS)
    sweeps("run", "fails", "--engine", "serial", "--limit", "5")
    (project / "calls").unlink()
    said = sweeps(command, "fails", "--engine", "serial", "--json", *options)
    called = project / "calls"
    again = {int(x) for x in called.read_text().split()} if called.exists() else set()
    assert again == AGAIN[options]
    counts = [said.json[name] for name in ("points", "computed", "reused")]
    assert counts == [8, len(again - {0, 1, 2}), 2]
    if "--failed" not in options or command == "run":
        assert said.json["failed"] == 3
    assert said.code == 1


def test_what_failed_since_then_is_not_tried_again_whoever_comes(sweeps, project):
    (project / "experiments" / "fails.py").write_text(FAILS)
    sweeps("run", "fails", "--engine", "serial")
    now = datetime.datetime.now().isoformat()
    (project / "calls").unlink()
    for _ in range(3):
        sweeps("work", "fails", "--engine", "serial", "--retry-before", now)
    assert sorted((project / "calls").read_text().split()) == ["0", "1", "2"]


WRONG = {
    ("--failed", "--no-retry"): "leave out --no-retry",
    ("--failed", "--recompute"): "leave out --recompute",
    ("--kind", "died"): "add --failed",
    ("--failed", "--kind", "dead"): "Did you mean 'died'?",
    ("--retry-before", "noon"): "--retry-before noon: give a time",
}


@pytest.mark.parametrize("options", WRONG, ids=" ".join)
def test_what_cannot_be_chosen_is_refused(sweeps, project, options):
    (project / "experiments" / "fails.py").write_text(FAILS)
    said = sweeps("run", "fails", *options)
    assert said.code == 2
    assert WRONG[options] in said.err
