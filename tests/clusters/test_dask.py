"""Laws of the engine dask, on real processes of Dask: whatever is lost, the values are right."""

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

import sweeps
from sweeps import SweepsError
from sweeps.execution.options import Options
from sweeps.operations import run
from sweeps.project.sweep import resolve
from tests.clusters import dask

pytestmark = pytest.mark.skipif(
    not dask.HAS_DASK, reason="distributed is not installed: pip install 'sweeps[dask]'"
)

MANY = pytest.param(60, marks=pytest.mark.campaign)

POISON = """
import os, signal, time
from sweeps import experiment, grid

@experiment(grid(i=range(N)))
def poison(i, rng):
    time.sleep(0.02)
    if i % 4 == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"y": i * 0.1 + rng.random()}
"""

PATIENT = """
import time
from sweeps import experiment, grid

@experiment(grid(i=range(200)))
def patient(i):
    time.sleep(0.05)
    return {"y": i * 0.1}
"""


@pytest.fixture
def patient(project):
    (project / "experiments" / "patient.py").write_text(PATIENT)


def check_poison(here):
    """Compare the results with those of the same code without poison, on this machine."""
    elsewhere = sweeps.load("poison").y
    module = Path("experiments/poison.py")
    module.write_text(module.read_text().replace("os.kill(", "(lambda *_: None)("))
    run.execute(resolve("poison", results=here), Options("serial"))
    expected = sweeps.load("poison", results=here).y.where(elsewhere.i % 4 != 1)
    assert elsewhere.equals(expected)


def check_patient():
    assert sweeps.load("patient").y.values.tolist() == [i * 0.1 for i in range(200)]


def once_committed(act):
    """Do something once the first points of a run are committed."""

    def wait():
        while not list(Path("results").rglob("*.seg")):
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("n", [8, MANY])
def test_poisoned_points_fail_and_no_worker_dies(project, tmp_path, n):
    (project / "experiments" / "poison.py").write_text(POISON.replace("N", str(n)))
    with dask.cluster(tmp_path, 2) as cluster:
        options = Options("dask", address=str(cluster.file))
        report = run.execute(resolve("poison"), options)
        assert [worker.poll() for worker in cluster.workers] == [None, None]
    assert (report.n_computed, report.n_failed) == (n - n // 4, n // 4)
    assert {f.params["i"] for f in sweeps.failures("poison")} == set(range(1, n, 4))
    check_poison(tmp_path / "here")


PROGRAM = """
from sweeps import experiment, grid, program
from sweeps.readers import regex

half = program(
    ["./half.sh", "{i}"],
    files={"input": "half of {i}"},
    read={"y": regex("stdout", r"y = (\\S+)")},
    keep="out*",
    timeout=20,
)
solved = experiment(grid(i=range(40)), name="solved")(half)
"""

HALF = """#!/bin/sh
[ "$(ls)" = "input
stderr
stdout" ] || exit 9
[ $1 = 7 ] && { echo seven >&2; exit 7; }
[ $1 = 8 ] && kill -9 $$
setsid sleep 98765 &
cat input > out_$1
echo "y = $(($1 / 2))"
"""


def test_programs_run_on_its_workers(project, tmp_path):
    (project / "experiments" / "solved.py").write_text(PROGRAM)
    (project / "half.sh").write_text(HALF)
    (project / "half.sh").chmod(0o755)
    with dask.cluster(tmp_path, 2) as cluster:
        report = run.execute(resolve("solved"), Options("dask", address=cluster.address))
        is_left = subprocess.run(["pgrep", "-f", "^sleep 98765"], check=False).returncode == 0
    assert (report.n_computed, report.n_failed) == (38, 2)
    assert not is_left
    said = {f.params["i"]: f"{f.message}\n{f.traceback}" for f in sweeps.failures("solved")}
    assert "ended with exit code 7" in said[7]
    assert said[7].endswith("--- stderr:\nseven\n")
    assert "ended by SIGKILL" in said[8]
    good = [i for i in range(40) if i not in (7, 8)]
    assert sweeps.load("solved").y.sel(i=good).values.tolist() == [i // 2 for i in good]
    for i in good:
        (kept,) = sweeps.files("solved", {"i": i}).values()
        assert (kept.name, kept.read_bytes()) == (f"out_{i}", f"half of {i}".encode())
    # Other code of the program makes all points stale, as on this machine.
    (project / "half.sh").write_text(HALF.replace("$1 / 2", "$1 / 3"))
    assert sweeps.plan("solved").reused == 0


@pytest.mark.campaign
def test_a_worker_is_killed(patient, tmp_path):
    with dask.cluster(tmp_path, 2) as cluster:
        once_committed(cluster.workers[0].kill)
        report = run.execute(resolve("patient"), Options("dask", address=cluster.address))
    assert (report.n_computed, report.n_failed) == (200, 0)
    check_patient()


@pytest.mark.campaign
def test_all_workers_are_killed_and_new_ones_come(patient, tmp_path):
    with dask.cluster(tmp_path, 2) as cluster:

        def replace():
            for worker in cluster.workers:
                worker.kill()
            time.sleep(3)
            cluster.add_worker()

        once_committed(replace)
        report = run.execute(resolve("patient"), Options("dask", address=cluster.address))
    assert (report.n_computed, report.n_failed) == (200, 0)
    check_patient()


@pytest.mark.campaign
def test_workers_come_late(patient, tmp_path):
    with dask.cluster(tmp_path, 0) as cluster:
        threading.Timer(3, cluster.add_worker).start()
        report = run.execute(resolve("patient"), Options("dask", address=cluster.address))
    assert report.n_computed == 200


@pytest.mark.campaign
def test_a_worker_is_stopped(patient, tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "5s")
    with dask.cluster(tmp_path, 2) as cluster:
        once_committed(lambda: os.killpg(cluster.workers[0].pid, signal.SIGSTOP))
        report = run.execute(resolve("patient"), Options("dask", address=cluster.address))
    assert (report.n_computed, report.n_failed) == (200, 0)
    check_patient()


@pytest.mark.campaign
def test_the_scheduler_is_killed(patient, tmp_path):
    with dask.cluster(tmp_path, 2) as cluster:
        once_committed(cluster.scheduler.kill)
        with pytest.raises(SweepsError, match=r"lost .*scheduler"):
            run.execute(resolve("patient"), Options("dask", address=cluster.address))
    n_kept = sweeps.plan("patient").reused
    assert 0 < n_kept < 200
    report = run.execute(resolve("patient"), Options("serial"))
    assert report.n_reused == n_kept
    check_patient()


@pytest.mark.campaign
def test_a_worker_sees_neither_project_nor_memo(patient, project, tmp_path):
    hide = f"mount -t tmpfs none {project}/experiments && mount -t tmpfs none {project}/results"
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-m", "true"], check=False).returncode:
        pytest.skip("no mount namespaces here")
    (project / "results").mkdir()
    with dask.cluster(tmp_path, 0) as cluster:
        cluster.add_worker(before=(unshare, "-m", "sh", "-c", f'{hide} && exec "$@"', "sh"))
        report = run.execute(resolve("patient"), Options("dask", address=cluster.address))
    assert (report.n_computed, report.n_failed) == (200, 0)
    check_patient()


@pytest.mark.parametrize(
    ("address", "said"),
    [(None, "needs a scheduler: start one with `dask scheduler"), ("tcp://127.0.0.1:9", "answers")],
)
def test_what_is_missing_is_said(patient, monkeypatch, address, said):
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setattr("sweeps.engines.dask._CONNECT_S", 0.5)
    with pytest.raises(SweepsError, match=said):
        run.execute(resolve("patient"), Options("dask", address=address))
