"""Laws of leaking: values that depend on the points before are told, and no others."""

import contextlib
import importlib
import sys

import numpy as np
import pytest

from sweeps import engines, experiment, grid
from sweeps.execution import leaks
from sweeps.project.sweep import resolve
from sweeps.worker.isolation import contents

GLOBALS = """
import contextvars, functools, io, itertools, random, tempfile, threading, time
import numpy as np
from sweeps import experiment, grid

total = 0
SEEN, CACHE, FLAG = {}, {}, []
RNG, UNSEEDED = np.random.default_rng(0), np.random.default_rng()
IDS = itertools.count()
TABLE = np.zeros(100_000)

class Model:
    n_fits = 0
    def __init__(self): self.coef = 0
    def fit(self, x): self.coef += x; return self.coef
MODEL = Model()

def ticks():
    n = 0
    while True:
        n += 1
        yield n
TICKS = ticks()

OWN, CONTEXT = threading.local(), contextvars.ContextVar("context", default=0)
TEXT, FILE = io.StringIO("a\\n" * 99), tempfile.TemporaryFile("w+", buffering=1)

def context(x):
    CONTEXT.set(CONTEXT.get() + x)
    return CONTEXT.get()

def local(x):
    return vars(OWN).setdefault("x", x)

def written(x):
    FILE.write("a" * x)
    FILE.flush()
    return FILE.tell()

def sticky(x):
    global FIRST
    FIRST = FIRST or x + 1
    return x * FIRST
FIRST = None

def helper(x, seen=[]):
    seen.append(x)
    return sum(seen)

@functools.lru_cache
def squared(x): return x * x

@functools.lru_cache
def shared(n): return [0] * n

@functools.lru_cache(maxsize=None)
def shared_by_all(n): return np.zeros(n)

def kept(x):
    shared(2)[0] += x
    shared_by_all(3)[1] += x
    return {"list": shared(2)[0], "array": shared_by_all(3)}

def add(x):
    global total
    total += x
    return {"total": total, "square": x * x}

def attribute(x):
    Model.n_fits += 1
    return Model.n_fits

def own(x):
    counted.n = getattr(counted, "n", 0) + 1
    return counted.n
def counted(): pass

def failing(x):
    SEEN[x] = 1
    if len(SEEN) > 1: raise ValueError("seen")
    return 1.0

def flagged(x):
    if x == 2: FLAG.append(x)
    return len(FLAG) > 0

def table(x):
    global TABLE
    TABLE += x
    return TABLE.sum()

def memo(x):
    if x not in CACHE: CACHE[x] = x * 2
    return CACHE[x]

def timed(x):
    CACHE[x] = 1
    return {"time": time.time(), "drawn": UNSEEDED.random(), "noise": time.perf_counter()}

LEAKS = {
    "add": add, "model": lambda x: MODEL.fit(x), "attribute": attribute, "own": own,
    "generator": lambda x: RNG.random(), "ids": lambda x: next(IDS), "ticks": lambda x: next(TICKS),
    "helper": lambda x: helper(x), "failing": failing, "flagged": flagged, "table": table,
    "sticky": sticky, "context": context, "local": local, "written": written,
    "read": lambda x: len(TEXT.readline()) * TEXT.tell(),
    "kept": kept,
}
OTHERS = {
    "table_kept": lambda x: shared_by_all(5)[0] + shared(x)[0], "memo": memo, "timed": timed,
    "squared": lambda x: squared(x), "pure": lambda x: x,
}
"""
LEAKS = (
    "add", "model", "attribute", "own", "generator", "ids", "ticks", "helper", "failing",
    "flagged", "table", "sticky", "context", "local", "written", "read", "kept",
)  # fmt: skip
OTHERS = ("table_kept", "memo", "timed", "squared", "pure")
XS = [1, 2, 3, 4]


@pytest.fixture
def functions(project):
    name = "globals_of_test"
    namespace = {"__name__": name}
    exec(compile(GLOBALS, name, "exec"), namespace)
    return namespace


@pytest.mark.parametrize("name", LEAKS)
def test_what_points_leave_behind_is_noticed(functions, name):
    function = functions["LEAKS"][name]
    if name == "kept":  # what a cache has just been given is nothing that a later point sees
        function(0)
    left = contents.Traces((), function)
    for x in XS:
        with contextlib.suppress(ValueError):
            function(x)
    watched = {"helper": "helper", "ids": "IDS"}
    found = left.found()
    assert found or name in ("attribute",), found
    assert watched.get(name, "") in "".join(found)


@pytest.mark.parametrize("name", ["squared", "pure", "table_kept"])
def test_what_leaves_nothing_is_not_noticed(functions, name):
    function = functions["OTHERS"][name]
    left = contents.Traces((), function)
    assert [function(x) for x in XS] and not left.found()


def write(project, names):
    text = GLOBALS + "".join(f"experiment(grid(x={XS}), name={name!r})\n" for name in ())
    for name in names:
        text += (
            f"{name}_ = experiment(grid(x={XS}), name={name!r})({{**LEAKS, **OTHERS}}[{name!r}])\n"
        )
    (project / "experiments" / "leaks.py").write_text(text)


@pytest.mark.parametrize(
    "engine",
    [pytest.param(e, marks=() if e == "serial" else pytest.mark.campaign) for e in engines.LOCAL],
)
def test_a_run_says_that_values_depend_on_the_points_before(sweeps, project, engine):
    write(project, ["add"])
    said = sweeps("run", "add", "--engine", engine, "-j2").err
    assert "add: results depend on which points were computed before: total differs; points" in said
    assert "change total of experiments.leaks" in said


@pytest.mark.campaign
@pytest.mark.parametrize("name", LEAKS + OTHERS)
def test_each_leak_is_told_and_nothing_else(sweeps, project, name):
    write(project, [name])
    said = sweeps("run", name, "--engine", "serial").err
    assert ("depend on which points were computed before" in said) == (name in LEAKS), said


def test_a_cache_is_no_leak_and_is_checked_once(sweeps, project, monkeypatch):
    write(project, ["memo"])
    assert "depend" not in sweeps("run", "memo", "--engine", "serial").err
    assert (resolve("memo").memo / leaks._CHECKED).exists()
    monkeypatch.setattr(leaks, "_computed_again", lambda *_: pytest.fail("checked again"))
    assert "depend" not in sweeps("run", "memo", "--engine", "serial", "--recompute").err


FORTH = [{"y": "1", "z": "0"}, {"y": "2", "z": "0"}]
TIMED = [{"y": "5", "z": "0"}, {"y": "6", "z": "0"}]
MIXED = [{"y": "1", "z": "7"}, {"y": "2", "z": "8"}]
BACK = [{"y": "3", "z": "0"}, {"y": "4", "z": "0"}]


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ([FORTH + BACK] * 2, "y differs"),
        ([FORTH + FORTH[::-1], FORTH + FORTH[::-1], BACK + BACK[::-1]], "y differs"),
        ([FORTH + FORTH[::-1]] * 2, ""),
        ([FORTH + TIMED, FORTH + BACK], ""),
        ([MIXED + TIMED, MIXED + TIMED[::-1]], "z differs"),
        ([FORTH + BACK, FORTH + FORTH[::-1]], ""),  # what is different in the two is random
        (None, ""),  # they could not be computed
    ],
)
def test_what_differs_between_two_processes_is_no_leak(tmp_path, monkeypatch, again, said):
    sweep = resolve(experiment(grid(x=XS), name="y")(lambda x: x), results=tmp_path)
    if again and len(again) == 2:  # the third one as the first
        again = [*again, again[0][2:] + again[0][:2]]
    monkeypatch.setattr(leaks, "_computed_again", lambda *_: again)
    found = leaks.warning(sweep, np.arange(2), 1e-3, 4, {"SEEN of it"})
    assert said in found
    assert bool(found) == bool(said)


def test_points_that_take_long_are_not_computed_again(tmp_path):
    sweep = resolve(experiment(grid(x=XS), name="slow")(lambda x: x), results=tmp_path)
    found = leaks.warning(sweep, np.arange(4), 400.0, 4, {"SEEN of it"})
    assert "was not checked, because points take long" in found
    assert not len(leaks._some(np.arange(4), 400.0, 100.0))
    assert len(leaks._some(np.arange(10**6), 1.0, 1e-6)) == leaks.MAX_POINTS


METHODS = """
import enum

class Scheme(enum.Enum):
    EULER = 1
Scheme.EULER.seen = []

class Meter:
    class Settings:
        seen = []
    def method(self, x, seen=[]): seen.append(x); return sum(seen)
    @staticmethod
    def static(x, seen=[]): seen.append(x); return sum(seen)
    @classmethod
    def of_class(cls, x, *, seen={}): seen[x] = 1; return len(seen)
    @property
    def count(self, seen=[]): seen.append(1); return len(seen)

def counting():
    n = 0
    def count(x):
        nonlocal n
        n += x
        return n if n else count(x)
    return count

STEPS = {"count": [counting()]}
"""


@pytest.fixture
def meters(tmp_path, monkeypatch):
    (tmp_path / "meters_of_test.py").write_text(METHODS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("meters_of_test")
    del sys.modules["meters_of_test"]


@pytest.mark.parametrize(
    "call",
    [
        "Meter().method(x)",
        "Meter.static(x)",
        "Meter.of_class(x)",
        "Meter().count",
        "STEPS['count'][0](x)",
        "Meter.Settings.seen.append(x)",
        "Scheme.EULER.seen.append(x)",
    ],
)
def test_what_functions_keep_is_noticed_wherever_they_are(meters, call):
    function = eval(f"lambda x: {call}", vars(meters))
    left = contents.Traces((), function)
    assert not left.found()
    function(1)
    function(2)
    assert left.found()
