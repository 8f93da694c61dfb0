"""With --quiet, only what is wrong is printed; with --notify, somebody is told of the end."""

import ast
import json
import shlex
import sys

import pytest

WAVE = """
import warnings

from sweeps import experiment, grid


@experiment(grid(x=[1.0, 2.0]))
def wave(x, factor=1.0):
    print("computing", x)
    warnings.warn("too coarse")
    if factor == 0:
        raise ValueError("no factor")
    return x * factor
"""


@pytest.fixture
def wave(project):
    (project / "experiments" / "wave.py").write_text(WAVE)


@pytest.fixture
def told(project):
    """What the end of a run tells, and how to have it told."""
    text = "import os; print({k: v for k, v in os.environ.items() if k[:7] == 'SWEEPS_'})"
    (project / "tell.py").write_text(text.replace("print(", "open('told', 'a').write(str(") + ")")
    command = shlex.join([sys.executable, "tell.py"])

    def read():
        text = (project / "told").read_text()
        (project / "told").unlink()
        return ast.literal_eval(text)

    return command, read


@pytest.mark.parametrize("engine", ["serial", "loky"])
def test_a_quiet_run_prints_nothing_and_keeps_what_points_print(sweeps, wave, engine):
    assert sweeps("run", "wave", "-q", "--engine", engine) == (0, "", "")
    kept = sweeps("printed", "wave").out.splitlines()
    assert [line for line in kept if "computing" in line] == [
        "x=1.0: computing 1.0",
        "x=2.0: computing 2.0",
    ]
    assert sum("too coarse" in line for line in kept) == 2


@pytest.mark.parametrize("command", ["run", "work", "land", "verify", "export", "diff"])
def test_long_commands_can_be_quiet(sweeps, wave, project, command):
    assert sweeps("run", "wave", "--engine", "serial").out != ""
    if command == "diff":
        text = WAVE.replace("x * factor", "x * factor * 2")
        (project / "experiments" / "wave.py").write_text(text)
        assert sweeps("diff", "wave", "--quiet", "--engine", "serial") == (1, "", "")
    else:
        more = ["wave.csv"] if command == "export" else []
        assert sweeps(command, "wave", *more, "--quiet") == (0, "", "")


def test_a_quiet_run_says_how_many_points_failed(sweeps, wave):
    said = sweeps("run", "wave", "factor=0", "-q", "--engine", "serial")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "wave: 2 of 2 points failed; see: python -m sweeps failures wave factor=0\n"
    )


def test_a_quiet_run_says_what_is_wrong(sweeps, wave):
    said = sweeps("run", "waves", "-q")
    assert (said.code, said.out) == (2, "")
    assert "waves" in said.err
    assert sweeps("run", "wave", "-q", "--nonsense").err != ""


def test_a_quiet_run_gives_the_json_that_was_asked_for(sweeps, wave):
    said = sweeps("run", "wave", "-q", "--json", "--engine", "serial")
    assert said.json["computed"] == 2
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        ((), 0, {"STATUS": "done", "COMPUTED": "2", "FAILED": "0", "LEFT": "0"}),
        (("factor=0",), 1, {"STATUS": "failed", "COMPUTED": "0", "FAILED": "2"}),
        (("--limit", "1"), 0, {"STATUS": "done", "COMPUTED": "1", "LEFT": "1"}),
        (("--shard", "0/2"), 0, {"STATUS": "done", "POINTS": "1"}),
        (("nothing=1",), 2, {"STATUS": "error", "POINTS": ""}),
    ],
)
def test_the_end_is_told_however_a_run_ends(sweeps, wave, told, arguments, code, expected):
    command, read = told
    said = sweeps("run", "wave", *arguments, "--engine", "serial", "--notify", command)
    assert said.code == code
    found = read()
    assert found["SWEEPS_EXIT_CODE"] == str(code)
    assert found["SWEEPS_NAME"] == "wave"
    assert found["SWEEPS_MESSAGE"].startswith(f"wave {expected['STATUS']}")
    assert {name: found[f"SWEEPS_{name}"] for name in expected} == expected


def test_an_interrupt_is_told(sweeps, wave, told, monkeypatch):
    from sweeps.operations import run

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "execute", interrupted)
    command, read = told
    assert sweeps("run", "wave", "--notify", command).code == 130
    assert read()["SWEEPS_STATUS"] == "interrupted"


def test_trouble_is_one_line_and_no_matter_to_the_run(sweeps, wave):
    said = sweeps("run", "wave", "-q", "--engine", "serial", "--notify", "no-such-program-here")
    assert said == (
        0,
        "",
        "--notify: cannot call no-such-program-here: No such file or directory\n",
    )


def test_nonsense_is_refused_before_anything_is_computed(sweeps, wave):
    for nonsense in ("", "'", "gopher://host"):
        said = sweeps("run", "wave", "--notify", nonsense)
        assert (said.code, said.out) == (2, "")
        assert "--notify" in said.err
    assert json.loads(sweeps("status", "wave", "--json").out)["done"] == 0


def test_the_results_file_does_not_tell_whom_a_run_notifies(sweeps, wave, project, told):
    sweeps("run", "wave", "--engine", "serial", "--notify", told[0])
    assert b"tell.py" not in (project / "results" / "wave.h5").read_bytes()
