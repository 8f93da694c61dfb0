"""Files of points are as safe as their values: power cuts, kills, disks that fail.

python -m pytest -m campaign -s tests/reliability/test_files.py
"""

import dataclasses
import errno
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import sweeps as package
from sweeps import File, experiment, grid
from sweeps.code import provenance
from sweeps.errors import StorageError
from sweeps.execution.options import Options
from sweeps.memo import contents, merge, reader
from sweeps.memo import index as memo
from sweeps.operations import verify
from sweeps.operations.run import execute
from sweeps.project.sweep import resolve
from sweeps.storage import packs
from tests.reliability.disks import FailingDisk, Power, materialize
from tests.reliability.test_crashes import Scene
from tests.sizes import KEEPS, declared

OPTIONS = Options(engine="serial")
CODES = ["ENOSPC", "EIO", "EDQUOT", "EROFS", "ESTALE"]


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    """Asking git takes longer than all else, and changes nothing here."""
    monkeypatch.setattr(provenance, "of_git", lambda _: {})


def content(x):
    return b"of %d\n" % (x // 2) * 3


def made(n, keep):
    @experiment(grid(x=[float(i) for i in range(n)]), name="cube", keep=declared(keep))
    def cube(x):
        file = File(content(x), name="log")
        return {"cube": x**3, "text": f"{x}", "log": file}

    return resolve(cube)


def check_files(sweep):
    """Every point that has values has its file, bit for bit."""
    index = memo.scan(sweep.memo)
    assert not list(contents.lost_points(index, packs.available(sweep.memo).keys()))
    keys = sweep.keys(sweep.experiment.space.positions(0, len(sweep.experiment.space)))
    for position, entry in enumerate(index.find(keys).tolist()):
        if entry >= 0:
            (found,) = contents.of_point(reader.values_at(index, entry), [sweep.memo], "").values()
            assert found.read_bytes() == content(float(position))


class Files(Scene):
    """Runs of a part of a space, which hand over files, and merges of their packs."""

    def __init__(self, root, keep):
        super().__init__(root, keep, n_commits=2)
        self.sweep = dataclasses.replace(made(4, keep), results=root / "results")

    def play(self):
        with pytest.MonkeyPatch.context() as patch:
            for module, name in (merge, "N_SMALL"), (packs, "_N_SMALL"):
                patch.setattr(module, name, 2)
            for module in (merge, packs):
                patch.setattr(module, "SETTLED_S", -1.0)
            for limit in (2, 1, None):
                execute(self.sweep, dataclasses.replace(OPTIONS, limit=limit))
            merge.merge(memo.scan(self.sweep.memo))
        self.recorder.promise("landed")

    def check(self, place, promised):
        check_files(self.at(place))
        super().check(place, promised)
        check_files(self.at(place))


@pytest.mark.parametrize("keep", KEEPS)
def test_a_power_cut_takes_no_file_of_a_committed_point(tmp_path, keep):
    scene = Files(tmp_path / "played", keep)
    (tmp_path / "played").mkdir()
    operations = scene.record()
    assert sum(o.call == "unlink" and o.arguments[0].suffix == ".pack" for o in operations) > 1
    power = Power(scene.root, random.Random(0), n_random=0)
    chosen = list(power.some_states(operations, 25))
    assert any(promised for _, promised in chosen)
    for number, (state, promised) in enumerate(chosen):
        place = tmp_path / f"{number}"
        place.mkdir()
        materialize(state, place)
        scene.check(place, promised)


def calls_of_a_run(place):
    sweep, counting = dataclasses.replace(made(4, "both"), results=place / "results"), FailingDisk()
    with counting.installed():
        execute(sweep, OPTIONS)
    return counting.calls


def fail_at(place, number, *, for_good):
    """Run on a disk that fails at a call; what is stored has its files, and a run goes on."""
    code = getattr(errno, random.Random(number).choice(CODES))
    sweep = dataclasses.replace(made(4, "both"), results=place / f"{number}" / "results")
    with FailingDisk(number, code, for_good=for_good).installed():
        try:
            execute(sweep, OPTIONS)
        except StorageError as error:
            assert os.strerror(code) in str(error)
    check_files(sweep)
    assert execute(sweep, OPTIONS).n_failed == 0
    check_files(sweep)
    assert not verify.verify(sweep.landed).damages


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_a_disk_that_fails_costs_no_file(tmp_path, for_good):
    calls = calls_of_a_run(tmp_path / "count")
    for number in sorted(map(calls.index, set(calls))):
        fail_at(tmp_path, number, for_good=for_good)


@pytest.mark.campaign
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_a_disk_that_fails_at_any_call_costs_no_file(tmp_path, for_good):
    calls = calls_of_a_run(tmp_path / "count")
    for number in range(len(calls)):
        fail_at(tmp_path, number, for_good=for_good)
    print(f"\n{len(calls)} calls")


KILLED = """
import time
import sweeps
from sweeps import experiment, grid

@experiment(grid(n=range(60)))
def killed(n):
    time.sleep(0.02)
    return {"log": sweeps.File(b"%d" % n * 1000, name="log")}
"""


def test_a_kill_at_any_time_leaves_whole_files(project):
    (project / "experiments" / "killed.py").write_text(KILLED)
    command = [sys.executable, "-m", "sweeps", "run", "killed", "-j", "2"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **silent, start_new_session=True) as run:
        until = time.monotonic() + 30
        while not list(project.rglob("*.pack")) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
        os.killpg(run.pid, signal.SIGKILL)
    assert list(project.rglob("*.pack"))
    package.run("killed", engine="serial", quiet=True)
    for n in range(60):
        assert package.files("killed", n)["log"].read_bytes() == b"%d" % n * 1000
