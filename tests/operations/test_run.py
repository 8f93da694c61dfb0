"""Laws of running: every point is computed once, and what is landed is what was computed."""

import contextlib
import functools
import itertools
import subprocess
import sys
import threading
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweeps
from sweeps import engines, experiment, grid, points
from sweeps.errors import DeclarationError, StorageError, SweepsError, UnfinishedError
from sweeps.execution import leaks, scheduler
from sweeps.execution.options import Options
from sweeps.memo import index as memo
from sweeps.memo import merge, segment
from sweeps.operations import failures, run
from sweeps.outputs.types import Part, Variable
from sweeps.project.sweep import resolve
from sweeps.results import deliver, update, write
from sweeps.spaces import keys
from sweeps.storage import dataset
from tests.sizes import KEEPS, declared, examples, land_often

COUNTED = """
import pathlib
from sweeps import experiment, grid

CALLS = pathlib.Path("calls.txt")

@experiment(grid(x=range(20)))
def square(x, offset=0):
    with CALLS.open("a") as file:
        file.write(f"{x}\\n")
    if pathlib.Path(f"fail-{x}").exists():
        raise ValueError(f"told to fail at {x}")
    return x * x + offset
"""


@pytest.fixture
def square(project):
    """An experiment of 20 points that counts its calls."""
    (project / "experiments" / "square.py").write_text(COUNTED)
    return project


SEEN = []
"""What points of this process were called with: what they change of a module, others see."""


def calls():
    """Points that were computed since this was last asked."""
    path = Path("calls.txt")
    seen = sorted(map(int, path.read_text().split())) if path.exists() else []
    path.unlink(missing_ok=True)
    return seen


@contextlib.contextmanager
def patched():
    """Patch something, and compute no points again because they changed `SEEN`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaks, "warning", lambda *_: "")
        yield patch


def execute(name="square", axes=None, engine="serial", watch=None, **options):
    return run.execute(resolve(name, axes=axes), Options(engine, **options), watch)


@pytest.mark.parametrize("engine", engines.LOCAL)
def test_every_point_is_computed_once_and_never_again(square, engine):
    report = execute(engine=engine)
    assert (report.n_points, report.n_reused, report.n_computed, report.n_failed) == (20, 0, 20, 0)
    assert calls() == list(range(20))
    assert sweeps.load("square").square.values.tolist() == [x * x for x in range(20)]
    again = execute(engine=engine)
    assert (again.n_reused, again.n_computed) == (20, 0)
    assert calls() == []


def test_a_space_that_changes_costs_its_new_points_only(square):
    execute()
    calls()
    for xs, new in [
        ([5, 3, 30], [30]),
        (range(25), [*range(20, 25)]),
        (range(20), []),
        ([24, 30], []),
    ]:
        report = execute(axes={"x": xs})
        assert calls() == new
        assert report.n_reused == len(xs) - len(new)
        assert sweeps.load("square").square.values.tolist() == [x * x for x in xs]
    execute(axes={"x": range(25), "offset": [0, 1]})
    assert calls() == list(range(25))
    data = sweeps.run(
        "square", space=points([{"x": 3}, {"x": 4, "offset": 1}, {"x": 90}]), engine="serial"
    )
    assert calls() == [90]
    assert data.square.values.tolist() == [9, 17, 8100]


def test_failed_points_are_kept_apart_and_computed_again_alone(square):
    for x in (3, 7):
        (square / f"fail-{x}").touch()
    report = execute()
    assert (report.n_computed, report.n_failed) == (18, 2)
    assert np.isnan(sweeps.load("square").square.values).nonzero()[0].tolist() == [3, 7]
    calls()
    assert execute(retry=False).n_failed == 2
    assert calls() == []
    (square / "fail-3").unlink()
    report = execute()
    assert (calls(), report.n_reused, report.n_computed, report.n_failed) == ([3, 7], 18, 1, 1)
    (failure,) = failures.failures_of(resolve("square"))
    assert (failure.params, failure.attempts, failure.kind) == ({"x": 7}, 2, "exception")
    assert failure.message == "told to fail at 7"


@examples(8)
@given(limits=st.lists(st.integers(0, 12), min_size=1, max_size=3))
def test_limited_runs_add_up(tmp_path_factory, limits):
    SEEN.clear()
    made = experiment(grid(x=range(20)), name="seen")(lambda x: SEEN.append(x) or x)
    made = resolve(made, results=tmp_path_factory.mktemp("results"))
    for limit in limits:
        before = len(SEEN)
        with patched():
            report = run.execute(made, Options("serial", limit=limit))
        assert report.n_computed == len(SEEN) - before == min(limit, 20 - before)
        assert report.n_reused == before
    assert sorted(SEEN) == list(range(len(SEEN)))


def test_a_negative_limit_and_no_workers_are_refused(square):
    with pytest.raises(SweepsError, match="--limit -1: give a number of points"):
        execute(limit=-1)
    with pytest.raises(SweepsError, match="-j 0: give a number of workers"):
        execute(n_workers=0)
    with pytest.raises(SweepsError, match=r"no option 'x'.*axes={'x': "):
        sweeps.run("square", x=[1])
    assert not (square / "results").exists()


def test_recompute_computes_all_and_the_new_values_count(project):
    offset = [0]
    made = experiment(grid(x=range(5)), name="moody", version=1)(lambda x: x + offset[0])
    sweep = resolve(made)
    run.execute(sweep, Options("serial"))
    offset[0] = 100
    report = run.execute(sweep, Options("serial", recompute=True))
    assert (report.n_reused, report.n_computed) == (0, 5)
    assert sweeps.load("moody").moody.values.tolist() == [100, 101, 102, 103, 104]


def check_ages(folder, keep, merges, runs):
    """In each run the clock shows another time, and the first points are computed again."""
    SEEN.clear()
    start_ns, n_points = time.time_ns() - 10**16, 4

    @experiment(grid(x=range(n_points)), keep=declared(keep), version=1)
    def moody(x):
        SEEN.append(x)
        return len(SEEN)

    sweep = resolve(moody, results=folder)
    with patched() as patch:
        patch.setattr(merge, "N_SMALL", 2 if merges else 32)
        for step_ns, limit, lands_meanwhile in [(0, n_points, False), *runs]:
            clock = types.SimpleNamespace(
                time_ns=lambda now_ns=start_ns + step_ns: now_ns, monotonic_ns=time.monotonic_ns
            )
            patch.setattr(memo, "time", clock)
            for name in ("_FIRST_LANDING_S", "_PAUSE_S"):
                patch.setattr(update, name, 0 if lands_meanwhile else 100)
            patch.setattr(scheduler, "MAX_BLOCK", 1 if lands_meanwhile else 100)
            run.execute(sweep, Options("serial", limit=limit, recompute=True))
            last = {x: number for number, x in enumerate(SEEN, start=1)}
            found = sweeps.load(sweep.landed).moody.values.tolist()
            assert found == [last[x] for x in range(n_points)]


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("merges", [pytest.param(False, marks=pytest.mark.campaign), True])
def test_what_was_computed_last_counts_though_the_clock_steps_back(tmp_path, keep, merges):
    check_ages(tmp_path, keep, merges, [(-(10**13), 2, True), (-(10**14), 1, False)])


@pytest.mark.campaign
@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("merges", [False, True])
@examples(30)
@given(
    runs=st.lists(
        st.tuples(st.integers(-(10**12), 10**12), st.integers(1, 4), st.booleans()), max_size=6
    )
)
def test_campaign_of_clocks(tmp_path_factory, keep, merges, runs):
    check_ages(tmp_path_factory.mktemp("clock"), keep, merges, runs)


def test_what_workers_compute_again_counts_though_the_clock_stepped_back(square):
    sweep = resolve("square")
    part = Part(sweep.keys(np.arange(20)), np.zeros(20, "f4"), (Variable("", np.arange(20)),))
    segment.commit(sweep.memo, [part], created_ns=time.time_ns() + 10**13)
    assert sweeps.run("square").square.values.tolist() == list(range(20))
    again = sweeps.run("square", recompute=True)
    assert again.square.values.tolist() == [x * x for x in range(20)]


def test_a_timeout_that_nobody_enforces_is_told(square):
    made = experiment(grid(x=[1]), name="limited", timeout=5.0)(lambda x: x)
    told = run.execute(resolve(made), Options("serial")).warnings
    assert "timeout of 5 s was not enforced" in " ".join(told)
    assert run.execute(resolve(made), Options("serial")).warnings == ()
    assert execute(engine="loky").warnings == ()


def test_progress_begins_with_nothing_and_ends_with_everything(square):
    seen = []
    execute(watch=seen.append)
    assert (seen[0].n_todo, seen[0].n_computed) == (20, 0)
    assert seen[-1].n_computed == 20
    assert all(a.n_computed <= b.n_computed for a, b in itertools.pairwise(seen))


def test_what_is_finished_is_landed_while_a_run_goes_on(square, monkeypatch):
    land_often(monkeypatch)
    landed = []

    def look(progress):
        if (square / "results" / "square.h5").exists():
            landed.append(int(sweeps.load("square").square.notnull().sum()))

    execute(watch=look, axes={"x": range(8)})
    assert landed == sorted(landed)
    assert set(landed) - {8} == set(range(1, 8))  # all are there at the end


def test_a_landing_that_fails_amid_a_run_does_not_end_it(square, monkeypatch):
    land_often(monkeypatch)
    land, tries = write.land, []

    def fail_at_first(*arguments):
        tries.append(arguments)
        if len(tries) < 4:
            raise StorageError("the disk is full for now")
        return land(*arguments)

    monkeypatch.setattr(write, "land", fail_at_first)
    assert execute(axes={"x": range(8)}).n_computed == 8
    assert len(tries) > 5
    assert sweeps.load("square").square.notnull().all()


def test_the_last_landing_shows_what_another_run_committed_meanwhile(square, monkeypatch):
    """An older file must not replace a newer one for good."""
    land, others = write.land, []

    def let_another_finish_first(*arguments):
        if not others:
            others.append("at work")
            execute()
        return land(*arguments)

    monkeypatch.setattr(write, "land", let_another_finish_first)
    execute(limit=2)
    assert others
    assert sweeps.load("square").square.notnull().all()


def test_values_that_do_not_fit_are_failed_and_nothing_else(project):
    """The counts are a partition of the points, whoever is asked, and however often."""
    made = experiment(grid(x=[1, 2, 3, 4]), name="made")(lambda x: "odd" if x > 2 else 1.0)
    for computed, reused in ((2, 0), (0, 2)):
        report = run.execute(resolve(made), Options("serial"))
        assert (report.n_computed, report.n_reused, report.n_failed) == (computed, reused, 2)
        planned, status = sweeps.plan(made), sweeps.status(made)
        assert (planned.reused, planned.failed, planned.missing) == (2, 2, 0)
        assert (status.done, status.failed, status.missing) == (2, 2, 0)


def test_computing_again_in_vain_is_no_success(square):
    execute()
    Path("fail-3").touch()
    report = execute(recompute=True)
    assert (report.n_computed, report.n_failed) == (19, 1)
    assert sweeps.load("square").square.notnull().all()
    assert sweeps.plan("square").failed == 0


def test_a_space_too_large_for_a_file_is_refused_at_once(project):
    made = experiment(grid(a=range(2**10), b=range(2**10), c=range(2**11)), name="vast")(
        lambda a, b, c: 0.0
    )
    with pytest.raises(DeclarationError, match="2,147,483,648 points are more than"):
        sweeps.run(made)
    assert sweeps.plan(made, axes={"c": [1]}).missing == 2**20 < keys.MAX_POINTS


def test_two_runs_at_once_land_the_same(square):
    threads = [threading.Thread(target=execute, args=("square",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(calls()) == set(range(20))
    assert sweeps.load("square").square.values.tolist() == [x * x for x in range(20)]
    assert execute().n_reused == 20


def test_running_outside_the_main_thread_again_and_again(square):
    # The kernel ends workers with the thread that started them.
    for xs in ([1, 2, 3], [4, 5, 6], [7, 8, 9]):
        reports = []
        thread = threading.Thread(
            target=lambda xs=xs, to=reports: to.append(execute(axes={"x": xs}, engine="loky"))
        )
        thread.start()
        thread.join()
        assert [report.n_computed for report in reports] == [3]
        time.sleep(0.05)


SCRIPT = """
import helper
import sweeps

@sweeps.experiment(sweeps.grid(x=[1, 2, 3]))
def scaled(x, factor=10):
    return helper.scale(x, factor)

print(sweeps.run(scaled, n_workers=1).scaled.values.tolist())
print(scaled.run(axes={"x": [3, 4]}, n_workers=1).scaled.values.tolist())
"""


@pytest.mark.parametrize("how", [pytest.param(["script.py"], marks=pytest.mark.campaign), ["-"]])
def test_a_script_needs_no_guard_and_finds_the_modules_beside_it(project, how):
    (project / "helper.py").write_text("def scale(x, factor):\n    return x * factor\n")
    (project / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, *how], input=SCRIPT, capture_output=True, text=True, cwd=project
    )
    assert done.stdout == "[10, 20, 30]\n[30, 40]\n"
    assert "held 3 points and holds 2 now" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", ["square.py", "helper.py"])
def test_code_that_is_edited_between_two_runs_of_a_process(project, where):
    text = {
        "square.py": "import helper\nfrom sweeps import experiment, grid\n"
        "@experiment(grid(x=[1, 2]))\ndef square(x):\n    return helper.power(x) * 1\n",
        "helper.py": "def power(x):\n    return x * 1\n",
    }
    folder = {"square.py": project / "experiments", "helper.py": project}
    for name, content in text.items():
        (folder[name] / name).write_text(content)
    assert sweeps.run("square").square.values.tolist() == [1, 2]
    (folder[where] / where).write_text(text[where].replace("* 1", "* 5"))
    assert sweeps.run("square").square.values.tolist() == [5, 10]
    (folder[where] / where).write_text(text[where])
    assert execute().n_reused == 2


@pytest.mark.parametrize("new", [COUNTED.replace("x * x", "x * x * x"), "this is no Python"])
def test_code_that_is_edited_while_a_run_begins_counts_for_the_next_one(square, new):
    sweep = resolve("square")
    (square / "experiments" / "square.py").write_text(new)
    assert run.execute(sweep, Options("loky")).n_computed == 20
    assert sweeps.load("square").square.values.tolist() == [x * x for x in range(20)]


def test_labels_for_functions_and_lambdas_reach_the_workers(project):
    (project / "experiments" / "steps.py").write_text(
        "from sweeps import experiment, grid\n"
        "def double(x):\n    return 2 * x\n"
        "@experiment(grid(step={'double': double, 'triple': lambda x: 3 * x}, x=[1, 2]))\n"
        "def steps(step, x):\n    return step(x)\n"
    )
    assert sweeps.run("steps").steps.sel(step="triple").values.tolist() == [3, 6]
    lock = threading.Lock()
    made = experiment(grid(thing={"lock": lock}), name="locked")(lambda thing: 1)
    with pytest.raises(SweepsError, match=r"cannot send 'thing' \(a lock\) to a worker process: "):
        sweeps.run(made)
    assert sweeps.run(made, engine="threads").locked.values.tolist() == [1]


def test_what_goes_missing_while_a_run_goes_on_is_told_and_computed_again(square):
    execute(limit=3)
    kept = resolve("square").memo

    def remove(progress):
        for path in kept.glob("*.seg") if not progress.n_computed else ():
            path.unlink()

    with pytest.raises(UnfinishedError, match="3 points that had been finished disappeared"):
        execute(watch=remove)
    report = execute()
    assert (report.n_computed, report.n_reused) == (3, 17)


def line_of(factor, keep="both"):
    """An experiment whose values tell the code and the point that they are of."""

    @experiment(grid(x=[0]), name="line", keep=declared(keep))
    def line(x):
        return factor * x

    return line


SPACE, CODE = (1, [7]), (5, [1, 2])  # of another run, which ends before the values are loaded


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize(
    ("eager_bytes", "other", "is_known"),
    [
        pytest.param(size, other, is_known, marks=[] if is_default else pytest.mark.campaign)
        for size, other, is_known, is_default in [
            (0, SPACE, False, True),
            (0, CODE, True, True),
            (2**30, SPACE, True, True),
            (2**30, CODE, False, True),
            (0, SPACE, True, False),
            (0, CODE, False, False),
            (2**30, SPACE, False, False),
            (2**30, CODE, True, False),
        ]
    ],
)
def test_a_run_returns_what_it_was_asked_whatever_lands_meanwhile(
    project, monkeypatch, keep, eager_bytes, other, is_known
):
    monkeypatch.setattr(dataset, "EAGER_BYTES", eager_bytes)
    execute, (factor, xs) = run.execute, other

    def then_another_one(*args, **options):
        report = execute(*args, **options)
        execute(resolve(line_of(factor, keep), axes={"x": xs}), Options("serial"))
        return report

    ask = functools.partial(sweeps.run, line_of(1, keep), axes={"x": [1, 2]}, engine="serial")
    if is_known:
        ask()
    monkeypatch.setattr(run, "execute", then_another_one)
    found = ask()
    assert found.x.values.tolist() == found.line.values.tolist() == [1, 2]
    assert sweeps.load("line").line.values.tolist() == [factor * x for x in xs]


def test_a_run_that_lands_elsewhere_loads_that_file(project, monkeypatch):
    monkeypatch.setattr(deliver, "_write_apart", None)
    found = sweeps.run(line_of(3), engine="serial", output="there.h5")
    assert found.line.values.tolist() == [0]
    assert Path(found.encoding["source"]) == Path("there.h5").absolute()


def test_a_run_returns_its_values_though_the_file_is_gone(project, monkeypatch):
    execute = run.execute

    def then_removed(*args, **options):
        report = execute(*args, **options)
        report.results.unlink()
        return report

    monkeypatch.setattr(run, "execute", then_removed)
    found = sweeps.run(line_of(3), axes={"x": [1, 2]}, engine="serial")
    assert found.line.values.tolist() == [3, 6]
    assert [path.name for path in Path("results").iterdir()] == [".memo"]


AT_ONCE = [
    pytest.param(name, marks=pytest.mark.campaign if name == "serial" else [])
    for name in engines.LOCAL
]


@pytest.mark.parametrize("engine", AT_ONCE)
def test_threads_that_run_at_once_get_what_each_asked(square, engine):
    wrong, given, stdout = [], [], sys.stdout

    def ask(number):
        for i in range(2):
            xs = [number, number + 2 * i + 2]
            found = sweeps.run("square", axes={"x": xs}, engine=engine)
            given.append(xs)
            if found.x.values.tolist() != xs or found.square.values.tolist() != [x * x for x in xs]:
                wrong.append((xs, found))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 4
    assert not wrong
    assert sys.stdout is stdout


def test_a_point_that_runs_another_experiment_keeps_what_it_asked(project):
    (project / "experiments" / "pair.py").write_text(
        """
import sweeps

@sweeps.experiment(sweeps.grid(x=[0]))
def inner(x):
    return 10 * x

@sweeps.experiment(sweeps.grid(y=range(3)))
def outer(y):
    return int(sweeps.run(inner, axes={"x": [y, y + 1]}, engine="serial").inner.sum())
"""
    )
    found = sweeps.run("outer", engine="threads", n_workers=3)
    assert found.outer.values.tolist() == [20 * y + 10 for y in range(3)]


HALF = """
from sweeps import experiment, grid

@experiment(grid(x=[1, 2, 3, 4]))
def half(x, shift=0):
    if (x + shift) % 2:
        raise ValueError(f"odd: {x}")
    return {"y": x}
"""


@pytest.mark.parametrize("options", [{}, {"retry": False}, {"axes": {"shift": [1]}}])
def test_failures_are_said_in_python(project, options):
    (project / "experiments" / "half.py").write_text(HALF)
    if "retry" in options:
        with pytest.warns(UserWarning):
            sweeps.run("half", engine="serial")
    axes = {"axes": options["axes"]} if "axes" in options else {}
    failed = [2, 4] if axes else [1, 3]
    with pytest.warns(UserWarning) as told:
        sweeps.run("half", engine="serial", **options)
    # Threads of workers that earlier tests left may warn meanwhile.
    (one,) = [each for each in told if "half" in str(each.message)]
    said = str(one.message)
    assert f"2 of 4 points of 'half' failed; the first at x={failed[0]}: ValueError: odd: " in said
    assert "sweeps.failures('half'" in said
    assert one.filename == __file__
    found = sweeps.failures("half", **axes)
    assert [(each.params["x"], each.message) for each in found] == [
        (x, f"odd: {x}") for x in failed
    ]
    assert "Traceback" in found[0].traceback
    assert "Traceback" not in repr(found)


def test_an_experiment_that_runs_itself_warns_where_it_was_asked(project):
    made = experiment(grid(x=[0, 1]), name="inverse")(lambda x: 1 // x)
    with pytest.warns(UserWarning, match=r"sweeps.failures\(inverse\)") as told:
        made.run(engine="serial")
    (failed,) = [each for each in told if "sweeps.failures(inverse)" in str(each.message)]
    assert failed.filename == __file__


def test_a_run_without_failures_says_nothing(square):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            sweeps.run("square", engine="serial")
    assert sweeps.failures("square") == []


OTHER_SHAPE = """
import time
import numpy as np
from sweeps import experiment, grid

@experiment(grid(n=range(8)))
def shapes(n):
    time.sleep(0.03)
    return {"n_is": n, "field": 0.0 if n == 5 else np.zeros((n, 2))}
"""


def test_another_shape_is_told_at_the_first_such_point(sweeps, project):
    (project / "experiments" / "shapes.py").write_text(OTHER_SHAPE)
    said = sweeps("run", "shapes", "--engine", "serial")
    assert said.code == 0
    assert said.err.count("output 'field' is missing in the results file at n=5") == 1
    assert "warning" not in said.err  # since it was said before the run was over
    stands = sweeps("status", "shapes", "--json").json
    assert (stands["done"], stands["failed"]) == (8, 0)
