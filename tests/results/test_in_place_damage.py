"""Damage of values in place costs the points that it touches, and fools nobody."""

import collections
import dataclasses
import random
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
from tests.reliability.test_corruption import spoiled
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


# ---- campaigns


def is_right(sweep):
    with load(sweep.landed) as found:
        return found["line"].values.tolist() == [[x, x * 0.1] for x in range(6)]


def run_until_complete(sweep):
    """Run once more after a damage that only the landing finds; say how many were computed."""
    try:
        return execute(sweep, SERIAL).n_computed
    except SweepsError as error:
        assert "run again" in str(error)
        return execute(sweep, SERIAL).n_computed


@pytest.mark.campaign
@pytest.mark.usefixtures("placing")
@pytest.mark.parametrize("what", ["file", "draft"])
def test_nothing_spoiled_is_believed(tmp_path, monkeypatch, what, n=100):
    """Each is spoiled in one place: bits, a byte, a block, zeros, or a cut."""
    sweep = made(line, grid(x=range(6)), tmp_path / "whole")
    killed(sweep, monkeypatch) if what == "draft" else execute(sweep, SERIAL)
    (path,) = sweep.memo.glob("*.draft" if what == "draft" else "*.seg")
    content, rng = path.read_bytes(), random.Random(0)
    placed = [p.placed for p in memo.scan(sweep.memo).parts if p.placed is not None]
    counts = collections.Counter()
    while counts.total() < n:
        kind, now = spoiled(content, rng)
        if now == content:
            continue
        own = dataclasses.replace(sweep, results=tmp_path / "spoiled")
        shutil.copytree(sweep.results, own.results)
        (own.memo / path.name).chmod(0o644)
        (own.memo / path.name).write_bytes(now)
        if what == "file":
            own.landed.unlink()
            own.landed.hardlink_to(own.memo / path.name)
        n_touched = sum(
            now[at : at + 16] != content[at : at + 16]
            for each in placed
            for at in each.columns[0].offset + 16 * each.positions
        )
        assert bool(verify.verify(own.landed).damages) is (what == "file" or n_touched > 0)
        n_computed = run_until_complete(own)
        assert what == "file" or n_computed == n_touched
        assert is_right(own)
        assert not verify.verify(own.landed).damages
        counts[kind, n_computed] += 1
        shutil.rmtree(own.results)
    print(f"\n{what} of {len(content):,} bytes: {n} spoiled, 0 believed: {sorted(counts.items())}")
