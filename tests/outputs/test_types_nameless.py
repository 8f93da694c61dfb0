"""A law: what a memo holds lands under the name that its experiment has now."""

import dataclasses
import typing

import numpy as np
import pytest
import xarray as xr

import sweeps
from sweeps import experiment, grid
from sweeps.memo import index as memo
from sweeps.memo import listing
from sweeps.outputs import columns, types
from sweeps.project.sweep import resolve
from sweeps.results import collect


class Pair(typing.NamedTuple):
    low: float
    high: float


def labelled(x, name=None):
    coords = {"time": [0.0, 0.5], "place": ("time", ["a", "b"]), "height": 3.0}
    return xr.DataArray([x, 2 * x], coords, ["time"], name=name, attrs={"units": "K"})


def variable(x):
    return xr.Variable(["time"], [x, x])


RETURNED = {
    "number": lambda x: 2.0 * x,
    "text": lambda x: f"at {x}",
    "list": lambda x: [x, x + 1],
    "array": lambda x: np.full((2, 3), x),
    "ragged": lambda x: np.arange(x),
    "dict": lambda x: {"low": x, "high": [x]},
    "named tuple": lambda x: Pair(x, x + 1),
    "own name": lambda x: {"old": [x]},
    "unnamed DataArray": labelled,
    "DataArray": lambda x: labelled(x, "heat"),
    "Dataset": lambda x: labelled(x, "heat").to_dataset(),
    "Variable": variable,
    "mixed": lambda x: [x, x] if x > 1 else {"old": [x, x], "other": "yes"},
}
COLUMNS = {
    "column": lambda x: 2.0 * x,
    "matrix": lambda x: np.stack([x, x], axis=1),
    "columns": lambda x: {"low": x, "high": np.stack([x, x], axis=1)},
}
DIMS = {"default dims": {}, "declared dims": {"new": ("step",)}}
SHORT = {
    ("array", "default dims"), ("unnamed DataArray", "default dims"),
    ("mixed", "default dims"), ("matrix", "default dims"), ("ragged", "declared dims"),
}  # fmt: skip
CASES = [
    pytest.param(case, dims, marks=[] if (case, dims) in SHORT else pytest.mark.campaign)
    for case in (*RETURNED, *COLUMNS)
    for dims in DIMS
]


def declared(function, name, is_vectorized=False, **options):
    def compute(x):
        return function(x)

    space = grid(x=[1, 2, 3])
    return experiment(space, name=name, vectorized=is_vectorized, **options)(compute)


def folder(made, results):
    return resolve(made, results=results).memo


def moved(results, old, new):
    """The results folder of an experiment, with its memo under another name."""
    folder(old, results).parent.rename(folder(new, results).parent)


def land(made, results):
    return sweeps.run(made, results=results, engine="serial").drop_attrs(deep=False)


def facts(dataset):
    """All that a reader sees."""
    return {
        name: (v.dims, v.dtype, v.attrs, repr(v.values.tolist()))
        for name, v in dataset.variables.items()
    }


@pytest.mark.parametrize(("case", "dims"), CASES)
def test_a_moved_memo_lands_as_if_it_was_computed_under_the_new_name(case, dims, tmp_path):
    function, is_vectorized = {**RETURNED, **COLUMNS}[case], case in COLUMNS
    old, new = (declared(function, name, is_vectorized) for name in ("old", "new"))
    new = dataclasses.replace(new, dims=DIMS[dims])
    sweeps.run(old, results=tmp_path / "a", engine="serial")
    moved(tmp_path / "a", old, new)
    found = sweeps.plan(new, results=tmp_path / "a")
    wanted = land(new, tmp_path / "b")
    if sweeps.plan(new, results=tmp_path / "b").failed == 0:  # the declared dims fit
        assert found.reused == 3
        assert facts(land(new, tmp_path / "a")) == facts(wanted)


def test_dims_that_are_declared_under_the_old_name_are_forgotten_with_it(tmp_path):
    old = declared(RETURNED["list"], "old", dims={"old": "step"})
    new = dataclasses.replace(old, name="new", dims={"new": ("stride",)})
    assert sweeps.run(old, results=tmp_path, engine="serial").old.dims == ("x", "step")
    moved(tmp_path, old, new)
    assert land(new, tmp_path).new.dims == ("x", "stride")


def test_segments_that_have_the_name_land_with_those_that_do_not(tmp_path, monkeypatch):
    made = declared(RETURNED["array"], "old")
    monkeypatch.setattr(columns, "_stored", lambda value, outputs, name: outputs)
    monkeypatch.setattr(types, "NAME", "old")  # as it was once
    sweeps.run(made, results=tmp_path, engine="serial", limit=1)
    monkeypatch.undo()
    sweeps.run(made, results=tmp_path, engine="serial")
    parts = memo.scan(folder(made, tmp_path)).parts
    assert {part.variables[0].name for part in parts} == {"old", ""}
    assert {part.variables[0].dims[0] for part in parts} == {"old_dim_0", "_dim_0"}
    ds = land(made, tmp_path)
    assert ds.old.dims == ("x", "old_dim_0", "old_dim_1")
    assert ds.old.values[:, 0, 0].tolist() == [1, 2, 3]
    assert int(ds.old.isnull().sum()) == 0


REASONS = {
    "time": "'time' is the name of an output and of a dimension or coordinate",
    "place": "'place' is the name of an output and of a dimension or coordinate",
    "height": "'height' is the name of an output and of another one",
    "x": "'x' is the name of a parameter or dimension",
    "Time": "differ only in case",
    "_hidden": "begins with '_'",
}


def test_a_new_name_that_the_outputs_have_already_leaves_one_out_and_says_so(tmp_path):
    old = declared(labelled, "old")
    sweeps.run(old, results=tmp_path, engine="serial")
    index = memo.scan(folder(old, tmp_path))
    for name, reason in REASONS.items():
        new = dataclasses.replace(old, name=name)
        gathered = collect.gather(new, resolve(new, results=tmp_path).keys, index)
        assert any(reason in said for said in gathered.told)
        # A point fails only where it has no other output.
        assert gathered.left_out or {f.kind for f in gathered.failures.values()} == {"output"}
        assert gathered.count("done") == (3 if gathered.left_out else 0)


def test_nothing_in_a_memo_says_the_name_of_its_experiment(tmp_path):
    made = declared(RETURNED["array"], "unmistakable")
    sweeps.run(made, results=tmp_path, engine="serial")
    paths = list(folder(made, tmp_path).glob(f"*{listing.SUFFIX}"))
    assert paths
    assert not any(b"unmistakable" in path.read_bytes() for path in paths)
