"""What workers need of a machine: where it is missing, a run says what, and computes nothing."""

import errno
import json
import multiprocessing
import os
import shutil
import subprocess
import sys

import joblib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import engines
from sweeps.engines import pool

pytestmark = pytest.mark.usefixtures("children_that_look")

COUNTED = """
from pathlib import Path
from sweeps import experiment, grid
@experiment(grid(n=range(4)), timeout=5)
def counted(n):
    Path(f"computed-{n}").touch()
    return n
"""
RUN = [sys.executable, "-m", "sweeps", "run", "counted", "--json"]


@pytest.fixture
def counted(project):
    (project / "experiments" / "counted.py").write_text(COUNTED)
    return project


def refuse_semaphores(monkeypatch, number):
    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("_multiprocessing.SemLock", refuse)


@pytest.mark.parametrize("engine", ["loky", "threads"])
@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.ENOENT, errno.ENOSYS])
def test_without_semaphores_nothing_is_computed_in_this_process(
    counted, sweeps, monkeypatch, engine, number
):
    refuse_semaphores(monkeypatch, number)
    said = sweeps("run", "counted", "--engine", engine)
    assert (said.code, said.out) == (2, "")
    assert os.strerror(number) in said.err
    assert "/dev/shm" in said.err
    assert "--engine serial" in said.err
    assert not list(counted.glob("computed-*"))
    assert sweeps("run", "counted", "--engine", "serial", "--json").json["computed"] == 4
    assert sweeps("run", "counted", "--json").json["reused"] == 4  # nothing to do needs nothing


def test_joblib_switched_off_is_named(counted, sweeps, monkeypatch):
    monkeypatch.setenv("JOBLIB_MULTIPROCESSING", "0")
    said = sweeps("run", "counted", "--json")
    assert (said.code, said.out) == (2, "")
    assert "JOBLIB_MULTIPROCESSING=0" in said.err


@pytest.mark.parametrize("engine", ["loky", "threads"])
def test_joblib_that_found_no_semaphores_is_not_asked(counted, sweeps, monkeypatch, engine):
    """It would call the function in this process, of which a block makes a worker."""
    monkeypatch.setattr("joblib._multiprocessing_helpers.mp", None)
    said = sweeps("run", "counted", "--engine", engine)
    assert (said.code, said.out) == (2, "")
    assert "joblib was imported while no semaphore could be made" in said.err
    assert not list(counted.glob("computed-*"))


def test_a_worker_of_a_pool_refuses_processes_and_computes_in_itself(counted, sweeps, monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    said = sweeps("run", "counted", "--json")
    assert (said.code, said.out) == (2, "")
    assert "may not start processes" in said.err
    assert sweeps("run", "counted", "--engine", "serial", "--json").json["computed"] == 4


@pytest.mark.parametrize(
    "starting",
    [
        "joblib.externals.loky.backend.resource_tracker.ensure_running",
        "joblib.externals.loky.process_executor.ProcessPoolExecutor.submit",
        "joblib.externals.loky.backend.queues.Queue._start_thread",
    ],
)
@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (RuntimeError("unable to start watchdog thread"), "ulimit -u"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "/dev/shm"),
    ],
)
def test_a_start_that_fails_says_which_limit_it_is(
    counted, sweeps, monkeypatch, error, missing, starting
):
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and "submit" in starting:
        pytest.skip("semaphores are made before")

    def fail(*_):
        raise error

    monkeypatch.setattr(starting, fail)
    said = sweeps("run", "counted")
    assert (said.code, said.out) == (2, "")
    assert missing in said.err
    assert "Traceback" not in said.err


def test_other_errors_keep_their_own_words():
    for error in (FileNotFoundError(2, "No such file", "a.h5"), RuntimeError("no")):
        with pytest.raises(type(error)), pool.explained():
            raise error


def test_serial_needs_nothing(monkeypatch):
    refuse_semaphores(monkeypatch, errno.ENOSPC)
    engines.get("serial").check()


@pytest.mark.parametrize(
    "mounted",
    ["size=20k", *(pytest.param(m, marks=pytest.mark.campaign) for m in ("ro", "size=4k"))],
)
def test_shared_memory_that_is_read_only_or_full_is_named(counted, mounted):
    command = f'mount -t tmpfs -o {mounted} none /dev/shm && exec "$@"'
    isolated = ["unshare", "-m", "sh", "-c", command, "sh"]
    tried = shutil.which("unshare") and subprocess.run([*isolated, "true"], capture_output=True)
    if not tried or tried.returncode:
        pytest.skip("needs the right to mount")
    done = subprocess.run([*isolated, *RUN], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: cannot start workers: no semaphore can be made")
    assert len(done.stderr.splitlines()) == 1
    assert not list(counted.glob("computed-*"))


def test_without_proc_time_limits_hold_and_results_load(counted):
    slow = COUNTED.replace("timeout=5", "timeout=0.5") + "    time.sleep(9 * (n == 2))\n"
    slow = "import time\n" + slow.replace("    return n\n", "") + "    return n\n"
    (counted / "experiments" / "counted.py").write_text(slow)
    command = 'mount -t tmpfs none /proc && "$@"; "$1" -m sweeps show counted >&2'
    isolated = ["unshare", "-m", "sh", "-c", command, "sh"]
    tried = shutil.which("unshare") and subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/proc"], capture_output=True
    )
    if not tried or tried.returncode:
        pytest.skip("needs the right to mount")
    done = subprocess.run([*isolated, *RUN, "-j1"], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["failed"] == 1
    assert "missing" in done.stderr  # the header of the table
    assert done.returncode == 0


ALLOCATED = ("SLURM_CPUS_PER_TASK", "NSLOTS", "PBS_NP", "NCPUS", "LSB_DJOB_NUMPROC")


@pytest.fixture
def eight(monkeypatch):
    """Eight cores, and no batch system."""
    monkeypatch.setattr("joblib.parallel.cpu_count", lambda: 8)
    for name in (*ALLOCATED, "SLURM_CPUS_ON_NODE", "SLURM_JOB_NUM_NODES"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("engine", ["loky", "threads"])
@pytest.mark.parametrize("name", ALLOCATED)
@pytest.mark.parametrize(
    ("said", "n"), [("3", 3), ("1", 1), ("64", 8), ("", 8), ("0", 8), ("-2", 8), ("4(x2)", 8)]
)
def test_there_are_as_many_workers_as_a_batch_system_gives_cores(eight, engine, name, said, n):
    eight.setenv(name, said)
    assert engines.get(engine).n_workers(None) == n
    assert engines.get(engine).n_workers(5) == 5  # who gives a number knows better


@given(said=st.dictionaries(st.sampled_from(ALLOCATED), st.text("0123456789 x-", max_size=9)))
def test_whatever_batch_systems_say_there_are_workers(said):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in said.items():
            patch.setenv(name, value)
        assert 1 <= pool.n_workers(None) <= joblib.cpu_count()


@pytest.mark.parametrize(("nodes", "per_task", "n"), [("1", "", 2), ("2", "", 8), ("1", "4", 4)])
def test_the_cores_of_a_node_count_in_jobs_of_one_node(eight, nodes, per_task, n):
    eight.setenv("SLURM_CPUS_ON_NODE", "2")
    eight.setenv("SLURM_JOB_NUM_NODES", nodes)
    eight.setenv("SLURM_CPUS_PER_TASK", per_task)
    assert pool.n_workers(None) == n
