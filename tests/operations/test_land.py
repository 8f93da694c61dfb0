"""Laws of landing what is known: nothing is computed, nothing known is hidden without a word."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import sweeps as product
from sweeps import grid, points
from sweeps.operations import land as operations_land
from sweeps.spaces import keys
from tests.sizes import KEEPS, declared

WAVE = """
from sweeps import experiment, grid, points
{more}
@experiment({space})
def wave({arguments}):
    return {{"z": {value}}}
"""


@pytest.fixture
def wave(project):
    """Write the experiment; its function can be asked what is right."""

    def write(space="grid(x=[1.0, 2.0, 3.0])", arguments="x", value="x**2", more=""):
        text = WAVE.format(space=space, arguments=arguments, value=value, more=more)
        (project / "experiments" / "wave.py").write_text(text)

    write()
    return write


def held(path="results/wave.h5"):
    return product.load(path)


def test_each_run_says_what_a_file_held_that_shows_less_now(sweeps, wave):
    first = sweeps("run", "wave", "x=1,2,3,4,5,6.0", "--engine", "serial")
    assert (first.code, first.err) == (0, "")
    assert "held 6 points and holds 3 now" in sweeps("run", "wave", "--engine", "serial").err
    last = sweeps("run", "wave", "x=9.0", "--engine", "serial")
    assert "held 3 points and holds 1 now" in last.err
    assert "python -m sweeps land wave --all" in last.err
    status = sweeps("status", "wave", "--json").json
    assert [status[k] for k in ("points", "done", "known", "landed")] == [3, 3, 7, 1]

    landed = sweeps("land", "wave", "--all", "--json")
    assert [landed.json[k] for k in ("points", "done", "known")] == [7, 7, 7]
    assert landed.err == ""
    np.testing.assert_array_equal(held().x, [1, 2, 3, 4, 5, 6, 9])
    np.testing.assert_array_equal(held().z, held().x ** 2)
    status = sweeps("status", "wave", "--json").json
    assert [status[k] for k in ("done", "known", "landed")] == [3, 7, 7]


@pytest.mark.parametrize("is_there", [False, True])
def test_landing_returns_what_it_landed_whatever_becomes_of_the_file(wave, monkeypatch, is_there):
    product.run("wave", engine="serial")
    land = operations_land.land_sweep

    def then_another_one(*args, **options):
        landed = land(*args, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            product.run("wave", axes={"x": [9.0]}, engine="serial")
        if not is_there:
            Path("results/wave.h5").unlink()
        return landed

    monkeypatch.setattr(operations_land, "land_sweep", then_another_one)
    assert product.land("wave").z.values.tolist() == [1, 4, 9]


# Nothing more, another order, more values, and a constant that becomes an axis.
GROWN = ([], [], ["x=3,2,1.0"], ["x=3,2,4,1.0"], ["x=3,2,4,1.0", "g=1.0,2.0"])


def test_a_file_that_shows_all_that_it_showed_needs_no_word(sweeps, wave):
    wave(arguments="x, g=1.0", value="g * x**2")
    for axes in GROWN:
        assert sweeps("run", "wave", *axes, "--engine", "serial").err == "", axes


def test_a_run_hashes_the_values_of_an_axis_once(sweeps, wave, monkeypatch):
    sweeps("run", "wave", "--engine", "serial")
    hashed, hash_values = [], keys.hash_values

    def count(name, table, tokens=None):
        hashed.append(name)
        return hash_values(name, table, tokens)

    monkeypatch.setattr(keys, "hash_values", count)
    assert sweeps("run", "wave", "x=1,2,3,4.0", "--engine", "serial").code == 0
    assert hashed == ["x"]


def test_as_many_other_points_need_a_word_too(sweeps, wave):
    sweeps("run", "wave", "--engine", "serial")
    said = sweeps("run", "wave", "x=4,5,6.0", "--engine", "serial").err
    assert "held 3 points and holds 3 now, not all the same" in said


def test_in_python_it_is_a_warning(wave):
    product.run("wave", engine="serial")
    with pytest.warns(UserWarning, match="held 3 points and holds 1 now"):
        product.run("wave", axes={"x": [9.0]}, engine="serial")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert product.land("wave", everything=True).sizes == {"x": 4}


def test_a_file_of_earlier_code_is_replaced_with_a_word_where_it_showed_more(sweeps, wave):
    sweeps("run", "wave", "--engine", "serial")
    wave(value="x**3")
    said = sweeps("run", "wave", "--engine", "serial", "--limit", "1").err
    assert "held 3 points of earlier code and holds 1 now" in said
    assert "python -m sweeps why wave" in said
    assert sweeps("land", "wave", "--all", "--json").json["known"] == 1
    assert sweeps("run", "wave", "--engine", "serial").err == ""


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_the_memo_has_of_earlier_code_is_said_as_it_is(sweeps, wave, is_kept):
    sweeps("run", "wave", "--engine", "serial")
    (folder,) = Path("results/.memo/wave").iterdir()
    wave(value="x**3")
    if not is_kept:
        shutil.rmtree(folder)
    said = sweeps("run", "wave", "x=2.0", "--engine", "serial").err
    assert "held 3 points of earlier code and holds 1 now" in said
    assert ("all are still stored; see what changed" in said) == is_kept
    assert ("results of the earlier code are no longer stored" in said) != is_kept


# (declared, what is computed beside it, dimensions and points of all that is known)
KNOWN = {
    "gaps of a grid": ({}, [{"x": [2.0, 7.0]}], {"x": 4}, 4),
    "several grids": ({}, [{"x": [5.0]}, {"x": [6.0]}, {"x": [5.0, 0.5]}], {"x": 6}, 6),
    "another constant": (
        {"arguments": "x, g=1.0", "value": "g * x**2"},
        [{"g": [2.0]}],
        {"g": 2, "x": 3},
        6,
    ),
    "grids far from each other": (
        {"space": "grid(x=range(10), y=[0])", "arguments": "x, y", "value": "x + 100 * y"},
        [{"x": [0], "y": range(10, 30)}],
        {"point": 30},
        30,
    ),
    "a list of points": (
        {"space": "points([{'x': 1.0}, {'x': 4.0, 'g': 2.0}])", "arguments": "x, g=1.0"},
        [points([{"x": 5.0}, {"x": 4.0, "g": 3.0}])],
        {"point": 4},
        4,
    ),
    "labels": (
        {
            "more": "import math",
            "space": "grid(f={'sine': math.sin, 'cosine': math.cos}, x=[0.0])",
            "arguments": "f, x",
            "value": "f(x)",
        },
        [{"f": ["cosine"], "x": [1.0]}],
        {"f": 2, "x": 2},
        3,
    ),
    "what where leaves out": (
        {"space": "grid(x=[1.0, 2.0]).where(lambda x: x < 2)"},
        [grid(x=[2.0, 3.0]).where(lambda x: x > 2)],
        {"x": 2},
        2,
    ),
    "derived parameters": (
        {
            "space": "grid(x=[1.0, 2.0]).derive(d=lambda x: 2 * x)",
            "arguments": "x, d",
            "value": "x + d",
        },
        [{"x": [5.0]}],
        {"point": 3},
        3,
    ),
}


CASES = [
    pytest.param(*case, id=name, marks=pytest.mark.campaign if name == "gaps of a grid" else [])
    for name, case in KNOWN.items()
]


@pytest.mark.parametrize(("declared", "others", "sizes", "n_known"), CASES)
def test_all_that_is_known_lands_together(wave, declared, others, sizes, n_known):
    wave(**declared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {}
        for other in [{}, *others]:
            how = {"axes": other} if isinstance(other, dict) else {"space": other}
            expected |= by_point(product.run("wave", engine="serial", **how))
    landed = product.land("wave", everything=True)
    assert dict(landed.z.sizes) == sizes
    found = by_point(landed)
    assert found == expected
    assert len(found) == n_known
    assert product.status("wave").known == n_known
    # and a plain run shows again what is declared, and computes nothing
    assert product.plan("wave").missing == 0


def test_known_values_that_are_not_declared_stand_behind_declared_ones_that_do_not_ascend(wave):
    wave(space="grid(x=[3.0, 1.0])")
    for axes in ({}, {"x": [2.0]}):
        product.run("wave", axes=axes, engine="serial", output="any.h5")
    landed = product.land("wave", everything=True)
    assert landed.x.values.tolist() == [3, 1, 2]
    assert landed.z.values.tolist() == [9, 1, 4]


def by_point(dataset):
    """The values of a dataset by the parameters that are no constants everywhere."""
    names = [n for n in ("x", "y", "f", "g", "d") if n in dataset.coords]
    flat = dataset.z.stack(all=dataset.z.dims)
    columns = [flat[n].broadcast_like(flat).values.tolist() for n in names]
    return {
        frozenset((n, v) for n, v in zip(names, row, strict=True) if v == v): z
        for z, *row in zip(flat.values.tolist(), *columns, strict=True)
        if z == z
    }


def test_what_cannot_be_shown_is_counted(sweeps, wave, project):
    sweeps("run", "wave", "--engine", "serial")
    sweeps("run", "wave", "x=9.0", "--engine", "serial")
    for path in (project / "results" / ".memo").rglob("space-*.json"):
        path.unlink()
    landed = sweeps("land", "wave", "--all", "--json")
    assert [landed.json[k] for k in ("points", "known")] == [3, 4]
    assert "1 known point cannot be in one file with the others" in landed.err


def test_integers_beside_floats_are_named(sweeps, wave):
    wave(space="grid(x=[1, 2])")
    sweeps("run", "wave", "--engine", "serial")
    sweeps("run", "wave", "x=0.5,1,2", "--engine", "serial")
    said = sweeps("land", "wave", "--all").err
    assert "known point" in said
    assert "their values of 'x' have another type" in said


def test_landing_elsewhere_leaves_the_usual_file_alone(sweeps, wave, project):
    sweeps("run", "wave", "--engine", "serial")
    before = (project / "results" / "wave.h5").read_bytes()
    said = sweeps("run", "wave", "x=9.0", "--engine", "serial", "--output", "far/nine.h5")
    assert (said.code, said.err) == (0, "")
    assert held("far/nine.h5").z.values.tolist() == [81.0]
    assert (project / "results" / "wave.h5").read_bytes() == before
    assert product.run("wave", axes={"x": [9.0]}, output="far/nine.h5").sizes == {"x": 1}
    assert sweeps("land", "wave", "--all", "--output", "far/all.h5", "--json").json["done"] == 4


@pytest.mark.parametrize("keep", KEEPS)
def test_values_that_are_in_the_results_file_alone_are_known_elsewhere(wave, project, keep):
    wave(space=f"grid(x=[1.0, 2.0, 3.0]), keep={declared(keep)!r}")
    product.run("wave", engine="serial")
    product.run("wave", axes={"x": [9.0]}, output="nine.h5", engine="serial")
    assert product.land("wave", everything=True, output="all.h5").sizes == {"x": 4}
    assert held().sizes == {"x": 3}
    assert product.land("wave", everything=True).z.values.tolist() == [1, 4, 9, 81]
    assert product.status("wave").known == 4
    assert product.plan("wave").missing == 0


REFUSED = {
    "no results file": ("notes.txt", "ends in .h5"),
    "a file of another kind": ("other.h5", "is not a results file of 'wave'"),
    "results of another experiment": ("results/lake.h5", "is not a results file of 'wave'"),
    "a folder": ("folder.h5", "is not a results file of 'wave'"),
}


def test_nothing_else_is_overwritten(sweeps, wave, project):
    (project / "folder.h5").mkdir()
    (project / "other.h5").write_bytes(b"mine")
    text = (project / "experiments" / "wave.py").read_text()
    (project / "experiments" / "lake.py").write_text(text.replace("wave", "lake"))
    sweeps("run", "lake", "--engine", "serial")
    lake = (project / "results" / "lake.h5").read_bytes()
    for path, why in REFUSED.values():
        for command in ("run", "land"):
            said = sweeps(command, "wave", "--output", path)
            assert (said.code, why in said.err) == (2, True), path
    assert (project / "other.h5").read_bytes() == b"mine"
    assert (project / "results" / "lake.h5").read_bytes() == lake


def test_landing_what_nobody_computed_is_refused(sweeps, wave):
    said = sweeps("land", "wave", "--all")
    assert said.code == 2
    assert "python -m sweeps run wave" in said.err
    assert sweeps("land", "wave", "--all", "x=3").code == 2


def test_landing_makes_up_for_a_file_that_is_gone(sweeps, wave, project):
    sweeps("run", "wave", "--engine", "serial")
    shutil.move(project / "results" / "wave.h5", project / "gone.h5")
    said = sweeps("land", "wave", "x=1,2,3,4.0", "--json").json
    assert [said[k] for k in ("points", "done", "missing")] == [4, 3, 1]
