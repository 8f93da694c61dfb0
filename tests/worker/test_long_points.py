"""Long points go on where they were cut off, and say how far they are."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import sweeps
from sweeps import experiment, grid
from sweeps.errors import DeclarationError, SweepsError
from sweeps.execution import compute
from sweeps.execution.options import Options
from sweeps.operations import clean, run
from sweeps.progress import presence, run_file
from sweeps.project.sweep import resolve
from sweeps.storage import disk
from sweeps.worker import checkpoints, said

STEPWISE = """
import os, signal
from pathlib import Path
from sweeps import experiment, grid

HERE = Path(__file__).parent.parent

def note(line):
    with (HERE / "steps").open("a") as file:
        file.write(line)

@experiment(grid(x=[1, 2]))
def stepwise(x, checkpoint, n=22):
    state = checkpoint / "step"
    step = int(state.read_text()) if state.exists() else 0
    while step < n:
        step += 1
        note(f"{x} {step}\\n")
        new = state.with_suffix(".new")
        new.write_text(str(step))
        new.replace(state)
        if step % 2 == 0 and x == 1 and (pid := os.environ.get("KILLED")):
            os.kill(int(pid) or os.getpid(), signal.SIGKILL)
    return step
"""

RUN = """
import os, sys
import sweeps
os.environ["KILLED"] = str(os.getpid()) if sys.argv[1] == "run" else "0"
axes = {"n": [int(sys.argv[3])]}
sweeps.run("stepwise", engine=sys.argv[2], n_workers=1, quiet=True, axes=axes)
"""


@pytest.fixture
def stepwise(project):
    (project / "experiments" / "stepwise.py").write_text(STEPWISE)
    return project


def steps(project):
    return (project / "steps").read_text().splitlines()


def left(project):
    return [p for p in project.glob("results/.memo/*/*/.checkpoints/*") if p.suffix != ".lock"]


def test_a_point_that_is_killed_ten_times_finishes_with_the_work_of_one(stepwise):
    """Issue 20, acceptance 5: kill -9 of the run, ten times, then of none."""
    for n in range(10):
        done = subprocess.run([sys.executable, "-c", RUN, "run", "serial", "22"], check=False)
        assert done.returncode == -signal.SIGKILL
        assert len([line for line in steps(stepwise) if line[0] == "1"]) == 2 * (n + 1)
        assert left(stepwise)
    found = sweeps.run("stepwise", engine="serial", quiet=True)
    assert found.stepwise.values.tolist() == [22, 22]
    assert sorted(steps(stepwise)) == sorted(f"{x} {n}" for x in (1, 2) for n in range(1, 23))
    assert left(stepwise) == []


def test_a_point_that_kills_its_worker_again_and_again_goes_on(stepwise):
    for _ in range(6):
        subprocess.run([sys.executable, "-c", RUN, "worker", "loky", "6"], check=True)
        if not left(stepwise):
            break
    found = sweeps.load("stepwise")
    assert found.stepwise.values.tolist() == [6, 6]
    assert sorted(steps(stepwise)) == sorted(f"{x} {n}" for x in (1, 2) for n in range(1, 7))


def test_changed_code_and_recompute_begin_afresh(stepwise):
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-c", RUN, "run", "serial", "22"], check=True)
    (of_old,) = left(stepwise)
    sweeps.run("stepwise", engine="serial", quiet=True, recompute=True)
    assert steps(stepwise).count("1 1") == 2
    assert left(stepwise) == [of_old]  # it is nobody's now, and `clean` says so
    module = stepwise / "experiments" / "stepwise.py"
    module.write_text(STEPWISE.replace("return step", "return step + 1"))
    sweeps.run("stepwise", engine="serial", quiet=True)
    assert steps(stepwise).count("1 1") == 3


@pytest.mark.parametrize("engine", ["serial", "threads", "loky"])
def test_no_folder_stays_where_points_write_nothing(project, engine):
    @experiment(grid(x=range(300)))
    def idle(x, checkpoint):
        assert checkpoint.is_dir()
        assert checkpoint.name == checkpoint.name.lower()
        return x

    assert idle.run(engine=engine, quiet=True).idle.values.tolist() == list(range(300))
    assert list(project.glob("results/.memo/*/*/.checkpoints")) == []


def test_points_of_an_async_function_have_one_each(project):
    @experiment(grid(x=range(8)), concurrency=4)
    async def waiting(x, checkpoint, report):
        import asyncio

        (checkpoint / "own").write_text(str(x))
        report(0.5)
        await asyncio.sleep(0.01)
        assert [each.name for each in checkpoint.iterdir()] == ["own"]
        return int((checkpoint / "own").read_text())

    assert waiting.run(engine="serial", quiet=True).waiting.values.tolist() == list(range(8))
    assert left(project) == []


def test_a_point_that_raised_goes_on_and_its_checkpoint_is_dropped_where_it_is_the_cause(
    project, monkeypatch
):
    @experiment(grid(x=[1]))
    def poisoned(x, checkpoint):
        if (checkpoint / "half").exists():
            raise ValueError("cannot be read")
        if os.environ["LICENCE"] == "none":
            (checkpoint / "half").touch()
            raise OSError("no licence")
        return x

    def failures(licence):
        monkeypatch.setenv("LICENCE", licence)
        poisoned.run(engine="serial", quiet=True)
        return [each.message for each in sweeps.failures(poisoned)]

    assert [failures(licence) for licence in ("none", "one", "one")] == [
        ["no licence"],
        ["cannot be read"],
        [],
    ]


def test_a_disk_without_room_for_the_folder_ends_the_run_and_blames_no_point(project, monkeypatch):
    make_folder = disk.make_folder

    def full(path):
        if path.parent.name == checkpoints.FOLDER:
            raise OSError(28, "No space left on device")
        make_folder(path)

    @experiment(grid(x=range(3)))
    def idle(x, checkpoint):
        return x

    monkeypatch.setattr(disk, "make_folder", full)
    with pytest.raises(SweepsError, match="No space left"):
        idle.run(engine="serial", quiet=True)
    assert sweeps.failures(idle) == []
    monkeypatch.undo()
    assert idle.run(engine="serial", quiet=True).idle.values.tolist() == [0, 1, 2]


def test_the_names_are_ordinary_where_the_space_or_a_default_gives_a_value(project):
    @experiment(grid(report=[1, 2]))
    def axis(report, checkpoint=3):
        return report * checkpoint

    assert axis.run(engine="serial", quiet=True).axis.values.tolist() == [3, 6]
    assert axis.services == ()
    found = axis.run(engine="loky", quiet=True, axes={"checkpoint": [3, 4]})
    assert found.axis.values.tolist() == [[3, 4], [6, 8]]


@pytest.mark.parametrize("name", ["checkpoint", "report"])
def test_what_a_worker_gives_is_not_swept(project, name):
    scope = {}
    exec(f"def f(x, {name}):\n    return x", scope)
    made = experiment(grid(x=[1]))(scope["f"])
    assert made.services == (name,)
    with pytest.raises(SweepsError, match=f"no axis '{name}' .* The worker gives this one"):
        made.run(axes={name: [1]})
    with pytest.raises(DeclarationError, match="vectorized=True"):
        experiment(grid(x=[1]), vectorized=True)(scope["f"])


LOUD = """
import time
from sweeps import experiment, grid

@experiment(grid(x=range(2)))
def loud(x, report):
    for step in range(80):
        report(step / 80, f"step {step}\\x1b[2J\\nof 80")
        time.sleep(0.01)
    return x
"""


@pytest.mark.parametrize("engine", ["serial", "threads", "loky"])
def test_what_a_point_reports_is_seen_from_here_and_from_outside(project, monkeypatch, engine):
    monkeypatch.setattr(compute, "_TICK_S", 0.05)
    monkeypatch.setattr(run_file, "_OFTEN_S", 0.0)
    monkeypatch.setattr(said, "_FROM_S", 0.1)
    (project / "experiments" / "loud.py").write_text(LOUD)
    made, shown, looks = resolve("loud"), [], []

    def watch(progress):
        shown.extend(each.said for each in progress.under_way)
        for seen in presence.look(made.results, "loud"):
            looks.extend(each.said for each in seen.under_way)

    run.execute(made, Options(engine, n_workers=2), watch)
    for lines in (shown, looks):
        words = [line for line in lines if line]
        assert words
        assert all(" %, step " in line and line.endswith("of 80") for line in words)
        assert all(line.isprintable() for line in words)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((0.4,), "40 %"),
        (("step 400 of 1000",), "step 400 of 1000"),
        ((0.4, "step 400"), "40 %, step 400"),
        (("step 400", np.float32(0.25)), "25 %, step 400"),
        ((7,), "100 %"),
        ((float("nan"), "\udcff" * 10_000), None),
        ((True,), "100 %"),
        ((-1, ""), "0 %"),
    ],
)
def test_a_report_is_a_fraction_a_line_or_both(tmp_path, given, line):
    record = said.scratch.Recorder(tmp_path, is_process=False)
    record.begin(3)
    record.at[0] = 5
    report = said.Report(record, 5)
    report("before", 0.1) if line is None else None
    report(*given)
    found = said.said(record.path, 3, 5)
    assert found == line if line is not None else len(found) < 200
    assert said.said(record.path, 3, 4) == said.said(record.path, 2, 5) == ""


def test_a_report_of_a_point_that_is_over_or_of_no_run_is_nothing(tmp_path):
    record = said.scratch.Recorder(tmp_path, is_process=False)
    record.begin(3)
    record.at[0] = 5
    late = said.Report(record, 5)
    record.at[0] = 6
    late("too late")
    assert said.said(record.path, 3, 5) == ""
    said.Report(None, 0)("nobody hears this")
    said.Report(said.scratch.Recorder(None), 0)(0.5)
    with pytest.raises((TypeError, ValueError)):
        said.Report(record, 6)(None)


def test_a_report_is_cheap_beside_a_call_that_writes_a_file(tmp_path):
    record = said.scratch.Recorder(tmp_path, is_process=False)
    record.begin(0)
    record.at[0] = 0
    report, file = said.Report(record, 0), tmp_path / "file"

    def seconds(call, n=300):
        begun = time.perf_counter()
        for i in range(n):
            call(i / n)
        return time.perf_counter() - begun

    assert seconds(report) < seconds(lambda share: file.write_text(str(share)))


def test_files_that_code_reads_in_its_checkpoint_are_not_told_of(stepwise):
    assert resolve("stepwise").unwatched == ()
    module = stepwise / "experiments" / "stepwise.py"
    module.write_text(STEPWISE.replace("x, checkpoint, n", "x, checkpoint='here', n"))
    assert "read_text" in resolve("stepwise").unwatched[0]  # an ordinary path


def test_what_is_left_is_told_and_what_nobody_needs_is_cleaned(project, monkeypatch):
    monkeypatch.setenv("LICENCE", "none")

    @experiment(grid(x=[1, 2]))
    def model(x, checkpoint):
        (checkpoint / f"{x}").write_bytes(bytes(1500))
        if os.environ["LICENCE"] == "none" and x == 1:
            raise OSError("no licence")
        return x

    model.run(engine="serial", quiet=True)
    (failed,) = sweeps.failures(model)
    assert failed.checkpoint.startswith("a checkpoint of 1.5 kB, from ")
    said = sweeps.status(model)
    assert (said.checkpoints, said.checkpoint_bytes) == (1, 1500)
    assert said.left == "1 point has a checkpoint to go on from (1.5 kB)"
    assert said.left in said._repr_html_()
    made = resolve(model)
    assert clean.waste(made) == []

    (own,) = left(project)
    done = own.with_name(checkpoints.name_of(made.keys(np.array([1])).tolist()[0]))
    for path in (done, own.with_name(own.name + ".bad"), own.with_name(".tmp-1-2")):
        path.mkdir()
        (path / "big").write_bytes(bytes(100))
    done.with_name(done.name + ".lock").touch()
    own.with_name(own.name + ".lock").touch()
    own.with_name("notes.txt").write_text("of the user")
    found = clean.waste(made)
    assert {each.reason for each in found} == {"checkpoint that no point needs"}
    clean.free(found)
    names = {path.name for path in own.parent.iterdir()}
    assert names == {own.name, f"{own.name}.lock", "notes.txt"}
    monkeypatch.setenv("LICENCE", "one")
    assert model.run(engine="serial", quiet=True).model.values.tolist() == [1, 2]
    assert left(project) == [own.with_name("notes.txt")]


def test_two_runs_at_once_never_share_a_checkpoint(project):
    """One claims nothing, since it computes everything again."""
    (project / "experiments" / "both.py").write_text(BOTH)
    code = "import sys, sweeps; sweeps.run('both', engine='serial', quiet=True, recompute={})"
    runs = [subprocess.Popen([sys.executable, "-c", code.format(n)]) for n in (False, False, True)]
    assert [each.wait() for each in runs] == [0, 0, 0]
    assert sweeps.load("both").both.values.tolist() == [1, 1, 1]
    assert left(project) == []


BOTH = """
import os, time
from sweeps import experiment, grid

@experiment(grid(x=range(3)))
def both(x, checkpoint):
    for n in range(20):
        (checkpoint / str(os.getpid())).touch()
        time.sleep(0.01)
    return len(list(checkpoint.iterdir()))
"""
