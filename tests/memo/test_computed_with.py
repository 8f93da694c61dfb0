"""Points of different versions of Python and numpy are never mixed without a word."""

import dataclasses
import json

import pytest

from sweeps import experiment, grid, load, run
from sweeps.code import versions
from sweeps.code.versions import Versions
from sweeps.memo import computed_with, record
from sweeps.project.sweep import resolve


@experiment(grid(x=[1, 2, 3, 4]))
def wave(x):
    return x / 2


def as_of(monkeypatch, **other):
    """Let this process have other versions."""
    here = dataclasses.replace(Versions("3.11.7", "2.4.6", "0.1.0"), **other)
    monkeypatch.setattr(versions, "here", lambda: here)
    packages = {**vars(here), "h5py": "3"}
    python, rest = packages.pop("python"), packages
    monkeypatch.setattr(record.platform, "python_version", lambda: python)
    monkeypatch.setattr(record.provenance, "of_packages", lambda: rest)


def told(recwarn, **options):
    recwarn.clear()
    run(wave, engine="serial", **options)
    return [str(each.message) for each in recwarn if "computed with" in str(each.message)]


@pytest.mark.parametrize(
    ("other", "name"), [({"python": "3.12.1"}, "Python"), ({"numpy": "1.26.4"}, "numpy")]
)
def test_a_run_of_another_version_warns_once_and_names_both(
    project, monkeypatch, recwarn, other, name
):
    as_of(monkeypatch)
    assert told(recwarn, limit=2) == []
    assert not (resolve(wave).memo / record.VERSIONS).exists()
    as_of(monkeypatch, **other)
    (new,), (old,) = other.values(), [getattr(Versions("3.11.7", "2.4.6", ""), next(iter(other)))]
    (text,) = told(recwarn, limit=1)
    assert text.startswith(f"2 points of 'wave' were computed with {name} {old}, and this run has ")
    assert f"has {name} {new}: " in text
    assert told(recwarn) == []
    as_of(monkeypatch)
    assert told(recwarn, recompute=True) == []  # it has computed before
    said = json.loads(load("wave").attrs["computed_with"])
    assert [each["python"] for each in said] == ["3.11.7", other.get("python", "3.11.7")]


@pytest.mark.parametrize("other", [{}, {"python": "3.11.9", "numpy": "2.5.0", "sweeps": "9"}])
def test_versions_that_are_alike_leave_nothing(project, monkeypatch, recwarn, other):
    as_of(monkeypatch)
    run(wave, engine="serial", limit=2)
    as_of(monkeypatch, **other)
    assert told(recwarn) == []
    assert not (resolve(wave).memo / record.VERSIONS).exists()
    assert "computed_with" not in load("wave").attrs


def test_where_nothing_was_computed_yet_the_present_versions_count(project, monkeypatch, recwarn):
    as_of(monkeypatch)
    sweep = resolve(wave)
    record.keep(sweep.memo, sweep.experiment, sweep.fingerprint)  # and the run is killed
    as_of(monkeypatch, python="3.12.1")
    assert told(recwarn, limit=2) == []
    assert [each.python for each in computed_with.known(sweep.memo)] == ["3.12.1"]
    as_of(monkeypatch)
    assert len(told(recwarn)) == 1


def test_points_that_are_all_computed_again_are_not_mixed(project, monkeypatch, recwarn):
    as_of(monkeypatch)
    run(wave, engine="serial")
    as_of(monkeypatch, python="3.12.1")
    assert told(recwarn, recompute=True) == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"python": 3}', b"\xff"])
def test_a_damaged_note_stops_nothing(project, monkeypatch, recwarn, content):
    as_of(monkeypatch)
    run(wave, engine="serial", limit=1)
    as_of(monkeypatch, python="3.12.1")
    run(wave, engine="serial", limit=1)
    (path,) = (resolve(wave).memo / record.VERSIONS).iterdir()
    path.write_bytes(content)
    as_of(monkeypatch, python="3.13.0")
    run(wave, engine="serial", limit=1)
    assert load("wave").attrs["n_done"] == 3


def test_where_notes_cannot_be_kept_a_run_warns_and_goes_on(project, monkeypatch, recwarn):
    as_of(monkeypatch)
    run(wave, engine="serial", limit=1)
    (resolve(wave).memo / record.VERSIONS).write_text("no folder")
    as_of(monkeypatch, python="3.12.1")
    assert len(told(recwarn, limit=1)) == len(told(recwarn)) == 1
    assert load("wave").attrs["n_done"] == 4
