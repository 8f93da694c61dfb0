"""Laws of crews: a worker elsewhere never dies of a point, and no value depends on where it was."""

import os
import pickle
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import sweeps
from sweeps.execution import remote
from sweeps.execution.options import Options
from sweeps.operations import run
from sweeps.project.sweep import resolve

MIXED = """
import os, signal, time
from sweeps import experiment, grid

@experiment(grid(i=range(40)), units={"y": "m"})
def mixed(i, rng):
    if i == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    if i == 9:
        raise ValueError("no nine")
    if i == 11:
        print("eleven")
    return {"y": i * 0.1 + rng.random(), "profile": [i] * 3}
"""


@pytest.fixture
def mixed(project):
    (project / "experiments" / "mixed.py").write_text(MIXED)


def unseen(monkeypatch):
    """Have crews find no probe of the run in the memo, as on a machine without that folder."""
    pack = remote.pack

    def pack_and_forget(sweep, folder, *args, **options):
        work = pack(sweep, folder, *args, **options)
        remote.forget(sweep.memo, folder)
        return work

    monkeypatch.setattr(remote, "pack", pack_and_forget)


@pytest.mark.parametrize("is_seen", [True, False])
def test_values_failures_and_printed_text_are_those_of_this_machine(
    mixed, monkeypatch, tmp_path, is_seen
):
    if not is_seen:
        unseen(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        report = run.execute(resolve("mixed"), Options(pool))
    assert (report.n_computed, report.n_failed) == (38, 2)
    failed = {f.params["i"]: f.kind for f in sweeps.failures("mixed")}
    assert failed == {7: "died", 9: "exception"}
    elsewhere = sweeps.load("mixed")
    run.execute(resolve("mixed", results=tmp_path), Options("loky", n_workers=1))
    assert elsewhere.equals(sweeps.load("mixed", results=tmp_path))
    kept = list(Path("results").rglob("printed.jsonl"))
    assert [line.count("eleven") for path in kept for line in path.read_text().splitlines()]
    assert not list(Path("results").rglob(".tmp-*"))


PATIENT = """
import time
from sweeps import experiment, grid

@experiment(grid(i=range(60)))
def patient(i):
    time.sleep(0.02)
    return i
"""


def crews():
    """Process ids of the crews that this process has started."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                command = (place / "cmdline").read_bytes()
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if b"crew.main" in command and parent == os.getpid():
                found.append(int(place.name))
    return found


def test_a_crew_that_is_killed_costs_its_block_only(project):
    (project / "experiments" / "patient.py").write_text(PATIENT)
    killed = []

    def kill():
        while not killed:
            if list(Path("results").rglob("*.seg")):
                killed.extend(crews()[:1])
                os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    with ThreadPoolExecutor(1) as pool:
        report = run.execute(resolve("patient"), Options(pool))
    killer.join()
    assert (report.n_computed, report.n_failed) == (60, 0)
    assert sweeps.load("patient").patient.values.tolist() == list(range(60))


class Losing(ThreadPoolExecutor):
    """Loses blocks with a certain point, as a cluster does whose machine the point takes down."""

    def __init__(self, deadly):
        super().__init__(1)
        self.deadly = deadly

    def submit(self, function, code, told):
        future = Future()
        _, _, _, block = pickle.loads(told["told"])
        if self.deadly in pickle.loads(block).at:
            future.set_exception(OSError("the node is gone"))
            return future
        return super().submit(function, code, told)


def test_a_point_that_takes_its_machine_down_fails_and_the_others_do_not(project):
    (project / "experiments" / "patient.py").write_text(PATIENT.replace("0.02", "0"))
    with Losing(13) as pool:
        report = run.execute(resolve("patient"), Options(pool))
    assert (report.n_computed, report.n_failed) == (59, 1)
    (failure,) = sweeps.failures("patient")
    assert failure.params == {"i": 13}
    assert "lost three times with this point: OSError: the node is gone" in failure.message


class Dead(ThreadPoolExecutor):
    def submit(self, function, code, told):
        future = Future()
        future.set_exception(OSError("no node"))
        return future


def test_workers_that_are_always_lost_end_the_run_with_a_word(project):
    (project / "experiments" / "patient.py").write_text(PATIENT)
    with pytest.raises(sweeps.SweepsError, match=r"workers die before they compute .*no node"):
        run.execute(resolve("patient"), Options(Dead(2)))
    assert sweeps.plan("patient").missing == 60


def test_a_crew_ends_with_the_thread_of_its_worker(project):
    (project / "experiments" / "patient.py").write_text(PATIENT.replace("0.02", "0"))
    with ThreadPoolExecutor(1) as pool:
        run.execute(resolve("patient"), Options(pool))
        (pid,) = crews()
    deadline = time.monotonic() + 20
    while pid in crews() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pid not in crews()


KEEPING = """
import os, signal
from sweeps import experiment, grid

@experiment(grid(i=range(2)))
def keeping(i, checkpoint):
    tries = len(list(checkpoint.iterdir()))
    (checkpoint / str(tries)).touch()
    if tries < 2 and i == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return tries
"""


@pytest.mark.parametrize("is_seen", [True, False])
def test_a_checkpoint_is_beside_the_results_where_the_crew_sees_them(project, monkeypatch, is_seen):
    (project / "experiments" / "keeping.py").write_text(KEEPING)
    if not is_seen:
        unseen(monkeypatch)
    n_kept = []
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            report = run.execute(resolve("keeping"), Options(pool))
        said = [each for each in report.warnings if "checkpoints" in each]
        assert len(said) == (0 if is_seen else 1)
        n_kept.append(len(list(Path("results").rglob(".checkpoints/*/*"))))
    assert report.n_failed == (0 if is_seen else 1)
    assert n_kept == [2 if is_seen else 0, 0]
