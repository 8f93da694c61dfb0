"""What a function takes, and which spaces fit it."""

import functools

import pytest

from sweeps.declaration.signature import arguments, check, constants, passed
from sweeps.errors import DeclarationError, UnknownNameError
from sweeps.spaces.build import grid, points


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
    assert list(arguments(function)) == names


def test_a_function_that_does_not_tell_its_arguments_is_refused():
    with pytest.raises(DeclarationError, match="cannot find out its arguments"):
        arguments(Untold())


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
    found = constants(function, space)
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
    check(function, space, {"image": ("row", "column")})


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
        check(function, space, {})
    assert message in str(caught.value)


def test_a_parameter_that_the_function_does_not_take_is_unknown():
    with pytest.raises(UnknownNameError) as caught:
        check(plain, grid(x=[1], zz=[2]), {})
    assert str(caught.value).startswith("no parameter 'zz' of plain() (found: x, y, z).")


def test_a_derived_parameter_need_not_be_taken():
    check(plain, grid(x=[1]).derive(zz=lambda x: x), {})
    check(plain, grid(y=[1]).derive(x=lambda y: y), {})


def test_an_axis_that_only_derived_parameters_are_made_of_need_not_be_taken():
    def flow(reynolds):
        raise NotImplementedError

    space = grid(u=[1.0, 2.0], width=[0.5]).derive(reynolds=lambda u, width: u * width)
    check(flow, space, {})
    check(flow, space + space, {})
    assert passed(flow, space) == ("reynolds",)
    with pytest.raises(UnknownNameError, match="no parameter 'height' of flow"):
        check(flow, grid(height=[1.0]) * space, {})


def test_nothing_is_derived_to_check():
    asked = []
    space = grid(y=range(10**9)).derive(x=lambda y: asked.append(y), z=lambda y: asked.append(y))
    check(plain, space, {})
    assert constants(plain, space) == {}
    assert not asked


@pytest.mark.parametrize("dim", ["x", "y", "point"])
def test_own_dimensions_of_outputs_have_names_of_their_own(dim):
    space = points([{"x": 1}, {"x": 2}])
    with pytest.raises(
        DeclarationError, match=f"'image': '{dim}' is already a dimension or parameter"
    ):
        check(plain, space, {"image": ("row", dim)})
