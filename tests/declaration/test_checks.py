"""What the options of an experiment may be, what its function takes, and which spaces fit it."""

import contextlib
import functools
from pathlib import Path

import numpy as np
import pytest

from sweeps.declaration import checks
from sweeps.declaration.experiment import experiment
from sweeps.errors import DeclarationError, UnknownNameError
from sweeps.spaces.build import grid, points

units = functools.partial(checks.texts, "units", example="{'length': 'm'}")


def name(given):
    return checks.name(given, abs)


def common(given):
    return checks.common_random_numbers(given, {"rate", "length"})


@pytest.mark.parametrize(
    ("check", "given", "expected"),
    [
        (name, None, "abs"),
        (name, "pendulum", "pendulum"),
        (name, "run-2_b", "run-2_b"),
        (name, "été", "été"),
        (name, "a" * 100, "a" * 100),
        (units, None, {}),
        (units, {"length": "m", "angle": "°"}, {"length": "m", "angle": "°"}),
        (checks.dims, None, {}),
        (checks.dims, {"path": "time"}, {"path": ("time",)}),
        (checks.dims, {"image": ["y", "x"], "n": ()}, {"image": ("y", "x"), "n": ()}),
        (checks.depends_on, (), ()),
        (checks.depends_on, "a.csv", ("a.csv",)),
        (checks.depends_on, Path("a.csv"), ("a.csv",)),
        (checks.depends_on, ["a.csv", Path("b")], ("a.csv", "b")),
        (checks.depends_on, (Path(p) for p in "ab"), ("a", "b")),
        (checks.timeout, None, None),
        (checks.timeout, 3, 3.0),
        (checks.timeout, 0.5, 0.5),
        (checks.timeout, 1e8, 1e8),
        (checks.version, None, None),
        (checks.version, "2a", "2a"),
        (checks.version, 2, 2),
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
        (units, "m", "units={'length': 'm'}"),
        (units, ["m"], "units is ['m']"),
        (units, {"length": 5}, "not 'length' to 5"),
        (units, {1: "m"}, "not 1 to 'm'"),
        (units, {"length": "m\0"}, "map names to text"),
        (checks.dims, "time", "dims={'image': ('y', 'x')}"),
        (checks.dims, {"image": ("x", "x")}, "'x' cannot name a dimension"),
        (checks.dims, {"image": "a b"}, "'a b' cannot name a dimension"),
        (checks.dims, {"image": 5}, "5 cannot name a dimension"),
        (checks.depends_on, 5, "depends_on has 5: give paths"),
        (checks.depends_on, [None], "depends_on has None"),
        (checks.depends_on, b"a", "depends_on has b'a'"),
        (common, 5, "common_random_numbers has 5: give names"),
        (common, [["rate"]], "common_random_numbers has ['rate']"),
        (checks.timeout, 0, "timeout is 0: give seconds, a number above 0"),
        (checks.timeout, -1, "timeout is -1"),
        (checks.timeout, float("nan"), "timeout is nan"),
        (checks.timeout, float("inf"), "up to 1e+08"),
        (checks.timeout, 1e9, "up to 1e+08"),
        (checks.timeout, "5", "timeout is '5'"),
        (checks.timeout, True, "timeout is True"),
        (checks.version, 1.5, "version is 1.5: give a string or an integer"),
        (checks.version, np.eye(1), "version is array"),
    ],
)
def test_refused(check, given, message):
    with pytest.raises(DeclarationError) as caught:
        check(given)
    assert message in str(caught.value)


def test_a_function_without_a_name_needs_one():
    with pytest.raises(DeclarationError, match="name='pendulum'"):
        checks.name(None, object())
    with pytest.raises(DeclarationError, match="'<lambda>' cannot name"):
        checks.name(None, lambda: 1)


def test_replicates_share_no_random_numbers():
    with pytest.raises(DeclarationError, match="all replicates would be equal"):
        checks.common_random_numbers(["replicate"], {"replicate", "x"})


WAVE = experiment(grid(x=[1]), name="wave")(lambda x: x)


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
    assert WAVE.summary(given) is given is WAVE.registered.summary


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
        WAVE.summary(given)
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
        checks.resources({"client": opener})


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
        "resources": checks.resources({"client": opener}),
    }
    checks.refuse_contradictions(fetch_later, given, grid(x=[1]))
    with pytest.raises(DeclarationError, match=r"fetch\(\) must be an 'async def'"):
        checks.refuse_contradictions(fetch, given, grid(x=[1]))


class Model:
    __hash__ = None

    def __call__(self, x, g=9.81):
        return x

    def method(self, x):
        return x


class Untold:
    __signature__ = "none"

    def __call__(self, x):
        return x


def plain(x, y=2, *, z=3.0):
    return x


def open_ended(x, *args, **kwargs):
    return x


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (plain, ["x", "y", "z"]),
        (open_ended, ["x"]),
        (Model(), ["x", "g"]),
        (Model().method, ["x"]),
        (functools.partial(plain, y=5), ["x", "y", "z"]),
        (functools.partial(plain, 1), ["y", "z"]),
        (functools.cache(plain), ["x", "y", "z"]),
        (lambda: 1, []),
    ],
)
def test_arguments(function, names):
    assert list(checks.arguments(function)) == names


def test_a_function_that_does_not_tell_its_arguments_is_refused():
    with pytest.raises(DeclarationError, match="cannot find out its arguments"):
        checks.arguments(Untold())


@pytest.mark.parametrize(
    ("function", "space", "expected"),
    [
        (plain, grid(x=[1]), {"y": [2], "z": [3.0]}),
        (plain, grid(x=[1], y=[5, 6]), {"z": [3.0]}),
        (plain, points([{"x": 1, "y": 1}, {"x": 2}]), {"y": [2], "z": [3.0]}),
        (functools.partial(plain, y=5), grid(x=[1]), {"y": [5], "z": [3.0]}),
        (lambda x, solve=abs, table=[1], none=None: x, grid(x=[1]), {"none": [None]}),
    ],
)
def test_constants_are_the_defaults_that_some_point_needs(function, space, expected):
    found = checks.constants(function, space)
    assert {name: list(table.elements()) for name, table in found.items()} == expected


@pytest.mark.parametrize(
    ("function", "space"),
    [
        (plain, grid(x=[1])),
        (plain, points([{"x": 1, "y": 1}, {"x": 2}])),
        (open_ended, grid(x=[1], anything=[2])),
        (lambda: 1, grid()),
        (Model(), grid(x=[1])),
        (lambda Φ, t: t, grid(Φ=[1], t=[2])),
    ],
)
def test_what_fits(function, space):
    checks.check(function, space, {"image": ("row", "column")})


REFUSED = [
    (plain, grid(y=[1]), "plain() has no value for argument 'x': add it to the space"),
    (plain, points([{"x": 1}, {"y": 1}]), "no value for argument 'x' at some points"),
    (
        plain,
        points([{"y": 1}, {"z": 1}]).derive(x=lambda y: y),
        "no value for argument 'x' at some points",
    ),
    (plain, grid(x=[1]).derive(dim=lambda x: x, Dim=lambda x: x), "'dim' and 'Dim' differ only"),
    (Model().method, grid(), "method() has no value for argument 'x'"),
    (Model(), grid(), "Model() has no value for argument 'x'"),
    (Model.method, grid(x=[1]), "no value for argument 'self'"),
    (lambda x, /: x, grid(x=[1]), "takes 'x' by position only: remove the '/'"),
    (lambda **more: 1, grid(rng=[1]), "'rng' is reserved"),
    (lambda x: 1, grid(x=[1], replicate=[0, 1]), "all replicates of <lambda>() would be equal"),
    (lambda _x: 1, grid(_x=[1]), "'_x' is reserved"),
    (lambda x, X: 1, grid(x=[1], X=[2]), "'x' and 'X' differ only in case or Unicode form"),
    (lambda x, X=1: 1, grid(x=[1]), "'x' and 'X' differ only in case or Unicode form"),
    (lambda x, **more: 1, grid(x=[1]) * grid(_y=[1]), "'_y' is reserved"),
    (lambda x, Point=1: 1, points([{"x": 1}]), "differ only in case"),
]


@pytest.mark.parametrize(("function", "space", "message"), REFUSED, ids=[m for *_, m in REFUSED])
def test_what_does_not_fit_is_refused(function, space, message):
    with pytest.raises(DeclarationError) as caught:
        checks.check(function, space, {})
    assert message in str(caught.value)


def test_a_parameter_that_the_function_does_not_take_is_unknown():
    with pytest.raises(UnknownNameError) as caught:
        checks.check(plain, grid(x=[1], zz=[2]), {})
    assert str(caught.value).startswith("no parameter 'zz' of plain() (found: x, y, z).")


def test_a_derived_parameter_need_not_be_taken():
    checks.check(plain, grid(x=[1]).derive(zz=lambda x: x), {})
    checks.check(plain, grid(y=[1]).derive(x=lambda y: y), {})


def test_an_axis_that_only_derived_parameters_are_made_of_need_not_be_taken():
    def flow(reynolds):
        raise NotImplementedError

    space = grid(u=[1.0, 2.0], width=[0.5]).derive(reynolds=lambda u, width: u * width)
    checks.check(flow, space, {})
    checks.check(flow, space + space, {})
    assert checks.passed(flow, space) == ("reynolds",)
    with pytest.raises(UnknownNameError, match="no parameter 'height' of flow"):
        checks.check(flow, grid(height=[1.0]) * space, {})


def test_nothing_is_derived_to_check():
    asked = []
    space = grid(y=range(10**9)).derive(x=lambda y: asked.append(y), z=lambda y: asked.append(y))
    checks.check(plain, space, {})
    assert checks.constants(plain, space) == {}
    assert not asked


@pytest.mark.parametrize("dim", ["x", "y", "point"])
def test_own_dimensions_of_outputs_have_names_of_their_own(dim):
    space = points([{"x": 1}, {"x": 2}])
    with pytest.raises(
        DeclarationError, match=f"'image': '{dim}' is already a dimension or parameter"
    ):
        checks.check(plain, space, {"image": ("row", dim)})
