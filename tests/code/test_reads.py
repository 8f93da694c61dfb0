"""Laws of reads: what points saw of other results decides whether they are right still."""

import functools
import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest

import sweeps
import sweeps.programs.program
from benchmarks.staleness.trying import in_child
from sweeps.code import reads

STAGE = """
import sweeps
from sweeps import experiment, grid

FACTOR = {factor}

@experiment(grid(T={T}))
def first(T):
    return {{"state": FACTOR * T, "other": {other}}}
"""

HELPERS = """
import sweeps
from sweeps import cached

def state(T):
    return float(sweeps.load("first").state.sel(T=T))

@cached
def kept(T):
    return state(T)

@cached
def kept_run(T):
    return float(sweeps.run("first", engine="serial").state.sel(T=T))
"""

HEAD = """
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import h5py, numpy, xarray, sweeps
from sweeps import experiment, grid
import helpers, stage
"""

BY_LABEL = {
    "load": 'sweeps.load("first").state.sel(T=T)',
    "whole_point": 'sweeps.load("first").sel(T=T, drop=True)["state"]',
    "several": 'sweeps.load("first").state.sel(T=[T, 1.0])[0]',
    "helper": "helpers.state(T)",
    "cached": "helpers.kept(T)",
    "cached_run": "helpers.kept_run(T)",
    "run": 'sweeps.run("first", engine="serial").state.sel(T=T)',
    "run_object": 'stage.first.run(engine="serial").state.sel(T=T)',
    "loaded_by_a_module": "DATA.state.sel(T=T)",
}
OF_ALL = {
    "mean": 'sweeps.load("first").state.mean() + T',
    "last": 'sweeps.load("first").state.isel(T=-1) + T',
    "nearest": 'sweeps.load("first").state.sel(T=T + 0.1, method="nearest")',
    "size": 'sweeps.load("first").sizes["T"] * T * stage.FACTOR',
    "an_array": 'numpy.asarray(sweeps.load("first").state).sum() + T',
    "path": 'xarray.open_dataset(Path("results") / "first.h5", engine="h5netcdf").state.sel(T=T)',
    "by_h5py": 'h5py.File("results/first.h5")["state"][int(T) - 1]',
    "run_mean": 'sweeps.run("first", engine="serial").state.mean() + T',
    "by_chain": 'sweeps.load("mean").y.sel(T=T)',
    "array_of_a_module": "TABLE.sum() + T",
}


RARE = {"several", "helper", "run_object", "last", "run_mean", "path"}
"""Ways that others are close to: they are tried in campaigns."""


def few_and_all(ways):
    few = [way for way in ways if way not in RARE]
    return pytest.mark.parametrize(
        "ways", [few, pytest.param([*ways], marks=pytest.mark.campaign)], ids=["few", "all"]
    )


def declare(ways):
    made = [
        f"@experiment(grid(T=[1.0, 2.0, 3.0]))\ndef {n}(T):\n    return {{'y': float({code})}}\n"
        for n, code in ways.items()
    ]
    text = HEAD
    text += 'DATA = sweeps.load("first")\n' if "loaded_by_a_module" in ways else ""
    text += 'TABLE = sweeps.load("first").state.values\n' if "array_of_a_module" in ways else ""
    return text + "\n".join(made)


@pytest.fixture
def chain(project, monkeypatch):
    """A first experiment, whose module is no experiment's, to be changed and run again."""
    monkeypatch.syspath_prepend(project)
    (project / "helpers.py").write_text(HELPERS)

    def run(factor=2, T=(1.0, 2.0, 3.0), other=0.0, **options):
        text = STAGE.format(factor=factor, T=list(T), other=other)
        (project / "stage.py").write_text(text)
        (project / "experiments" / "stages.py").write_text("from stage import *\n" + text)
        sweeps.run("first", engine="serial", **options)

    run()
    return run


def declared(project, ways):
    (project / "experiments" / "seconds.py").write_text(declare(ways))


def values(names, engine="serial"):
    return {n: sweeps.run(n, engine=engine, n_workers=1).y.values.tolist() for n in names}


def n_reused(names):
    return {n: sweeps.plan(n).reused for n in names}


@few_and_all(BY_LABEL)
def test_points_that_read_by_label_are_stale_when_what_they_read_changed(project, chain, ways):
    declared(project, {way: BY_LABEL[way] for way in ways})
    assert values(ways) == {n: [2.0, 4.0, 6.0] for n in ways}
    chain(T=[0.5, 1.0, 2.0, 3.0, 4.0])
    assert n_reused(ways) == dict.fromkeys(ways, 3)
    chain(factor=5)
    assert n_reused(ways) == dict.fromkeys(ways, 0)
    asked = ("load", "cached_run", "loaded_by_a_module")
    assert values(asked) == {n: [5.0, 10.0, 15.0] for n in asked}
    chain(factor=2, recompute=True)
    assert n_reused(["load"]) == {"load": 3}  # those of before are right again


@few_and_all(OF_ALL)
def test_points_that_read_otherwise_are_stale_when_anything_changed(project, chain, ways):
    declared(project, {way: OF_ALL[way] for way in ways})
    values(ways)
    chain(T=[1.0, 2.0, 3.0, 4.0])
    asked = {
        "mean": [6.0, 7.0, 8.0],
        "by_chain": [6.0, 7.0, 8.0],  # which reads what the mean gives now
        "array_of_a_module": [21.0, 22.0, 23.0],
    }
    assert values(asked) == asked
    rest = {*ways} - asked.keys()
    assert n_reused(rest) == dict.fromkeys(rest, 0)
    chain(recompute=True)
    assert n_reused(ways) == dict.fromkeys(ways, 3)


@pytest.mark.parametrize(
    ("engine", "names"),
    [
        pytest.param("threads", ["load"], marks=pytest.mark.campaign),
        ("loky", ["mean", "loaded_by_a_module"]),
    ],
)
def test_all_engines_note_what_was_read(project, chain, engine, names):
    declared(project, {n: (BY_LABEL | OF_ALL)[n] for n in names})
    values(names, engine)
    chain(T=[1.0, 2.0, 3.0, 4.0])
    assert n_reused(names) == dict.fromkeys(names, 3) | ({"mean": 0} if "mean" in names else {})
    chain(factor=5)
    assert n_reused(names) == dict.fromkeys(names, 0)
    assert values(names[-1:], engine) == {names[-1]: [5.0, 10.0, 15.0]}


def test_only_the_outputs_that_were_read_count(project, chain):
    declared(project, {"load": BY_LABEL["load"]})
    values(["load"])
    chain(other=1.0)
    assert n_reused(["load"]) == {"load": 3}


def test_results_that_were_not_there_count(project):
    (project / "experiments" / "seconds.py").write_text(
        HEAD.replace("import helpers, stage\n", "")
        + "def ask(T):\n    try:\n        return sweeps.load('first').state.sel(T=T)\n"
        + "    except sweeps.SweepsError:\n        return -1.0\n"
        + "@experiment(grid(T=[1.0]))\ndef load(T):\n    return {'y': float(ask(T))}\n"
    )
    assert values(["load"]) == {"load": [-1.0]}
    text = STAGE.format(factor=2, T=[1.0], other=0.0)
    (project / "experiments" / "first.py").write_text(text)
    sweeps.run("first", engine="serial")
    assert values(["load"]) == {"load": [2.0]}


def test_why_names_what_changed_of_the_results(project, chain):
    declared(project, {"load": BY_LABEL["load"]})
    values(["load"])
    chain(factor=3)
    (since,) = sweeps.why("load").since
    assert [each.part for each in since.changes] == ["results first.h5: state at T=1.0 and 2 more"]
    assert "results first.h5" in str(sweeps.why("load"))


def test_results_that_change_while_points_read_them_are_told(project, chain):
    code = "(sweeps.load('first').state.sel(T=T), change(T))[0]"
    (project / "experiments" / "seconds.py").write_text(
        HEAD
        + "def change(T):\n    if T == 2.0:\n"
        + "        Path('other' + '.h5').replace('results/first.h5')\n"
        + declare({"load": code}).removeprefix(HEAD)
    )
    chain(factor=7)
    Path("results/first.h5").rename("other.h5")
    chain()
    with pytest.warns(UserWarning, match="first.h5 changed after .*run it again"):
        values(["load"])
    shutil.copy("results/first.h5", "other.h5")
    assert values(["load"]) == {"load": [7.0, 14.0, 21.0]}


def test_results_without_a_record_of_what_was_read_stay_valid(project, chain):
    """As those of earlier versions, and of experiments that read none."""
    declared(project, {"load": BY_LABEL["load"]})
    values(["load"])
    for folder in Path("results").rglob(reads.FOLDER):
        shutil.rmtree(folder)
    chain(factor=3)
    assert n_reused(["load"]) == {"load": 3}


def test_a_record_that_cannot_be_read_does_not_hold(project, chain):
    declared(project, {"load": BY_LABEL["load"]})
    values(["load"])
    for file in Path("results").rglob(f"{reads.FOLDER}/*.json"):
        file.write_text(json.dumps([{"kind": "file"}]))
    with pytest.warns(UserWarning, match=rf"cannot read .*{file.name}, which lists the results"):
        assert n_reused(["load"]) == {"load": 0}


def test_datasets_in_points_are_what_they_are_elsewhere(project, chain):
    """Loaded, changed, pickled, compared, stacked, and closed."""
    (project / "experiments" / "seconds.py").write_text(
        HEAD + "import copy, pickle\n"
        "@experiment(grid(T=[1.0]))\n"
        "def load(T):\n"
        "    a = sweeps.load('first')\n"
        "    assert isinstance(a, xarray.Dataset) and isinstance(a.state, xarray.DataArray)\n"
        "    with sweeps.load('first') as opened:\n"
        "        xarray.testing.assert_equal(opened.copy(), a.copy())\n"
        "    a['twice'] = 2 * a.state\n"
        "    a.attrs['note'] = 'mine'\n"
        "    a.attrs = {**a.attrs, 'more': 1}\n"
        "    for each in (a, copy.deepcopy(a), pickle.loads(pickle.dumps(a))):\n"
        "        assert each.attrs['more'] == 1 and list(each.data_vars)[-1] == 'twice'\n"
        "        assert each.twice.sel(T=2.0).item() == 8.0\n"
        "    stacked = xarray.concat([a.state, sweeps.load('first').state], 'n')\n"
        "    assert stacked.shape == (2, 3) and len(a.state) == 3 and a.state[0] == 2.0\n"
        "    assert (numpy.sqrt(a.state) ** 2).sum().round(6) == 12.0\n"
        "    merged = xarray.merge([a, {'third': a.state}])\n"
        "    item = sweeps.load('first')['state'].sel({'T': numpy.float64(T)}).item()\n"
        "    state = ThreadPoolExecutor(1).submit(helpers.state, T).result()\n"
        "    assert item == state == a.to_dataframe().state.loc[T] == 2.0\n"
        "    try:\n"
        "        a.sel(T=77.0)\n"
        "    except KeyError:\n"
        "        pass\n"
        "    return {'y': merged.third.sel(T=T), 'field': a.state.rename(T='when')}\n"
    )
    results = sweeps.run("load", engine="serial")
    assert (results.y.item(), results.field.values.tolist()) == (2.0, [[2.0, 4.0, 6.0]])
    assert n_reused(["load"]) == {"load": 1}


def test_a_space_made_of_results_makes_nothing_stale(project, chain):
    text = declare({"grown": "T + 1"}).replace("[1.0, 2.0, 3.0]", "sweeps.load('first').T.values")
    (project / "experiments" / "seconds.py").write_text(text)
    assert values(["grown"]) == {"grown": [2.0, 3.0, 4.0]}
    chain(T=[1.0, 2.0, 3.0, 4.0])
    planned = sweeps.plan("grown")
    assert (planned.reused, planned.missing, planned.stale) == (3, 1, 0)


def test_values_changed_in_place_are_noted_as_they_were(project, chain):
    (project / "experiments" / "seconds.py").write_text(
        HEAD + "@experiment(grid(T=[1.0, 2.0]))\n"
        "def load(T):\n"
        "    a = sweeps.load('first')\n"
        "    a.state.values[:] *= 10\n"
        "    return {'y': a.state.sel(T=T).item() + a.state.sel(T=T).item()}\n"
    )
    assert values(["load"]) == {"load": [40.0, 80.0]}
    assert n_reused(["load"]) == {"load": 2}


SCRIPT = """
import sys, warnings
import sweeps
from sweeps import experiment, grid

warnings.simplefilter("ignore")

@experiment(grid(T=[1.0, 2.0, 3.0]))
def first(T, factor=float(sys.argv[1])):
    return {"state": factor * T}

first.run(engine="serial")
data = sweeps.load("first")
looked_at = sweeps.load("first").state.sum()

@experiment(grid(T=[1.0, 2.0, 3.0]))
def second(T):
    return {"y": float(data.state.sel(T=T))}

found = sweeps.plan(second).reused, second.run(engine="serial").y.values.tolist()
"""


def test_what_a_script_has_loaded_for_its_points_counts(project, chain):
    (project / "script.py").write_text(SCRIPT)

    def run(factor):
        sys.argv = ["script.py", factor]
        return runpy.run_path("script.py", run_name="__main__")["found"]

    assert [in_child(functools.partial(run, factor)) for factor in ("2", "2", "5")] == [
        (0, [2.0, 4.0, 6.0]),
        (3, [2.0, 4.0, 6.0]),
        (0, [5.0, 10.0, 15.0]),
    ]
