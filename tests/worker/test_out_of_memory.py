"""A worker that was killed for want of memory is told from one that was killed otherwise."""

import contextlib
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest

from sweeps.operations import failures
from sweeps.worker.out_of_memory import Kills

KILLED = "exit code SIGKILL(-9)"

OUT = "killed (SIGKILL): out of memory"


class Machine:
    """The files of Linux that say something of memory."""

    def __init__(self, root):
        self.root = root
        self.write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\n")

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def kills(self, **environment):
        return Kills(self.root, environment)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def version_2(machine, n_killed, limits=("max", "629145600", "max")):
    """The group two levels below the top; the one above it is limited."""
    machine.write("proc/self/cgroup", "0::/slurm/job_7\n")
    for folder, limit in zip(("", "slurm/", "slurm/job_7/"), limits, strict=True):
        machine.write(f"sys/fs/cgroup/{folder}memory.max", f"{limit}\n")
    said = f"low 0\nhigh 0\nmax 40\noom 3\noom_kill {n_killed}\noom_group_kill 0\n"
    machine.write("sys/fs/cgroup/slurm/job_7/memory.events", said)


def version_1(machine, n_killed, limit="629145600"):
    machine.write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/job:7\n0::/\n")
    place = "sys/fs/cgroup/memory/job:7/"
    said = f"oom_kill_disable 0\nunder_oom 0\noom_kill {n_killed}\n"
    machine.write(f"{place}memory.oom_control", said)
    machine.write(f"{place}memory.limit_in_bytes", f"{limit}\n")


@pytest.mark.parametrize("group", [version_1, version_2])
def test_a_kill_that_the_kernel_counts_is_for_want_of_memory(machine, group):
    group(machine, 2)
    kills = machine.kills()
    assert kills.why(KILLED) == ""  # by somebody else
    group(machine, 3)
    assert kills.why("exit code EXIT(1)") == ""
    assert kills.why(KILLED) == f"{OUT} (the limit is 600M)"
    assert kills.why(KILLED) == ""  # the next one is another one


def test_without_a_limit_the_machine_itself_has_run_out(machine):
    machine.write("proc/vmstat", "nr_free_pages 1\noom_kill 0\n")
    kills = machine.kills()
    machine.write("proc/vmstat", "nr_free_pages 1\noom_kill 1\n")
    assert kills.why(KILLED) == OUT


@pytest.mark.parametrize("limit", ["max", "9223372036854771712", "17000000000000"])
def test_a_limit_above_what_the_machine_has_is_none(machine, limit):
    version_2(machine, 0, limits=("max", limit, "max"))
    kills = machine.kills()
    version_2(machine, 1, limits=("max", limit, "max"))
    assert kills.why(KILLED) == OUT


def test_a_container_that_sees_its_own_group_only(machine):
    machine.write("proc/self/cgroup", "4:memory:/docker/abc\n")
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n")
    assert machine.kills().why(KILLED) == "killed (SIGKILL): likely out of memory (the limit is 1G)"


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({"SLURM_MEM_PER_NODE": "600"}, "600M"),
        ({"SLURM_MEM_PER_CPU": "1024", "SLURM_CPUS_ON_NODE": "4"}, "4G"),
    ],
)
def test_a_job_of_slurm_that_nobody_counts_for_has_likely_run_out(machine, environment, limit):
    said = machine.kills(**environment).why(KILLED)
    assert said == f"killed (SIGKILL): likely out of memory (the limit is {limit})"


@pytest.mark.parametrize(
    "environment",
    [{}, {"SLURM_MEM_PER_NODE": "0"}, {"SLURM_MEM_PER_CPU": "9"}, {"SLURM_MEM_PER_NODE": "all"}],
)
def test_nothing_is_said_where_nothing_is_known(tmp_path, environment):
    assert Kills(tmp_path / "nowhere", environment).why(KILLED) == ""


@contextlib.contextmanager
def real_group(n_bytes):
    """A cgroup of this machine with so much memory; skip where none can be made."""
    name = f"sweeps-{uuid.uuid4().hex}"
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    folder, limit = first / name, "memory.limit_in_bytes"
    if not first.is_dir():
        folder, limit = second / name, "memory.max"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        try:
            (folder / limit).write_text(str(n_bytes))
        except OSError as error:
            pytest.skip(f"the memory of a cgroup cannot be limited here: {error}")
        for swap in ("memory.memsw.limit_in_bytes", "memory.swap.max"):
            with contextlib.suppress(OSError):
                (folder / swap).write_text(str(n_bytes) if "memsw" in swap else "0")
        yield folder
    finally:
        deadline = time.monotonic() + 30
        while (folder / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.02)  # what guards the workers ends after the run
        folder.rmdir()


def test_a_point_that_a_real_cgroup_has_killed_is_told_to_be_out_of_memory(project):
    (project / "experiments" / "large.py").write_text(
        textwrap.dedent(
            """
            from sweeps import experiment, grid

            @experiment(grid(x=range(2)))
            def large(x):
                return len(bytearray(b"1" * (600 * 2**20 if x == 1 else 1)))
            """
        )
    )
    with real_group(300 * 2**20) as folder:
        code = (
            "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(str(os.getpid()));"
            "os.execv(sys.executable, [sys.executable, '-m', 'sweeps', *sys.argv[2:]])"
        )
        words = ["run", "large", "-j", "1"]
        command = [sys.executable, "-c", code, str(folder / "cgroup.procs"), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stderr
    assert "1 computed, 0 reused, 1 failed" in done.stdout
    (failed,) = failures.failures("large")
    assert failed.message == f"the worker died: {OUT} (the limit is 300M)"
