"""Laws of summaries: made of what was landed, stored beside it, and never at its cost."""

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import sweeps
from sweeps import experiment, grid, points, reductions
from sweeps.declaration.resweep import resweep
from sweeps.errors import DeclarationError, StorageError
from sweeps.execution import send
from sweeps.execution.options import Options
from sweeps.memo import listing
from sweeps.operations import run as operations_run
from sweeps.project import discovery
from sweeps.project.sweep import resolve
from sweeps.signals import Interrupted
from sweeps.storage import dataset
from tests.sizes import land_often

WAVE = """
import pathlib
from sweeps import experiment, grid

CALLS = pathlib.Path("calls.txt")
SHARE = 0.5

@experiment(grid(x=range(10)))
def wave(x):
    with CALLS.open("a") as file:
        file.write(f"{x}\\n")
    return 2.0 * x
"""

SUMMARY = """
@wave.summary
def reduced(results):
    return {"share": SHARE * results.wave.sum()}
"""


@pytest.fixture
def wave(project):
    """Write the experiment with something behind it, and say what a new process makes of it."""

    def write(rest=SUMMARY, head=WAVE):
        (project / "experiments" / "wave.py").write_text(head + rest)

    write()
    return write


@pytest.fixture
def run(sweeps):
    """Run it; give exit code, what it said, and the points computed."""

    def run(*options):
        said = sweeps("run", "wave", "--engine", "serial", *options)
        return said.code, said.out + said.err, n_calls()

    return run


def n_calls():
    """Points that were computed since this was last asked."""
    calls = Path("calls.txt")
    n = len(calls.read_text().split()) if calls.exists() else 0
    calls.unlink(missing_ok=True)
    return n


def landed():
    """Tell one landing from another."""
    return Path("results/wave.h5").stat().st_mtime_ns


def summary():
    return sweeps.load("wave", group="summary")


# ---- what it may return


@dataclass
class Pair:
    low: float
    high: float


GIVEN = {
    "dataset": lambda ds: ds.max("x"),
    "array": lambda ds: ds.y.mean("x"),
    "nameless array": lambda ds: xr.DataArray([1.0, 2.0], dims="z"),
    "numbers": lambda ds: {"n": 3, "share": 0.5, "is_fine": True, "z": 1j, "title": "größe"},
    "numpy": lambda ds: {"a": np.arange(3), "b": np.float32(1.5), "c": np.array(["u", "v"])},
    "arrays": lambda ds: {"first": ds.y.isel(x=0), "last": ds.y.isel(x=-1)},
    "times": lambda ds: {"when": np.array(["2024-02-01", "NaT"], "M8[us]")},
    "nothing along a dimension": lambda ds: {"none": ds.y.isel(x=slice(0, 0))},
    "other coordinates": lambda ds: ds.isel(x=[1]).assign_coords(x=[7.5]),
    "other length": lambda ds: ds.isel(x=[0, 1]).drop_vars("x"),
    "dataclass": lambda ds: Pair(1.0, 2.0),
    "number": lambda ds: 1.5,
    "what is not yet computed": lambda ds: ds.y[::2],
}
EXPECTED = {
    "nameless array": {"made": ("z", [1.0, 2.0])},
    "numpy": {
        "a": ("a_dim_0", [0, 1, 2]),
        "b": np.float32(1.5),
        "c": ("c_dim_0", np.array(["u", "v"], object)),
    },
    "times": {"when": ("when_dim_0", np.array(["2024-02-01", "NaT"], "M8[us]"))},
    "dataclass": {"low": 1.0, "high": 2.0},
    "number": {"made": 1.5},
}


def made_of(space, function, reduce):
    made = experiment(space, name="made", units={"y": "m"})(function)
    made.summary(reduce)
    return made


def test_what_a_summary_returns_is_what_every_reader_reads(project):
    made = experiment(grid(x=[1.0, 2.0], word=["a", "b"]), name="made", units={"y": "m"})(
        lambda x, word: {"y": x}
    )
    for kind, reduce in GIVEN.items():
        made.summary(reduce)
        results = made.run(engine="serial")
        given = EXPECTED.get(kind) or reduce(results)
        if isinstance(given, xr.DataArray):
            given = given.to_dataset(name=given.name or "made")
        if kind == "arrays":
            given = {name: array.drop_vars("x") for name, array in given.items()}
        given = given if isinstance(given, xr.Dataset) else xr.Dataset(given)
        for engine, options in {"h5netcdf": {}, "netcdf4": {"auto_complex": True}}.items():
            with xr.open_dataset(
                "results/made.h5", group="summary", engine=engine, **options
            ) as read:
                xr.testing.assert_equal(read.load(), given)
        loaded = made.load(group="summary")
        xr.testing.assert_equal(loaded, read)
        assert {"fingerprint", "source"} == loaded.attrs.keys()
        xr.testing.assert_identical(results, made.load())


def everything(x, word):
    if x == 2.0 and word == "b":
        raise ValueError
    return xr.Dataset(
        {
            "number": x,
            "word_too": word + "!",
            "is_odd": True,
            "n": 3,
            "z": 1j,
            "when": np.datetime64("2024-02-01"),
            "path": ("time", np.arange(3.0), {"units": "m", "long_name": "how far"}),
        },
        {"time": [0.1, 0.2, 0.3], "label": ("time", ["u", "v", "w"])},
    )


@pytest.mark.parametrize(
    "space",
    [
        grid(x=[1.0, 2.0], word=["a", "b"]),
        points([{"x": 1.0, "word": "a"}, {"x": 2.0, "word": "b"}]),
        grid(x=[1.0, 2.0], word=["a", "b"]).where(lambda x: x < 2),
    ],
    ids=["grid", "points", "where"],
)
@pytest.mark.filterwarnings("ignore:.*NumPy's `NaT`")
def test_the_results_themselves_come_back_as_they_are(project, space):
    """Coordinates, missing points of every type, units and attributes."""
    results = made_of(space, everything, lambda ds: ds).run(engine="serial")
    again = sweeps.load("made", group="summary")
    xr.testing.assert_identical(again.drop_attrs(deep=False), results.drop_attrs(deep=False))
    for name in results.variables:
        assert again[name].dtype == results[name].dtype


def test_a_ready_made_reduction_is_a_summary_as_it_is(project):
    made = made_of(
        grid(beta=[0.1, 0.2], replicate=range(4)),
        lambda beta, replicate: {"y": beta * replicate, "is_out": replicate > 2},
        reductions.over_replicates,
    )
    reduced = reductions.over_replicates(made.run(engine="serial"))
    found = made.load(group="summary")
    xr.testing.assert_identical(found.drop_attrs(deep=False), reduced)
    assert found.y_mean.attrs == {"units": "m", "cell_methods": "replicate: mean"}
    assert found.is_out_mean.values.tolist() == [0.25, 0.25]


@pytest.mark.parametrize("eager_bytes", [0, 2**30], ids=["lazy", "eager"])
def test_results_too_large_for_the_memory_are_read_when_used(project, monkeypatch, eager_bytes):
    monkeypatch.setattr(dataset, "EAGER_BYTES", eager_bytes)
    kept = []  # would keep the file open if nobody closed it
    made = made_of(
        grid(x=[1.0, 2.0]), lambda x: {"y": x}, lambda ds: kept.append(ds) or ds.y.isel(x=[1]) * 2
    )
    made.run(engine="serial")
    assert made.load(group="summary").y.values.tolist() == [4.0]
    assert made.load().y.values.tolist() == [1.0, 2.0]


# ---- when it is made


def test_it_is_made_once_of_what_was_landed_and_then_left_alone(run, wave):
    assert run()[::2] == (0, 10)
    assert float(summary().share) == 45.0
    before = landed()
    assert run()[::2] == (0, 0)
    assert landed() == before


@pytest.mark.parametrize(
    ("head", "rest", "share"),
    [
        (WAVE, SUMMARY.replace(".sum()", ".max()"), 9.0),
        (WAVE.replace("SHARE = 0.5", "SHARE = 2"), SUMMARY, 180.0),
        (WAVE, SUMMARY + "\n@wave.summary\ndef last(results):\n    return {'share': 7}\n", 7.0),
        (WAVE, "", None),
    ],
    ids=["its code", "what it reaches", "another function", "none any more"],
)
def test_another_summary_lands_again_and_computes_nothing(run, wave, head, rest, share):
    run()
    wave(rest, head)
    assert run()[::2] == (0, 0)
    if share is None:
        with pytest.raises(StorageError, match=r"no group 'summary'.*@wave\.summary"):
            summary()
    else:
        assert float(summary().share) == share
    wave()
    assert run()[::2] == (0, 0)
    assert float(summary().share) == 45.0


def test_what_does_not_change_the_code_does_not_land_again(run, wave):
    run()
    before = landed()
    wave(SUMMARY.replace("def reduced(results):", "def reduced(results):\n    '''Why.'''  # so"))
    run()
    assert landed() == before


def test_it_follows_the_space_that_is_run(run, wave):
    run("x=1,2")
    assert float(summary().share) == 3.0
    run("x=2")
    assert float(summary().share) == 2.0


def test_copies_of_an_experiment_share_it_whenever_it_is_registered(project):
    made = experiment(grid(x=[1.0, 2.0]), name="made")(lambda x, y=1.0: x * y)
    copies = [resweep(made, {"x": [5.0]}), made.with_space(grid(y=[3.0], x=[2.0])), made]
    made.summary(lambda ds: {"most": -1})
    reduced = copies[0].summary(lambda ds: {"most": ds.made.max()})
    assert reduced(sweeps.run(made, engine="serial"))["most"] == 2.0
    for copy, most in zip(copies, (5.0, 6.0, 2.0), strict=True):
        sweeps.run(copy, engine="serial")
        assert float(made.load(group="summary").most) == most


def test_landings_amid_a_run_leave_it_out_and_the_last_one_has_it(project, monkeypatch):
    land_often(monkeypatch)
    asked = []
    made = experiment(grid(x=range(6)), name="made")(lambda x: 1.0 * x)
    made.summary(lambda ds: asked.append(int(ds.made.count())) or {"n": asked[-1]})

    def look(progress):
        if progress.n_computed == 4:
            assert made.load().made.notnull().sum() >= 3
            with pytest.raises(StorageError):
                made.load(group="summary")

    operations_run.execute(resolve(made), Options("serial"), look)
    assert asked == [6]
    assert int(made.load(group="summary").n) == 6


@pytest.mark.campaign  # two Ctrl-C leave the same
def test_a_run_that_was_killed_between_landings_gets_its_summary_next_time(run, wave):
    """What such a run leaves: all points in the memo, and a file without the summary."""
    wave(SUMMARY.replace("return", "import os; os._exit(9)\n    return"))
    command = [sys.executable, "-m", "sweeps", "run", "wave", "--engine", "serial"]
    assert (subprocess.run(command).returncode, n_calls()) == (9, 10)
    assert not Path("results/wave.h5").exists()
    wave()
    assert run()[::2] == (0, 0)
    assert float(summary().share) == 45.0


def test_it_leaves_the_memo_alone_and_sees_the_results_only(project):
    made = experiment(grid(x=[1.0, 2.0]), name="made")(lambda x: x)
    seen = []

    @made.summary
    def spoil(results):
        seen.append(listing.listing(resolve(made).memo))
        results["made"][:] = -1
        results.attrs["title"] = "spoilt"
        return {"n": 1}

    results = made.run(engine="serial")
    assert seen == [listing.listing(resolve(made).memo)]
    assert results.made.values.tolist() == [1.0, 2.0]
    assert results.attrs["title"] == "made"


def test_what_it_prints_is_not_in_the_answer(sweeps, wave):
    wave(SUMMARY.replace("return", "print('adding up')\n    return"))
    said = sweeps("run", "wave", "--engine", "serial", "--json")
    assert said.json["computed"] == 10
    assert "adding up" in said.err


def test_failed_points_are_missing_in_it(project):
    made = made_of(grid(x=[0.0, 2.0]), lambda x: {"y": 1 // x}, lambda ds: {"n": ds.y.count()})
    made.run(engine="serial")
    assert int(made.load(group="summary").n) == 1


def test_a_summary_is_not_sent_to_workers(tmp_path):
    made = made_of(grid(x=[1.0]), lambda x: x, lambda ds: {"n": 1})
    (job,) = send.send(resolve(made), tmp_path).args
    sent = pickle.loads(job.pickled)
    assert (sent.function(1.0), sent.registered.summary) == (1.0, None)


@pytest.mark.campaign
def test_workers_need_not_have_it(project):
    """An experiment in ``__main__`` travels pickled; its summary, which may not be, stays."""
    program = project / "program.py"
    program.write_text(
        "import sys, sweeps\n"
        "class Handle:\n"
        "    def __getstate__(self): raise TypeError('not to be pickled')\n"
        "    def __reduce_ex__(self, n): return ('handle' if n == 4 else 1/0)\n"
        "@sweeps.experiment(sweeps.grid(x=[1.0, 2.0]))\n"
        "def made(x): return x\n"
        "made.summary(lambda ds, handle=Handle(): {'n': ds.made.count()})\n"
        "if __name__ == '__main__':\n"
        "    made.run(n_workers=1, engine='loky')\n"
        "    print(int(made.load(group='summary').n))\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr


def test_a_run_with_nothing_to_do_does_not_load_what_a_summary_needs(run, wave):
    run()
    program = (
        "import sys; sys.argv = ['sweeps', 'run', 'wave']\n"
        "from sweeps.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'xarray', 'pandas', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


# ---- when it fails


def no_words(results):
    raise type("NoWords", (Exception,), {"__str__": lambda self: None})


def exits(results):
    raise SystemExit(3)


def is_interrupted_by_itself(results):
    raise KeyboardInterrupt


FAILING = {
    no_words: r"raised NoWords: \(cannot be shown\), at .*test_summary.py:\d+;",
    exits: "raised SystemExit: 3, at ",
    is_interrupted_by_itself: "raised KeyboardInterrupt, at ",
    lambda ds: ds.nothing: "raised AttributeError: 'Dataset' object has no attribute 'nothing'",
    lambda ds: int("two\n  lines"): "raised ValueError: invalid literal",
    lambda ds: None: "cannot be stored: output 'made' is None",
    lambda ds: {}: "cannot be stored: .*empty dict",
    lambda ds: ds.drop_vars("made"): "cannot be stored: .*empty Dataset",
    lambda ds: {"a": object()}: "cannot be stored: output 'a' is of type object; allowed",
    lambda ds: {"a": {"b": 1}}: "cannot be stored: output 'a' is a dict inside another",
    lambda ds: {"a": ds}: "cannot be stored: output 'a' is a Dataset inside another",
    lambda ds: {1: 2}: "cannot be stored: .*names are strings",
    lambda ds: {"a/b": 2}: "cannot be stored: .*'/' is not allowed",
    lambda ds: {"_a": 2}: "cannot be stored: .*reserved",
    lambda ds: {"a": 1, "A": 2}: "cannot be stored: .*'a' and 'A'",
    lambda ds: ds.to_dataframe(): "cannot be stored: .*pandas DataFrame",
    lambda ds: ds.made.astype("f2"): "cannot be stored: .*float16",
    lambda ds: ds.stack(p=["x"]): "cannot be stored: .*tuple",
    lambda ds: {"a": [1, [2, 3]]}: "cannot be stored: .*not a regular array",
    lambda ds: {"a": 2**70}: "cannot be stored: .*71 bits",
    lambda ds: {"a": ds.made, "b": xr.DataArray([1.0], dims="x")}: "cannot be stored: .*share the",
    lambda ds: (each for each in [1.0]): "cannot be stored: .*generator",
    reductions.over_replicates: r"raised UnknownNameError: no dimension 'replicate'.*found: x",
}


def test_each_summary_that_fails_says_why(project):
    made = experiment(grid(x=[1.0, 2.0]), name="made")(lambda x: x)
    for reduce, why in FAILING.items():
        made.summary(reduce)
        (told,) = operations_run.execute(resolve(made), Options("serial")).warnings
        assert re.match(f"the summary of 'made' {why}", told), told
        assert "the results file is written without it, and the next run tries again" in told
        with pytest.raises(StorageError, match=r"no group 'summary'.*@made\.summary"):
            made.load(group="summary")


@pytest.mark.parametrize("reduce", [exits, reductions.over_replicates, lambda ds: {}])
def test_a_summary_that_fails_costs_the_summary_and_nothing_else(project, reduce):
    made = experiment(grid(x=[1.0, 2.0]), name="made")(lambda x: x)
    made.summary(reduce)
    for n_computed in (2, 0):  # the next run tries it again
        report = operations_run.execute(resolve(made), Options("serial"))
        assert (report.n_computed, report.n_failed) == (n_computed, 0)
        assert len(report.warnings) == 1
        assert made.load().made.values.tolist() == [1.0, 2.0]
        assert {path.name for path in Path("results").iterdir()} == {"made.h5", ".memo"}
    made.summary(lambda ds: {"n": 2})
    assert operations_run.execute(resolve(made), Options("serial")).warnings == ()
    assert int(made.load(group="summary").n) == 2


def test_what_failed_is_told_with_its_place_and_the_exit_code_is_that_of_the_points(run, wave):
    wave(f"{SUMMARY}    # line 18\n".replace("return", "raise ValueError('not today')\n    return"))
    code, said, _ = run()
    assert code == 0
    assert "Traceback" not in said
    assert (
        "warning: the summary of 'wave' raised ValueError: not today, at experiments/wave.py:16; "
        "the results file is written without it"
    ) in " ".join(said.split())
    with pytest.warns(UserWarning, match="the summary of 'wave' raised ValueError"):
        sweeps.run("wave", engine="serial")


@pytest.mark.parametrize("name", ["summary", "Summary"])
def test_an_output_of_that_name_leaves_no_room_for_the_group(project, name):
    made = made_of(grid(x=[1.0]), lambda x: {name: x}, lambda ds: {"n": 1})
    with pytest.warns(UserWarning, match=f"cannot be stored: the names '{name}' and 'summary'"):
        assert made.run(engine="serial")[name].values.tolist() == [1.0]


def test_code_in_memory_that_is_older_than_its_file_makes_no_summary(run, wave):
    """Or the file would say that it has the summary of the code on disk."""
    module = discovery.find("wave", None).experiment
    sweeps.run(module, engine="serial")
    n_calls()
    time.sleep(0.01)
    wave(SUMMARY.replace(".sum()", ".max()"))
    with pytest.warns(UserWarning, match=r"wave\.py was edited since .*restart Python"):
        sweeps.run(module, engine="loky")
    assert run()[::2] == (0, 0)
    assert float(summary().share) == 9.0


def test_a_summary_that_carries_what_cannot_be_told_apart_is_refused(project):
    handle = threading.Lock()
    made = made_of(grid(x=[1.0]), lambda x: {"y": x}, lambda ds: {"is_there": handle is not None})
    with pytest.raises(DeclarationError, match=r"'handle', a _thread\.lock"):
        made.run(engine="serial")


# ---- when it is interrupted


@pytest.mark.parametrize("n_signals", [1, 2])
def test_one_ctrl_c_lets_it_finish_and_two_end_it(project, n_signals):
    made = experiment(grid(x=[1.0, 2.0]), name="made")(lambda x: x)

    def interrupt(ds):
        for _ in range(n_signals):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)
        return {"n": 1}

    made.summary(interrupt)
    if n_signals == 1:
        assert operations_run.execute(resolve(made), Options("serial")).is_interrupted
        assert int(made.load(group="summary").n) == 1
        return
    with pytest.raises(Interrupted):
        operations_run.execute(resolve(made), Options("serial"))
    assert {path.name for path in Path("results").iterdir()} == {".memo"}
    made.summary(lambda ds: {"n": 2})
    assert operations_run.execute(resolve(made), Options("serial")).n_computed == 0
    assert int(made.load(group="summary").n) == 2


@pytest.mark.campaign
def test_two_end_it_in_a_process_and_nothing_that_was_computed_is_lost(run, wave):
    wave(
        "@wave.summary\ndef slow(results):\n    import time\n    CALLS.with_name('begun').touch()\n"
        "    time.sleep(float(CALLS.with_name('seconds').read_text()))\n    return {'n': 1}\n"
    )
    Path("seconds").write_text("1000")
    command = [sys.executable, "-m", "sweeps", "run", "wave", "--engine", "serial"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("begun").exists():
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.01)
    while started.poll() is None:  # on a loaded machine two that wait together are one
        started.send_signal(signal.SIGINT)
        time.sleep(0.5)
    _, error = started.communicate(timeout=60)
    assert started.returncode in (130, -signal.SIGINT)  # the latter by one that came at its exit
    assert "Traceback" not in error
    assert {path.name for path in Path("results").iterdir()} == {".memo"}
    Path("seconds").write_text("0")
    n_calls()
    assert run()[::2] == (0, 0)
    assert int(summary().n) == 1
