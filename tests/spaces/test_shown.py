"""Spaces and experiments look right in a notebook, at once, and run nothing of the user's."""

import datetime
import enum

import numpy as np
import pint
import pytest

import sweeps as package
from sweeps import experiment, grid, points, replicates, sample, zipped
from sweeps.operations.status import Planned, Status
from sweeps.spaces import shown
from tests.test_markup import HOSTILE, Page


class Solver(enum.Enum):
    rk4 = 1


def forbidden(**_):
    raise AssertionError("called")


def cells(thing):
    return [text for text in Page(thing._repr_html_()).texts if text.strip()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1, 2, 3], "1, 2, 3"),
        (range(10**9), "0, 1, 2, …, 999999999 (1,000,000,000 values)"),
        (np.linspace(0.1, 2, 20), "0.1, 0.2, 0.3, …, 2 (20 values)"),
        ([3, 1, 2, 5, 7, 9, 4], "from 1 to 9 (7 values)"),
        (["b", "a", "c", "d", "e", "f", "g"], "b, a, c, …, g (7 values)"),
        ([True, False], "True, False"),
        ([1j], "1j"),
        ([datetime.date(2024, 2, 1)], "2024-02-01"),
        ([datetime.timedelta(hours=1)], "1:00:00"),
        ([Solver.rk4], "rk4"),
        ({"sine": np.sin}, "sine"),
        ([None, (1, 2)], "None, (1, 2)"),
        ([pint.Quantity(2.0, "m")], "2.0 m"),
        (["x" * 100], "x" * 39 + "…"),
        ([float("inf"), 1e-300], "inf, 1e-300"),
        ([10**30, 1], "1000000000000000000000000000000, 1"),
    ],
)
def test_values_of_each_kind_are_shown(given, said):
    assert shown.values(grid(x=given).columns["x"].table) == said


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (grid(a=[1, 2], b=[1, 2, 3]), "6 points (2 × 3)"),
        (grid(a=[1]), "1 point"),
        (zipped("run", a=[1, 2], b=[3, 4]), "2 points"),
        (grid(a=[1, 2]) * replicates(3), "6 points (2 × 3)"),
        (sample.sobol(8, x=(0, 1)), "8 points"),
        (grid(a=range(10**9)), "1,000,000,000 points"),
    ],
)
def test_the_number_of_points_is_shown(space, said):
    assert cells(space)[0] == f"Space of {said}"


def test_functions_of_the_user_are_not_called():
    space = grid(a=[1, 2]).derive(b=lambda a: forbidden()).where(lambda a: forbidden())
    assert cells(space)[0] == "Space of at most 2 points, some left out by where"
    assert cells(space)[-1] == "derived"


def test_what_is_known_of_functions_is_shown():
    space = grid(a=[1, 2, 3]).derive(b=lambda a: 2 * a).where(lambda a: a != 2)
    assert len(space) == 2
    list(space)
    assert cells(space)[0] == "Space of 2 points, 1 left out by where"
    assert cells(space)[-1] == "2, 6"


def test_a_space_of_many_parameters_is_cut():
    said = cells(points([{f"q{i}": i for i in range(100)}]))
    assert said[-1] == "and 80 more parameters"
    assert len(said) < 100


def test_an_experiment_shows_axes_constants_and_units():
    @experiment(
        grid(length=[0.1, 0.2]),
        units={"length": "m", "period": "s", "g": "m s-2"},
        long_name={"period": "period of the rod"},
    )
    def swing(length, g=9.81):
        """Swing.

        More of it.
        """
        return {"period": length}

    said = cells(swing)
    assert said[:3] == ["swing", "Swing.", "2 points"]
    rows = said[said.index("name") + 1 :]
    assert rows[:4] == ["length", "length: 2", "0.1, 0.2", "m"]
    assert rows[4:8] == ["g", "constant", "9.81", "m s-2"]
    assert rows[8] == "outputs that are described: period [s] (period of the rod)"


def hostile():
    space = grid(x=[HOSTILE, "y"], f={HOSTILE: len})

    @experiment(space, units={"x": HOSTILE, "y": HOSTILE}, long_name={"x": HOSTILE})
    def made(x, f, constant=HOSTILE):
        return x

    made.__wrapped__.__doc__ = HOSTILE
    return [
        space,
        made,
        Planned(HOSTILE, 4, 1, 1, 1, 1, (HOSTILE,), (HOSTILE,)),
        Status(HOSTILE, 4, 1, 1, 1, 1, 0, 0, HOSTILE, HOSTILE, (HOSTILE,), (HOSTILE,)),
    ]


@pytest.mark.parametrize("which", range(4))
def test_hostile_texts_make_no_elements(which):
    page = Page(hostile()[which]._repr_html_())
    allowed = {"div", "span", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert {tag for tag, _ in page.elements} <= allowed
    known = {"style", "scope", "role", "aria-label"}
    assert {name for _, own in page.elements for name in own} <= known
    assert "<script>" in page.text


def test_a_plan_shows_a_bar(project):
    @experiment(grid(x=[1.0, 0.0, 2.0]))
    def inverse(x):
        return 1 / x

    inverse.run(engine="serial", axes={"x": [1.0, 0.0]})
    said = " ".join(cells(package.plan(inverse)))
    assert said.startswith("Plan of inverse 3 points")
    assert "1 reused (33 %)" in said
    assert "1 failed (33 %)" in said
    assert "1 missing (33 %)" in said
    assert "1 done (33 %)" in " ".join(cells(package.status(inverse)))
