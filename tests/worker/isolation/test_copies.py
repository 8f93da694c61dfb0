"""Laws of duplicating: what one point does to an object, the next point does not see."""

import collections
import datetime
import decimal
import enum
import functools
import gc
import io
import queue
import random
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import sweeps
from sweeps.spaces.accept import accept
from sweeps.worker.isolation.copies import Originals, can_change, copier


class Meter:
    def __init__(self):
        self.seen, self.lock, self.rng = [], threading.Lock(), np.random.default_rng(0)

    def add(self, x):
        self.seen.append(x)
        return sum(self.seen)


class Slotted:
    __slots__ = ("total",)

    def __init__(self):
        self.total = 0


@dataclass(frozen=True)
class Setting:
    n: int
    inner: tuple = ()


@dataclass(frozen=True)
class Logging:
    log: list = field(default_factory=list)


class Method(enum.Enum):
    RK4 = "rk4"


def counter():
    n = 0

    def count(x):
        nonlocal n
        n += x
        return n

    return count


def mutual():
    seen = []

    def even(n):
        seen.append(n)
        return True if n == 0 else odd(n - 1)

    def odd(n):
        return False if n == 0 else even(n - 1)

    return lambda n: (even(n), len(seen))


def with_default(x, seen=[]):  # noqa: B006
    seen.append(x)
    return len(seen)


def with_keyword_default(x, *, seen={}):  # noqa: B006
    seen[len(seen)] = x
    return len(seen)


def pure(x, y=3, *, z=(1, 2)):
    return x + y


def closing(value):
    return lambda x: (x, value)


frozen_array = np.arange(3)
frozen_array.flags.writeable = False

CONSTANT = [
    1, "rk4", None, (1, "a", (2.5,)), frozenset({1}), 1 + 2j, b"x", np.float64(1.0), Method.RK4,
    decimal.Decimal(1), datetime.date(2020, 1, 1), Setting(1, (Setting(2),)), len, np.sin, np,
    Meter, pure, Meter.add, functools.partial(pure, 1), functools.lru_cache(pure), closing(1),
    random.random, "abc".join, frozen_array, object(), MappingProxyType({"a": 1}),
    collections.namedtuple("P", "x")(1),
]  # fmt: skip


@pytest.mark.parametrize("thing", CONSTANT, ids=lambda thing: type(thing).__name__)
def test_what_cannot_change_is_shared_and_costs_nothing(thing):
    assert not can_change(thing)
    originals = Originals({"p": accept("p", {"a": thing})})
    column = [thing]
    assert originals.column("p", column) is column


CHANGES = [
    (Meter(), lambda m: (m.add(1), m.rng.random())),
    (Meter().add, lambda add: add(1)),
    (functools.partial(Meter().add, 1), lambda add: add()),
    (functools.partial(Meter.add, Meter()), lambda add: add(1)),
    (counter(), lambda count: count(1)),
    (mutual(), lambda is_even: is_even(6)),
    (with_default, lambda f: f(1)),
    (with_keyword_default, lambda f: f(1)),
    (closing(Meter()), lambda f: f(1)[1].add(1)),
    (functools.wraps(pure)(closing([0])), lambda f: f(1)[1].append(1) or len(f(1)[1])),
    ((Meter(),), lambda pair: pair[0].add(1)),
    (Logging(), lambda each: each.log.append(1) or len(each.log)),
    (MappingProxyType({"a": [1]}), lambda each: each["a"].append(1) or len(each["a"])),
    ([1], lambda each: each.append(1) or len(each)),
    ({"a": {"b": []}}, lambda each: each["a"]["b"].append(1) or len(each["a"]["b"])),
    (collections.deque([1]), lambda each: each.append(1) or len(each)),
    (np.zeros(3), lambda a: a.__iadd__(1).sum()),
    (np.zeros((2, 3), order="F").T[:1], lambda a: a.__iadd__(1).sum()),
    (np.ma.masked_array([1.0, 2.0], [False, True]), lambda a: a.__iadd__(1).sum()),
    (np.random.default_rng(3), lambda rng: rng.random()),
    (np.random.RandomState(3), lambda rng: rng.random()),
    (random.Random(3), lambda rng: rng.random()),
    (iter([1, 2, 3]), next),
    (io.StringIO("abc"), lambda f: f.read(1)),
    (queue.Queue(), lambda q: q.put(1) or q.qsize()),
    (threading.Lock(), lambda lock: lock.acquire(blocking=False)),
    (Slotted(), lambda each: setattr(each, "total", each.total + 1) or each.total),
]


@pytest.mark.parametrize(("thing", "change"), CHANGES, ids=lambda each: type(each).__name__)
def test_no_copy_sees_what_was_done_to_another(thing, change):
    assert can_change(thing)
    make, shared = copier(thing)
    assert not shared
    first, second = make(), make()
    expected = change(first)
    change(first)
    assert change(second) == expected
    assert change(make()) == expected
    assert change(thing) == expected  # the original saw nothing


def test_a_copy_shares_what_it_is_made_by_and_holds_its_parts_as_often():
    inner = Meter()
    thing = {"a": inner, "b": [inner, Method.RK4, Meter, pure], "lock": threading.RLock()}
    made = copier(thing)[0]()
    assert made["a"] is made["b"][0] is not inner
    assert made["b"][1:] == [Method.RK4, Meter, pure]


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_that_share_their_memory_do_so_in_a_copy(order):
    whole = np.zeros((3, 4), order=order)
    thing = {"whole": whole, "part": whole[1:, ::-2], "row": whole[0], "other": np.ones(2)[:1]}
    make, shared = copier(thing)
    for _ in range(2):
        made = make()
        made["part"] += 1
        made["row"][:] = 5
        assert made["whole"].tolist() == [[5, 5, 5, 5], [0, 1, 0, 1], [0, 1, 0, 1]]
        assert made["other"].tolist() == [1]
    assert not shared and not whole.any()


def test_a_small_view_of_a_large_array_is_copied_alone():
    made = copier([np.zeros(10**6)[:2]])[0]()
    assert made[0].base is None


class Watched:
    """Known to those that watch it, which hold it weakly, as observers do."""

    def __init__(self):
        self.n, self.watchers, self.by_name = 0, [], weakref.WeakValueDictionary()
        self.all, self.labels = weakref.WeakSet([self]), weakref.WeakKeyDictionary({self: ["a"]})


class Watcher:
    def __init__(self, watched):
        self.watched = weakref.ref(watched)
        watched.watchers.append(self)
        watched.by_name["first"] = self


def test_weak_references_within_a_copy_stay_within_it():
    thing = Watched()
    Watcher(thing)
    make, shared = copier({"watchers": thing.watchers, "it": thing})
    made = make()["it"]
    (watcher,) = made.watchers
    assert watcher.watched() is made is not thing
    assert made.by_name["first"] is watcher
    assert [*made.all] == [made] == [*made.labels]
    made.labels[made].append("b")
    assert thing.labels[thing] == ["a"] and not shared


def test_weak_references_out_of_a_copy_lead_to_what_they_led_to():
    outside = Meter()
    thing = {
        "set": weakref.WeakSet([outside]), "ref": [weakref.ref(outside)],
        "values": weakref.WeakValueDictionary(a=outside),
        "keys": weakref.WeakKeyDictionary({outside: 1}),
    }  # fmt: skip
    made = copier(thing)[0]()
    gc.collect(1)
    assert [*made["set"], made["ref"][0](), made["values"]["a"], *made["keys"]] == [outside] * 4
    made["values"]["b"] = outside
    assert [*thing["values"]] == ["a"]


class Dropping:
    def __init__(self):
        self.cache, self.n = {}, 0

    def __getstate__(self):
        return {"n": self.n}


def test_what_a_class_leaves_out_of_pickles_is_in_a_copy():
    thing = Dropping()
    made = copier(thing)[0]()
    made.cache["a"] = 1
    assert (made.n, thing.cache) == (0, {})


class Only:
    _made = None

    def __new__(cls):
        cls._made = cls._made or super().__new__(cls)
        return cls._made


def test_an_object_of_a_class_that_makes_one_is_shared_and_named():
    only = Only()
    make, shared = copier(only)
    assert (make(), shared) == (only, ["Only"])


class OfOneKind:
    def __init__(self, registry):
        self.registry = registry

    def __deepcopy__(self, memo):
        return OfOneKind(self.registry)


def test_a_type_that_says_how_it_is_copied_is_copied_so():
    registry = Meter()
    made = copier([OfOneKind(registry)])[0]()
    assert made[0].registry is registry


class Unwilling:
    def __setstate__(self, state):
        raise RuntimeError

    def __init__(self):
        self.n = 1


@pytest.mark.parametrize("thing", [Path(__file__).open(), (i for i in [1]), Unwilling()])  # noqa: SIM115
def test_what_cannot_be_copied_is_shared_and_named(thing):
    name = type(thing).__name__
    originals = Originals({"source": accept("source", {"a": {"held": thing}})})
    (made,) = originals.column("source", [thing])
    assert made is thing
    (said,) = Originals({"source": accept("source", {"a": [thing]})}).shared
    assert said.startswith(
        f"'source': a {name if name != 'Unwilling' else 'list'} cannot be copied"
    )


OBJECTS = """
import functools
import numpy as np
from sweeps import experiment, grid, zipped

class Meter:
    def __init__(self): self.total, self.noise = 0, np.random.default_rng(0)
    def add(self, x):
        self.total += x
        return self.total + round(self.noise.random())

class Regression:
    "As estimators of scikit-learn: fitted in place, and warm."
    def fit(self, x):
        self.coef_ = getattr(self, "coef_", 0) + x
        return self
    def predict(self): return self.coef_

def accumulated(start=0):
    total = start
    def add(x):
        nonlocal total
        total += x
        return total
    return add

METHODS = {
    "bound": Meter().add, "partial": functools.partial(Meter.add, Meter()), "closure": accumulated()
}
XS = [1, 2, 3, 4]

@experiment(grid(meter={"m": Meter()}, x=XS))
def labelled(meter, x): return meter.add(x)

@experiment(grid(method=METHODS, x=XS))
def methods(method, x): return method(x)

@experiment(zipped("row", model={label: Regression() for label in "abcd"}, x=XS))
def zipped_models(model, x): return model.fit(x).predict()

@experiment(grid(x=XS))
def defaults(x, model=Regression(), *, seen=[], weights=np.ones(2)):
    seen.append(x)
    weights *= x
    return model.fit(x).predict() + len(seen) - 1 + weights.sum() - 2 * x

@experiment(grid(x=XS))
def noted(x, *, seen=[]):
    seen.append(x)
    return seen[0]

@experiment(grid(x=XS), concurrency=2)
async def awaited(x, model=Regression()): return model.fit(x).predict()

@experiment(grid(meter={"m": Meter()}, x=XS), vectorized=True)
def columns(meter, x, seen=[]):
    seen.append(1)
    return np.array([m.add(int(each)) for m, each in zip(meter, x)]) + len(seen) - 1

def enclosing(meter):
    @experiment(grid(x=XS), name="enclosed")
    def trial(x): return meter.add(x)
    return trial
enclosed = enclosing(Meter())
bound = experiment(grid(x=XS), name="bound")(Meter().add)
"""
NAMES = [
    "labelled", "methods", "zipped_models", "defaults", "awaited", "columns", "enclosed", "bound",
    "noted",
]  # fmt: skip
FEW = {"serial": NAMES, "loky": ["labelled", "defaults", "enclosed"],
       "threads": ["methods", "awaited", "columns"]}  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "names"),
    [
        *FEW.items(),
        *(pytest.param(e, NAMES, marks=pytest.mark.campaign) for e in ("loky", "threads")),
    ],
)
def test_values_do_not_depend_on_the_points_computed_before(project, engine, names):
    (project / "experiments" / "objects.py").write_text(OBJECTS)
    first = round(np.random.default_rng(0).random())
    for name in names:
        found = sweeps.run(name, engine=engine, n_workers=2)[name].values
        noise = first if name in ("labelled", "methods", "columns", "enclosed", "bound") else 0
        expected = np.broadcast_to(np.array([1, 2, 3, 4]) + noise, found.shape).copy()
        if name == "methods":
            expected[2] -= noise
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_reproduce_gives_the_point_copies_too(sweeps, project):
    (project / "experiments" / "objects.py").write_text(OBJECTS)
    for name in ("labelled", "defaults", "columns"):
        assert sweeps("run", name, "--engine", "serial").code == 0
        for _ in range(2):
            assert "equal" in sweeps("reproduce", name, "x=4").out


def test_what_cannot_be_copied_is_named_by_the_run(sweeps, project):
    (project / "experiments" / "reads.py").write_text(
        "from sweeps import experiment, grid\n"
        "@experiment(grid(x=[1, 2]))\n"
        "def reads(x, file=open(__file__)): return len(file.read())\n"
    )
    said = sweeps("run", "reads", "--engine", "serial").err
    assert "what reads() holds: a TextIOWrapper cannot be copied" in said
