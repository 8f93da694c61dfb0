"""Laws of benchmarking: a sample is timed in all ways, and nobody's results are touched."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweeps as package
from sweeps.analysis import speedup
from sweeps.analysis.speedup import FILE, Benchmark, Timing, Variant
from sweeps.operations import bench as operations_bench
from sweeps.project.sweep import resolve

WAVE = """
import contextlib, os, pathlib, time
import numpy as np
from sweeps import experiment, grid, sample

def told(point):
    with pathlib.Path("calls.txt").open("a") as file:
        file.write(f"{point}\\n")

@experiment(grid(x=range(30), y=[1.0, 2.0]))
def wave(x, y):
    told((x, y))
    return x * y

@experiment(grid(x=range(1000)), vectorized=True)
def columns(x, rng):
    return x + np.array([each.random() for each in rng])

@contextlib.asynccontextmanager
async def opened():
    yield 2

@experiment(sample.sobol(8, x=(0.0, 1.0)), resources={"factor": opened}, concurrency=4)
async def coroutine(x, factor):
    print("a point prints")
    return factor * x

@experiment(grid(x=[1.0]))
def single(x):
    return x + 0

@experiment(grid(x=range(8)), timeout=0.5)
def fragile(x):
    told(x)
    if x == 1:
        raise ValueError(x)
    if x == 3:
        time.sleep(60)
    return x

@experiment(grid(x=range(4)))
def hopeless(x):
    raise ValueError("nothing\\nworks")

@experiment(grid(i=range(300)))
def patient(i):
    is_first = not list(pathlib.Path().glob("begun-*"))
    pathlib.Path(f"begun-{time.time_ns()}").touch()
    time.sleep(0 if is_first else 60)
    return i

@experiment(grid(x=[1, 2]).where(lambda x: x > 2))
def empty(x):
    return x
"""


@pytest.fixture(autouse=True)
def wave(project):
    (project / "experiments" / "wave.py").write_text(WAVE)
    return project / "experiments" / "wave.py"


def bench(sweeps, *arguments):
    return sweeps("bench", *arguments, "--rounds=1", "--json")


def stored():
    """All files under the folder of results, and their content, but benchmarks."""
    files = (path for path in Path("results").rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if path.name != FILE}


sizes = st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, min(n, 1000))))


@given(sizes)
def test_a_sample_has_one_point_of_each_of_as_many_equal_pieces(size):
    n_points, n_sample = size
    sample = operations_bench.sampled(n_points, n_sample)
    assert len(sample) == n_sample
    assert (sample == operations_bench.sampled(n_points, n_sample)).all()
    assert (sample * n_sample // n_points - np.arange(n_sample) <= 0).all()
    assert ((sample + 1) * n_sample // n_points - np.arange(n_sample) >= 0).all()
    assert (np.diff(sample) > 0).all()
    assert sample[0] >= 0
    assert sample[-1] < n_points


@given(st.integers(1, 1000))
def test_a_sample_of_all_points_is_all_points(n):
    assert (operations_bench.sampled(n, n) == np.arange(n)).all()


@pytest.mark.parametrize(
    ("workers", "numbers"),
    [("1", [None, 1]), pytest.param("2,1,2", [None, 1, 2], marks=pytest.mark.campaign)],
)
def test_memo_and_results_stay_as_they_are_and_known_points_are_computed_again(
    sweeps, workers, numbers
):
    assert sweeps("run", "wave", "--engine=serial").code == 0
    before = stored()
    Path("calls.txt").unlink()
    chosen = ("x=range(20)", "--only=x > 9", "--points=10", f"--workers={workers}")
    said = bench(sweeps, "wave", *chosen)
    assert said.code == 0
    assert stored() == before
    calls = Path("calls.txt").read_text().splitlines()
    assert len(set(calls)) == 10
    assert len(calls) == 10 * (1 + len(numbers))  # once beforehand
    found = said.json
    assert (found["points"], found["of_points"], found["failed"]) == (10, 20, 0)
    assert (found["axes"], found["only"]) == ({"x": "range(20)"}, "x > 9")
    assert [each["workers"] for each in found["variants"]] == numbers
    assert all(len(each["rounds"]) == 1 for each in found["variants"])
    first = found["variants"][0]["seconds"]
    assert all(v["speed_up"] == first / v["seconds"] for v in found["variants"])
    assert sweeps("plan", "wave", "--json").json["reused"] == 60
    assert sweeps("bench", "wave", "--last", "--json").json == found
    shown = sweeps("bench", "wave", "--last").out
    assert "10 of 20 points" in shown
    assert "sequential  #" in shown


@pytest.mark.parametrize(
    ("name", "n_points"),
    [pytest.param("columns", 1000, marks=pytest.mark.campaign), ("coroutine", 8)],
)
def test_every_experiment_is_timed_in_all_ways_and_how_many_points_is_found_out(
    sweeps, name, n_points
):
    said = bench(sweeps, name, "--workers=1")
    assert said.code == 0
    assert [each["workers"] for each in said.json["variants"]] == [None, 1]
    # All of them take less than the seconds that are wanted.
    assert said.json["points"] == said.json["of_points"] == n_points
    assert said.json["failed"] == 0
    assert not said.json["is_plain"]
    assert "about" in said.err
    assert ("a point prints" in said.err) == (name == "coroutine")  # and it is not in the answer


def test_points_that_fail_are_counted_and_left_out_and_the_others_are_timed(sweeps):
    said = bench(sweeps, "fragile", "--points=8", "--workers=1")
    assert said.code == 0
    assert (said.json["points"], said.json["failed"]) == (6, 2)
    assert all(r["n_failed"] == 0 for v in said.json["variants"] for r in v["rounds"])
    assert "2 points of the sample failed" in sweeps("bench", "fragile", "--last").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "no experiment"),
        (["wave", "--workers=0"], "not a list of positive integers"),
        (["wave", "--workers=1,two"], "not a list of positive integers"),
        (["wave", "--workers="], "not a list of positive integers"),
        (["wave", "--points=0"], "--points"),
        (["wave", "--rounds=0"], "--rounds"),
        (["wave", "z=1"], "z"),
        (["wave", "x"], "x"),
        (["wave", "--only=x <"], "expected a parameter"),
        (["wave", "--last"], "has no benchmark yet: python -m sweeps bench wave"),
        (["wave", "--last", "--points=3"], "--last shows"),
        (["empty"], "excludes all"),
        (
            ["hopeless", "--points=4", "--workers=1"],
            "all 4 points of the sample fail, point 0 with ValueError: nothing works",
        ),
    ],
)
def test_a_mistake_is_one_message(sweeps, arguments, said):
    answer = sweeps("bench", *arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert stored() == {}


@pytest.fixture
def kept(wave):
    """Keep a benchmark of the experiment of a single point, as if it had been measured."""
    made = resolve("single")
    rounds = (Timing(2.0, 0.5, 1.5, 0),)
    variants = (Variant(None, rounds), Variant(1, rounds))
    digest = made.fingerprint.digest
    bench = Benchmark("single", digest, "today", {}, 1, 1, 0, True, {}, None, variants)
    speedup.keep(made.memo, bench)
    return bench


def test_a_benchmark_of_other_code_is_none_of_this_code_and_becomes_waste(sweeps, wave, kept):
    wave.write_text(WAVE.replace("return x + 0", "return x + 1"))
    assert sweeps("bench", "single", "--last").code == 2
    (waste,) = sweeps("clean", "single", "--yes", "--json").json["waste"]
    assert waste["reason"] == "results of earlier code"
    assert not list(Path("results").rglob(FILE))


def test_a_benchmark_is_no_waste_no_damage_and_no_result(sweeps, kept):
    assert sweeps("status", "single", "--json").json["missing"] == 1
    assert sweeps("clean", "single", "--json").json["waste"] == []
    assert sweeps("verify", "single", "--json").json["whole"]
    assert sweeps("run", "single", "--engine=serial", "--json").json["computed"] == 1
    assert sweeps("bench", "single", "--last", "--json").json["variants"][0]["seconds"] == 2.0


def test_a_benchmark_goes_on_under_a_new_name(sweeps, wave, kept):
    wave.write_text(WAVE.replace("def single", "def only_one"))
    assert sweeps("rename", "single", "only_one").code == 0
    last = sweeps("bench", "only_one", "--last", "--json").json
    assert last == {**kept.data, "variants": last["variants"], "experiment": "only_one"}


def test_a_damaged_benchmark_is_told_and_a_new_one_replaces_it(sweeps, kept):
    (path,) = Path("results").rglob(FILE)
    path.write_text("nonsense")
    said = sweeps("bench", "single", "--last")
    assert (said.code, "measure again" in said.err) == (2, True)
    made = package.bench("single", axes={"x": [1.0, 2.0]}, workers=[1, 2], n_points=1, n_rounds=2)
    assert [each.workers for each in made.variants] == [None, 1]  # for one point
    assert (made.points, made.of_points) == (1, 2)
    assert made.axes == {"x": "[1.0, 2.0]"}
    assert len(made.sequential.rounds) == 2
    assert str(made).startswith("single: 1 of 2 points, median of 2 rounds")
    assert sweeps("bench", "single", "--last", "--json").json == json.loads(json.dumps(made.data))


@pytest.mark.parametrize(
    ("step", "options", "number"),
    [
        # All workers are at points, or this process is.
        pytest.param("how long", [], signal.SIGINT, marks=pytest.mark.campaign),
        ("round 1", ["--points=1"], signal.SIGINT),
        pytest.param("round 1", ["--points=1"], signal.SIGTERM, marks=pytest.mark.campaign),
    ],
)
def test_a_signal_ends_it_and_nothing_is_left(project, step, options, number):
    going = subprocess.Popen(
        [sys.executable, "-m", "sweeps", "bench", "patient", "--workers=1", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(list(Path().glob("begun-*"))) < 2:  # the second one takes a minute
        assert going.poll() is None
        time.sleep(0.01)
    os.killpg(going.pid, number)
    out, err = going.communicate(timeout=30)
    assert (going.returncode, out) == (130, "")
    assert step in err.splitlines()[-2]
    assert err.endswith("interrupted: an unfinished benchmark is not kept\n")
    assert "Traceback" not in err
    assert list(Path("results").iterdir()) == []


def test_each_number_of_workers_is_tried_once():
    assert operations_bench._checked(None, [2, 1, 2], 1) == [1, 2]


@pytest.mark.parametrize(
    "given",
    [{"n_points": 0}, {"n_points": 1.5}, {"workers": []}, {"workers": [0]}, {"n_rounds": 0}],
)
def test_it_refuses_numbers_that_are_none(given):
    with pytest.raises(package.SweepsError, match="give at least 1"):
        package.bench("single", **given)
