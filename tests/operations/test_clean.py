import contextlib
import os
import time

import pytest

from sweeps import experiment, grid, run
from sweeps.memo import claims, listing
from sweeps.operations import clean
from sweeps.progress import presence, run_file
from sweeps.progress.show import Progress
from sweeps.project.sweep import resolve
from sweeps.storage import files


@experiment(grid(x=[1, 2, 3]))
def wave(x):
    return x / 2


@pytest.fixture
def sweep(project):
    run(wave, engine="serial")
    return resolve(wave)


def grow_old(path):
    os.utime(path, (time.time() - 3600,) * 2)


def earlier(sweep):
    folder = sweep.memo.with_name("0" * 32)
    folder.mkdir()
    (folder / "code.json").write_text("{}")
    (folder / "a.seg").write_bytes(bytes(1000))
    return folder


def damaged(sweep):
    path = sweep.memo / f"abc{listing.BAD_SUFFIX}"
    path.write_bytes(bytes(500))
    return path


def abandoned(sweep):
    path = sweep.memo / f"{files.TEMPORARY_PREFIX}1-abc"
    path.write_bytes(bytes(200))
    grow_old(path)
    return path


def abandoned_landing(sweep):
    path = sweep.results / f"{files.TEMPORARY_PREFIX}2-abc"
    path.write_bytes(bytes(100))
    grow_old(path)
    return path


def silent(sweep):
    path = sweep.memo / presence.FOLDER / f"abc{presence.SUFFIX}"
    path.parent.mkdir()
    path.write_bytes(bytes(50))
    os.utime(path, (time.time() - 2 * 86400,) * 2)
    return path


WASTE = {earlier: 1002, damaged: 500, abandoned: 200, abandoned_landing: 100, silent: 50}


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_is_no_waste_after_a_run(sweep):
    assert clean.waste(sweep) == []


@pytest.mark.parametrize(("leave", "n_bytes"), WASTE.items())
def test_what_nobody_needs_is_found_and_freed(sweep, leave, n_bytes):
    path = leave(sweep)
    (found,) = clean.waste(sweep)
    assert (found.path, found.n_bytes) == (path, n_bytes)
    assert clean.free([found]) == n_bytes
    assert not path.exists()


def test_the_present_results_stay_to_the_last_byte(sweep):
    before = everything(sweep.results)
    assert any(path.suffix == ".h5" for path in before)
    assert any(path.is_relative_to(sweep.memo) for path in before)
    for leave in WASTE:
        leave(sweep)
    found = clean.waste(sweep)
    assert clean.free(found) == sum(WASTE.values())
    assert everything(sweep.results) == before


def test_what_is_being_written_stays(sweep):
    (sweep.memo / f"{files.TEMPORARY_PREFIX}1-abc").write_bytes(bytes(200))
    assert clean.waste(sweep) == []


def test_other_experiments_are_left_alone(sweep):
    other = sweep.memo.parent.with_name("ising") / ("1" * 32)
    other.mkdir(parents=True)
    assert clean.waste(sweep) == []


def test_finding_removes_nothing(sweep):
    paths = [leave(sweep) for leave in WASTE]
    clean.waste(sweep)
    assert all(path.exists() for path in paths)


def test_what_somebody_else_freed_meanwhile_is_no_trouble(sweep):
    for leave in WASTE:
        leave(sweep)
    found = clean.waste(sweep)
    clean.free(found)
    clean.free(found)
    assert clean.waste(sweep) == []


def test_before_any_run_there_is_nothing(project):
    assert clean.waste(resolve(wave)) == []
    assert not (project / "results").exists()


def test_what_a_run_of_earlier_code_is_at_is_left_alone_and_named(sweep):
    place = earlier(sweep)
    with contextlib.closing(claims.Claims(place, sweep.keys)):
        assert clean.busy(sweep) == [place]
        assert not clean.waste(sweep)
    assert not clean.busy(sweep)
    found = clean.waste(sweep)
    assert [each.path for each in found] == [place]
    with contextlib.closing(claims.Claims(place, sweep.keys)):  # it has begun since
        assert clean.free(found) == 0
        assert (place / "a.seg").exists()
    assert clean.free(found) > 0
    assert not place.exists()
    assert [p.name for p in sweep.memo.parent.iterdir()] == [sweep.memo.name]


@pytest.mark.parametrize("name", ["a.seg", "a.bad"])
def test_what_a_later_version_wrote_is_never_waste(sweep, name):
    place = earlier(sweep)
    (place / name).write_bytes(bytes(1000) + b"sweeps-segment-3")
    (sweep.memo / "a.bad").write_bytes(bytes(1000) + b"sweeps-segment-3")
    landed = sweep.landed.with_name(sweep.landed.name + listing.BAD_SUFFIX)
    landed.write_bytes(bytes(1000) + b"sweeps-results-3")
    assert not clean.waste(sweep)


def test_a_segment_that_was_set_aside_and_is_whole_is_no_waste(sweep):
    path = min(sweep.memo.glob("*.seg"))
    path.rename(path.with_suffix(listing.BAD_SUFFIX))
    assert not clean.waste(sweep)


def test_what_a_run_on_another_machine_is_using_stays(sweep):
    folder = earlier(sweep)
    notice = run_file.Notice(folder, "loky", 2)
    notice._about |= {"host": "node7"}
    notice.say(Progress(3))
    assert clean.busy(sweep) == [folder]
    assert clean.waste(sweep) == []
    notice.close()
    assert [each.path for each in clean.waste(sweep)] == [folder]
