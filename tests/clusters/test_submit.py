"""Sweeps that `submit` gives to a real Slurm: all is computed, whatever happens to tasks."""

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import sweeps as product
from tests.clusters import slurm as slurms

SLOW = """
import os, time
from sweeps import experiment, grid

@experiment(grid(x=range({n})))
def slow(x):
    calls = os.open("calls", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(calls, b"%d\\n" % x)
    os.close(calls)
    {body}
    return x**2
"""
PATIENCE_S = 300


@pytest.fixture
def slow(project, cluster):
    """Write an experiment, and submit it: its jobs, and what was computed how often."""
    return Slow(project, cluster)


@pytest.fixture
def limited(tmp_path_factory, monkeypatch):
    """A cluster that enforces limits of memory, by cgroups."""
    if reason := slurms.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("limited")
    text = slurms.CONFIGURATION
    for plugin in ("ProctrackType=proctrack", "TaskPlugin=task"):
        start = text.index(plugin)
        line = text[start : text.index("\n", start)]
        text = text.replace(line, f"{plugin}/cgroup")
    monkeypatch.setattr(slurms, "CONFIGURATION", text)
    (folder / "cgroup.conf").write_text(
        "CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\nConstrainSwapSpace=yes\n"
    )
    with slurms.slurm(folder) as made:
        yield made


class Slow:
    def __init__(self, project, cluster):
        self.project, self.cluster = project, cluster

    def write(self, n, body):
        (self.project / "experiments" / "slow.py").write_text(SLOW.format(n=n, body=body))

    def submit(self, *given):
        command = [sys.executable, "-m", "sweeps", "submit", "slow", "--yes", "--json", *given]
        env = {**self.cluster.env, "XDG_CONFIG_HOME": str(self.project)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.said = json.loads(done.stdout)
        return self.said["job"], self.said["landing_job"]

    def calls(self):
        noted = self.project / "calls"
        return collections.Counter(noted.read_text().split() if noted.exists() else ())

    def wait_for_calls(self, n):
        until(lambda: self.calls().total() >= n)

    def state(self, task):
        job, _, number = task.partition("_")
        (found,) = (t for t in self.cluster.tasks(job) if t["ArrayTaskId"] == number)
        return found

    def finish(self):
        """Wait until all has landed, and return how many points were computed in vain."""
        job, landing = self.said["job"], self.said["landing_job"]
        self.cluster.wait(job, PATIENCE_S)
        (landed,) = self.cluster.wait(landing, PATIENCE_S)
        assert landed["JobState"] == "COMPLETED", self.logs()
        data, calls = product.load("slow"), self.calls()
        np.testing.assert_array_equal(data.slow, data.x**2, self.logs())
        assert set(calls) == {str(x) for x in data.x.values}
        return calls.total() - len(calls)

    def logs(self):
        paths = sorted(Path(self.said["folder"]).glob("*.log"))
        return "\n".join(f"{path.name}: {path.read_text()}" for path in paths)


def until(holds):
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < PATIENCE_S
        time.sleep(0.1)


def test_tasks_compute_each_point_once_and_one_job_lands(slow):
    slow.write(40, "time.sleep(0.03)")
    job, _ = slow.submit("--tasks", "3", "--engine", "serial", "--", "--comment=a b", "-c1")
    assert slow.finish() == 0
    tasks = slow.cluster.tasks(job)
    assert {task["JobState"] for task in tasks} == {"COMPLETED"}
    assert len(tasks) == 3
    before = (slow.project / "results" / "slow.h5").read_bytes()
    product.run("slow", engine="serial", results="other")
    for path in ("results/slow.h5", "other/slow.h5"):
        assert product.load(path).slow.equals(product.load("other/slow.h5").slow)
    assert product.plan("slow").missing == 0
    assert (slow.project / "results" / "slow.h5").read_bytes() == before


def test_the_cluster_says_how_many_tasks_it_takes(slow, monkeypatch, sweeps):
    slow.write(2000, "pass")
    for name in ("PATH", "SLURM_CONF"):
        monkeypatch.setenv(name, slow.cluster.env[name])
    said = sweeps("submit", "slow", "--tasks", "2000")
    assert said.code == 2
    assert "give at most --tasks 1001" in said.err


# ---- what happens to tasks


def scancel(slow, job):
    slow.cluster.call("scancel", f"{job}_1")
    until(lambda: slow.state(f"{job}_1")["JobState"] == "CANCELLED")


def requeue(slow, job):
    slow.cluster.call("scontrol", "requeue", f"{job}_1")


def kill(slow, job):
    mark = {f"SLURM_ARRAY_JOB_ID={job}", "SLURM_ARRAY_TASK_ID=1"}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark <= set((place / "environ").read_text(errors="replace").split("\0")):
                os.kill(int(place.name), signal.SIGKILL)


def lose_a_node(slow, job):
    slow.cluster.call("scontrol", "update", "nodename=n1", "state=down", "reason=test")


def preempt(slow, job):
    urgent = slow.cluster.submit("sleep 5", "--partition=urgent", "--nodelist=n1", "-c2")
    until(lambda: slow.cluster.tasks(urgent)[0]["JobState"] == "RUNNING")
    assert {int(task["Restarts"]) for task in slow.cluster.tasks(job)} == {0, 1}


@pytest.mark.campaign
@pytest.mark.parametrize("happens", [scancel, requeue, kill, lose_a_node, preempt])
def test_what_happens_to_tasks_costs_a_block_each(slow, happens):
    slow.write(400, "time.sleep(0.2)")
    job, _ = slow.submit("--tasks", "4", "--engine", "serial", "--", "-c1")
    slow.wait_for_calls(40)
    happens(slow, job)
    n_in_vain = slow.finish()
    restarts = [int(task["Restarts"]) for task in slow.cluster.tasks(job)]
    print(f"{happens.__name__}: {n_in_vain} of 400 points computed in vain, restarts {restarts}")
    n_hit = 2 if happens in (lose_a_node, preempt) else 1
    assert n_in_vain <= 20 * n_hit  # a block is at most 2 s or so


@pytest.mark.campaign
@pytest.mark.parametrize("where", ["cluster", "limited"])
def test_a_task_that_was_cancelled_does_not_come_back(project, request, where):
    """On `cluster` all processes of a task hear of it, on `limited` its shell alone."""
    slow = Slow(project, request.getfixturevalue(where))
    slow.write(400, "time.sleep(0.2)")
    job, _ = slow.submit("--tasks", "4", "--engine", "serial", "--", "-c1")
    slow.wait_for_calls(40)
    slow.cluster.call("scancel", job)
    slow.cluster.wait(job)
    assert {task["JobState"] for task in slow.cluster.tasks(job)} == {"CANCELLED"}
    (landed,) = slow.cluster.wait(slow.said["landing_job"])
    assert landed["JobState"] == "COMPLETED"
    known = product.status("slow")
    assert 40 <= known.landed == known.done == slow.calls().total() < 400


@pytest.mark.campaign
def test_a_minute_of_time_is_enough_for_100_seconds_of_work(slow):
    slow.write(200, "time.sleep(0.5)")
    job, _ = slow.submit("--tasks", "1", "--engine", "serial", "--set", "time=1", "--", "-c1")
    n_in_vain = slow.finish()
    (task,) = slow.cluster.tasks(job)
    print(f"a minute: restarts {task['Restarts']}, {n_in_vain} of 200 points computed in vain")
    assert int(task["Restarts"]) > 0
    assert n_in_vain <= 4 * int(task["Restarts"])


@pytest.mark.campaign
def test_a_point_that_takes_longer_than_the_time_is_given_up(slow):
    slow.write(2, "time.sleep(0 if x else 600)")
    job, landing = slow.submit("--tasks", "1", "--engine", "serial", "--set", "time=1", "--", "-c1")
    slow.cluster.wait(job, PATIENCE_S)
    slow.cluster.wait(landing)
    (task,) = slow.cluster.tasks(job)
    print(f"too long: restarts {task['Restarts']}")
    assert int(task["Restarts"]) <= 3
    assert "submit it with more --set time=" in slow.logs()
    assert product.status("slow").landed <= 1  # none where it began with the long one each time


GREEDY = "held = b'x' * (900 * 2**20 * (x == 3))"


@pytest.mark.campaign
def test_a_point_beyond_the_memory_fails_alone_and_more_memory_is_what_it_needs(limited, project):
    slow = Slow(project, limited)
    slow.write(20, GREEDY)
    slow.submit("--tasks", "2", "-j1", "--set", "mem=600M", "--", "-c1")
    job, landing = slow.said["job"], slow.said["landing_job"]
    print([task["JobState"] for task in limited.wait(job, PATIENCE_S)])
    limited.wait(landing)
    (failed,) = product.failures("slow")
    print(failed.kind, failed.type, failed.message)
    assert failed.kind == "died"
    assert failed.params == {"x": 3}
    assert product.status("slow").landed == 19
    before = slow.calls()
    slow.submit("--tasks", "2", "-j1", "--failed", "--kind", "died", "--set", "mem=1500M")
    slow.finish()
    assert (slow.calls() - before) == {"3": 1}
