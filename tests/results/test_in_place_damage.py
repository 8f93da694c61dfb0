"""Damage of values in place costs the points that it touches, and fools nobody."""

import dataclasses
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeps import grid
from sweeps.errors import SweepsError
from sweeps.execution import scheduler
from sweeps.memo import index as memo
from sweeps.operations import verify
from sweeps.operations.run import execute
from sweeps.results import update
from sweeps.storage.dataset import load
from tests.results.placed import SERIAL, drafts, line, made
from tests.sizes import place_all


@pytest.fixture(autouse=True)
def _one_by_one(monkeypatch):
    """Commit every point alone, so that all but the first one are placed."""
    monkeypatch.setattr(scheduler, "MAX_BLOCK", 1)


@pytest.fixture
def placing(monkeypatch):
    place_all(monkeypatch)


def flipped(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.chmod(0o644)
    with path.open("r+b") as file:  # where it is: all of its names are damaged
        file.seek(at)
        file.write(content[at : at + 1])


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    """A results file in place, with the memo that is beside it."""
    folder = tmp_path_factory.mktemp("landed")
    with pytest.MonkeyPatch.context() as patch:
        place_all(patch)
        patch.setattr(scheduler, "MAX_BLOCK", 1)
        sweep = made(line, grid(x=range(6)), folder / "results")
        execute(sweep, SERIAL)
    with h5py.File(sweep.landed, locking=False) as file:
        return sweep, file["line"].id.get_offset()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_damage_costs_what_it_touches(landed, tmp_path_factory, share):
    sweep, start = landed
    root = tmp_path_factory.mktemp("damaged")
    place = root / "results"
    shutil.copytree(sweep.results, place)
    seg = next((place / ".memo").rglob("*.seg"))
    (place / "line.h5").unlink()
    (place / "line.h5").hardlink_to(seg)
    own = dataclasses.replace(sweep, results=place)
    at = int(share * (own.landed.stat().st_size - 1))  # the last byte is the number of the format
    flipped(own.landed, at)
    damages = verify.verify(own.landed).damages
    assert damages
    n_computed = 0
    for _ in range(2):  # a damaged segment is said, and the next run computes its points again
        try:
            n_computed += execute(own, SERIAL).n_computed
            break
        except SweepsError as error:
            assert "damaged" in str(error)
    is_value = start <= at < start + 6 * 16
    assert n_computed == (1 if is_value else 6)
    with load(own.landed) as found:
        assert found["line"].values.tolist() == [[x, x * 0.1] for x in range(6)]
    assert not verify.verify(own.landed).damages


@pytest.mark.usefixtures("placing")
@pytest.mark.parametrize("what", ["value", "gone", "cut"])
def test_damage_of_a_draft_costs_what_it_touches(tmp_path, monkeypatch, what):
    """The run was killed before it landed."""
    sweep = made(line, grid(x=range(6)), tmp_path / "results")
    killed(sweep, monkeypatch)
    (name,) = drafts(sweep)
    path = sweep.memo / name
    part = next(p for p in memo.scan(sweep.memo).parts if p.placed is not None)
    ((start, _),) = part.placed.runs.tolist()
    if what == "value":
        flipped(path, part.placed.columns[0].offset + start * 16)
    if what == "gone":
        path.unlink()
    if what == "cut":
        with path.open("r+b") as file:
            file.truncate(part.placed.columns[0].offset + 5 * 16)
    assert verify.verify(sweep.landed).damages
    report = execute(sweep, SERIAL)
    assert report.n_computed == {"value": 1, "gone": 5, "cut": 1}[what]
    with load(sweep.landed) as found:
        assert found["line"].values.tolist() == [[x, x * 0.1] for x in range(6)]
    assert not verify.verify(sweep.landed).damages
    assert not drafts(sweep)


def killed(sweep, monkeypatch):
    """Leave a memo as of a run that was killed when it had computed everything."""

    class Killed(Exception):
        pass

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(update, "refresh", killed)
        with pytest.raises(Killed):
            execute(sweep, SERIAL)


@pytest.mark.usefixtures("placing")
def test_points_of_a_run_that_was_killed_are_known(tmp_path, monkeypatch):
    sweep = made(line, grid(x=range(6)), tmp_path / "results")
    killed(sweep, monkeypatch)
    assert drafts(sweep)
    assert execute(sweep, SERIAL).n_computed == 0
    assert load(sweep.landed)["line"][:, 1].values.tolist() == [x * 0.1 for x in range(6)]
    assert not drafts(sweep)


@pytest.mark.usefixtures("placing")
def test_a_draft_that_is_removed_during_the_run_costs_its_points(tmp_path):
    def removing(x):
        for path in (tmp_path / "results").rglob("*.draft") if x == 4 else ():
            path.unlink()
        return {"line": np.array([x, x * 0.1])}

    sweep = made(removing, grid(x=range(6)), tmp_path / "results")
    with pytest.raises(SweepsError, match="run again"):
        execute(sweep, SERIAL)
    assert execute(sweep, SERIAL).n_computed == 3
    assert load(sweep.landed)["line"][:, 1].values.tolist() == [x * 0.1 for x in range(6)]
    assert not verify.verify(sweep.landed).damages
