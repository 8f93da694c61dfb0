"""What you declare of parameters and outputs stands in the results file, whatever returned it."""

import json
import re

import pytest
import xarray as xr

from sweeps import experiment, grid, plan

SAID = {"source": "table 3", "n": 4, "range": [0.5, 2.0]}


def declared(function=lambda x, g: g * x, **options):
    return experiment(grid(x=[1.0, 2.0]), name="made", **options)(function)


def test_each_variable_has_what_is_declared_of_it(project):
    def made(x, g=9.81):
        time = ("time", [0.0, 1.0], {"units": "h", "long_name": "its own"})
        flow = xr.DataArray([x, g], {"time": time}, ["time"], attrs={"units": "m", "note": "its"})
        return {"flow": flow, "n": 3}

    names = ("x", "g", "time", "flow", "n")
    units, long_name = dict.fromkeys(names, "1"), {name: f"the {name}" for name in names}
    one = declared(made, units=units, long_name=long_name, attrs=dict.fromkeys(names, SAID))
    found = one.run(engine="serial")
    for name in names:
        own = {"note": "its"} if name == "flow" else {}
        attrs = dict(found[name].attrs)
        assert attrs.pop("range").tolist() == SAID["range"]
        assert (
            attrs == {"units": "1", "long_name": f"the {name}", "source": "table 3", "n": 4} | own
        )


@pytest.mark.parametrize("keep", ["both", "results"])
@pytest.mark.parametrize(
    ("option", "name", "attrs"),
    [
        ({"long_name": {"made": "a"}}, "made", {"long_name": "a"}),
        ({"long_name": {"x": "b"}}, "x", {"long_name": "b"}),
        ({"attrs": {"x": {"c": 1}}}, "x", {"c": 1}),
    ],
)
def test_another_declaration_is_another_file_and_computes_nothing(
    project, option, name, attrs, keep
):
    before = declared(lambda x: x, keep=keep)
    assert before.run(engine="serial")[name].attrs == {}
    after = declared(before.function, keep=keep, **option)
    assert plan(after).reused == 2
    assert after.run(engine="serial")[name].attrs == attrs
    assert before.run(engine="serial")[name].attrs == {}


def test_a_quantity_keeps_its_unit_beside_what_is_declared(project):
    pint = pytest.importorskip("pint")
    metre = pint.UnitRegistry().metre
    made = experiment(grid(x=[1.0 * metre]), name="made", long_name={"x": "way"})(lambda x: x)
    assert made.run(engine="serial").x.attrs == {"units": "m", "long_name": "way"}


@pytest.mark.parametrize("option", ["units", "long_name", "attrs"])
def test_a_name_that_nothing_has_is_told_when_all_points_are_done(project, option):
    value = {"a": "b"} if option == "attrs" else "b"
    one = declared(lambda x, g=9.81: {"period": x}, **{option: {"perod": value, "g": value}})
    said = f"{option} of 'made' has 'perod', which is neither a parameter nor an output "
    said += "(found: g, period, x). Did you mean 'period'?"
    with pytest.warns(UserWarning, match=re.escape(said)):
        one.run(engine="serial")


def test_an_output_that_only_a_failed_point_has_is_no_mistake(project, recwarn):
    def made(x):
        return {"a": x} if x == 1.0 else {"a": x, "b": 1 / 0}

    declared(made, units={"b": "m"}).run(engine="serial")
    assert all("1 of 2 points of 'made' failed" in str(each.message) for each in recwarn)


def test_show_has_the_long_names(project, sweeps):
    declared(lambda x: x, long_name={"made": "what is made"}).run(engine="serial")
    said = sweeps("show", "made")
    assert re.search(r"std +long name\n.* what is made\n", said.out)
    (output,) = json.loads(sweeps("show", "made", "--json").out)["outputs"]
    assert output["long_name"] == "what is made"
