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

from sweeps import experiment, grid
from sweeps.code import provenance
from sweeps.errors import StorageError
from sweeps.execution.options import Options
from sweeps.memo import index as memo
from sweeps.memo import listing, merge
from sweeps.operations import verify
from sweeps.operations.run import execute
from sweeps.project.sweep import resolve
from sweeps.storage import files
from sweeps.storage.dataset import load
from tests.reliability.disks import FailingDisk, copy_tree
from tests.reliability.tracing import CHANGES, READS, Traced
from tests.sizes import KEEPS, declared, drawn

CODES = ["ENOSPC", "EIO", "EDQUOT", "EFBIG", "EROFS", "ESTALE"]
OPTIONS = Options(engine="serial")


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    """Asking git takes longer than all else, and changes nothing here."""
    monkeypatch.setattr(provenance, "of_git", lambda _: {})


@pytest.fixture(autouse=True)
def _copied(copied):
    """Numbers are copied past HDF5, as large ones are; text goes by way of it."""


@pytest.fixture(params=KEEPS)
def sweep(tmp_path, monkeypatch, request):
    """Two segments are there already, so that the run under test also merges."""
    monkeypatch.setattr(merge, "N_SMALL", 3)
    monkeypatch.setattr(merge, "SETTLED_S", 0.0)

    @experiment(grid(x=[float(i) for i in range(6)]), keep=declared(request.param))
    def cube(x):
        return {"cube": x**3, "text": f"{x}"}

    return dataclasses.replace(resolve(cube), results=tmp_path / "results")


def prepare(sweep, place):
    """Make a fresh folder of results, with four points of six in two segments."""
    if not sweep.results.exists():
        for _ in range(2):
            execute(sweep, dataclasses.replace(OPTIONS, limit=2))
    moved = dataclasses.replace(sweep, results=place / "results")
    copy_tree(sweep.results, moved.results)
    return moved


def assert_whole(sweep):
    """All points are known, the file shows them, and digests say so."""
    report = execute(sweep, OPTIONS)
    assert report.n_failed == 0
    dataset = load(sweep.landed)
    assert bool((dataset.cube == dataset.x**3).all())
    assert dataset.text.values.tolist() == [f"{float(i)}" for i in range(6)]
    assert not verify.verify(sweep.landed).damages


def outcome(sweep, place, failing):
    """Run on a failing disk, and check what must hold whatever fails; say what happened."""
    sweep = prepare(sweep, place)
    known = {tuple(k) for p in memo.scan(sweep.memo).parts for k in p.keys.tolist()}
    with failing.installed():
        try:
            report = execute(sweep, OPTIONS)
        except StorageError as error:
            said = str(error)
            assert os.strerror(failing.code) in said
            assert "\n" not in said
            report = None
    index = memo.scan(sweep.memo)
    assert not index.bad
    assert known <= {tuple(k) for p in index.parts for k in p.keys.tolist()}
    if report is not None:
        dataset = load(sweep.landed)
        assert bool((dataset.cube == dataset.x**3).all()), "the run said that all is well"
    if not failing.for_good and "unlink" not in failing.failed:
        assert not list(sweep.results.rglob(f"{files.TEMPORARY_PREFIX}*"))
    assert_whole(sweep)
    if not failing.failed:  # blocks are cut by time, so that two runs differ by some calls
        return "not met"
    return "loud" if report is None else "harmless"


def calls_of_a_run(sweep, place):
    counting, prepared = FailingDisk(), prepare(sweep, place)
    with counting.installed():
        execute(prepared, OPTIONS)
    return counting.calls


def one_of_each(calls, *, is_first):
    """Where each kind of call is made first, or last."""
    order = calls if is_first else calls[::-1]
    found = sorted(order.index(name) for name in set(calls))
    return found if is_first else [len(calls) - 1 - each for each in found]


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_a_call_that_fails_is_told_and_made_up_for(sweep, tmp_path, for_good):
    calls = calls_of_a_run(sweep, tmp_path / "count")
    assert {"create", "write", "flush", "flush_folder", "replace", "unlink"} <= set(calls)
    for number in one_of_each(calls, is_first=for_good):
        code = getattr(errno, random.Random(number).choice(CODES))
        outcome(sweep, tmp_path / f"{number}", FailingDisk(number, code, for_good=for_good))


@pytest.mark.campaign
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_every_call_fails_with_every_error(sweep, tmp_path, for_good):
    calls = calls_of_a_run(sweep, tmp_path / "count")
    counts = collections.Counter()
    for number, code in drawn(itertools.product(range(len(calls)), CODES)):
        failing = FailingDisk(number, getattr(errno, code), for_good=for_good)
        what = outcome(sweep, tmp_path / f"{number}-{code}", failing)
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


def refuse(traced, touch, code):
    """Let a system call of a run fail, go on, and check; say what was hit and what came of it."""
    said, touches = traced.hit(touch, f"error={code}")
    assert "Traceback" not in said.stderr, said.stderr
    hit = next((each for each in touches if each.was_hit), None)
    told = [line for line in said.stderr.splitlines() if line.startswith("error: ")]
    if said.returncode == 0:
        assert not told
        assert_loads_whole(traced)
    else:
        assert len(told) == 1, said.stderr
        assert os.strerror(getattr(errno, code)) in told[0]
    again, _ = traced.run()
    assert again.returncode == 0, again.stderr
    assert_loads_whole(traced)
    assert not verify.verify(traced.results / "cube.h5").damages
    assert not list(traced.results.rglob(f"*{listing.BAD_SUFFIX}"))
    return hit, said.returncode


def assert_loads_whole(traced):
    dataset = load(traced.results / "cube.h5")
    assert bool((dataset.cube == dataset.x**3).all())


@pytest.mark.parametrize("keep", KEEPS)
def test_a_system_call_that_fails_is_told_and_made_up_for(tmp_path, keep):
    traced = Traced(tmp_path, "serial", keep, *CHANGES)
    touches = traced.touches()
    # Flushes of the memo fail in this process, above.
    wanted = "write", "the results file"
    same = [each for each in touches if (each.call, each.place) == wanted]
    hit, exit_code = refuse(traced, same[len(same) // 2], "ENOSPC")
    assert hit is not None
    assert exit_code != 0


@pytest.mark.campaign
@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("calls", [CHANGES, READS], ids=["changes", "reads"])
def test_every_system_call_fails(tmp_path, calls, keep):
    traced = Traced(tmp_path, "serial", keep, *calls)
    touches = sorted({(t.call, t.number): t for t in traced.touches()}.values())
    counts, rng = collections.Counter(), random.Random(0)
    for touch in drawn(touches):
        code = rng.choice(CODES if calls is CHANGES else ["EIO", "ESTALE"])
        hit, exit_code = refuse(traced, touch, code)
        counts[hit and (hit.call, hit.place), exit_code] += 1
    print(f"\n{len(touches)} system calls:")
    for (hit, exit_code), n in sorted(counts.items(), key=str):
        print(f"{hit or 'nothing of the results'!s:46} exit code {exit_code} {n:5}")
