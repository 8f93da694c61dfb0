"""Sweeps on a real Slurm cluster of two nodes: every point once, whatever becomes of tasks."""

import collections
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

import sweeps

POINT_S, BLOCK_S = 0.05, 0.5

COUNTED = """
import os, time
from sweeps import experiment, grid

@experiment(grid(x=range(N), y=range(20)))
def counted(x, y):
    time.sleep(POINT_S)
    calls = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(calls, f"{x} {y}\\n".encode())
    os.close(calls)
    return x * 100.0 + y
"""

SWEEPS = f"exec {sys.executable} -m sweeps"
"""In the place of the shell of a batch script, so that signals to it are heard."""


@pytest.fixture
def counted(project):
    """Write an experiment of 20 n points that counts its calls."""

    def write(n, point_s):
        text = COUNTED.replace("(N)", f"({n})").replace("POINT_S", str(point_s))
        (project / "experiments" / "counted.py").write_text(text)
        return project

    return write


def calls():
    path = Path("calls")
    lines = path.read_text().splitlines() if path.exists() else []
    return collections.Counter(lines)


def await_calls(n):
    deadline = time.monotonic() + 60
    while calls().total() < n:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def exit_codes(tasks):
    return [int(task["ExitCode"].partition(":")[0]) for task in tasks]


def test_an_array_runs_on_all_nodes_and_tells_how_it_ended(cluster, tmp_path):
    job = cluster.submit(
        "echo $SLURMD_NODENAME; exit $SLURM_ARRAY_TASK_ID", "--array=0-3", cwd=tmp_path
    )
    assert exit_codes(cluster.wait(job)) == [0, 1, 2, 3]
    assert set(cluster.logs(job).split()) == {"n0", "n1"}


def test_tasks_that_work_take_every_point_once_and_one_job_lands(cluster, counted):
    project = counted(10, 0.005)
    work = cluster.submit(f"{SWEEPS} work counted --engine=serial", "--array=0-3", cwd=project)
    land = cluster.submit(f"{SWEEPS} land counted", f"--dependency=afterany:{work}", cwd=project)
    (landed,) = cluster.wait(land)
    assert exit_codes([*cluster.tasks(work), landed]) == [0] * 5, cluster.logs(work)
    assert calls() == {f"{x} {y}": 1 for x in range(10) for y in range(20)}
    assert "results/counted.h5" not in cluster.logs(work)
    assert "200 done, 0 failed, 0 missing → results/counted.h5" in cluster.logs(land)


def test_tasks_of_an_array_and_processes_of_a_task_know_their_shards(cluster, counted):
    project = counted(1, 0)
    script = f"srun -n 2 {SWEEPS.removeprefix('exec ')} run counted --shard=auto --engine=serial"
    job = cluster.submit(script, "--array=1-3:2", "--ntasks=2", cwd=project)
    assert exit_codes(cluster.wait(job)) == [0, 0]
    for k in range(4):
        assert f"counted {k}/4: 5 points: 5 computed" in cluster.logs(job)
    assert len(calls()) == calls().total() == 20


# ---- longer forms


def scancel(cluster, job):
    cluster.call("scancel", f"{job}_1")


def requeue(cluster, job):
    cluster.call("scontrol", "requeue", f"{job}_1")


def kill(cluster, job):
    """Kill all processes of a task, as the kernel does for want of memory."""
    marks = {f"SLURM_ARRAY_JOB_ID={job}".encode(), b"SLURM_ARRAY_TASK_ID=1"}
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if marks <= set(place.read_bytes().split(b"\0")):
                os.kill(int(place.parent.name), signal.SIGKILL)


def node_down(cluster, job):
    """Have a node be down until its daemon speaks again."""
    cluster.call("scontrol", "update", "nodename=n1", "state=down", "reason=test")


def preempt(cluster, job):
    cluster.submit("sleep 3", "--partition=urgent", "--exclusive", cwd=cluster.folder)


@pytest.mark.campaign
@pytest.mark.parametrize("trouble", [scancel, requeue, kill, node_down, preempt])
def test_campaign_of_trouble_with_tasks(cluster, counted, trouble):
    project = counted(60, POINT_S)
    job = cluster.submit(f"{SWEEPS} work counted -j 1", "--array=0-3", "--requeue", cwd=project)
    await_calls(40)
    trouble(cluster, job)
    tasks = cluster.wait(job, timeout_s=120)
    n_again = calls().total() - len(calls())
    restarts = sum(int(task["Restarts"]) for task in tasks)
    print(
        f"{trouble.__name__}: {len(calls())} points, {n_again} computed again, "
        f"{restarts} restarts, exit codes {exit_codes(tasks)}"
    )
    assert len(calls()) == 1200
    assert (restarts > 0) == (trouble in (requeue, node_down, preempt))
    assert n_again * POINT_S <= 2 * (BLOCK_S + POINT_S)  # two tasks a node
    assert bool(sweeps.land("counted").counted.notnull().all())


@pytest.mark.campaign
def test_campaign_of_tasks_whose_time_is_over(cluster, counted):
    """100 s of work in tasks that have a minute, one after the other."""
    project = counted(100, POINT_S)
    options = ("--array=0-14%1", "--time=1", "--signal=B:TERM@20")
    job = cluster.submit(f"{SWEEPS} work counted -j 1", *options, cwd=project)
    tasks = cluster.wait(job, timeout_s=400)
    n_again = calls().total() - len(calls())
    print(f"walltime: {n_again} computed again, exit codes {exit_codes(tasks)}")
    assert (len(calls()), n_again) == (2000, 0)
    assert exit_codes(tasks)[-1] == 0
    assert set(exit_codes(tasks)) == {0, 130}
