"""`status --watch` shows sweeps until all points are over, on a terminal and in a pipe."""

import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl

import pytest

from sweeps.cli import watching
from sweeps.code.versions import Versions
from sweeps.operations.status import Status
from sweeps.operations.watch import Left, Look
from sweeps.progress import run_file
from sweeps.progress.presence import Running
from sweeps.progress.show import Progress, Slow
from sweeps.project.sweep import resolve

WAVE = """
from sweeps import experiment, grid

@experiment(grid(x=range(4)))
def wave(x):
    return 1 / (x - 1)
"""

RUN = Running(
    *(12, 4, 1, 5.0, 10.0, (Slow("x=3", 4.0),), "node7", 11, "ada", "run wave", "loky", 2),
    *("2026-01-01T00:00:00Z", Versions("3.11.7", "2.4.6", "0.1.0")),
)

STATUS = Status("wave", 12, 4, 6, 1, 1, 4, 3, "wave.h5", "abc", (RUN,))

LOOK = Look(STATUS, 0.5, Left(12.0, 8.0, 20.0))


@pytest.fixture
def wave(project, sweeps):
    (project / "experiments" / "wave.py").write_text(WAVE)
    return lambda *words: sweeps("run", "wave", "--engine=serial", *words)


def test_where_all_points_are_over_one_look_is_enough(sweeps, wave):
    wave()
    for words in (("--watch=0.1",), ("--watch", "0.1"), ("--watch",)):
        said = sweeps("status", "wave", *words)
        assert (said.code, said.err) == (0, "")
        assert said.out == "wave: 3/4 points, 1 failed; all points are over\n"
    said = sweeps("status", "--watch", "wave", "--json")  # no number follows
    assert (said.code, said.json["done"], said.json["left"]) == (0, 3, None)
    assert sweeps("status", "--watch").out.startswith("wave: 3/4 points")


@pytest.mark.parametrize("words", [("--watch=0",), ("--watch=nan",), ("--watch=x",)])
def test_a_pause_that_is_none_is_refused(sweeps, wave, words):
    said = sweeps("status", "wave", *words)
    assert said.code == 2
    assert "--watch" in said.err


def test_each_change_is_a_line_and_ctrl_c_ends_it(sweeps, wave, monkeypatch):
    wave("--limit=1")
    n_looks = []

    def sleep(seconds):
        n_looks.append(seconds)
        if len(n_looks) == 3:
            wave_again()
        if len(n_looks) == 5:
            raise KeyboardInterrupt

    def wave_again():
        notice.say(Progress(3, 1, seconds=100.0))

    notice = run_file.Notice(resolve("wave").memo, "loky", 2)
    monkeypatch.setattr(watching.time, "sleep", sleep)
    said = sweeps("status", "wave", "--watch", "--json")
    notice.close()
    assert said.code == 130
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [len(row["running"]) for row in rows] == [0, 1]
    assert all(row["done"] == 1 and row["missing"] == 3 for row in rows)


def test_a_pipe_that_nobody_reads_ends_it(project, wave):
    wave("--limit=1")
    command = [sys.executable, "-m", "sweeps", "status", "wave", "--watch=0.1"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("width", "height"), [(100, 24), (40, 5), (10, 2)])
def test_a_frame_fits_the_terminal(width, height):
    running = [RUN] * 200
    evil = "\x1b[2J" * 3  # of an experiment's name; `presence` takes care of the others
    status = Status(evil, 12, 4, 6, 1, 1, 4, 3, "w.h5", "abc", tuple(running), (RUN,))
    drawn = watching.frame([Look(status, 0.5, None)], width, height)
    lines = drawn.plain.splitlines()
    assert len(lines) <= max(height, 6)
    assert all(len(line) <= width and line.isprintable() for line in lines)


def test_a_frame_says_who_is_at_what_since_when_how_fast_and_when_it_is_done():
    silent = Running(**{**vars(RUN), "host": "node8", "silent_s": 300.0})
    look = Look(Status(**{**vars(STATUS), "silent": (silent,)}), LOOK.rate, LOOK.left)
    drawn = watching.frame([look], 200, 40).plain
    for said in (
        *("wave", "4/12 points, 1 failed, 1 stale", "0.5 points/s", "about 12.0 s left"),
        *("8.0 s to 20.0 s", "node7", "11", "ada", "loky 2", "5.0 s ago", "4/12", "0.8", "10.0 s"),
        *("x=3 for 4.0 s", "node8", "silent for 5 min"),
    ):
        assert said in drawn, said


@pytest.mark.parametrize("done", [0, 1, 5, 11, 12])
def test_a_bar_is_full_only_if_all_is_done(done):
    cells = watching._cells([done, 0, 12 - done], 40)
    assert sum(cells) == 40
    assert (cells[2] == 0) == (done == 12)


def test_a_terminal_is_drawn_on_and_keeps_its_cursor(project, wave):
    wave()
    pid, terminal = pty.fork()
    if not pid:
        os.environ["TERM"] = "xterm"
        words = ["-m", "sweeps", "status", "wave", "--watch"]
        os.execv(sys.executable, [sys.executable, *words])
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            part = os.read(terminal, 2**16)
        except OSError:  # it has ended
            break
        shown += part
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
    assert "3/4 points, 1 failed" in shown.decode()
    assert "━" in shown.decode()
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
