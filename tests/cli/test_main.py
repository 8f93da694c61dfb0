"""The command line: every command, as text and as JSON, and its exit code."""

import gc
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.cli import commands
from sweeps.cli.main import COMMANDS

WAVE = '''
"""Waves on a string."""
from sweeps import experiment, grid

@experiment(grid(frequency=[1.0, 2.0], mode=["a", "b"]), units={"speed": "m s-1"})
def wave(frequency, mode, length=0.5):
    """How fast they travel."""
    return {"speed": 2 * length * frequency}
'''
FRAGILE = """
from sweeps import experiment, grid

@experiment(grid(x=[1, 2, 3]))
def fragile(x):
    if x == 2:
        raise ValueError("two is not\\nallowed")
    return x / 2
"""
COUNTS = {"points", "missing", "failed", "stale"}
PLAN_KEYS = COUNTS | {"experiment", "reused", "unwatched", "notes", "prediction"}
RUN_KEYS = {
    *("experiment", "points", "reused", "computed", "failed", "excluded", "seconds", "results"),
    "fingerprint",
}
STATUS_KEYS = COUNTS | {"experiment", "done", "known", "landed", "running", "results"}
STATUS_KEYS |= {"fingerprint", "silent", "checkpoints", "checkpoint_bytes"}
FAILURE_KEYS = {
    "checkpoint",
    "position",
    "params",
    "kind",
    "type",
    "message",
    "traceback",
    "attempts",
}
OF_ONE = (
    *("plan", "run", "land", "status", "failures", "printed", "why", "accept", "diff"),
    *("reproduce", "bench"),
    "clean",
)


@pytest.fixture
def wave(project):
    (project / "experiments" / "wave.py").write_text(WAVE)


@pytest.fixture
def fragile(project):
    (project / "experiments" / "fragile.py").write_text(FRAGILE)


def run(sweeps, *arguments):
    return sweeps("run", *arguments, "--engine", "serial")


def test_a_run_computes_then_reuses(sweeps, wave, project):
    first, second = run(sweeps, "wave", "--json"), run(sweeps, "wave", "--json")
    assert first.json.keys() == RUN_KEYS
    assert (first.code, second.code) == (0, 0)
    counts = [[said.json[k] for k in ("computed", "reused", "failed")] for said in (first, second)]
    assert counts == [[4, 0, 0], [0, 4, 0]]
    assert second.json["results"] == str(project / "results" / "wave.h5")


def test_the_text_of_a_run_says_the_same(sweeps, wave):
    said = run(sweeps, "wave")
    assert re.fullmatch(
        r"wave: 4 points: 4 computed, 0 reused, 0 failed \(took \S+ s\) → results/wave\.h5\n",
        said.out,
    )
    assert said.err == ""


def test_a_limited_run_says_how_many_are_left(sweeps, wave):
    assert ", 3 still to do (took" in run(sweeps, "wave", "--limit", "1").out
    assert sweeps("plan", "wave", "--json").json["missing"] == 3


def test_plan_adds_up_and_does_nothing(sweeps, wave, project):
    run(sweeps, "wave", "--limit", "1")
    before = sorted(project.rglob("*"))
    said = sweeps("plan", "wave", "frequency=1,2,3", "--json")
    assert said.json.keys() == PLAN_KEYS
    assert said.json == {**said.json, "points": 6, "reused": 1, "missing": 5}
    assert sorted(p for p in project.rglob("*") if "__pycache__" not in p.parts) == [
        p for p in before if "__pycache__" not in p.parts
    ]


def test_plan_as_if_nothing_were_known(sweeps, wave):
    run(sweeps, "wave")
    said = sweeps("plan", "wave", "--recompute")
    counts, predicted, disk = said.out.splitlines()
    assert counts == "wave: 4 points: 0 reused, 4 missing, 0 failed, 0 stale"
    assert re.fullmatch(r"time: less than 2.0 s on \d+ workers?, by 4 known points", predicted)
    assert re.fullmatch(r"disk: about \d+ B", disk)


def test_recompute_computes_what_is_known(sweeps, wave):
    run(sweeps, "wave")
    assert run(sweeps, "wave", "--recompute", "--json").json["computed"] == 4


def test_some_points_failed(sweeps, fragile):
    said = run(sweeps, "fragile", "--json")
    assert said.code == 1
    assert [said.json[k] for k in ("computed", "failed")] == [2, 1]
    assert "see: python -m sweeps failures fragile" in said.err


def test_failed_points_are_retried_unless_told(sweeps, fragile):
    run(sweeps, "fragile")
    assert run(sweeps, "fragile", "--no-retry").code == 1
    assert sweeps("failures", "fragile", "--json").json[0]["attempts"] == 1
    assert run(sweeps, "fragile").code == 1
    assert sweeps("failures", "fragile", "--json").json[0]["attempts"] == 2


def test_the_advice_after_failures_is_a_command_that_shows_them(sweeps, fragile, project):
    project.joinpath("experiments").rename(project / "my models")
    options = ("--experiments", "my models", "--results", "out")
    said = run(sweeps, "fragile", "x=2,5", *options)
    assert "failures fragile x=2,5 '--experiments=my models' --results=out" in said.err
    shown = sweeps("failures", "fragile", "x=2,5", "--experiments=my models", "--results=out")
    assert "x=2: two is not allowed" in shown.out


def test_failures_in_json(sweeps, fragile):
    assert sweeps("failures", "fragile", "--json").json == []
    run(sweeps, "fragile")
    (failure,) = sweeps("failures", "fragile", "--json").json
    assert failure.keys() == FAILURE_KEYS
    assert failure["params"] == {"x": 2}
    assert (failure["kind"], failure["type"]) == ("exception", "ValueError")
    assert failure["message"] == "two is not\nallowed"
    assert "fragile.py" in failure["traceback"]


def test_failures_as_text_end_with_their_number(sweeps, fragile):
    assert sweeps("failures", "fragile").out == "0 points failed\n"
    run(sweeps, "fragile")
    assert sweeps("failures", "fragile").out.endswith("\n1 point failed\n")


def test_status_of_one_is_an_object_of_all_a_list(sweeps, wave, fragile):
    run(sweeps, "fragile")
    one, every = (sweeps("status", *n, "--json").json for n in (("fragile",), ()))
    assert one.keys() == STATUS_KEYS
    assert [one[k] for k in ("points", "done", "missing", "failed", "stale")] == [3, 2, 0, 1, 0]
    assert [row["experiment"] for row in every] == ["fragile", "wave"]
    assert every[0] == one
    assert every[1]["missing"] == 4


def test_status_says_whether_there_are_results(sweeps, wave):
    assert "(none yet)" in sweeps("status").out
    run(sweeps, "wave")
    assert "results/wave.h5" in sweeps("status").out


def test_list_names_every_experiment_and_what_it_is_about(sweeps, wave, fragile):
    listed = sweeps("list", "--json").json
    assert listed[1] == {
        "name": "wave",
        "module": "experiments.wave",
        "points": 4,
        "summary": "How fast they travel.",
        "error": None,
    }
    assert re.search(r"^wave +4  How fast they travel\.$", sweeps("list").out, re.MULTILINE)


def test_a_name_in_two_modules_is_listed_with_them_and_can_be_run_by_them(sweeps, wave, project):
    (project / "experiments" / "copied.py").write_text(WAVE)
    said = sweeps("list")
    assert "experiments.copied.wave" in said.out
    assert "experiments.wave.wave" in said.out
    assert sweeps("run", "wave").code == 2
    assert run(sweeps, "copied.wave").code == 0
    assert "speed" in sweeps("show", "copied.wave").out


BROKEN = {
    "syntax": ("from sweeps import", "SyntaxError"),
    "raises": ("raise RuntimeError('boom')", "boom"),
    "leaves": ("import sys; sys.exit(3)", "SystemExit"),
    "lacks": ("import no_such_module", "no_such_module"),
    "counts": (
        "from sweeps import experiment, grid\n"
        "@experiment(grid(x=[0, 1]).where(lambda x: 1 / x))\ndef counts(x): return x",
        "ZeroDivisionError",
    ),
}


@pytest.mark.parametrize(("name", "text", "said"), [(k, *v) for k, v in BROKEN.items()])
def test_a_broken_module_is_shown_and_breaks_no_other(sweeps, wave, project, name, text, said):
    (project / "experiments" / f"{name}.py").write_text(text)
    (row,) = [row for row in sweeps("list", "--json").json if row["name"] == name]
    assert said in row["error"]
    assert said in sweeps("list").out
    status = sweeps("status", "--json")
    assert status.code == 0
    assert [row["experiment"] for row in status.json] == ["wave"]
    assert said in status.err
    assert run(sweeps, "wave").code == 0
    mistake = run(sweeps, name)
    assert mistake.code == 2
    assert said in mistake.err


@pytest.mark.parametrize("command", OF_ONE)
def test_an_unknown_name_suggests_the_nearest(sweeps, wave, command):
    said = sweeps(command, "wav")
    assert said.code == 2
    assert said.err.startswith("error: no experiment 'wav'")
    assert "Did you mean 'wave'?" in said.err
    assert said.out == ""


MISTAKES = {
    "no such axis": (("run", "wave", "frequenci=1"), "Did you mean 'frequency'?"),
    "no values": (("run", "wave", "frequency="), "expected a value"),
    "no equals sign": (("plan", "wave", "frequency"), "no '='"),
    "an axis twice": (("plan", "wave", "mode=a", "mode=b"), "given twice"),
    "a value twice": (("run", "wave", "frequency=1,1"), "twice"),
    "not a number": (("run", "wave", "frequency=nan"), "nan"),
    "no such engine": (("run", "wave", "--engine", "warp"), "loky, mpi, serial"),
    "no workers": (("run", "wave", "-j", "0"), "0 is not in the range"),
    "a negative limit": (("run", "wave", "--limit", "-1"), "-1 is not in the range"),
    "negative rows": (("show", "wave", "--rows", "-1"), "-1 is not in the range"),
    "no name": (("run",), "Missing argument 'NAME'"),
    "no such command": (("ruin", "wave"), "No such command 'ruin'"),
    "no such folder": (("list", "--experiments", "nowhere"), "no experiments at 'nowhere'"),
    "show before run": (("show", "wave"), "python -m sweeps run wave"),
    "no such path": (("show", "there/wave.h5"), "there/wave.h5"),
    "nothing to be called": (("new", "my wave"), "letters, digits"),
    "no single point": (("reproduce", "wave", "mode=a"), "differ in frequency"),
    "no such point": (("reproduce", "wave", "--point", "-1"), "no point -1: the first is 0"),
    "no such value": (("reproduce", "wave", "frequency=1.5"), "nearest: 1.0, 2.0"),
    "nothing to rename": (("rename", "surge", "wave"), "no results of an experiment 'surge'"),
    "renaming to itself": (("rename", "wave", "wave"), "called 'wave' already"),
    "renaming to nothing": (("rename", "wave", "wav"), "Did you mean 'wave'?"),
    "an existing file": (("new", "wave"), "exists already"),
}


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_message_and_exit_code_2(sweeps, wave, project, arguments, said):
    answer = sweeps(*arguments)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""
    assert not (project / "results").exists()


def test_a_file_in_the_place_of_the_results_folder(sweeps, wave, project):
    (project / "results").write_text("mine")
    said = run(sweeps, "wave")
    assert said.code == 2
    assert str(project / "results") in said.err
    assert (project / "results").read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_a_damaged_results_file_is_told_and_landed_anew(sweeps, wave, project, content):
    run(sweeps, "wave")
    (project / "results" / "wave.h5").write_bytes(content)
    assert sweeps("show", "wave").code == 2
    assert run(sweeps, "wave", "--json").json["computed"] == 0
    assert sweeps("show", "wave").code == 0


def test_results_go_where_the_environment_or_the_option_says(sweeps, wave, project, monkeypatch):
    monkeypatch.setenv("SWEEPS_RESULTS", str(project / "by_environment"))
    run(sweeps, "wave")
    run(sweeps, "wave", "--results", "by_option")
    assert (project / "by_environment" / "wave.h5").exists()
    assert (project / "by_option" / "wave.h5").exists()
    assert not (project / "results").exists()


def test_an_empty_folder_of_experiments_is_no_mistake(sweeps):
    assert "python -m sweeps new NAME" in sweeps("list").out
    for command in ("list", "status"):
        said = sweeps(command, "--json")
        assert (said.code, said.json) == (0, [])


def test_each_command_is_the_module_of_its_name():
    (folder,) = commands.__path__
    modules = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}
    assert modules == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_common_options(sweeps, command):
    said = sweeps(command, "--help")
    assert said.code == 0
    assert all(option in said.out for option in ("--results DIR", "--experiments PATH", "--json"))


def test_the_help_names_every_command_in_full(sweeps):
    said = sweeps("--help")
    listed = re.findall(r"^  (\w+)  ", said.out.partition("Commands:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
    assert "..." not in said.out.partition("Commands:")[2]


def test_clean_asks_for_yes_and_says_what_it_freed(sweeps, wave, project):
    run(sweeps, "wave")
    (project / "experiments" / "wave.py").write_text(WAVE.replace("2 * length", "3 * length"))
    run(sweeps, "wave")
    asked = sweeps("clean", "wave", "--json").json
    assert (asked["freed"], len(asked["waste"])) == (False, 1)
    assert asked["bytes"] > 0
    assert "results of earlier code" in sweeps("clean", "wave").out
    assert sweeps("clean", "wave", "--yes", "--json").json["bytes"] == asked["bytes"]
    assert sweeps("clean", "wave").out == "could free 0 B\n"
    assert run(sweeps, "wave", "--json").json["reused"] == 4


LOGGED = '''
from sweeps import experiment, grid

class Log:
    """Refers to itself, so that only a search for garbage finds that nobody else does."""

    def __init__(self):
        self.itself, self.file = self, open("log.txt", "w")

log = Log()

@experiment(grid(x=range(3)))
def logged(x):
    log.file.write(f"{x}\\n")
    return x
'''


def test_files_that_the_users_code_left_open_are_whole_at_the_end(project):
    (project / "experiments" / "logged.py").write_text(LOGGED)
    command = [sys.executable, "-m", "sweeps", "run", "logged", "--engine", "serial"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert Path("log.txt").read_text() == "0\n1\n2\n"


def test_a_command_keeps_no_garbage_of_earlier_ones(sweeps, wave):
    """Pools and files among it would use up the numbers of open files."""
    sweeps("status", "wave")
    n_frozen = gc.get_freeze_count()
    sweeps("status", "wave")
    assert gc.get_freeze_count() <= n_frozen
