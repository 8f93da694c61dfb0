"""Quantities of pint and astropy keep their unit, are converted to one, or are refused by name."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from sweeps.errors import DeclarationError, OutputError
from sweeps.outputs import schema
from sweeps.outputs.columns import snapshot
from sweeps.outputs.point import outputs
from sweeps.spaces import quantities
from sweeps.spaces.accept import accept, accept_like
from sweeps.spaces.values import encode, label

pint = pytest.importorskip("pint", reason="pint is not installed")
astropy = pytest.importorskip("astropy.units", reason="astropy is not installed")
registry = pint.UnitRegistry()

QUANTITY = {
    "pint": lambda number, unit: registry.Quantity(number, unit),
    "astropy": lambda number, unit: astropy.Quantity(number, {"degC": "deg_C"}.get(unit, unit)),
}


def of(value, units=None):
    return outputs(snapshot(value), "f", {}, frozenset(), units).values


@pytest.fixture(params=sorted(QUANTITY))
def make(request):
    return QUANTITY[request.param]


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("m", "m"),
        ("km/h", "km h-1"),
        ("J", "J"),
        ("", "1"),
        ("deg", "deg"),
        ("um", "um"),
        ("degC", "degree_Celsius"),
        ("1/s", "s-1"),
    ],
)
def test_units_are_written_as_udunits_reads_them(make, unit, text):
    value = of(make(2.0, unit))["f"]
    assert (float(value.array), value.attrs["units"]) == (2.0, text)
    assert schema.public(value.attrs) == {"units": text}


WRAPPED = {
    "scalar": lambda q: q(300.0, "cm"),
    "array": lambda q: q(np.array([300.0, 300.0]), "cm"),
    "list": lambda q: [q(300.0, "cm"), q(3.0, "m")],
    "nested": lambda q: [[q(300.0, "cm")], [q(0.003, "km")]],
    "objects": lambda q: np.array([q(300.0, "cm"), None], object)[:1],
    "integers": lambda q: q(np.array([300]), "cm"),
    "xarray": lambda q: xr.DataArray(q(np.array([300.0, 300.0]), "cm"), dims="t"),
}


@pytest.mark.parametrize("wrap", sorted(WRAPPED))
@pytest.mark.parametrize("unit", ["m", "mm", None])
def test_what_is_declared_is_converted_to(make, wrap, unit):
    value = of({"f": WRAPPED[wrap](make)}, {"f": unit} if unit else {})["f"]
    wanted = {"m": 3.0, "mm": 3000.0, None: 300.0}[unit]
    np.testing.assert_allclose(value.array, np.full(np.shape(value.array), wanted), rtol=1e-15)
    assert value.attrs["units"] == (unit or "cm")


REFUSED = [
    (lambda q: q(1.0, "kg"), {"f": "m"}, "'f' is in 'kg', which cannot be converted to 'm'"),
    (lambda q: q(1.0, "kg"), {"f": "bogus"}, "cannot be converted to 'bogus'"),
    (lambda q: [q(1.0, "kg"), q(1.0, "m")], {}, "is in 'm'"),
    (lambda q: [q(1.0, "kg"), 0.0], {}, "mixes float with quantities"),
]


@pytest.mark.parametrize(("wrap", "units", "words"), REFUSED)
def test_what_cannot_be_converted_is_refused_by_name(make, wrap, units, words):
    with pytest.raises(OutputError) as caught:
        of(wrap(make), units)
    assert words in str(caught.value)


def test_arrays_with_units_of_other_libraries_are_refused():
    class Other:
        units = object()

        def __array__(self, *args, **kwargs):
            return np.ones(2)

    with pytest.raises(OutputError, match="'f' is a Other, whose mask or units would be lost"):
        of(Other())


def test_a_quantity_that_is_used_again_is_copied(make):
    given = make(np.array([1.0, 2.0]), "m")
    for wrap in (lambda v: v, lambda v: {"a": v}, lambda v: [v], lambda v: xr.DataArray(v)):
        taken = snapshot(wrap(given))
        given[0] = make(7.0, "m")
        (value,) = outputs(taken, "f", {}, frozenset()).values.values()
        assert value.array.ravel().tolist() == [1.0, 2.0]
        given[0] = make(1.0, "m")


SWEEP = """
import numpy as np
import {library} as library
from sweeps import experiment, grid

{setup}
LENGTHS = [(3.0, "m"), (300.0, "cm"), (0.003, "km"), (3, "m")]

@experiment(grid(n=[0, 1, 2, 3]){options})
def lengths(n):
    number, unit = LENGTHS[n]
    return {{
        "length": Q(number, unit),
        "curve": Q(np.full(n, number), unit),
        "n_is": n,
        "odd": Q(1.0, "kg") if n == 2 else Q(1.0, unit),
        "plain": 0.0 if n == 1 else Q(0.0, "s"),
        "warm": Q(20.0, CELSIUS) if n else Q(293.15, "K"),
    }}
"""
SETUP = {
    "pint": "Q, CELSIUS = library.UnitRegistry().Quantity, 'degC'",
    "astropy.units": "Q, CELSIUS = library.Quantity, 'deg_C'",
}


@pytest.mark.parametrize("library", sorted(SETUP))
def test_a_sweep_has_one_unit_for_each_output(sweeps, project, library):
    path = project / "experiments" / "lengths.py"

    def write(options):
        path.write_text(SWEEP.format(library=library, setup=SETUP[library], options=options))

    write("")
    said = sweeps("run", "lengths", "--engine", "serial")
    assert said.code == 0, said.err
    assert "output 'odd' is in 'kg' here, but is in 'm' at the first such point" in said.err
    assert "output 'plain' has no unit here, but is in 's' at the first such point" in said.err
    with xr.open_dataset(project / "results" / "lengths.h5", decode_times=False) as found:
        assert found.length.attrs["units"] == "m"
        assert not any(name.startswith("_") for name in found.length.attrs)
        np.testing.assert_allclose(found.length, [3, 3, 3, 3], rtol=1e-15)
        np.testing.assert_allclose(found.curve[3], [3, 3, 3], rtol=1e-15)
        assert found.n_is.values.tolist() == [0, 1, 2, 3]
        assert found.odd.isnull().values.tolist() == [False, False, True, False]
        assert found.plain.isnull().values.tolist() == [False, True, False, False]
        np.testing.assert_allclose(found.warm, [293.15] * 4)
    write(", units={'length': 'mm', 'warm': 'degC'}")
    assert sweeps("run", "lengths", "--engine", "serial", "--json").json["computed"] == 0
    with xr.open_dataset(project / "results" / "lengths.h5", decode_times=False) as found:
        assert (found.length.attrs["units"], found.warm.attrs["units"]) == ("mm", "degC")
        np.testing.assert_allclose(found.length, [3000] * 4)
        np.testing.assert_allclose(found.warm, [20] * 4)


def test_neither_library_is_imported_unless_values_are_of_it():
    program = "import sys, numpy, sweeps.worker.evaluate, sweeps.results.collect"
    program += "\nfrom sweeps.outputs.columns import *"
    program += "\nsnapshot([1, numpy.ones(2)]); print({'pint', 'astropy'} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout == "set()\n"


AXES = """
import numpy as np
import {library} as library
from sweeps import experiment, grid

{setup}
SPACE = grid(length=Q(np.array([1.0, 4.0]), "m"), mass=[Q(3.0, "kg"), Q(300.0, "g")])
SPACE = SPACE.where(lambda length: length > Q(50.0, "cm")).derive(twice=lambda length: 2 * length)

@experiment(SPACE, units={{"twice": "cm"}})
def swing(length, mass, twice, g=Q(9.81, "m/s^2")):
    return {{"squared": length / g, "weight": (mass * g).to("N"), "sum": twice + Q(1.0, "m")}}

@experiment(grid(length=Q(np.array([1.0, 4.0]), "m")), vectorized=True)
def area(length):
    return {{"area": length**2 + Q(1.0, "m^2")}}
"""


@pytest.fixture
def run(sweeps, project):
    """Run an experiment of AXES: return how many points it computed, and the results."""

    def run(library, name, *axes, engine="serial"):
        text = AXES.format(library=library, setup=SETUP[library])
        (project / "experiments" / "swing.py").write_text(text)
        said = sweeps("run", name, *axes, "--engine", engine, "-j", "1", "--json")
        assert said.code == 0, said.err
        with xr.open_dataset(project / "results" / f"{name}.h5", decode_times=False) as found:
            return said.json["computed"], found.load()

    return run


def test_workers_get_quantities_too(run):
    computed, found = run("pint", "swing", engine="loky")
    assert (computed, run("pint", "swing")[0]) == (4, 0)
    assert (found.g.attrs["units"], found["sum"].attrs["units"]) == ("m s-2", "m")
    np.testing.assert_allclose(found["sum"][:, 0], [3, 9])


@pytest.mark.parametrize("library", sorted(SETUP))
def test_axes_and_constants_are_quantities_for_the_function_too(run, library):
    computed, found = run(library, "swing")
    assert computed == 4
    shown = {name: variable.attrs.get("units") for name, variable in found.variables.items()}
    assert shown == {
        "length": "m",
        "mass": "kg",
        "twice": "cm",
        "g": "m s-2",
        "squared": "s2",
        "weight": "N",
        "sum": "m",
    }
    assert found.length.values.tolist() == [1.0, 4.0]
    assert found.mass.values.tolist() == [3.0, 0.3]
    assert found.twice.values.tolist() == [200.0, 800.0]
    np.testing.assert_allclose(found.squared[:, 0], [1 / 9.81, 4 / 9.81])
    np.testing.assert_allclose(found.weight[0], [3 * 9.81, 0.3 * 9.81])
    np.testing.assert_allclose(found["sum"][:, 0], [3, 9])
    computed, found = run(library, "swing", "length=1,2")
    assert (computed, found.length.attrs["units"], found["sum"].values[1, 0]) == (2, "m", 5.0)
    computed, found = run(library, "area")
    assert (found.area.values.tolist(), found.area.attrs["units"]) == ([2.0, 17.0], "m2")


def test_values_in_other_units_are_other_points(make):
    metre, again, centimetre = (make(*q) for q in [(1.0, "m"), (1.0, "m"), (1.0, "cm")])
    assert encode(metre) == encode(again)
    others = [encode(centimetre), encode(make(1.0, "s")), encode(make(2.0, "m")), encode(1.0)]
    assert len({encode(metre), *others}) == 5
    assert label(metre) == "1.0 m"


def test_axes_of_quantities_are_in_one_unit(make):
    table = accept("x", [make(3.0, "m"), make(20.0, "cm")])
    assert table.coordinate().tolist() == [3.0, 0.2]
    assert {quantities.text_of(element) for element in table.elements()} == {"m"}
    assert accept_like(table, "x", (1, 2)).coordinate().tolist() == [1.0, 2.0]
    assert accept_like(table, "x", 5).kind == "quantity"


@pytest.mark.parametrize(
    "raw",
    [
        lambda q: [q(1.0, "m"), q(1.0, "s")],
        lambda q: [q(1.0, "m"), 2.0],
        lambda q: [(q(1.0, "m"), 2.0)],
        lambda q: q(np.ones((2, 2)), "m"),
        lambda q: q(1.0, "m"),
        lambda q: [q(np.nan, "m")],
    ],
)
def test_axes_that_are_no_quantities_of_one_kind_are_refused(make, raw):
    with pytest.raises(DeclarationError, match="axis 'x"):
        accept("x", raw(make))
