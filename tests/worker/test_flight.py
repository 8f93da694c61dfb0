"""Laws of flight records: what a worker was at can be read after whatever killed it."""

import subprocess
import sys
import threading
import time

import pytest

from sweeps.worker import flight

DEATHS = {
    "kill": "import signal; os.kill(os.getpid(), signal.SIGKILL)",
    "exit": "os._exit(3)",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "timeout": "recorder.arm(0.05); import time; time.sleep(60)",
    "timeout in C": "recorder.arm(0.05); import ctypes; ctypes.CDLL(None).sleep(60)",
}


def fly(folder, *lines):
    """Let a process record; what it says, and its number."""
    code = ["import os, pathlib", "from sweeps.worker.flight import Recorder"]
    code.append(f"recorder = Recorder(pathlib.Path({str(folder)!r}))")
    process = subprocess.Popen([sys.executable, "-c", "\n".join([*code, *lines])])
    process.wait()
    return process


@pytest.mark.parametrize(
    ("death", "kind", "cause"),
    [
        ("kill", "died", ""),
        ("exit", "died", ""),
        ("segfault", "died", "Segmentation fault"),
        ("timeout", "timeout", ""),
        ("timeout in C", "timeout", ""),
    ],
)
def test_the_point_and_the_cause_outlive_the_worker(tmp_path, death, kind, cause):
    fly(tmp_path, "recorder.begin(7)", "recorder.at[0] = 4", "recorder.at[0] = 5", DEATHS[death])
    (at,) = flight.read(tmp_path)
    assert (at.block, at.point, at.n_points, at.kind, at.cause) == (7, 5, 1, kind, cause)
    assert at.is_own == at.is_certain(False) == (death not in ("kill", "exit"))
    assert at.is_certain(True) == ("timeout" in death)
    assert ("File" in at.traceback) == at.is_own
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["recorder.begin(7)"],
        ["recorder.begin(7)", "recorder.at[0] = 5", "recorder.end()"],
        ["recorder.begin(7)", "recorder.at[0] = 5", "recorder.begin(8)"],
    ],
)
def test_between_points_nothing_is_blamed(tmp_path, lines):
    fly(tmp_path, *lines, "os._exit(1)")
    assert flight.read(tmp_path) == []


def test_a_worker_may_say_itself_why_it_dies(tmp_path):
    said = "recorder.die('for want of memory', 'Traceback ...')"
    fly(tmp_path, "recorder.begin(7)", "recorder.at[0] = 0", said)
    (at,) = flight.read(tmp_path)
    assert (at.kind, at.cause, at.is_own) == ("died", "for want of memory", True)
    assert "Traceback ..." in at.traceback


@pytest.mark.parametrize(("lines", "is_certain"), [([], True), (["recorder.begin(6)"], False)])
def test_what_earlier_points_may_have_caused_is_not_certain(tmp_path, lines, is_certain):
    lines = [*lines, "recorder.begin(7)", "recorder.at[0] = 0", "recorder.die('of something', '')"]
    fly(tmp_path, *lines)
    (at,) = flight.read(tmp_path)
    assert at.is_certain(False) == at.is_fresh == is_certain


def test_a_timeout_that_was_called_off_does_nothing(tmp_path):
    arms = "recorder.arm(0.05); recorder.disarm(); import time; time.sleep(0.2)"
    assert fly(tmp_path, arms).returncode == 0


def test_records_are_read_when_their_worker_has_ended(tmp_path):
    # A worker that is being killed may still commit and begin another point.
    code = f"""
import pathlib, time
from sweeps.worker.flight import Recorder
recorder = Recorder(pathlib.Path({str(tmp_path)!r}))
recorder.begin(1)
recorder.at[0] = 1
print(flush=True)
time.sleep(0.3)
recorder.at[0] = 2
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        threading.Thread(target=process.wait).start()  # reaps it
        (at,) = flight.read(tmp_path)
    assert at.point == 2


def test_a_record_cut_short_is_no_error(tmp_path):
    (tmp_path / f"{2**22 + 1}.flight").write_bytes(b"")
    flight.read(tmp_path)
    assert not list(tmp_path.iterdir())


def test_asking_to_stop(tmp_path):
    assert not flight.is_asked_to_stop(tmp_path)
    flight.ask_to_stop(tmp_path)
    assert flight.is_asked_to_stop(tmp_path)


def test_without_a_folder_nothing_is_recorded_and_nothing_ends():
    recorder = flight.Recorder(None)
    recorder.begin(3)
    recorder.at[0] = 1
    recorder.arm(1e-3)
    time.sleep(0.05)
    recorder.end()
