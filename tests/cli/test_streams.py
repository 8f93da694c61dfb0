"""The command line as a process: pipes, terminals, encodings and signals."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

ODD = '''
from sweeps import experiment, grid
@experiment(grid(x=["größer", "→"]))
def odd(x):
    """ödd."""
    if x == "→":
        raise ValueError("→ is not\\nallowed")
    return 1.5
'''
SLOW = """
import time
from sweeps import experiment, grid
@experiment(grid(x=range(2000)))
def slow(x, stuck_at=2000):
    time.sleep(0.01 if x < stuck_at else 600)
    return x
"""
PYTHON = f'"{sys.executable}" -m sweeps'


@pytest.fixture
def odd(project):
    (project / "experiments" / "odd.py").write_text(ODD, encoding="utf-8")


def shell(command, **environment):
    return subprocess.run(
        ["bash", "-c", "set -o pipefail; " + command.replace("sweeps", PYTHON)],
        capture_output=True,
        timeout=120,
        env=os.environ | environment,
    )


def test_a_run_as_its_user_types_it(sweeps, odd):
    said = shell("sweeps run odd")
    assert said.returncode == 1
    assert said.stdout.decode().startswith("odd: 2 points: 1 computed, 0 reused, 1 failed (took ")
    assert sweeps("plan", "odd", "--json").json["reused"] == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        pytest.param("sweeps list | true", 0, marks=pytest.mark.campaign),
        ("sweeps list --json | true", 0),
        pytest.param("sweeps run odd >&-", 1, marks=pytest.mark.campaign),
        ("sweeps run odd -j 1 >&- 2>&- <&-", 1),
        ("sweeps run odd --engine serial 2> /dev/full | true", 1),
        pytest.param("sweeps plan ode 2> /dev/full", 2, marks=pytest.mark.campaign),
    ],
)
def test_who_listens_changes_neither_work_nor_exit_code(odd, project, command, code):
    said = shell(command)
    assert said.returncode == code
    assert said.stderr in (b"", b"see: python -m sweeps failures odd\n")
    assert (project / "results" / "odd.h5").exists() == ("run" in command)


def test_an_answer_that_cannot_be_written_is_a_mistake(odd):
    said = shell("sweeps list > /dev/full")
    assert said.returncode == 2
    assert said.stderr == b"error: cannot write the answer: No space left on device\n"


def test_a_working_directory_that_is_gone():
    said = shell('cd "$(mktemp -d)" && rmdir "$PWD" && sweeps list')
    assert (said.returncode, said.stderr) == (
        2,
        b"error: the working directory does not exist any more\n",
    )


ANSWERS = """
import sys
from sweeps.cli.main import main
for command in ("run odd --engine serial", "show odd", "failures odd --json"):
    sys.argv = ["sweeps", *command.split()]
    try:
        main()
    except SystemExit as exit_:
        codes = (*locals().get("codes", ()), exit_.code)
sys.exit(codes != (1, 0, 0))
"""


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("latin-1", marks=pytest.mark.campaign)])
def test_no_encoding_stops_an_answer(odd, project, encoding):
    (project / "answers.py").write_text(ANSWERS)
    said = shell(f'"{sys.executable}" answers.py', PYTHONIOENCODING=encoding, LC_ALL="C")
    assert (said.returncode, said.stderr) == (0, b"see: python -m sweeps failures odd\n")
    answer = json.loads(said.stdout[said.stdout.index(b"\n[") :])
    assert answer[0]["params"] == {"x": "→"}


def test_a_name_that_the_locale_cannot_read_is_a_mistake(project):
    said = shell("sweeps new größe", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert said.returncode == 2
    assert said.stderr.startswith(b"error: ")
    assert not list((project / "experiments").iterdir())


def on_terminal(command, interrupt_when=None, **environment):
    """Run a command on a pseudo-terminal; return all that it showed, and its exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(environment)
        os.execvp(sys.executable, [sys.executable, "-m", "sweeps", *command.split()])
    shown = b""
    while True:
        if interrupt_when is not None and interrupt_when in shown:
            os.write(terminal, b"\x03")
            interrupt_when = None
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def slow(project):
    (project / "experiments" / "slow.py").write_text(SLOW)


COLOUR, CURSOR = "\x1b[9", "\x1b[2K"


def test_a_terminal_shows_a_bar_and_a_lesser_one_is_no_trouble(odd):
    usual, code = on_terminal("run odd --engine serial", TERM="xterm", COLUMNS="100")
    assert code == 1
    assert "━" in usual
    assert "2/2 points, 1 failed" in usual
    assert usual.rstrip().endswith("see: python -m sweeps failures odd")
    for environment, absent in (
        ({"NO_COLOR": "1", "COLUMNS": "20"}, (COLOUR, "points/s")),
        ({"TERM": "dumb"}, (CURSOR,)),
    ):
        shown, code = on_terminal("run odd --engine serial", **{"TERM": "xterm"} | environment)
        assert code == 1
        assert all(text in usual and text not in shown for text in absent)
        assert "see: python -m sweeps failures odd" in shown


def test_an_interrupted_run_lands_what_is_finished(sweeps, slow, project):
    terminal = {"TERM": "xterm", "COLUMNS": "120"}
    shown, code = on_terminal("run slow -j 1", interrupt_when=b" points/s", **terminal)
    assert code == 130
    assert "finishing the points under way" in shown
    assert "interrupted; finished points are kept" in shown
    status = sweeps("status", "slow", "--json").json
    assert 0 < status["done"] < 2000
    assert f"{status['done']:,} computed" in shown
    assert (project / "results" / "slow.h5").exists()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.campaign)]
)
def test_two_signals_stop_a_stuck_run_and_lose_nothing(sweeps, slow, project, number):
    command = [sys.executable, "-m", "sweeps", "run", "slow", "stuck_at=100", "-j", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list((project / "results").glob(".memo/slow/*/*.seg")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    said = process.stderr.readline()  # printed by the handler of the first signal
    process.send_signal(number)
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"finishing the points under way" in said
    assert b"interrupted; finished points are kept" in rest
    assert b"Traceback" not in rest
    plan = sweeps("plan", "slow", "stuck_at=100", "--json").json
    assert 0 < plan["reused"] <= 100
