import contextlib
import os
import time

import pytest

from sweeps import experiment, grid, run
from sweeps.memo import claims, listing
from sweeps.operations import clean
from sweeps.project.sweep import resolve
from sweeps.storage import files


@experiment(grid(x=[1, 2, 3]))
def wave(x):
    return x / 2


@pytest.fixture
def subject(project):
    run(wave, engine="serial")
    return resolve(wave)


def grow_old(path):
    os.utime(path, (time.time() - 3600,) * 2)


def earlier(subject):
    folder = subject.memo.with_name("0" * 32)
    folder.mkdir()
    (folder / "code.json").write_text("{}")
    (folder / "a.seg").write_bytes(bytes(1000))
    return folder


def damaged(subject):
    path = subject.memo / f"abc{listing.BAD_SUFFIX}"
    path.write_bytes(bytes(500))
    return path


def abandoned(subject):
    path = subject.memo / f"{files.TEMPORARY_PREFIX}1-abc"
    path.write_bytes(bytes(200))
    grow_old(path)
    return path


def abandoned_landing(subject):
    path = subject.results / f"{files.TEMPORARY_PREFIX}2-abc"
    path.write_bytes(bytes(100))
    grow_old(path)
    return path


WASTE = {earlier: 1002, damaged: 500, abandoned: 200, abandoned_landing: 100}


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_is_no_waste_after_a_run(subject):
    assert clean.waste(subject) == []


@pytest.mark.parametrize(("leave", "n_bytes"), WASTE.items())
def test_what_nobody_needs_is_found_and_freed(subject, leave, n_bytes):
    path = leave(subject)
    (found,) = clean.waste(subject)
    assert (found.path, found.n_bytes) == (path, n_bytes)
    assert clean.free([found]) == n_bytes
    assert not path.exists()


def test_the_present_results_stay_to_the_last_byte(subject):
    before = everything(subject.results)
    assert any(path.suffix == ".h5" for path in before)
    assert any(path.is_relative_to(subject.memo) for path in before)
    for leave in WASTE:
        leave(subject)
    found = clean.waste(subject)
    assert clean.free(found) == sum(WASTE.values())
    assert everything(subject.results) == before


def test_what_is_being_written_stays(subject):
    (subject.memo / f"{files.TEMPORARY_PREFIX}1-abc").write_bytes(bytes(200))
    assert clean.waste(subject) == []


def test_other_experiments_are_left_alone(subject):
    other = subject.memo.parent.with_name("ising") / ("1" * 32)
    other.mkdir(parents=True)
    assert clean.waste(subject) == []


def test_finding_removes_nothing(subject):
    paths = [leave(subject) for leave in WASTE]
    clean.waste(subject)
    assert all(path.exists() for path in paths)


def test_what_somebody_else_freed_meanwhile_is_no_trouble(subject):
    for leave in WASTE:
        leave(subject)
    found = clean.waste(subject)
    clean.free(found)
    clean.free(found)
    assert clean.waste(subject) == []


def test_before_any_run_there_is_nothing(project):
    assert clean.waste(resolve(wave)) == []
    assert not (project / "results").exists()


def test_what_a_run_of_earlier_code_is_at_is_left_alone_and_named(subject):
    place = earlier(subject)
    with contextlib.closing(claims.Claims(place, subject.keys)):
        assert clean.busy(subject) == [place]
        assert not clean.waste(subject)
    assert not clean.busy(subject)
    found = clean.waste(subject)
    assert [each.path for each in found] == [place]
    with contextlib.closing(claims.Claims(place, subject.keys)):  # it has begun since
        assert clean.free(found) == 0
        assert (place / "a.seg").exists()
    assert clean.free(found) > 0
    assert not place.exists()
    assert [p.name for p in subject.memo.parent.iterdir()] == [subject.memo.name]


@pytest.mark.parametrize("name", ["a.seg", "a.bad"])
def test_what_a_later_version_wrote_is_never_waste(subject, name):
    place = earlier(subject)
    (place / name).write_bytes(bytes(1000) + b"sweeps-segment-2")
    (subject.memo / "a.bad").write_bytes(bytes(1000) + b"sweeps-segment-2")
    landed = subject.landed.with_name(subject.landed.name + listing.BAD_SUFFIX)
    landed.write_bytes(bytes(1000) + b"sweeps-results-3")
    assert not clean.waste(subject)


def test_a_segment_that_was_set_aside_and_is_whole_is_no_waste(subject):
    path = min(subject.memo.glob("*.seg"))
    path.rename(path.with_suffix(listing.BAD_SUFFIX))
    assert not clean.waste(subject)
