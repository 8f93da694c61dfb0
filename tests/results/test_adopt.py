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
from sweeps.memo import index as memo
from sweeps.memo import results_segment, segment
from sweeps.operations import land, status
from sweeps.operations.run import execute
from sweeps.project.sweep import resolve
from sweeps.results import adopt, update
from sweeps.results.state import held_attributes
from sweeps.storage import hdf5_open
from tests.sizes import KEEPS

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
def subject(request, tmp_path):
    """Landed, once in a run and once more in a larger space."""
    made = experiment(SPACES["grid"], name="several", keep=request.param)(several)
    return resolve(made, results=tmp_path / "results")


def over(subject, space):
    return subject.over(subject.experiment.with_space(space))


def alone(subject):
    """Have the results file, and nothing else."""
    shutil.rmtree(subject.results / ".memo", ignore_errors=True)


def contents(path):
    """All that a landing writes but times and failures, which are tried again."""
    found = {}
    others = ("elapsed", "status", "failure", results_segment.MEMO)

    def keep(name, thing):
        if isinstance(thing, h5py.Dataset) and not any(other in name for other in others):
            found[name] = (str(thing.dtype), thing[()].tolist(), sorted(thing.attrs))

    with h5py.File(path, locking=False) as file:
        file.visititems(keep)
    return repr(found)


@pytest.mark.parametrize("name", SPACES)
def test_points_of_a_file_alone_are_as_those_of_its_memo(subject, name):
    subject = over(subject, SPACES[name])
    first = execute(subject, SERIAL)
    before = contents(subject.landed)
    alone(subject)
    assert status.planned(subject).reused == first.n_computed
    report = execute(subject, SERIAL)
    assert (report.n_computed, report.n_reused) == (0, first.n_computed)
    assert contents(subject.landed) == before
    larger = over(subject, grid(x=[0, 1, 2, 3, 4], y=[0, 1, 2]))
    with_memo = dataclasses.replace(larger, results=subject.results.with_name("never alone"))
    execute(over(with_memo, SPACES[name]), SERIAL)
    alone(subject)
    counts = execute(larger, SERIAL), execute(with_memo, SERIAL)
    assert counts[0].n_computed == counts[1].n_computed
    assert contents(larger.landed) == contents(with_memo.landed)


def test_a_smaller_run_loses_no_point(subject):
    n_done = execute(subject, SERIAL).n_computed
    alone(subject)
    assert execute(over(subject, SPACES["single"]), SERIAL).n_computed == 0
    assert execute(subject, SERIAL).n_reused == n_done
    alone(subject)
    execute(over(subject, grid(x=[7], y=[1])), SERIAL)
    assert execute(subject, SERIAL).n_reused == n_done


def test_what_was_copied_to_where_there_is_a_memo_is_joined_with_it(subject, tmp_path):
    here = dataclasses.replace(subject, results=tmp_path / "here")
    execute(over(here, grid(x=[9], y=[9])), SERIAL)
    n_done = execute(subject, SERIAL).n_computed
    here.landed.unlink()  # or it would be written to, and be the memo's too
    shutil.copy(subject.landed, here.landed)
    assert execute(over(here, grid(x=[8], y=[8])), SERIAL).n_computed == 1
    assert execute(here, SERIAL).n_reused == n_done
    assert execute(over(here, grid(x=[8, 9], y=[8, 9])), SERIAL).n_reused == 2


def test_land_adopts_too(subject):
    execute(subject, SERIAL)
    before = contents(subject.landed)
    alone(subject)
    made, landed = land.land_subject(subject)
    assert landed.n_done == 11
    assert contents(made.landed) == before


def test_landing_elsewhere_adopts_what_is_in_the_usual_place(subject, tmp_path):
    n_done = execute(subject, SERIAL).n_computed
    alone(subject)
    elsewhere = dataclasses.replace(subject, output=tmp_path / "elsewhere.h5")
    assert execute(elsewhere, SERIAL).n_reused == n_done
    assert subject.landed.exists()


def test_code_that_changed_meanwhile_computes_anew_and_keeps_what_was(subject):
    n_done = execute(subject, SERIAL).n_computed
    alone(subject)
    code = dataclasses.replace(subject.fingerprint, digest="0" * 32)
    changed = dataclasses.replace(subject, fingerprint=code)
    assert execute(changed, SERIAL).n_computed == n_done
    assert execute(subject, SERIAL).n_reused == n_done


def test_where_names_cannot_be_linked_the_file_is_copied(subject, monkeypatch):
    n_done = execute(subject, SERIAL).n_computed
    alone(subject)

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("sweeps.storage.disk.link", refuse)
    assert execute(over(subject, SPACES["single"]), SERIAL).n_computed == 0
    assert execute(subject, SERIAL).n_reused == n_done


def _mixed(subject):
    """Integers beside floats, which land as floats."""
    made = experiment(subject.experiment.space, name="several", keep=subject.experiment.keep)
    made = resolve(made(lambda x, y: x if y else 0.5), results=subject.results)
    execute(over(made, grid(x=[0, 1, 2, 3], y=[1, 2])), SERIAL)
    execute(made, SERIAL)
    return made


def _before_this(subject):
    """A file of a version that said nothing of its points."""
    execute(subject, SERIAL)
    os.chmod(subject.landed, 0o644)  # noqa: PTH101
    with h5py.File(subject.landed, "a") as file:
        del file[results_segment.MEMO]
    return subject


def _changed(subject):
    """A file that a program has changed since."""
    execute(subject, SERIAL)
    os.chmod(subject.landed, 0o644)  # noqa: PTH101
    with h5py.File(subject.landed, "a") as file:
        file["float"][0] = 77
    return subject


@pytest.mark.parametrize("make", [_mixed, _before_this, _changed])
def test_what_cannot_be_had_back_exactly_is_refused_before_anything_is_written(subject, make):
    subject = make(subject)
    alone(subject)
    before = {p: p.read_bytes() for p in subject.results.rglob("*") if p.is_file()}
    for space in SPACES["single"], subject.experiment.space:
        with pytest.raises(StorageError, match=r"finished points .* would be replaced: copy"):
            execute(over(subject, space), SERIAL)
    with pytest.raises(StorageError, match="would be replaced"):
        land.land_subject(subject)
    assert status.planned(subject).reused == 0
    assert {p: p.read_bytes() for p in subject.results.rglob("*") if p.is_file()} == before
    subject.landed.rename(subject.results / "moved.h5")
    assert execute(subject, SERIAL).n_computed > 0


def test_a_memo_that_has_all_of_a_file_is_asked_for_names_only(subject, monkeypatch):
    execute(subject, SERIAL)
    monkeypatch.setattr(segment, "of_results", None)
    assert execute(over(subject, grid(x=[3, 9], y=[1])), SERIAL).n_computed == 1


def test_a_file_of_other_code_that_takes_its_place_meanwhile_is_not_linked(subject):
    execute(subject, SERIAL)
    alone(subject)
    (orphan,) = adopt._orphans(subject, held_attributes(subject.landed))
    other = orphan._replace(folder=orphan.folder.with_name("0" * 32))
    other.folder.mkdir(parents=True)
    adopt._name_as_segment(other)
    assert not list(other.folder.iterdir())


def test_a_file_of_other_code_that_takes_its_place_is_let_be(subject):
    execute(subject, SERIAL)
    held = held_attributes(subject.landed)
    other = dataclasses.replace(
        subject, fingerprint=dataclasses.replace(subject.fingerprint, digest="0" * 32)
    )
    execute(other, SERIAL)
    before = contents(subject.landed)
    adopt.adopt(subject, held)
    assert contents(subject.landed) == before
    assert adopt.scan(subject, held).segments.keys() == memo.scan(subject.memo).segments.keys()


@pytest.mark.parametrize("options", [SERIAL, Options("serial", recompute=True)])
@pytest.mark.parametrize("is_known", [False, True])
def test_a_run_looks_once_at_what_is_there(subject, monkeypatch, options, is_known):
    execute(subject if is_known else over(subject, grid(x=[7], y=[1])), SERIAL)
    n_looks, read = [0], hdf5_open.read_attributes

    def counted(path):
        n_looks[0] += 1
        return read(path)

    monkeypatch.setattr(hdf5_open, "read_attributes", counted)
    # what refreshing looks at is the file that it is about to replace
    monkeypatch.setattr(update, "held_attributes", lambda path: {})
    execute(subject, options)
    assert n_looks == [1]


def test_equal_points_of_a_sample_are_adopted_once(tmp_path):
    space = sample.sobol(8, seed=1, x=range(3), y=range(2))
    made = experiment(space, name="drawn")(lambda x, y: x + y)
    subject = resolve(made, results=tmp_path)
    execute(subject, SERIAL)
    before = contents(subject.landed)
    alone(subject)
    assert execute(subject, SERIAL).n_computed == 0
    assert contents(subject.landed) == before


def test_run_in_python_goes_on_from_a_file_alone(project):
    made = experiment(grid(x=[1.0, 2.0, 3.0]), name="made")(lambda x: x * x)
    run(made, engine="serial")
    shutil.rmtree("results/.memo")
    assert run(made, axes={"x": [4.0]}, engine="serial").made.values.tolist() == [16]
    assert status.plan(made).reused == 3
