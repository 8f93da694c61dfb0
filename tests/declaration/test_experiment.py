"""What declaring gives, what it refuses, and how axes of a declared experiment are replaced."""

import dataclasses
import enum
import inspect

import numpy as np
import pytest

from sweeps.code.fingerprint import fingerprint
from sweeps.declaration.experiment import experiment
from sweeps.errors import DeclarationError, SweepsError
from sweeps.spaces.build import grid, points


class Method(enum.Enum):
    RK4 = 4
    EULER = 1


@dataclasses.dataclass(frozen=True)
class Mesh:
    cells: int = 10


def twice(x, factor=2):
    """Twice as much.

    Or more.
    """
    return x * factor


def solve(length, angle, g=9.81, method=Method.RK4, order=None, callback=abs):
    return length


declared = experiment(grid(length=[0.1, 0.2], angle=[1, 2, 3]))(solve)


# ---- what declaring gives


def test_an_experiment_is_still_the_function():
    made = experiment(grid(x=[1]))(twice)
    assert made(3) == made(x=3) == 6
    assert made.__name__ == made.name == "twice"
    assert made.__doc__ == twice.__doc__
    assert made.about == "Twice as much."
    assert inspect.signature(made) == inspect.signature(twice)
    assert made.module == __name__


def test_an_experiment_is_frozen():
    made = experiment(grid(x=[1]))(twice)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "other"


def test_a_registered_summary_is_still_the_function_and_no_part_of_the_code():
    made = experiment(grid(x=[1]))(twice)
    before = made.identify()
    assert made.identify_summary() is None
    assert made.summary(len) is len
    assert made.identify() == before
    assert made.identify_summary() == fingerprint(len)
    with pytest.raises(DeclarationError, match=r"@twice\.summary takes a function"):
        made.summary("twice")
    assert made.registered.summary is len


def test_a_worker_gets_no_summary():
    made = experiment(grid(x=[1]))(twice)
    made.summary(len)
    assert made.without_space().registered.summary is None
    assert made.with_space(grid(x=[2])).registered is made.registered


def test_options_are_kept():
    made = experiment(
        {"x": [1, 2]},
        name="other",
        units={"x": "m"},
        dims={"path": "time"},
        version=3,
        depends_on="a.csv",
        timeout=5,
    )(twice)
    assert made.space.sizes == {"x": 2}
    kept = (made.name, made.units, made.dims, made.version, made.depends_on, made.timeout)
    assert kept == ("other", {"x": "m"}, {"path": ("time",)}, 3, ("a.csv",), 5.0)
    assert {n: list(t.elements()) for n, t in made.constants.items()} == {"factor": [2]}


def test_without_its_space_an_experiment_is_small_and_still_computes():
    made = experiment(grid(x=np.arange(10**5)))(twice).without_space()
    assert made(3) == 6
    assert made.space.parameters == ()


def generate(x):
    yield x


async def generate_slowly(x):
    yield x


REFUSED = {
    "no space": (lambda: experiment(twice), "@experiment needs a space: @experiment(grid("),
    "a list": (lambda: experiment([1, 2]), "takes a space, not [1, 2]"),
    "None": (lambda: experiment(None), "takes a space, not None"),
    "a dict of no axes": (lambda: experiment({"x": 5}), "such as x=[5]"),
    "a dict of numbers": (lambda: experiment({1: [1]}), "1 is not a valid name"),
    "no function": (lambda: experiment(grid())(5), "takes a function, not 5"),
    "twice": (lambda: experiment(grid())(declared), "'solve' is already an experiment"),
    "generator": (lambda: experiment(grid(x=[1]))(generate), "generate() is a generator function"),
    "both": (lambda: experiment(grid(x=[1]))(generate_slowly), "return the values of a point"),
    "argument": (
        lambda: experiment(grid())(twice),
        "twice() has no value for argument 'x': add it",
    ),
    "parameter": (lambda: experiment(grid(x=[1], y=[1]))(twice), "no parameter 'y' of twice()"),
    "lambda": (lambda: experiment(grid())(lambda: 1), "'<lambda>' cannot name"),
    "units": (lambda: experiment(grid(), units="m"), "units is 'm'"),
    "timeout": (lambda: experiment(grid(), timeout=0), "timeout is 0"),
    "version": (lambda: experiment(grid(), version=1.5), "version is 1.5"),
    "files": (lambda: experiment(grid(), depends_on=5), "depends_on has 5"),
    "dims": (
        lambda: experiment(grid(x=[1]), dims={"a": "x"})(twice),
        "'x' is already a dimension or",
    ),
    "dims later": (lambda: experiment(grid(x=[1]), dims={"a": "factor"})(twice), "'factor' is a"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(make, message):
    with pytest.raises(SweepsError) as caught:
        make()
    assert message in str(caught.value)


# ---- another space


def swept(made):
    """Axes and constants, as lists."""
    axes = {c.name: list(c.table.elements()) for c in made.space.columns.values()}
    return axes, {name: next(t.elements()) for name, t in made.constants.items()}


def test_another_space_makes_constants_anew():
    made = declared.with_space(points([{"length": 0.1, "angle": 1, "g": 1.0}]))
    assert swept(made)[1] == {"method": Method.RK4, "order": None}
    with pytest.raises(DeclarationError, match="no value for argument 'angle'"):
        declared.with_space(grid(length=[1.0]))


# ---- what is behind labels


def tokens(space):
    made = experiment(space, name="f")(lambda x: x)
    return made.label_tokens(space.columns["x"].table)


def test_what_brings_code_or_data_with_it_has_a_token():
    assert not tokens(grid(x=[None, (1, "a"), "b"]))
    assert tokens(grid(x=[None, Method.RK4, Mesh(3), (1, Method.RK4)])).keys() == {
        "RK4",
        "Mesh(cells=3)",
        "(1, <Method.RK4: 4>)",
    }
    assert tokens(grid(x={"f": abs, "data": [1, 2]})).keys() == {"f", "data"}


def test_a_token_is_of_the_content():
    one, same, other = ({"x": np.array(v)} for v in ([1, 2], [1, 2], [1, 3]))
    assert tokens(grid(x=one)) == tokens(grid(x=same)) != tokens(grid(x=other))
    assert tokens(grid(x={"f": abs})) != tokens(grid(x={"f": len}))


def test_a_token_does_not_depend_on_neighbours():
    alone, among = grid(x={"a": None}), grid(x={"a": None, "f": abs})
    assert tokens(alone)["a"] == tokens(among)["a"]


def test_what_nobody_can_tell_from_others_is_its_label_only(tmp_path):
    with (tmp_path / "a").open("w") as file:
        assert tokens(grid(x={"file": file})) == {}
