"""Laws of sending: no worker computes with other code than the run was planned for."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import sweeps
from sweeps import SweepsError, engines
from sweeps.code import pins
from sweeps.engines import Block
from sweeps.execution import send, timing
from sweeps.memo import index as memo
from sweeps.project.sweep import resolve
from sweeps.worker import job

TRIAL = """
from experiments import methods
from sweeps import experiment, grid

@experiment(grid(x=[1.0, 2.0], method={"one": methods.one}))
def trial(x, method):
    return method(x) + methods.two(x)
"""
METHODS = "def one(x):\n    return x * 1.0\n\n\ndef two(x):\n    return x * 2.0\n"


@pytest.fixture
def edit(project):
    """Write the experiment; edit its helper."""
    helper = project / "experiments" / "methods.py"
    helper.write_text(METHODS)
    (project / "experiments" / "trial.py").write_text(TRIAL)
    return lambda old, new: helper.write_text(METHODS.replace(old, new))


@pytest.mark.parametrize("engine", ["serial", "threads"])
def test_old_code_in_this_process_computes_nothing_under_a_new_name(edit, engine):
    experiment = resolve("trial").experiment
    edit("2.0", "5.0")
    with pytest.raises(SweepsError, match=r"methods\.py was edited since it was imported"):
        sweeps.run(experiment, engine=engine)
    assert sweeps.plan(experiment).missing == 2


@pytest.mark.parametrize(
    "old", ["2.0", *(pytest.param(o, marks=pytest.mark.campaign) for o in ("1.0", METHODS))]
)
def test_a_worker_has_the_code_that_the_run_began_with(edit, tmp_path, old):
    sweep = resolve("trial")
    work = send.send(sweep, tmp_path)
    edit(old, "broken(")
    receipt = in_a_process_of_its_own(work)
    assert (receipt.error, receipt.n_done) == ("", 1)
    (part,) = memo.scan(sweep.memo).parts
    with h5py.File(part.path) as file:
        assert file[part.group]["values/0"][()].tolist() == [3.0]


ENCLOSED = """
import os
from sweeps import experiment, grid

def made(pid):
    return lambda x: x + (pid < 0)

trial = experiment(grid(x=[1.0, 2.0]), name="trial")(made(os.getpid()))
"""


def test_a_worker_refuses_what_lives_in_its_memory_and_is_another(project, tmp_path):
    (project / "experiments" / "trial.py").write_text(ENCLOSED)
    work = send.send(resolve("trial"), tmp_path)
    assert (
        "the code of 'trial' changed after the run started" in in_a_process_of_its_own(work).reason
    )


def test_a_job_is_made_ready_again_after_another_one_failed(edit, tmp_path, monkeypatch):
    """Both had this process: the pins in force and the modules in memory are of the other one."""
    jobs = [send.send(resolve("trial"), tmp_path).args[0]]
    jobs += [dataclasses.replace(jobs[0], digest="")]
    became = []
    monkeypatch.setattr(job, "become_worker", lambda *told: became.append(told))
    try:
        task = job.prepare(jobs[0])
        assert job.prepare(jobs[0]) is task
        with pytest.raises(SweepsError, match="was changed by another program"):
            job.prepare(jobs[1])
        assert job.prepare(jobs[0]) is not task
        assert len(became) == 3
    finally:
        job.prepare.cache_clear()
        pins.pin(None)


def in_a_process_of_its_own(work):
    """What a worker says of a block of one point, once it has made itself ready."""
    from joblib.externals.loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=1, kill_workers=True)
    try:
        return executor.submit(work, Block(0, range(1))).result(timeout=60)
    finally:
        executor.shutdown(kill_workers=True)


SCRIPT = """
import warnings
import sweeps
from sweeps import experiment, grid

def halved(x):
    return 1 / (x - 2)  # the line of a helper

@experiment(grid(x=[1, 2], by={"lambda": lambda x: 1 / (x - 1)}))
def trial(x, by):
    return halved(x) + by(x)
"""
RUN = """
warnings.simplefilter("ignore")
trial.run(n_workers=1)
print(*(each.traceback for each in sweeps.failures(trial)))
"""
IN_A_NOTEBOOK = """
import linecache, sys, types
cell, name = open("script.py").read(), "/nowhere/ipykernel_1/123.py"
linecache.cache[name] = len(cell), None, cell.splitlines(keepends=True), name
main = sys.modules["__main__"] = types.ModuleType("__main__")
exec(compile(cell, name, "exec"), vars(main))
"""


@pytest.mark.parametrize(
    "code", [pytest.param("script.py", marks=pytest.mark.campaign), "notebook.py"]
)
def test_tracebacks_from_workers_show_lines_of_scripts_and_notebooks(project, code):
    (project / "script.py").write_text(SCRIPT + RUN)
    (project / "notebook.py").write_text(IN_A_NOTEBOOK)
    said = subprocess.run([sys.executable, code], capture_output=True, text=True, check=True).stdout
    for line in ("return halved(x) + by(x)", "# the line of a helper", "lambda x: 1 / (x - 1)"):
        assert line in said, said


UNREADY = """
import contextlib, os, pathlib
from sweeps import experiment, grid

if os.getpid() not in ALIVE:
    os._exit(3)

@contextlib.contextmanager
def opened():
    raise OSError("no such server")
    yield

@experiment(grid(x=range(20)), resources={"server": opened})
def unready(x, server):
    pathlib.Path("begun").touch()
    return x
"""


@pytest.mark.parametrize(
    ("alive", "said"),
    [
        ("range(2**32)", "resource 'server' of 'unready' could not be opened: OSError: no such"),
        (f"[{os.getpid()}]", r"workers die before they compute anything: exit code EXIT\(3\)"),
    ],
    ids=["resource", "import"],
)
def test_workers_that_cannot_be_ready_say_why(project, alive, said):
    (project / "experiments" / "unready.py").write_text(UNREADY.replace("ALIVE", alive))
    with pytest.raises(SweepsError, match=said):
        timing.parallel(resolve("unready"), np.arange(20), 2, project)
    assert not Path("begun").exists()
    assert not list(project.glob("*.seg"))
    engines.get("loky").close()


def test_few_points_of_a_long_axis_are_sent_without_the_others(project, tmp_path):
    (project / "experiments" / "long.py").write_text(
        "from sweeps import experiment, grid\n\n"
        "@experiment(grid(x=range(200)))\n"
        "def long(x, rng):\n    return {'double': 2 * x, 'drawn': rng.random()}\n"
    )
    sweep = resolve("long", axes={"x": range(10**5)})
    few = send.pack(sweep, todo=[range(99_990, 99_991), np.array([99_993])])
    assert len(few.settings) < len(send.pack(sweep).settings) // 10
    sweeps.run("long")
    grown = sweeps.run("long", axes={"x": range(202)})
    anew = sweeps.run("long", axes={"x": range(202)}, engine="serial", results=tmp_path)
    assert grown.equals(anew)
