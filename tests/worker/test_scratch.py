"""Laws of temporary folders: those of dead runs go, those of live runs and of others stay."""

import fcntl
import os
import signal
import subprocess
import sys
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


def test_the_run_after_one_that_was_killed_with_all_its_processes_cleans_up(project):
    (project / "experiments" / "killed.py").write_text(KILLED)
    places = project / "temporary"
    places.mkdir()
    command = [sys.executable, "-m", "sweeps", "run", "killed"]
    options = {"env": os.environ | {"TMPDIR": str(places)}, "capture_output": True}
    first = subprocess.Popen(
        command,
        env=options["env"],
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
    done = subprocess.run([*command, "is_fatal=false", "-j", "1"], timeout=60, **options)
    assert done.returncode == 0
    assert not list(places.glob("sweeps-run-*"))
    assert not [path for path in semaphores if path.exists()]
