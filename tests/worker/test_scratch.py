"""Laws of the temporary folder: killed runs leave none, and flight records outlive workers."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sweeps.worker import scratch
from sweeps.worker.scratch import Scratch

KILLED = """
import time
from sweeps import experiment, grid
@experiment(grid(n=range(2)))
def killed(n, is_fatal=True):
    open(f"at-{n}", "w").close()
    if is_fatal:
        time.sleep(100)
    return n
"""


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A temporary folder and a shared memory of the test's own."""
    for name in ("temporary", "shared"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(scratch, "_SHARED", tmp_path / "shared")
    return tmp_path


def dead_process():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def left_by(pid):
    """What a run of another process would leave that is dead, or not."""
    made = Scratch()
    (made.path / "settings").write_bytes(b"many values")
    (made.path / scratch._LOCK).write_text(str(pid))
    return made


def die(made):
    os.close(made._lock)


def test_what_a_dead_run_left_is_removed_with_its_semaphores(places):
    pid, worker = dead_process(), dead_process()
    made = left_by(pid)
    (made.path / f"{worker}.flight").touch()
    kept = [places / "shared" / f"sem.loky-{pid}9-abc", places / "shared" / "sem.other"]
    gone = [places / "shared" / f"sem.loky-{n}-abc" for n in (pid, worker)]
    for path in (*kept, *gone):
        path.touch()
    arrays = places / "temporary" / f"joblib_memmapping_folder_{pid}_a_b"
    arrays.mkdir()
    Scratch().remove()
    assert made.path.exists()  # its run lives
    die(made)
    own = Scratch()
    assert not made.path.exists()
    assert not arrays.exists()
    assert [path.exists() for path in (*kept, *gone)] == [True, True, False, False]
    own.remove()
    assert not list((places / "temporary").iterdir())


def test_semaphores_of_a_process_that_lives_are_left(places):
    made = left_by(os.getpid())
    semaphore = places / "shared" / f"sem.loky-{os.getpid()}-abc"
    semaphore.touch()
    die(made)
    Scratch().remove()
    assert not made.path.exists()
    assert semaphore.exists()


def without_lock(folder):
    folder.mkdir()


def unfinished(folder):
    folder.mkdir()
    (folder / f"{scratch._LOCK}.new").touch()


def link(folder):
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / scratch._LOCK).touch()
    folder.symlink_to(folder.parent / "elsewhere")


def lock_is_a_link(folder):
    folder.mkdir()
    (folder.parent / "file").touch()
    (folder / scratch._LOCK).symlink_to(folder.parent / "file")


def plain_file(folder):
    folder.touch()


@pytest.mark.parametrize("make", [without_lock, unfinished, link, lock_is_a_link, plain_file])
def test_what_is_not_surely_left_by_a_run_stays(places, make):
    folder = places / "temporary" / f"{scratch._PREFIX}other"
    make(folder)
    Scratch().remove()
    assert folder.exists() or folder.is_symlink()


@pytest.mark.parametrize("said", ["", "no number", "99999999999999999999"])
def test_a_lock_that_names_no_process_costs_nothing(places, said):
    made = left_by(0)
    (made.path / scratch._LOCK).write_text(said)
    die(made)
    Scratch().remove()
    assert not made.path.exists()


def test_where_nothing_can_be_locked_nothing_is_removed(places, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    made = Scratch()
    monkeypatch.undo()
    monkeypatch.setattr("tempfile.tempdir", str(places / "temporary"))
    Scratch().remove()
    assert made.path.exists()


def test_the_run_after_one_that_was_killed_with_all_its_processes_cleans_up(
    project, sweeps, monkeypatch
):
    (project / "experiments" / "killed.py").write_text(KILLED)
    places = project / "temporary"
    places.mkdir()
    first = subprocess.Popen(
        [sys.executable, "-m", "sweeps", "run", "killed", "-j", "1"],
        env=os.environ | {"TMPDIR": str(places)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(project.glob("at-*")):
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    semaphores = list(Path("/dev/shm").glob(f"sem.loky-{first.pid}-*"))
    assert list(places.glob("sweeps-run-*"))
    monkeypatch.setattr("tempfile.tempdir", str(places))
    assert sweeps("run", "killed", "is_fatal=false", "--engine", "serial").code == 0
    assert not list(places.glob("sweeps-run-*"))
    assert not [path for path in semaphores if path.exists()]


# ---- flight records: what a worker was at can be read after whatever killed it


DEATHS = {
    "kill": "import signal; os.kill(os.getpid(), signal.SIGKILL)",
    "exit": "os._exit(3)",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "timeout": "recorder.arm(0.05); import time; time.sleep(60)",
    "timeout in C": "recorder.arm(0.05); import ctypes; ctypes.CDLL(None).sleep(60)",
}


def fly(folder, *lines):
    """Let a process record; what it says, and its number."""
    code = ["import os, pathlib", "from sweeps.worker.scratch import Recorder"]
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
    (at,) = scratch.read(tmp_path)
    assert (at.block, at.point, at.n_points, at.kind, at.cause) == (7, 5, 1, kind, cause)
    assert at.is_own == at.is_certain(False) == (death not in ("kill", "exit"))
    assert at.is_certain(True) == ("timeout" in death)
    assert ("File" in at.traceback) == at.is_own
    assert not list(tmp_path.iterdir())


def test_between_points_nothing_is_blamed(tmp_path):
    cases = [
        [],
        ["recorder.begin(7)"],
        ["recorder.begin(7)", "recorder.at[0] = 5", "recorder.end()"],
        ["recorder.begin(7)", "recorder.at[0] = 5", "recorder.begin(8)"],
    ]
    folders = [tmp_path / str(number) for number in range(len(cases))]
    code = []
    for folder, lines in zip(folders, cases, strict=True):
        folder.mkdir()
        code += [f"recorder = Recorder(pathlib.Path({str(folder)!r}))", *lines]
    fly(tmp_path, *code, "os._exit(1)")
    assert all(list(folder.glob("*.flight")) for folder in folders)
    assert [scratch.read(folder) for folder in folders] == [[], [], [], []]


def test_a_worker_may_say_itself_why_it_dies(tmp_path):
    said = "recorder.die('for want of memory', 'Traceback ...')"
    fly(tmp_path, "recorder.begin(7)", "recorder.at[0] = 0", said)
    (at,) = scratch.read(tmp_path)
    assert (at.kind, at.cause, at.is_own) == ("died", "for want of memory", True)
    assert "Traceback ..." in at.traceback


@pytest.mark.parametrize(("lines", "is_certain"), [([], True), (["recorder.begin(6)"], False)])
def test_what_earlier_points_may_have_caused_is_not_certain(tmp_path, lines, is_certain):
    lines = [*lines, "recorder.begin(7)", "recorder.at[0] = 0", "recorder.die('of something', '')"]
    fly(tmp_path, *lines)
    (at,) = scratch.read(tmp_path)
    assert at.is_certain(False) == at.is_fresh == is_certain


def test_a_timeout_that_was_called_off_does_nothing(tmp_path):
    arms = "recorder.arm(0.05); recorder.disarm(); import time; time.sleep(0.1)"
    assert fly(tmp_path, arms).returncode == 0


def test_records_are_read_when_their_worker_has_ended(tmp_path):
    # A worker that is being killed may still commit and begin another point.
    code = f"""
import pathlib, time
from sweeps.worker.scratch import Recorder
recorder = Recorder(pathlib.Path({str(tmp_path)!r}))
recorder.begin(1)
recorder.at[0] = 1
print(flush=True)
time.sleep(0.2)
recorder.at[0] = 2
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        threading.Thread(target=process.wait).start()  # reaps it
        (at,) = scratch.read(tmp_path)
    assert at.point == 2


def test_a_record_cut_short_is_no_error(tmp_path):
    (tmp_path / f"{2**22 + 1}.flight").write_bytes(b"")
    scratch.read(tmp_path)
    assert not list(tmp_path.iterdir())


def test_asking_to_stop(tmp_path):
    assert not scratch.is_asked_to_stop(tmp_path)
    scratch.ask_to_stop(tmp_path)
    assert scratch.is_asked_to_stop(tmp_path)


def test_without_a_folder_nothing_is_recorded_and_nothing_ends():
    recorder = scratch.Recorder(None)
    recorder.begin(3)
    recorder.at[0] = 1
    recorder.arm(1e-3)
    time.sleep(0.05)
    recorder.end()
