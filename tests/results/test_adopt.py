"""A results file alone is enough to go on; where it is not, that is said before it is replaced."""

import dataclasses
import os
import shutil

import h5py
import numpy as np
import pytest

import sweeps
from sweeps import experiment, grid, run, sample
from sweeps.errors import StorageError
from sweeps.execution.options import Options
from sweeps.memo import header, segment
from sweeps.memo import index as memo
from sweeps.operations import land, status
from sweeps.operations.run import execute
from sweeps.project.sweep import resolve
from sweeps.results import adopt
from sweeps.results.state import held_attributes
from sweeps.storage import hdf5_foreign
from tests.sizes import KEEPS, declared

SERIAL = Options("serial")


def several(x, y):
    if x == y == 2:
        raise ValueError("no such point")
    return {
        "float": x / (y + 1) if (x, y) != (1, 1) else np.nan,
        "whole": x * 10**17 + y,
        "small": np.int16(x),
        "text": f"{x}·{y}",
        "free": np.arange(x + y) * 0.1,
        "field": np.full((2, 3), x + 1j * y),
        "is_larger": x > y,
        "day": np.datetime64("2020-01-01") + x,
    }


SPACES = {
    "grid": grid(x=[0, 1, 2, 3], y=[0, 1, 2]),
    "restricted": grid(x=[0, 1, 2, 3], y=[0, 1, 2]).where(lambda x, y: x >= y),
    "points": sweeps.points([{"x": 3, "y": 0}, {"x": 2, "y": 2}, {"x": 1, "y": 1}]),
    "single": grid(x=[3], y=[1]),
}


@pytest.fixture(params=KEEPS)
def sweep(request, tmp_path):
    """Landed, once in a run and once more in a larger space."""
    made = experiment(SPACES["grid"], name="several", keep=declared(request.param))(several)
    return resolve(made, results=tmp_path / "results")


def over(sweep, space):
    return sweep.over(sweep.experiment.with_space(space))


def alone(sweep):
    """Have the results file, and nothing else."""
    shutil.rmtree(sweep.results / ".memo", ignore_errors=True)


def contents(path):
    """All that a landing writes but times, failures, and packages imported since."""
    found = {}
    others = ("elapsed", "status", "failure", "packages", header.MEMO)

    def keep(name, thing):
        if isinstance(thing, h5py.Dataset) and not any(other in name for other in others):
            found[name] = (str(thing.dtype), thing[()].tolist(), sorted(thing.attrs))

    with h5py.File(path, locking=False) as file:
        file.visititems(keep)
    return repr(found)


@pytest.mark.parametrize("name", ["restricted", "points"])
def test_points_of_a_file_alone_are_as_those_of_its_memo(sweep, name):
    sweep = over(sweep, SPACES[name])
    first = execute(sweep, SERIAL)
    before = contents(sweep.landed)
    alone(sweep)
    assert status.planned(sweep).reused == first.n_computed
    report = execute(sweep, SERIAL)
    assert (report.n_computed, report.n_reused) == (0, first.n_computed)
    assert contents(sweep.landed) == before


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n == "points" else pytest.mark.campaign) for n in SPACES],
)
def test_a_larger_space_finds_the_points_of_a_file_alone(sweep, name):
    sweep = over(sweep, SPACES[name])
    execute(sweep, SERIAL)
    larger = over(sweep, grid(x=[0, 1, 2, 3, 4], y=[0, 1, 2]))
    with_memo = dataclasses.replace(larger, results=sweep.results.with_name("never alone"))
    execute(over(with_memo, SPACES[name]), SERIAL)
    alone(sweep)
    counts = execute(larger, SERIAL), execute(with_memo, SERIAL)
    assert counts[0].n_computed == counts[1].n_computed
    assert contents(larger.landed) == contents(with_memo.landed)


def test_a_smaller_run_loses_no_point(sweep):
    n_done = execute(sweep, SERIAL).n_computed
    alone(sweep)
    assert execute(over(sweep, SPACES["single"]), SERIAL).n_computed == 0
    assert execute(sweep, SERIAL).n_reused == n_done
    alone(sweep)
    execute(over(sweep, grid(x=[7], y=[1])), SERIAL)
    assert execute(sweep, SERIAL).n_reused == n_done


def test_what_was_copied_to_where_there_is_a_memo_is_joined_with_it(sweep, tmp_path):
    here = dataclasses.replace(sweep, results=tmp_path / "here")
    execute(over(here, grid(x=[9], y=[9])), SERIAL)
    n_done = execute(sweep, SERIAL).n_computed
    here.landed.unlink()  # or it would be written to, and be the memo's too
    shutil.copy(sweep.landed, here.landed)
    assert execute(over(here, grid(x=[8], y=[8])), SERIAL).n_computed == 1
    assert execute(here, SERIAL).n_reused == n_done
    assert execute(over(here, grid(x=[8, 9], y=[8, 9])), SERIAL).n_reused == 2


def test_land_adopts_too(sweep):
    execute(sweep, SERIAL)
    before = contents(sweep.landed)
    alone(sweep)
    made, landed = land.land_sweep(sweep)
    assert landed.done == 11
    assert contents(made.landed) == before


def test_landing_elsewhere_adopts_what_is_in_the_usual_place(sweep, tmp_path):
    n_done = execute(sweep, SERIAL).n_computed
    alone(sweep)
    elsewhere = dataclasses.replace(sweep, output=tmp_path / "elsewhere.h5")
    assert execute(elsewhere, SERIAL).n_reused == n_done
    assert sweep.landed.exists()


def test_code_that_changed_meanwhile_computes_anew_and_keeps_what_was(sweep):
    n_done = execute(sweep, SERIAL).n_computed
    alone(sweep)
    code = dataclasses.replace(sweep.fingerprint, digest="0" * 32)
    changed = dataclasses.replace(sweep, fingerprint=code)
    assert execute(changed, SERIAL).n_computed == n_done
    assert execute(sweep, SERIAL).n_reused == n_done


def test_where_names_cannot_be_linked_the_file_is_copied(sweep, monkeypatch):
    n_done = execute(sweep, SERIAL).n_computed
    alone(sweep)

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("sweeps.storage.disk.link", refuse)
    assert execute(over(sweep, SPACES["single"]), SERIAL).n_computed == 0
    assert execute(sweep, SERIAL).n_reused == n_done


def _mixed(sweep):
    """Integers beside floats, which land as floats."""
    made = experiment(sweep.experiment.space, name="several", keep=sweep.experiment.keep)
    made = resolve(made(lambda x, y: x if y else 0.5), results=sweep.results)
    execute(over(made, grid(x=[0, 1, 2, 3], y=[1, 2])), SERIAL)
    execute(made, SERIAL)
    return made


def _before_this(sweep):
    """A file of a version that said nothing of its points."""
    execute(sweep, SERIAL)
    os.chmod(sweep.landed, 0o644)  # noqa: PTH101
    with h5py.File(sweep.landed, "a") as file:
        del file[header.MEMO]
    return sweep


def _changed(sweep):
    """A file that a program has changed since."""
    execute(sweep, SERIAL)
    os.chmod(sweep.landed, 0o644)  # noqa: PTH101
    with h5py.File(sweep.landed, "a") as file:
        file["float"][0] = 77
    return sweep


@pytest.mark.parametrize("make", [_mixed, _before_this, _changed])
def test_what_cannot_be_had_back_exactly_is_refused_before_anything_is_written(sweep, make):
    sweep = make(sweep)
    alone(sweep)
    before = {p: p.read_bytes() for p in sweep.results.rglob("*") if p.is_file()}
    for space in SPACES["single"], sweep.experiment.space:
        with pytest.raises(
            StorageError, match=r"finished points .* this run would replace it: copy"
        ):
            execute(over(sweep, space), SERIAL)
    with pytest.raises(StorageError, match="this run would replace it"):
        land.land_sweep(sweep)
    assert status.planned(sweep).reused == 0
    assert {p: p.read_bytes() for p in sweep.results.rglob("*") if p.is_file()} == before
    sweep.landed.rename(sweep.results / "moved.h5")
    assert execute(sweep, SERIAL).n_computed > 0


def test_a_memo_that_has_all_of_a_file_is_asked_for_names_only(sweep, monkeypatch):
    execute(sweep, SERIAL)
    monkeypatch.setattr(segment, "of_results", None)
    assert execute(over(sweep, grid(x=[3, 9], y=[1])), SERIAL).n_computed == 1


def test_a_file_of_other_code_that_takes_its_place_meanwhile_is_not_linked(sweep):
    execute(sweep, SERIAL)
    alone(sweep)
    (orphan,) = adopt._orphans(sweep, held_attributes(sweep.landed))
    other = orphan._replace(folder=orphan.folder.with_name("0" * 32))
    other.folder.mkdir(parents=True)
    adopt._name_as_segment(other)
    assert not list(other.folder.iterdir())


def test_a_file_of_other_code_that_takes_its_place_is_let_be(sweep):
    execute(sweep, SERIAL)
    held = held_attributes(sweep.landed)
    other = dataclasses.replace(
        sweep, fingerprint=dataclasses.replace(sweep.fingerprint, digest="0" * 32)
    )
    execute(other, SERIAL)
    before = contents(sweep.landed)
    adopt.adopt(sweep, held)
    assert contents(sweep.landed) == before
    assert adopt.scan(sweep, held).segments.keys() == memo.scan(sweep.memo).segments.keys()


@pytest.mark.parametrize(
    ("options", "is_known"), [(SERIAL, False), (Options("serial", recompute=True), True)]
)
def test_a_run_looks_once_at_what_is_there(sweep, monkeypatch, options, is_known):
    execute(sweep if is_known else over(sweep, grid(x=[7], y=[1])), SERIAL)
    n_looks, read = [0], hdf5_foreign.read_attributes

    def counted(path):
        n_looks[0] += 1
        return read(path)

    monkeypatch.setattr(hdf5_foreign, "read_attributes", counted)
    execute(sweep, options)
    assert n_looks == [1]


def test_equal_points_of_a_sample_are_adopted_once(tmp_path):
    space = sample.sobol(8, seed=1, x=range(3), y=range(2))
    made = experiment(space, name="drawn")(lambda x, y: x + y)
    sweep = resolve(made, results=tmp_path)
    execute(sweep, SERIAL)
    before = contents(sweep.landed)
    alone(sweep)
    assert execute(sweep, SERIAL).n_computed == 0
    assert contents(sweep.landed) == before


def test_run_in_python_goes_on_from_a_file_alone(project):
    made = experiment(grid(x=[1.0, 2.0, 3.0]), name="made")(lambda x: x * x)
    run(made, engine="serial")
    shutil.rmtree("results/.memo")
    assert run(made, axes={"x": [4.0]}, engine="serial").made.values.tolist() == [16]
    assert status.plan(made).reused == 3
