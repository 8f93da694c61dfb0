"""The command `reproduce`: what it says, where to, and its exit code."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

MODULE = """
import asyncio, os, sys, time
from sweeps import experiment, grid, replicates

@experiment(grid(x=[0.1, 0.2, 0.30000000000000004], mode=["a", "b"]) * replicates(2), seed=5)
def noisy(x, mode, rng, g=9.81):
    print("from Python")
    os.system("echo from a program")
    if mode == "b" and x > 0.25:
        raise ValueError(f"too far: {x}")
    return {"y": rng.normal(x), "path": rng.normal(size=3)}

@experiment(grid(x=range(3)), timeout=0.3)
def fatal(x):
    if x == 1:
        os._exit(3)
    if x == 2:
        time.sleep(0.6)
    return x

@experiment(grid(x=range(4)))
def odd(x):
    if x == 0:
        sys.exit("bye")
    if x == 1:
        sys.stdout.close()
    if x == 2:
        os.chdir("/")
    return x

@experiment(grid(x=[0, 1]))
def waiting(x):
    print("begun", flush=True)
    time.sleep(60)

@experiment(grid(x=[0, 1]))
async def waiting_async(x):
    print("begun", flush=True)
    await asyncio.sleep(60)

@experiment(grid(x=range(500)), vectorized=True)
def columns(x):
    return x + len(x) * 1e-9
"""


@pytest.fixture
def module(project):
    (project / "experiments" / "module.py").write_text(MODULE)
    return project


def shell(*arguments, stdin="", **environment):
    return subprocess.run(
        [sys.executable, "-m", "sweeps", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def run(sweeps, name):
    return sweeps("run", name, "--engine", "serial")


def test_a_value_stands_beside_the_stored_one(sweeps, module):
    run(sweeps, "noisy")
    said = sweeps("reproduce", "noisy", "x=0.3", "mode=a", "replicate=1")
    assert said.code == 0
    assert "noisy, point 9: x=0.30000000000000004, mode=a, replicate=1, g=9.81" in said.out
    assert [line.split()[-1] for line in said.out.splitlines() if line.startswith(("y", "path"))]
    assert "(of this code) are equal to the last bit" in said.out
    assert (
        sweeps("reproduce", "noisy", "--point", "9").out.splitlines()[1:]
        == (said.out.splitlines()[1:])
    )


def test_the_json_has_all_and_stands_alone(sweeps, module):
    run(sweeps, "noisy")
    said = shell("reproduce", "noisy", "--point", "9", "--json")
    assert said.returncode == 0
    data = json.loads(said.stdout)
    assert data == {
        **data,
        "experiment": "noisy",
        "position": 9,
        "params": {"x": 0.1 + 0.2, "mode": "a", "replicate": 1, "g": 9.81},
        "equal": True,
        "raised": None,
        "stored": {"kind": "values", "earlier_code": False, "failure": None},
    }
    y, path = data["outputs"]
    assert y == {**y, "name": "y", "equal": True, "differing": 0, "absolute": None}
    assert y["now"] == y["stored"]
    assert path["now"] == {"dtype": "float64", "shape": [3]}
    assert said.stderr.split("\n") == ["from Python", "from a program", ""]


def test_a_failed_point_raises_again(sweeps, module):
    run(sweeps, "noisy")
    (first, _) = sweeps("failures", "noisy", "--json").json
    assert first["position"] == 10
    listed = sweeps("failures", "noisy")
    assert "  point 10: x=0.30000000000000004, mode=b, replicate=0: too far" in listed.out
    assert "debug one of them: python -m sweeps reproduce noisy --point=10 --pdb" in listed.err
    said = sweeps("reproduce", "noisy", "--point", "10")
    assert said.code == 1
    assert first["traceback"].strip() in said.out
    assert "sweeps/" not in said.out
    assert "it failed before in the same way" in said.out
    data = sweeps("reproduce", "noisy", "--point", "10", "--json").json
    assert {**data["stored"]["failure"], "attempts": 0} == {**data["raised"], "attempts": 0}


def test_positions_count_in_the_sweep_that_is_asked_for(sweeps, module):
    sweeps("run", "noisy", "x=7", "--engine", "serial")
    (first, _) = sweeps("failures", "noisy", "x=7", "--json").json
    said = sweeps("reproduce", "noisy", "x=7", "--point", str(first["position"]))
    assert said.code == 1
    assert "too far: 7" in said.out


def test_another_constant_is_another_point(sweeps, module):
    run(sweeps, "noisy")
    said = sweeps("reproduce", "noisy", "x=0.1", "mode=a", "replicate=0", "g=1.62")
    assert said.code == 0
    assert "g=1.62" in said.out
    assert "no values are stored for this point" in said.out


def test_an_edit_that_changes_a_value_is_told(sweeps, module):
    run(sweeps, "noisy")
    path = module / "experiments" / "module.py"
    path.write_text(MODULE.replace("rng.normal(x),", "rng.normal(x) + 1e-6,"))
    said = sweeps("reproduce", "noisy", "--point", "0")
    assert said.code == 1
    assert "(of earlier code) are different" in said.out
    assert "1e-06" in said.out


def test_columns_of_one_point_may_round_otherwise(sweeps, module):
    run(sweeps, "columns")
    said = sweeps("reproduce", "columns", "--point", "499")
    assert said.code == 1
    assert "columns of length 1" in said.out


def test_a_point_that_killed_its_worker_is_warned_of(sweeps, module):
    assert sweeps("run", "fatal", "-j", "1").code == 1
    said = shell("reproduce", "fatal", "x=1")
    assert said.returncode == 3
    assert "point 1, x=1, killed its worker and may kill this process" in said.stderr
    late = sweeps("reproduce", "fatal", "x=2")
    assert late.code == 0
    assert "took longer than the timeout of 0.3 s; here there is no timeout" in late.err
    assert "it failed before, but does not fail now: TimeoutError (timeout)" in late.out


def test_a_function_that_interferes_with_the_process(sweeps, module):
    for number, code, said in ((0, 1, "SystemExit: bye"), (2, 0, "odd")):
        answer = sweeps("reproduce", "odd", "--point", str(number))
        assert answer.code == code
        assert said in answer.out + answer.err
        assert "sweeps/" not in answer.err
    answer = shell("reproduce", "odd", "--point", "1")
    assert answer.returncode == 2
    assert "stdout was closed" in answer.stderr
    assert "sweeps/" not in answer.stderr


def test_the_debugger_opens_where_it_was_raised(module):
    said = shell("reproduce", "noisy", "--point", "10", "--pdb", stdin="p mode * 3\nq\n")
    assert said.returncode == 1
    assert "'bbb'" in said.stdout
    assert "ValueError: too far" in said.stderr
    assert said.stdout.count("Traceback") == 0


def test_a_debugger_without_a_terminal_ends(sweeps, module, monkeypatch):
    for stdin in ("", "c\n", "nonsense\nexit\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        said = sweeps("reproduce", "noisy", "--point", "10", "--pdb")
        assert said.code == 1
        assert "(Pdb)" in said.out


def test_the_debugger_is_that_of_breakpoint(sweeps, module, monkeypatch):
    (module / "mydebugger.py").write_text("def post_mortem(t): print('mine', t.tb_lineno)")
    monkeypatch.syspath_prepend(module)
    for hook, is_mine in [("mydebugger.set_trace", 1), ("nowhere.set_trace", 0), ("0", 0)]:
        monkeypatch.setenv("PYTHONBREAKPOINT", hook)
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        said = sweeps("reproduce", "noisy", "--point", "10", "--pdb")
        assert ("mine 10" in said.out) == is_mine
        assert said.code == 1


def test_a_point_that_works_needs_no_debugger_and_prints_to_the_terminal(module):
    said = shell("reproduce", "noisy", "--point", "0", "--pdb")
    assert said.returncode == 0
    assert "(Pdb)" not in said.stdout
    assert "from Python\n" in said.stdout
    assert "from a program\n" in said.stdout


@pytest.mark.parametrize(
    ("name", "options", "is_debugged"),
    [
        pytest.param("waiting", [], False, marks=pytest.mark.campaign),
        ("waiting", ["--pdb"], True),
        ("waiting_async", ["--pdb"], False),
    ],
)
def test_ctrl_c_ends_it_or_shows_in_the_debugger_where_it_hangs(module, name, options, is_debugged):
    command = [sys.executable, "-m", "sweeps", "reproduce", name, "--point", "1", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as going:
        assert going.stdout.readline() == "begun\n"
        time.sleep(0.1)  # until it waits
        going.send_signal(signal.SIGINT)
        out, err = going.communicate("p 'x is', x\nq\n", timeout=30)
    assert going.returncode == 130
    assert ("('x is', 1)" in out) == is_debugged
    assert ("KeyboardInterrupt" in err) == is_debugged
    assert "destroyed" not in err
    assert "sweeps/" not in out + err


def test_advice_of_the_common_mistakes(sweeps, module):
    for arguments, said in [
        (("noisy",), "which of 12 points of 'noisy'? They differ in x, mode, replicate"),
        (("noisy", "x=0.25"), "nearest: 0.2, 0.30000000000000004"),
        (("noisy", "--point", "12"), "the last is 11"),
        (("noisy", "x=0.1", "mode=c", "replicate=0"), "found: a, b"),
        (("noisy", "rng=3"), "no axis 'rng'"),
        (("noisy", "x="), "expected a value"),
    ]:
        answer = sweeps("reproduce", *arguments)
        assert (answer.code, answer.out) == (2, "")
        assert said in answer.err
