import io
import re
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.progress import show
from sweeps.progress.show import Progress, Slow
from sweeps.storage import files


class Terminal(io.StringIO):
    def isatty(self):
        return True


class FullDisk(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


class NoThread(io.StringIO):
    def write(self, text):
        raise RuntimeError("can't start new thread")


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [1000.0]
    monkeypatch.setattr(show.time, "monotonic", lambda: now[0])
    return now


def test_a_quick_run_prints_nothing(clock, capsys):
    watch = show.Watcher("wave")
    for n in range(10):
        watch(Progress(10, n, 0, 0, n / 10))
        clock[0] += 0.1
    watch.close()
    assert capsys.readouterr().err == ""


def test_a_long_run_prints_a_line_now_and_then(clock, capsys):
    watch = show.Watcher("wave")
    for n in range(100):
        clock[0] += 1
        watch(Progress(100, n, 0, 0, float(n)))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 100 // 6
    assert all(line.startswith("wave: ") for line in lines)


def test_stopping_is_told_at_once_and_once(clock, capsys):
    watch = show.Watcher("wave")
    for n in range(3):
        watch(Progress(100, n, 0, 0, 1.0, is_stopping=True))
    assert capsys.readouterr().err.count("finishing the points under way") == 1


def test_a_terminal_shows_a_bar_to_the_end(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    watch = show.Watcher("[bold]wave")
    for n in range(5):
        watch(Progress(4, n, 0, 2, float(n)))
    watch.close()
    assert "[bold]wave" in terminal.getvalue()
    assert "4/4 points, 2 reused" in terminal.getvalue()


def test_a_dumb_terminal_gets_lines(monkeypatch, clock):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    watch = show.Watcher("wave")
    clock[0] += 60
    watch(Progress(4, 2, 0, 0, 60.0, left_s=60.0))
    assert sys.stderr.getvalue() == "wave: 2/4 points, 0.0333 points/s, 1 min 0 s left\n"


@pytest.mark.parametrize("stream", [FullDisk, NoThread])
def test_a_stream_that_takes_nothing_does_not_stop_a_run(monkeypatch, clock, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    watch = show.Watcher("wave")
    clock[0] += 60
    watch(Progress(10, 1, 0, 0, 1.0))
    watch.close()


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, st.floats(0, 1e9), st.booleans())
def test_every_number_of_a_line_is_told(n_computed, n_failed, n_reused, n_left, seconds, stopping):
    n_over = n_computed + n_failed
    made = Progress(n_over + n_left, n_computed, n_failed, n_reused, seconds, stopping, left_s=9.0)
    said = show.line(made)
    assert f"{n_over:,}/{n_over + n_left:,} point" in said
    assert (f", {n_failed:,} failed" in said) == (n_failed > 0)
    assert (f", {n_reused:,} reused" in said) == (n_reused > 0)
    assert ("finishing" in said) == stopping
    assert (" left" in said) == bool(n_over and seconds > 0 and n_left and not stopping)


def test_the_time_left_is_told_where_it_is_known():
    waiting = show.line(Progress(150, 149, 0, 7, 20.0, n_awaited=1))
    assert waiting.endswith("waiting for 1 point that another run is computing")
    for left_s, end in ((40.0, r", 40\.0 s left"), (None, "")):
        said = show.line(Progress(150, 49, 1, 7, 20.0, left_s=left_s))
        assert re.search(rf"2\.5 points/s{end}$", said)


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(show, "_PATIENCE_S", -1.0)
    monkeypatch.setenv("TERM", "xterm")


def test_in_python_a_terminal_shows_a_bar_once_a_run_takes_a_while(monkeypatch, patient):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with show.in_python("wave") as watch, show.in_python("inner") as inner:
        watch(Progress(4, 2, 0, 0, 1.0))
        assert inner is None  # one is shown already
    assert "2/4 points" in sys.stderr.getvalue()
    monkeypatch.setattr(show, "_PATIENCE_S", 60.0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with show.in_python("wave") as watch:
        watch(Progress(4, 2, 0, 0, 1.0))
    assert sys.stderr.getvalue() == ""


def test_in_python_nothing_is_shown_elsewhere(monkeypatch, patient, tmp_path):
    with show.in_python("wave") as watch:
        assert watch is None  # stderr is a file
    monkeypatch.setattr(sys, "stderr", Terminal())
    with files.results_in(tmp_path), show.in_python("wave") as watch:
        assert watch is None  # a point asks


def test_a_notebook_shows_one_line(monkeypatch, patient):
    shown = []
    handle = types.SimpleNamespace(update=lambda said, raw: shown.append(said["text/plain"]))

    def display(said, raw, display_id):
        shown.append(said["text/plain"])
        return handle

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    monkeypatch.setattr(show, "_NOTEBOOK_S", -1.0)
    with show.in_python("wave") as watch:
        for n in (1, 2):
            watch(Progress(4, n, 0, 0, 1.0))
    assert [text.partition(" points")[0] for text in shown] == ["wave: 1/4", "wave: 2/4", ""]


@pytest.mark.parametrize("seconds", [5.0, 12.0])
def test_a_line_names_points_that_take_longer_than_ten_seconds(seconds):
    said = show.line(Progress(4, 2, 0, 0, 20.0, under_way=(Slow("x=3", seconds),)))
    assert ("under way: x=3 for 12.0 s" in said) == (seconds > 10)
