"""Laws of reproducing: one point in another process is what the workers stored, to the last bit."""

import contextlib
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweeps as package
from sweeps import experiment, grid, replicates
from sweeps.execution.options import Options
from sweeps.history import stored_point
from sweeps.memo import index as memo
from sweeps.memo import merge
from sweeps.operations import failures, reproduce, run
from sweeps.project.sweep import resolve
from sweeps.worker.resources import CannotOpenError
from tests.sizes import examples

KINDS = """
import asyncio, contextlib, dataclasses, datetime, enum, math
import numpy as np
import xarray as xr
from sweeps import experiment, grid, points, replicates, sample, zipped

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

@experiment(grid(x=np.linspace(0.1, 0.7, 7), y=[1, 2]))
def plain(x, y, g=9.81):
    return {"z": x * y / g, "is_large": x > 0.3, "word": f"{x:.1f}", "roots": np.sqrt([x, y])}

@experiment(grid(rate=[1.0, 2.5]) * replicates(8), seed=3)
def noisy(rate, rng, n=100):
    return {"size": rng.binomial(n, 1 - math.exp(-rate)), "path": rng.normal(size=5)}

@experiment(grid(rate=[1.0, 2.5], y=[1, 2]) * replicates(4), common_random_numbers=["rate"])
def common(rate, y, rng, replicate):
    return rng.normal(rate)

@experiment(grid(x=range(40)) * replicates(3), vectorized=True)
def columns(x, rng):
    return {"y": x * 2.0, "u": np.array([each.random() for each in rng])}

@experiment(grid(x=range(12)), concurrency=4)
async def later(x):
    await asyncio.sleep(0.001)
    return x / 3

@contextlib.asynccontextmanager
async def opened():
    yield asyncio.get_running_loop().time()

@experiment(grid(x=range(6)) * replicates(2), concurrency=2, resources={"clock": opened})
async def served(x, clock, rng):
    await asyncio.sleep(0)
    return {"y": x + rng.random(), "is_open": clock > 0}

@contextlib.contextmanager
def table():
    yield {i: i * i for i in range(10)}

@experiment(grid(x=range(6)), resources={"squares": table})
def looked_up(x, squares):
    return squares[x]

@experiment(zipped("run", a=[1, 2, 3], b=[0.5, 0.25, 0.125]) * grid(c=[1, 2]))
def together(a, b, c):
    return a * b ** c

@experiment(points([{"a": 1, "b": 2.0}, {"a": 3, "b": 0.5}, {"a": 4, "b": 0.25}]))
def listed(a, b):
    return np.arange(a) * b

@experiment(sample.sobol(16, a=(0.1, 2.0), m=[1, 2, 5], seed=1))
def sampled(a, m, rng):
    return {"y": a ** m, "e": rng.normal()}

@experiment(grid(method=["rk4"]) * grid(order=[2, 4]) + grid(method=["euler"]))
def united(method, order=1):
    return len(method) / order

@experiment(grid(a=range(6), b=range(6)).where(lambda a, b: a < b).derive(c=lambda a, b: a / b))
def some(a, b, c, rng):
    return c + rng.random()

@experiment(grid(f={"sine": math.sin, "root": math.sqrt}, colour=[Colour.RED, Colour.BLUE],
                 day=[datetime.date(2024, 1, 31), datetime.date(2024, 2, 29)]))
def labels(f, colour, day, rng):
    tomorrow = day + datetime.timedelta(1)
    return {"y": f(day.day) * colour.value, "tomorrow": tomorrow, "r": rng.random()}

@experiment(grid(x=[1.0, 2.0, 3.0]))
def curve(x):
    return xr.DataArray([x, math.nan], {"t": [0.0, x * 0 + 0.5]}, ["t"], attrs={"units": "K"})

@experiment(grid(x=range(1, 6)))
def ragged(x, rng):
    return rng.random(x)

@experiment(grid(items={"few": [1, 2], "many": [3, 4, 5]}, x=[1, 2]))
def careless(items, x):
    items.append(x)  # changes what it was given
    return {"n": 2}

@experiment(grid(x=range(6)) * replicates(2))
def fragile(x, rng):
    value = rng.random()
    if x % 2:
        raise ValueError(f"odd {x}, {value!r}\\nin two lines")
    return value

@experiment(grid(x=range(4)), vectorized=True)
def fragile_columns(x):
    if (x == 2).any():
        raise ZeroDivisionError("two")
    return x * 1.0

@experiment(grid(x=range(4)))
async def fragile_later(x):
    await asyncio.sleep(0)
    raise KeyError(x)

@experiment(grid(x=range(3)))
def unstorable(x):
    return {"y": object()} if x else {"y": 1.0}

class Odd(BaseException):
    def __str__(self):
        raise RuntimeError

@experiment(grid(x=range(5)))
def leaving(x):
    if x == 1:
        raise SystemExit("bye")
    if x == 2:
        raise KeyboardInterrupt("not by hand")
    if x == 3:
        raise Odd
    if x == 4:
        raise GeneratorExit
    return x
"""
MAIN = ("noisy", "common", "columns", "served", "sampled", "united", "some", "labels", "curve")
SIMPLE = ("plain", "later", "looked_up", "together", "listed", "ragged")
FAILING = ("fragile", "fragile_columns", "fragile_later", "unstorable", "leaving")


@pytest.fixture(
    scope="module",
    params=[MAIN, pytest.param(MAIN + SIMPLE, marks=pytest.mark.campaign)],
    ids=["main", "all"],
)
def computed(tmp_path_factory, request):
    """A folder with experiments of many kinds, which a worker process computed, and their names."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "experiments").mkdir()
    (folder / "experiments" / "kinds.py").write_text(KINDS)
    with contextlib.chdir(folder):
        for name in (*request.param, *FAILING):
            run.execute(resolve(name), Options("loky", n_workers=1))
    del sys.modules["experiments.kinds"]
    return folder, request.param


@pytest.fixture
def kinds(computed, monkeypatch):
    """The same, as the current folder; whatever is reproduced, nothing is written."""

    def content():
        return {p: p.read_bytes() for p in Path("results").rglob("*") if p.is_file()}

    folder, names = computed
    monkeypatch.chdir(folder)
    before = content()
    yield names
    assert content() == before


def test_a_random_point_is_what_a_worker_stored_to_the_last_bit(kinds):
    n_floats = 0
    for seed, name in enumerate(kinds):
        sweep, landed = resolve(name), package.load(name)
        space = sweep.experiment.space
        for i in np.random.default_rng(seed).permutation(len(space))[:1].tolist():
            position = int(space.positions(i, i + 1)[0])
            came = reproduce.reproduce(reproduce.case(sweep, position))
            assert (came.is_equal, came.raised) == (True, None), (name, position)
            index = np.unravel_index(position, tuple(space.sizes.values()))
            for each in came.compared:
                stored = landed[each.name]
                if stored.dims == space.dims and stored.dtype == np.float64:
                    assert float(each.now).hex() == float(stored[index]).hex()
                    n_floats += 1
    assert n_floats > len(kinds) // 2


def test_a_failed_point_raises_the_same_with_the_same_message(kinds):
    numbers = {}
    for name in FAILING:
        sweep = resolve(name)
        failed = failures.failures_of(sweep)
        numbers[name] = len(failed)
        for stored in failed:
            came = reproduce.reproduce(reproduce.case(sweep, stored.position))
            assert came.raised == (stored.kind, stored.type, stored.message, stored.traceback)
            assert (came.is_equal, came.is_same_failure) == (None, True)
            assert all(each.now is None for each in came.compared)
    assert list(numbers.values()) == [6, 1, 4, 2, 4]


def test_arguments_that_the_function_changes_are_its_own_affair(project):
    (project / "experiments" / "kinds.py").write_text(KINDS)
    package.run("careless", engine="serial")
    sweep = resolve("careless")
    for position, case in [(i, reproduce.case(sweep, i)) for i in range(4)]:
        came = reproduce.reproduce(case)
        assert came.is_equal
        assert came.case.parameters["items"] == ["few", "many"][position // 2]


def declared(function, space=None, **options):
    return experiment(grid(x=[0, 1, 2, 3]) if space is None else space, **options)(function)


def attempt(made, position, results, debug=None):
    case = reproduce.case(resolve(made, results=results), position)
    return reproduce.reproduce(case, debug)


@given(seed=st.integers(0, 2**70), position=st.integers(0, 11))
@examples(15)
def test_any_seed_and_point_draws_what_a_run_drew(seed, position, tmp_path_factory):
    def walk(x, rng):
        return rng.normal(x, size=3)

    made = declared(walk, grid(x=[0.5, 1.5, 2.5, 3.5]) * replicates(3), seed=seed)
    folder = tmp_path_factory.mktemp("walk")
    stored = package.run(made, results=folder, engine="serial").walk.values.reshape(12, 3)
    came = attempt(made, position, folder)
    assert came.is_equal
    assert came.compared[0].now.tobytes() == stored[position].tobytes()


def test_a_point_of_which_nothing_is_stored_is_computed(tmp_path):
    came = attempt(declared(lambda x: x * 2.0, name="double"), 3, tmp_path / "nowhere")
    assert (came.is_equal, came.raised) == (None, None)
    assert [(each.name, each.now.item()) for each in came.compared] == [("double", 6.0)]
    assert not (tmp_path / "nowhere").exists()


def test_another_value_now_is_told_with_its_size(tmp_path):
    factor = 2.0

    def scaled(x):
        return {"y": factor_of(x), "same": x}

    def factor_of(x):
        return x * factor_now[0]

    factor_now = [factor]
    made = declared(scaled)
    package.run(made, results=tmp_path, engine="serial")
    case = reproduce.case(resolve(made, results=tmp_path), 2)
    factor_now[0] = 3.0
    came = reproduce.reproduce(case)
    assert came.is_equal is False
    assert [(c.name, c.is_equal, c.absolute, c.relative) for c in came.compared] == [
        ("y", False, 2.0, 0.5),
        ("same", True, None, None),
    ]


def test_values_of_earlier_code_are_told_apart(tmp_path):
    old, new = (
        declared(lambda x: x, name="f", version=1),
        declared(lambda x: x, name="f", version=2),
    )
    package.run(old, results=tmp_path, engine="serial")
    assert not stored_point.recall(resolve(old, results=tmp_path), 1).is_earlier
    came = attempt(new, 1, tmp_path)
    assert came.case.stored.is_earlier
    assert came.is_equal


def test_values_that_do_not_land_say_why(tmp_path):
    made = declared(lambda x: [[x, x]] if x == 2 else [x], name="f")
    package.run(made, results=tmp_path, engine="serial")
    came = attempt(made, 2, tmp_path)
    assert came.is_equal
    assert "has shape (1, 2) here" in came.case.stored.failure.message


def test_damaged_segments_are_set_aside_and_the_point_is_computed(tmp_path):
    made = declared(lambda x: x, name="f")
    package.run(made, results=tmp_path, engine="serial")
    for path in resolve(made, results=tmp_path).memo.glob("*.seg"):
        path.write_bytes(path.read_bytes()[:-50])
    came = attempt(made, 1, tmp_path)
    assert came.is_equal is None
    assert came.compared[0].now.item() == 1
    assert came.case.stored.bad


def test_a_segment_that_is_merged_meanwhile_is_looked_for_again(tmp_path, monkeypatch):
    made = declared(lambda x: x, name="f")
    package.run(made, results=tmp_path, engine="serial")
    sweep = resolve(made, results=tmp_path)
    stale = memo.scan(sweep.memo)
    monkeypatch.setattr(merge, "N_SMALL", 2)
    monkeypatch.setattr(merge, "SETTLED_S", -1e3)
    merge.merge(memo.scan(sweep.memo))
    found = stored_point._of_code(sweep, 2, stale)
    assert found.values["f"].item() == 2


def test_an_open_resource_that_cannot_be_closed_costs_a_warning(tmp_path):
    closed = []

    @contextlib.contextmanager
    def sticky():
        yield 5
        closed.append(True)
        raise OSError("stuck")

    def reader(x, thing):
        return x + thing

    came = attempt(declared(reader, resources={"thing": sticky}), 1, tmp_path)
    assert came.compared[0].now.item() == 6
    assert closed
    assert "could not be closed: OSError: stuck" in came.warnings[0]


def test_a_resource_that_cannot_be_opened_is_a_mistake_and_no_value(tmp_path):
    def missing():
        raise FileNotFoundError("no such table")

    with pytest.raises(CannotOpenError, match="no such table"):
        attempt(declared(lambda x, thing: x, name="f", resources={"thing": missing}), 1, tmp_path)


def test_what_is_raised_is_debugged_where_it_was_with_resources_open(tmp_path):
    states = []

    @contextlib.contextmanager
    def watched():
        states.append("open")
        yield 5
        states.append("closed")

    def failing(x, thing):
        local = x + thing
        raise ValueError(local)

    def debug(error):
        frame = error.__traceback__.tb_frame
        states.append((frame.f_code.co_name, frame.f_locals["local"]))

    came = attempt(declared(failing, resources={"thing": watched}), 1, tmp_path, debug)
    assert states == ["open", ("failing", 6), "closed"]
    assert came.raised[:3] == ("exception", "ValueError", "6")


def test_cached_helpers_keep_their_values_where_workers_look(project):
    (project / "experiments" / "slow.py").write_text(
        textwrap.dedent("""
        from sweeps import cached, experiment, grid

        @cached
        def table(n):
            with open("calls.txt", "a") as file:
                file.write("x")
            return n * 2

        @experiment(grid(x=[1, 2]))
        def slow(x):
            return x + table(4)
        """)
    )
    package.run("slow", results="elsewhere", n_workers=1)
    case = reproduce.case(resolve("slow", results="elsewhere"), 1)
    assert reproduce.reproduce(case).is_equal
    assert Path("calls.txt").read_text() == "x"
    assert not Path("results").exists()
