"""How the axes of a declared experiment are replaced, and when parameters are sampled."""

import dataclasses
import enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import sample
from sweeps.declaration.experiment import experiment
from sweeps.declaration.override_values import METHODS, Choice, Draw, Interval
from sweeps.declaration.overrides import parse_all
from sweeps.declaration.resweep import resweep
from sweeps.errors import DeclarationError, SweepsError, UnknownNameError
from sweeps.spaces.build import grid, points, replicates, zipped
from sweeps.spaces.keys import key_maker
from tests.sizes import few


class Method(enum.Enum):
    RK4 = 4
    EULER = 1


def twice(x, factor=2):
    return x * factor


def solve(length, angle, g=9.81, method=Method.RK4, order=None, callback=abs):
    return length


declared = experiment(grid(length=[0.1, 0.2], angle=[1, 2, 3]))(solve)


def swept(made):
    """Axes and constants, as lists."""
    axes = {c.name: list(c.table.elements()) for c in made.space.columns.values()}
    return axes, {name: next(t.elements()) for name, t in made.constants.items()}


# ---- axes and constants


AXES = {"length": [0.1, 0.2], "angle": [1, 2, 3]}
CONSTANTS = {"g": 9.81, "method": Method.RK4, "order": None}


@pytest.mark.parametrize(
    ("given", "axes", "constants"),
    [
        ({}, AXES, CONSTANTS),
        ({"length": [1, 2]}, AXES | {"length": [1.0, 2.0]}, CONSTANTS),
        ({"length": 1}, AXES | {"length": [1.0]}, CONSTANTS),
        ({"angle": range(2)}, AXES | {"angle": [0, 1]}, CONSTANTS),
        ({"g": 10}, AXES, CONSTANTS | {"g": 10.0}),
        ({"g": [9, 10]}, AXES | {"g": [9.0, 10.0]}, {"method": Method.RK4, "order": None}),
        ({"method": "EULER"}, AXES, CONSTANTS | {"method": Method.EULER}),
        (
            {"method": ("RK4", "EULER")},
            AXES | {"method": [Method.RK4, Method.EULER]},
            {"g": 9.81, "order": None},
        ),
        ({"order": 4}, AXES, CONSTANTS | {"order": 4}),
        ({"order": None}, AXES, CONSTANTS),
        ({"order": [None, 4]}, AXES | {"order": [None, 4]}, {"g": 9.81, "method": Method.RK4}),
        ({"order": "high"}, AXES, CONSTANTS | {"order": "high"}),
        ({"callback": "abs"}, AXES, CONSTANTS | {"callback": "abs"}),
        (
            {"g": 1, "angle": 5, "length": 7},
            {"length": [7.0], "angle": [5]},
            CONSTANTS | {"g": 1.0},
        ),
    ],
)
def test_axes_replaced_and_constants_set_or_swept(given, axes, constants):
    made = resweep(declared, given)
    assert repr(swept(made)[0]) == repr(axes)  # in this order, of these types
    assert swept(made)[1] == constants
    assert swept(declared) == (AXES, CONSTANTS)


def test_predicates_stay_when_axes_are_replaced():
    made = resweep(experiment(grid(x=[1, 2, 3]).where(lambda x: x > 1))(twice), {"x": range(10)})
    assert [p["x"] for p in made.space] == list(range(2, 10))


def test_derived_parameters_are_derived_anew_when_axes_are_replaced():
    space = grid(x=[1, 2]).derive(factor=lambda x, scale=10: scale * x)

    def scaled(x, factor, scale=10):
        return x * factor

    made = experiment(space)(scaled)
    assert [p["factor"] for p in resweep(made, {"x": [3, 4]}).space] == [30, 40]
    for scales in ([1, 2], [3], 4):
        swept = resweep(made, {"scale": scales}).space
        assert [p["factor"] for p in swept] == [p["x"] * p["scale"] for p in swept]


@pytest.mark.parametrize(
    ("space", "given", "error", "message"),
    [
        (grid(x=[1]), {"facto": 1}, UnknownNameError, "of twice (found: factor, x). Did you mean"),
        (grid(x=[1]), {"x": []}, DeclarationError, "'x' is empty"),
        (grid(x=[1]), {"x": [1, 1]}, DeclarationError, "the value 1 twice"),
        (grid(x=[0.5]), {"x": 2**53 + 1}, DeclarationError, "no float64"),
        (grid(x={"one": 1}), {"x": "two"}, UnknownNameError, "no value 'two' on the axis 'x'"),
        (
            zipped(x=[1], factor=[2]),
            {"x": 1},
            DeclarationError,
            "belongs to a list of points (dimension 'point')",
        ),
        (points([{"x": 1}]), {"x": 2}, DeclarationError, "only grid axes, sampled"),
    ],
)
def test_axes_that_cannot_be_given(space, given, error, message):
    with pytest.raises(error) as caught:
        resweep(experiment(space)(twice), given)
    assert message in str(caught.value)


def test_names_of_further_arguments_are_no_axes():
    def f(x, *more, **others):
        return x

    for name in ("more", "others"):
        with pytest.raises(UnknownNameError):
            resweep(experiment(grid(x=[1]))(f), {name: 1})


@given(st.lists(st.integers(0, 9), min_size=1, unique=True), st.integers(0, 9))
def test_a_point_keeps_its_key_when_a_constant_is_swept(factors, x):
    made = experiment(grid(x=[x]))(twice)
    together = key_maker(resweep(made, {"factor": factors}))(np.arange(len(factors)))
    for factor, key in zip(factors, together, strict=True):
        assert (key_maker(resweep(made, {"factor": factor}))(np.arange(1)) == key).all()


# ---- samples

RECIPE = {"length": (0.1, 2.0), "angle": range(1, 5), "method": {"rk4": abs, "euler": len}}


def solver(length, angle, method, g=9.81, order=3):
    return length


sampled = experiment(sample.sobol(8, seed=5, **RECIPE))(solver)


def asked(made, *texts):
    """Resweep as the command line does."""
    return resweep(made, parse_all(texts))


def recipe(made):
    """How an experiment is sampled; None where it is not."""
    return next((d.sampling for d in made.space.dimensions if d.sampling is not None), None)


def keys(made):
    return [tuple(key) for key in key_maker(made)(np.arange(len(made.space))).tolist()]


@pytest.mark.filterwarnings("ignore:The balance properties")
@few(10)
@given(st.sampled_from(["sobol", "halton", "uniform"]), st.integers(1, 32), st.integers(1, 32))
def test_more_points_are_those_before_and_new_ones(method, n, n_more):
    fewer, more = (asked(sampled, f"sample={method}({m})") for m in (n, n + n_more))
    assert keys(more)[:n] == keys(fewer)
    assert len(more.space) == n + n_more


@pytest.mark.parametrize("method", METHODS)
def test_every_method_that_can_be_asked_for_is_there(method):
    made = asked(declared, "length=0.5:1", f"sample={method}(4)")
    assert (recipe(made).method, recipe(made).n, recipe(made).seed) == (method, 4, 0)
    assert made.space.sizes["sample"] == (12 if method == "saltelli" else 4)


def test_what_is_not_asked_otherwise_stays_as_it_was():
    plain = experiment(sample.sobol(8, seed=5, scramble=False, **RECIPE))(solver)
    made = recipe(asked(plain, "sample=halton(16)"))
    assert (made.method, made.n, made.seed, made.scramble) == ("halton", 16, 5, False)
    assert made.parameters == RECIPE
    assert recipe(asked(sampled, "sample=sobol(8, seed=6)")).seed == 6
    assert keys(asked(sampled, "sample=sobol(8)")) == keys(sampled)


def test_a_range_or_a_choice_alone_is_sampled_as_the_others_are():
    made = asked(sampled, "length=5:6", "angle=2:3", "method=choice(euler)")
    assert made.space.sizes == {"sample": 8}
    assert recipe(made).seed == 5
    assert all(5 <= p["length"] <= 6 and p["angle"] in (2, 3) for p in made.space)
    assert {p["method"] for p in made.space} == {len}


def test_a_label_is_known_that_was_not_drawn():
    made = asked(experiment(sample.sobol(1, **RECIPE))(solver), "method=euler,rk4")
    assert [p["method"] for p in made.space] == [len, abs]


def test_plain_values_take_a_parameter_out_of_the_sample():
    made = asked(sampled, "length=1,2,3", "method=rk4")
    assert made.space.sizes == {"sample": 8, "length": 3, "method": 1}
    assert recipe(made).parameters.keys() == {"angle"}
    none_left = asked(sampled, "length=1,2,3", "method=rk4", "angle=1")
    assert none_left.space.sizes == {"length": 3, "method": 1, "angle": 1}


def test_ranges_leave_the_grid_and_stop_being_constants():
    made = asked(declared, "sample=sobol(8)", "length=0.5:1", "g=choice(1,2)", "order=1,2")
    assert made.space.sizes == {"angle": 3, "order": 2, "sample": 8}
    assert recipe(made).parameters == {"length": (0.5, 1.0), "g": [1.0, 2.0]}
    assert made.constants.keys() == {"method"}


def test_a_sampled_space_takes_further_parameters_in():
    made = asked(sampled, "sample=sobol(8)", "g=9:10")
    assert recipe(made).parameters == {**RECIPE, "g": (9.0, 10.0)}
    assert "g" not in made.constants


def test_a_new_sample_takes_the_place_of_the_old():
    made = experiment(grid(g=[1.0, 2.0]) * sample.sobol(4, **RECIPE) * grid(order=[1, 2]))(solver)
    assert asked(made, "sample=sobol(8)").space.dims == ("g", "sample", "order")
    renamed = experiment(sample.sobol(4, **RECIPE).rename(sample="run"))(solver)
    assert asked(renamed, "sample=sobol(8)").space.sizes == {"run": 8}


def test_of_several_samples_none_is_taken_for_the_one_that_is_meant():
    two = sample.sobol(4, length=(0, 1)).rename(sample="a") * sample.sobol(4, angle=(0, 1))
    made = experiment(two * grid(method=["rk4"]))(solver)
    with pytest.raises(DeclarationError, match="nothing to sample"):
        asked(made, "sample=sobol(8)")
    with pytest.raises(DeclarationError, match="belongs to a list of points"):
        asked(made, "length=0:2")
    assert asked(made, "g=1,2").space.sizes == {"a": 4, "sample": 4, "method": 1, "g": 2}


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("angle=1:10", range(1, 11)),
        ("angle=1.0:10", (1.0, 10.0)),
        ("length=1:10", (1.0, 10.0)),
        ("order=1:10", (1.0, 10.0)),  # it is None so far
        ("method=choice(RK4)", [Method.RK4]),
        ("angle=choice(1,2,2)", [1, 2, 2]),
    ],
)
def test_a_range_is_of_the_kind_of_the_present_values(text, distribution):
    (own,) = recipe(asked(declared, text, "sample=sobol(8)")).parameters.values()
    assert own == distribution
    assert type(own) is type(distribution)


def test_without_sampling_choices_are_values():
    assert swept(asked(declared, "angle=choice(5,6)", "g=choice(1)")) == swept(
        asked(declared, "angle=5,6", "g=1")
    )


def test_python_gives_the_same():
    given = {"length": Interval(0.5, 1), "g": Choice([1, 2]), "sample": Draw("sobol", 4)}
    texts = ["length=0.5:1", "g=choice(1,2)", "sample=sobol(4)"]
    assert keys(resweep(declared, given)) == keys(asked(declared, *texts))


def test_predicates_and_derived_parameters_stay():
    space = sample.sobol(64, length=(0.0, 1.0), angle=(0.0, 1.0)).where(
        lambda length, angle: length < angle
    )
    space = space.derive(area=lambda length, angle: length * angle)
    made = experiment(space, name="f")(lambda length, angle: length)
    made = asked(made, "length=0.5", "angle=0:2")
    assert all(p["angle"] > 0.5 and p["area"] == p["angle"] / 2 for p in made.space)


@pytest.mark.parametrize(
    ("made", "texts", "error", "message"),
    [
        (declared, ["length=0.1:2"], DeclarationError, "'length=linspace(0.1,2,20)'"),
        (declared, ["g=0.1:2"], DeclarationError, "add 'sample=sobol(1024)'"),
        (sampled, ["g=0.1:2"], DeclarationError, "add 'sample=sobol(1024)'"),
        (declared, ["sample=sobol(8)"], DeclarationError, "has nothing to sample: give ranges"),
        (declared, ["sample=sobol(8)", "g=1"], DeclarationError, "(solve has: angle, g, length,"),
        (
            sampled,
            ["sample=sobol(8)", "length=1", "angle=1", "method=rk4"],
            DeclarationError,
            "nothing to sample",
        ),
        (declared, ["sample=sobol"], UnknownNameError, "To sample, give ranges and a method"),
        (declared, ["sample=sobol(8)", "leng=1:2"], UnknownNameError, "Did you mean 'length'?"),
        (sampled, ["method=choice(rk5)"], UnknownNameError, "no value 'rk5' on the axis 'method'"),
        (sampled, ["angle=1,1"], DeclarationError, "the value 1 twice"),
        (
            experiment(zipped(x=[1], factor=[2]))(twice),
            ["sample=sobol(8)", "x=1:2"],
            DeclarationError,
            "'x' belongs to a list of points (dimension 'point')",
        ),
        (
            experiment(grid(x=[1]).derive(factor=lambda x: x))(twice),
            ["factor=2"],
            DeclarationError,
            "'factor' is derived from other parameters: set those instead",
        ),
        (declared, ["sample=sobol(99999999999)", "g=1:2"], DeclarationError, "more than"),
        (
            experiment(grid(x=[1.0]), name="f")(lambda x, sample=0: x),
            ["x=0:1", "sample=sobol(8)"],
            DeclarationError,
            "already has something named 'sample'",
        ),
    ],
)
def test_what_cannot_be_sampled(made, texts, error, message):
    with pytest.raises(error) as caught:
        asked(made, *texts)
    assert message in str(caught.value)


def test_a_parameter_called_sample_has_values_like_others():
    made = experiment(grid(sample=["a"]), name="f")(lambda sample: 0)
    assert swept(asked(made, "sample=sobol,b"))[0] == {"sample": ["sobol", "b"]}


TEXTS = [
    *("length=0:1", "length=1,2", "angle=1:9", "angle=3", "angle=choice(1,2)", "g=1:2", "g=1,2"),
    *("order=1:2", "method=rk4", "method=choice(rk4)", "sample=sobol(4)", "sample=halton(4)"),
]
texts = st.lists(st.sampled_from(TEXTS), unique_by=lambda text: text.partition("=")[0])


@given(st.sampled_from([declared, sampled]), texts)
def test_all_that_is_given_is_swept_or_nothing(made, given):
    try:
        again = asked(made, *given)
    except SweepsError:
        return
    drawn = recipe(again).parameters if recipe(again) else {}
    for name, raw in parse_all(given).items():
        if isinstance(raw, Draw):
            assert recipe(again).method == raw.method
        elif isinstance(raw, Interval) or (isinstance(raw, Choice) and drawn):
            assert name in drawn
        else:
            assert name in again.space.dims or name in again.constants
    assert {*again.space.parameters, *again.constants} == {
        *made.space.parameters,
        *made.constants,
    }


# ---- replicates


def noisy(x, rng):
    return x


@pytest.mark.parametrize("function", [lambda x, rng: x, lambda x, replicate=0: x])
def test_replicates_can_be_added(function):
    made = dataclasses.replace(experiment(grid(x=[1, 2]))(twice), function=function, constants={})
    made = asked(made, "replicate=range(0,20)")
    assert made.space.sizes == {"x": 2, "replicate": 20}
    more = asked(made, "replicate=range(0,40)")
    assert set(keys(made)) < set(keys(more))
    drawn = asked(made, "replicate=0:9", "sample=uniform(5)")
    assert all(type(p["replicate"]) is int for p in drawn.space)


def test_who_takes_no_stream_has_no_replicates():
    with pytest.raises(UnknownNameError, match=r"no axis 'replicate' of solve.*take rng"):
        asked(declared, "replicate=range(3)")
    assert asked(
        experiment(grid(x=[1]) * replicates(2), name="f")(lambda x, replicate: x), "replicate=3"
    ).space.sizes == {"x": 1, "replicate": 1}
