"""Versions that differ are refused or warned about, both by name; those that are alike are not."""

import dataclasses
import platform

import numpy as np
import pytest

import sweeps
from sweeps.code import versions
from sweeps.code.versions import Versions, differ

HERE = Versions("3.11.7", "2.1.0", "0.1.0")


def test_this_process_says_its_versions():
    here = versions.here()
    assert here == Versions(platform.python_version(), np.__version__, sweeps.__version__)
    assert differ(here, here, "the worker") == ((), ())


@pytest.mark.parametrize(
    "other", [{"python": "3.11.9"}, {"numpy": "2.4.6"}, {"python": ""}, {"numpy": "", "sweeps": ""}]
)
def test_what_does_not_count_and_what_is_unknown_is_not_told(other):
    assert differ(HERE, dataclasses.replace(HERE, **other), "the worker") == ((), ())


@pytest.mark.parametrize(
    ("other", "name", "is_refused"),
    [
        ({"python": "3.12.1"}, "Python", False),
        ({"numpy": "1.26.4"}, "numpy", False),
        ({"sweeps": "0.2.0"}, "sweeps", True),
    ],
)
def test_a_worker_of_another_version_is_named_with_both(other, name, is_refused):
    there = dataclasses.replace(HERE, **other)
    told = differ(HERE, there, "the worker on node7")
    (text,) = told.refusals or told.warnings
    assert bool(told.refusals) == is_refused
    (version,) = other.values()
    assert text.startswith(f"the worker on node7 has {name} {version}, and this run has {name} ")
    assert "install the same version" in text


def test_byte_code_goes_to_the_same_python_only():
    there = dataclasses.replace(HERE, python="3.12.1")
    assert differ(HERE, there, "the worker", has_bytecode=True).refusals


def test_runs_that_share_a_folder_are_only_warned():
    there = Versions("3.12.1", "1.26.4", "0.2.0")
    told = differ(HERE, there, "the run on node7", is_worker=False)
    assert not told.refusals
    assert len(told.warnings) == 3


@pytest.mark.parametrize("said", [{}, {"python": 3}, {"python": ["3"], "other": 1}])
def test_what_another_machine_says_wrongly_is_unknown(said):
    assert versions.of(said) == Versions("", "", "")
    assert len(versions.of({"python": "9" * 10**6}).python) < 100


def test_they_pass_through_json():
    assert versions.of(dataclasses.asdict(HERE)) == HERE
