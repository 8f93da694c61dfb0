"""What is done before a command is imported: it guesses, and leaves the environment as it was."""

import os
import platform

import pytest

from sweeps import ahead
from sweeps.cli import early

WITH_WORKERS = ["run small", "run small -j 2", "run small a=1,2 --quiet", "run other --shard 0/2"]

WITHOUT = [
    "",
    "run",
    "run --help",
    "run small --help",
    "run small --engine serial",
    "run small --engine=threads",
    "run small --results elsewhere",
    "run small --output file.h5",
    "run known",
    "status small",
    "show small",
]


@pytest.fixture(autouse=True)
def _a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWEEPS_RESULTS", raising=False)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "known.h5").touch()
    yield
    ahead.discard()


@pytest.mark.parametrize("words", WITH_WORKERS + WITHOUT)
def test_a_worker_is_expected_of_a_first_run_alone(words):
    before = dict(os.environ)
    with early.importing(words.split()):
        assert (ahead.pid() is not None) == (words in WITH_WORKERS)
    assert dict(os.environ) == before


def test_what_the_user_says_of_openblas_stands(monkeypatch):
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", "26")
    with early.importing([]):
        assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "26"
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "26"


def test_results_elsewhere_by_the_environment_are_not_looked_for(monkeypatch):
    monkeypatch.setenv("SWEEPS_RESULTS", "elsewhere")
    with early.importing(["run", "small"]):
        assert ahead.pid() is None


def test_the_processor_is_told_as_ever():
    before = platform.uname().processor
    with early.importing([]):
        pass
    assert platform.uname().processor == before
