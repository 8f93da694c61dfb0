"""A disk that refuses costs a clear message: nothing that was finished is lost, nothing is wrong.

python -m pytest -m campaign -s tests/reliability/test_storage_faults.py
"""

import collections
import dataclasses
import errno
import itertools
import os
import random

import pytest

from sweeps import experiment, files, grid, memo, merging, provenance, verifying
from sweeps.errors import StorageError
from sweeps.invocation import Options
from sweeps.loading import load
from sweeps.running import execute
from sweeps.subject import resolve
from tests.reliability.disks import FailingDisk

CODES = ["ENOSPC", "EIO", "EDQUOT", "EFBIG", "EROFS", "ESTALE"]
OPTIONS = Options(engine="serial")


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    """Asking git takes longer than all else, and changes nothing here."""
    monkeypatch.setattr(provenance, "of_git", lambda _: {})


@pytest.fixture
def subject(tmp_path, monkeypatch):
    """Two segments are there already, so that the run under test also merges."""
    monkeypatch.setattr(merging, "N_SMALL", 3)
    monkeypatch.setattr(merging, "SETTLED_S", 0.0)

    @experiment(grid(x=[float(i) for i in range(6)]))
    def cube(x):
        return {"cube": x**3, "text": f"{x}"}

    return dataclasses.replace(resolve(cube), results=tmp_path / "results")


def prepare(subject, place):
    """Make a fresh folder of results, with four points of six in two segments."""
    moved = dataclasses.replace(subject, results=place / "results")
    for _ in range(2):
        execute(moved, dataclasses.replace(OPTIONS, limit=2))
    return moved


def assert_whole(subject):
    """All points are known, the file shows them, and digests say so."""
    report = execute(subject, OPTIONS)
    assert report.n_failed == 0
    dataset = load(subject.landed)
    assert bool((dataset.cube == dataset.x**3).all())
    assert dataset.text.values.tolist() == [f"{float(i)}" for i in range(6)]
    assert not verifying.verify(subject.landed).damages


def outcome(subject, place, failing):
    """Run on a failing disk, and check what must hold whatever fails; say what happened."""
    subject = prepare(subject, place)
    known = {tuple(k) for p in memo.scan(subject.memo).parts for k in p.keys.tolist()}
    with failing.installed():
        try:
            report = execute(subject, OPTIONS)
        except StorageError as error:
            said = str(error)
            assert os.strerror(failing.code) in said
            assert "\n" not in said
            report = None
    index = memo.scan(subject.memo)
    assert not index.bad
    assert known <= {tuple(k) for p in index.parts for k in p.keys.tolist()}
    if report is not None:
        dataset = load(subject.landed)
        assert bool((dataset.cube == dataset.x**3).all()), "the run said that all is well"
    if not failing.for_good and "unlink" not in failing.failed:
        assert not list(subject.results.rglob(f"{files.TEMPORARY_PREFIX}*"))
    assert_whole(subject)
    if not failing.failed:  # blocks are cut by time, so that two runs differ by some calls
        return "not met"
    return "loud" if report is None else "harmless"


def calls_of_a_run(subject, place):
    counting = FailingDisk()
    with counting.installed():
        execute(prepare(subject, place), OPTIONS)
    return counting.calls


def first_of_each(calls):
    """Where each kind of call is made first, and where last."""
    return sorted({f for name in set(calls) for f in (calls.index(name), last(calls, name))})


def last(calls, name):
    return len(calls) - 1 - calls[::-1].index(name)


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_a_call_that_fails_is_told_and_made_up_for(subject, tmp_path, for_good):
    calls = calls_of_a_run(prepare(subject, tmp_path / "0"), tmp_path / "count")
    assert {"create", "write", "flush", "flush_folder", "replace", "unlink"} <= set(calls)
    for number in first_of_each(calls):
        code = getattr(errno, random.Random(number).choice(CODES))
        outcome(subject, tmp_path / f"{number}", FailingDisk(number, code, for_good=for_good))


@pytest.mark.campaign
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_every_call_fails_with_every_error(subject, tmp_path, for_good):
    calls = calls_of_a_run(subject, tmp_path / "count")
    counts = collections.Counter()
    for number, code in itertools.product(range(len(calls)), CODES):
        failing = FailingDisk(number, getattr(errno, code), for_good=for_good)
        what = outcome(subject, tmp_path / f"{number}-{code}", failing)
        counts["".join(failing.failed[:1]), what] += 1
    print(f"\n{len(calls)} calls, each with {', '.join(CODES)}, {'on' if for_good else 'once'}:")
    for (call, what), n in sorted(counts.items()):
        print(f"{call:14} {what:9} {n:5}")


def test_a_file_whose_flush_failed_is_not_believed_when_it_succeeds_again(tmp_path):
    """Linux takes pages that it could not write for clean: a second fsync says nothing."""
    failing = FailingDisk(at=2, code=errno.EIO)  # after create and write
    with failing.installed(), pytest.raises(StorageError, match="Input/output"):
        files.commit(tmp_path / "x", [b"content"])
    assert failing.calls == ["create", "write", "flush", "unlink"]
    assert not list(tmp_path.iterdir())
