"""A power cut at any instant costs no point that somebody was promised, and fools nobody.

python -m pytest -m campaign -s tests/reliability/test_crashes.py
"""

import dataclasses
import os
import random
import shutil

import numpy as np
import pytest

from sweeps import experiment, grid
from sweeps.code import provenance
from sweeps.execution import scheduler
from sweeps.execution.options import Options
from sweeps.memo import acceptance, merge, segment
from sweeps.memo import index as memo
from sweeps.memo.acceptance import Acceptance
from sweeps.operations import rename, verify
from sweeps.operations.run import execute
from sweeps.project.sweep import resolve
from sweeps.storage.dataset import load
from tests.reliability.disks import Power, Recorder, materialize
from tests.sizes import KEEPS, PLACED, declared

OPTIONS = Options(engine="serial")


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    """Asking git takes longer than all else, and changes nothing here."""
    monkeypatch.setattr(provenance, "of_git", lambda _: {})


@pytest.fixture(autouse=True)
def _copied(copied):
    """Numbers are copied past HDF5, as large ones are; text goes by way of it."""


def made(n, keep, name="cube"):
    @experiment(grid(x=[float(i) for i in range(n)]), name=name, keep=declared(keep))
    def cube(x):
        return {"cube": x**3, "text": f"{x}"}

    return resolve(cube)


class Scene:
    """What is done to a disk, and what must hold of it at any time."""

    def __init__(self, root, keep, forget=(), n_commits=3):
        self.recorder = Recorder(forget)
        self.root = root
        self.n_commits = n_commits
        self.keep = keep
        self.n_placed = 0
        self.sweep = dataclasses.replace(made(2 * n_commits, keep), results=root / "results")

    def record(self):
        """Do everything; what came back from a commit is a promise."""
        commit = segment.commit

        def promising(place, parts, failures=(), created_ns=None, placed=None):
            path = commit(place, parts, failures, created_ns, placed)
            self.n_placed += len(placed or ())
            for part in parts:
                self.recorder.promise(("point", *(tuple(k) for k in part.keys.tolist())))
            return path

        with self.recorder.recording(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(segment, "commit", promising)
            self.play()
        return self.recorder.operations

    def play(self):
        raise NotImplementedError

    def at(self, place):
        """The same experiment on another disk."""
        return dataclasses.replace(self.sweep, results=place / "results")

    def check(self, place, promised):
        sweep = self.at(place)
        self.check_memo(sweep, promised)
        if sweep.landed.exists():
            self.check_values(load(sweep.landed), is_whole="landed" in promised)
        self.check_next_run(sweep, promised)

    def check_memo(self, sweep, promised):
        index = memo.scan(sweep.memo)
        assert not index.bad, f"a damaged segment was given its name: {index.bad}"
        keys = {each for what in promised if what[0] == "point" for each in what[1:]}
        found = index.find(np.array(sorted(keys), dtype=np.uint64).reshape(-1, 2))
        assert (found >= 0).all(), f"{(found < 0).sum()} promised points are lost"
        if sweep.landed.exists() or sweep.memo.exists():
            verified = verify.verify(sweep.landed)
            assert not verified.damages, f"given a name though not whole: {verified.damages}"

    def check_values(self, dataset, *, is_whole):
        known = dataset.cube.notnull()
        assert not is_whole or bool(known.all())
        assert bool((dataset.cube == dataset.x**3)[known].all())

    def check_next_run(self, sweep, promised):
        n_promised = len({each for what in promised if what[0] == "point" for each in what[1:]})
        n_points = len(sweep.experiment.space)
        report = execute(sweep, OPTIONS)
        assert report.n_computed <= n_points - min(n_promised, n_points)
        self.check_values(load(sweep.landed), is_whole=True)
        assert report.n_failed == 0


class Commits(Scene):
    """Runs of a part of a space, and one that finishes; each lands what there is."""

    def play(self):
        for limit in [2] * (self.n_commits - 1) + [None]:
            execute(self.sweep, dataclasses.replace(OPTIONS, limit=limit))
        self.recorder.promise("landed")


class Merges(Scene):
    """A merge of many segments, among them two values of one key, and what it lands."""

    def play(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(merge, "N_SMALL", 3)
            patch.setattr(merge, "SETTLED_S", 0.0)
            for limit in [1] * (2 * self.n_commits - 2) + [None]:
                execute(self.sweep, dataclasses.replace(OPTIONS, limit=limit))
            merge.merge(memo.scan(self.sweep.memo))
        self.recorder.promise("landed")


class MergesAlone(Scene):
    """Runs of many blocks, which merge these at their ends, since no other run is there."""

    def play(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(merge, "N_SMALL", 2)
            patch.setattr(scheduler, "MAX_BLOCK", 1)
            for limit in (self.n_commits, None):
                execute(self.sweep, dataclasses.replace(OPTIONS, limit=limit))
        self.recorder.promise("landed")


class Accepts(Scene):
    """Results of other code are accepted, counted, and not any more."""

    def play(self):
        other = dataclasses.replace(self.sweep.fingerprint, digest="0" * 32)
        execute(dataclasses.replace(self.sweep, fingerprint=other), OPTIONS)
        acceptance.accept(self.sweep.memo, Acceptance("0" * 32, "why not", "2026", {}))
        self.recorder.promise("accepted")
        assert execute(self.sweep, OPTIONS).n_computed == 0
        self.recorder.promise("taking back")
        acceptance.take_back(self.sweep.memo, "0" * 32)
        self.recorder.promise("taken back")

    def check(self, place, promised):
        sweep = self.at(place)
        accepted = [each.fingerprint for each in acceptance.accepted(sweep.memo)]
        if "taken back" in promised:
            assert not accepted
        elif "accepted" in promised and "taking back" not in promised:
            assert len(memo.scan(sweep.memo).parts) > 0
        execute(sweep, OPTIONS)
        self.check_values(load(sweep.landed), is_whole=True)


class Renames(Scene):
    """Memo and results file go on under another name."""

    def play(self):
        old = dataclasses.replace(
            made(2 * self.n_commits, self.keep, name="old"), results=self.sweep.results
        )
        self.recorder.promise("nothing")
        old = dataclasses.replace(old, fingerprint=self.sweep.fingerprint)
        execute(old, OPTIONS)
        keys = [tuple(key) for part in memo.scan(old.memo).parts for key in part.keys.tolist()]
        self.recorder.promise(("renaming", *keys))
        rename.rename("old", self.sweep)

    def check(self, place, promised):
        sweep = self.at(place)
        rename.rename("old", sweep)  # which repeats what a power cut ended
        begun = [each for each in promised if each[0] == "renaming"]
        self.check_memo(sweep, [("point", *begun[0][1:])] if begun else [])
        report = execute(sweep, OPTIONS)
        assert not begun or report.n_computed == 0
        self.check_values(load(sweep.landed), is_whole=True)


class Changes(Scene):
    """A space that grows, shrinks and turns back, and values that are computed again."""

    def play(self):
        n = 2 * self.n_commits
        for xs in (range(n // 2), range(n), range(n // 2), range(n)):
            space = grid(x=[float(x) for x in xs])
            moved = resolve(self.sweep.experiment, space=space, results=self.sweep.results)
            execute(moved, OPTIONS)
        execute(self.sweep, dataclasses.replace(OPTIONS, recompute=True, limit=2))
        self.recorder.promise("landed")


KEPT = pytest.mark.parametrize("keep", KEEPS)
N_DRAWN = int(os.environ.get("TRIES", "250"))
SCENES = [Commits, Merges, MergesAlone, Accepts, Renames, Changes]


def count(scene, tmp_path, n_most=None, n_random=2, seed=0):
    """Check the states that power cuts may leave, all or some; return how many."""
    operations = scene.record()
    assert (scene.n_placed > 0) is (scene.keep == PLACED)
    power = Power(scene.root, random.Random(seed), n_random)
    states = power.states(operations) if n_most is None else power.some_states(operations, n_most)
    number = 0
    for number, (state, promised) in enumerate(states, 1):
        place = tmp_path / "after" / str(number)
        place.mkdir(parents=True)
        materialize(state, place)
        scene.check(place, promised)
        shutil.rmtree(place)
    return len(operations), power.n_outcomes, number


@KEPT
@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
def test_a_power_cut_costs_nothing_that_was_promised(scene, keep, tmp_path):
    short = scene(tmp_path / "disk", keep, n_commits=2)
    n_operations, _, n_states = count(short, tmp_path, n_most=3)
    assert n_operations > 50
    assert n_states == 3


@KEPT
@pytest.mark.parametrize("scene", [Commits, Merges, MergesAlone], ids=lambda s: s.__name__)
@pytest.mark.parametrize("forgotten", ["flush", "flush_folder"])
def test_without_a_flush_this_test_fails(scene, forgotten, keep, tmp_path):
    """What is looked for above would be found."""
    forgetful = scene(tmp_path / "disk", keep, forget={forgotten})
    forgetful.check = lambda place, promised: scene.check_memo(
        forgetful, forgetful.at(place), promised
    )
    with pytest.raises(AssertionError, match=r"lost|damaged|not whole"):
        count(forgetful, tmp_path)


@pytest.mark.campaign
@KEPT
@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
def test_every_state_after_a_power_cut(scene, keep, tmp_path):
    """Of values in place, some: there are too many ways in which one file may be half-written."""
    n_operations, n_outcomes, n_states = count(
        scene(tmp_path / "disk", keep, n_commits=12),
        tmp_path,
        n_most=N_DRAWN if keep == PLACED else None,
        n_random=20,
    )
    print(
        f"\n{scene.__name__}, kept in {keep}: {n_operations:,} operations, {n_outcomes:,} outcomes "
        f"of power cuts, {n_states:,} that a reader can tell apart: nothing lost, nothing damaged"
    )
