"""What the options of an experiment may be."""

import contextlib
import functools
from pathlib import Path

import numpy as np
import pytest

from sweeps.declaration import options
from sweeps.errors import DeclarationError


def name(given):
    return options.name(given, abs)


def common(given):
    return options.common_random_numbers(given, {"rate", "length"})


@pytest.mark.parametrize(
    ("check", "given", "expected"),
    [
        (name, None, "abs"),
        (name, "pendulum", "pendulum"),
        (name, "run-2_b", "run-2_b"),
        (name, "été", "été"),
        (name, "a" * 100, "a" * 100),
        (options.units, None, {}),
        (options.units, {"length": "m", "angle": "°"}, {"length": "m", "angle": "°"}),
        (options.dims, None, {}),
        (options.dims, {"path": "time"}, {"path": ("time",)}),
        (options.dims, {"image": ["y", "x"], "n": ()}, {"image": ("y", "x"), "n": ()}),
        (options.depends_on, (), ()),
        (options.depends_on, "a.csv", ("a.csv",)),
        (options.depends_on, Path("a.csv"), ("a.csv",)),
        (options.depends_on, ["a.csv", Path("b")], ("a.csv", "b")),
        (options.depends_on, (Path(p) for p in "ab"), ("a", "b")),
        (options.timeout, None, None),
        (options.timeout, 3, 3.0),
        (options.timeout, 0.5, 0.5),
        (options.timeout, 1e8, 1e8),
        (options.version, None, None),
        (options.version, "2a", "2a"),
        (options.version, 2, 2),
        (common, "rate", ("rate",)),
        (common, (n for n in ["rate", "length", "rate"]), ("length", "rate")),
    ],
)
def test_allowed(check, given, expected):
    assert check(given) == expected


@pytest.mark.parametrize(
    ("check", "given", "message"),
    [
        (name, "", "'' cannot name an experiment"),
        (name, "a b", "use letters, digits, '_' and '-'"),
        (name, "../a", "'../a' cannot name"),
        (name, ".hidden", "cannot name"),
        (name, "-j", "cannot name"),
        (name, "a\n", "cannot name"),
        (name, "a" * 101, "at most 100"),
        (name, "é" * 51, "at most 100"),  # bytes: a file system counts those
        (name, 5, "5 cannot name"),
        (options.units, "m", "units={'length': 'm'}"),
        (options.units, ["m"], "units is ['m']"),
        (options.units, {"length": 5}, "not 'length' to 5"),
        (options.units, {1: "m"}, "not 1 to 'm'"),
        (options.units, {"length": "m\0"}, "map names to text"),
        (options.dims, "time", "dims={'image': ('y', 'x')}"),
        (options.dims, {"image": ("x", "x")}, "'x' cannot name a dimension"),
        (options.dims, {"image": "a b"}, "'a b' cannot name a dimension"),
        (options.dims, {"image": 5}, "5 cannot name a dimension"),
        (options.depends_on, 5, "depends_on has 5: give paths"),
        (options.depends_on, [None], "depends_on has None"),
        (options.depends_on, b"a", "depends_on has b'a'"),
        (common, 5, "common_random_numbers has 5: give names"),
        (common, [["rate"]], "common_random_numbers has ['rate']"),
        (options.timeout, 0, "timeout is 0: give seconds, a number above 0"),
        (options.timeout, -1, "timeout is -1"),
        (options.timeout, float("nan"), "timeout is nan"),
        (options.timeout, float("inf"), "up to 1e+08"),
        (options.timeout, 1e9, "up to 1e+08"),
        (options.timeout, "5", "timeout is '5'"),
        (options.timeout, True, "timeout is True"),
        (options.version, 1.5, "version is 1.5: give a string or an integer"),
        (options.version, np.eye(1), "version is array"),
    ],
)
def test_refused(check, given, message):
    with pytest.raises(DeclarationError) as caught:
        check(given)
    assert message in str(caught.value)


def test_a_function_without_a_name_needs_one():
    with pytest.raises(DeclarationError, match="name='pendulum'"):
        options.name(None, object())
    with pytest.raises(DeclarationError, match="'<lambda>' cannot name"):
        options.name(None, lambda: 1)


def test_replicates_share_no_random_numbers():
    with pytest.raises(DeclarationError, match="all replicates would be equal"):
        options.common_random_numbers(["replicate"], {"replicate", "x"})


def two(results, other):
    pass


async def later(results):
    pass


def several(results):
    yield results


class Reduction:
    def __call__(self, results):
        return results

    def method(self, results, *rest, option=None):
        return results


@pytest.mark.parametrize(
    "given",
    [
        lambda ds: ds,
        lambda *everything: everything,
        functools.partial(two, other=1),
        Reduction(),
        Reduction().method,
        np.mean,
        dict,
    ],
)
def test_whatever_takes_the_results_alone_can_be_a_summary(given):
    assert options.summary(given, "wave") is given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "@wave.summary takes a function of the results, not None"),
        ({"n": 1}, "not {'n': 1}"),
        (lambda: 1, "too many positional arguments"),
        (two, "missing a required argument: 'other'"),
        (lambda *, ds: ds, "which <function"),
        (later, "is a coroutine or generator function"),
        (several, "is a coroutine or generator function"),
    ],
)
def test_what_is_no_summary_is_refused(given, message):
    with pytest.raises(DeclarationError) as caught:
        options.summary(given, "wave")
    assert message in str(caught.value)


@contextlib.asynccontextmanager
async def open_client():
    yield


class Client:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        pass


def generate():
    yield


async def generate_later():
    yield


@pytest.mark.parametrize("opener", [generate, generate_later, 5, None])
def test_a_resource_is_opened_by_what_returns_a_context_manager(opener):
    with pytest.raises(DeclarationError, match="function that returns a context manager"):
        options.resources({"client": opener})


@pytest.mark.parametrize("opener", [open_client, Client])
def test_only_coroutine_functions_enter_what_is_entered_with_async_with(opener):
    def fetch(client):
        pass

    async def fetch_later(client):
        pass

    given = {
        "vectorized": False,
        "concurrency": 1,
        "common_random_numbers": (),
        "resources": options.resources({"client": opener}),
    }
    options.refuse_contradictions(fetch_later, given)
    with pytest.raises(DeclarationError, match=r"fetch\(\) must be an 'async def'"):
        options.refuse_contradictions(fetch, given)
