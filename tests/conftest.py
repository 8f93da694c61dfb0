"""What all tests share."""

import functools
import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import is_hypothesis_test, settings

from sweeps.cli.main import main
from sweeps.code import provenance
from sweeps.memo import reader
from sweeps.storage import hdf5_foreign
from tests.browser import browser  # noqa: F401 - a fixture
from tests.sizes import PLACED, place_all

# What is ignored here, as in the background of a script, would be ignored by runs that are started.
for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        _is_interrupt = _number == signal.SIGINT
        signal.signal(_number, signal.default_int_handler if _is_interrupt else signal.SIG_DFL)

settings.register_profile("sweeps", deadline=None, max_examples=25)
settings.register_profile("campaign", deadline=None, max_examples=100)


def _is_campaign(config):
    return config.option.markexpr != "not campaign"  # as it is by default


def pytest_configure(config):
    if config.getoption("dist", None) == "load":
        # Each worker begins with half of the tests: a fixture of a module is then made once.
        config.option.dist = "worksteal"
    settings.load_profile("campaign" if _is_campaign(config) else "sweeps")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Laws that draw examples are in campaigns, too, with more of them."""
    for item in items if _is_campaign(config) else ():
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("campaign")


def pytest_collection_finish():
    """Leave thousands of tests out of each garbage collection: they stay to the end."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Keep draws of samples apart from those of the user, in this process and all others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_disks():
    """Flush nothing from this process: power cuts are made in ``reliability/disks.py``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # which refuses what is no descriptor, too
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_children_that_look():
    """Open files that these tests made as where a fork is not safe: it takes as long as a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5_foreign, "_HAS_CHILDREN", False)
        yield


@pytest.fixture(autouse=True, scope="session")
def _git_is_asked_once():
    """Ask git once about the folders of these tests: it takes longer than to land some points."""
    asked, root = provenance.of_git, Path(__file__).parent.parent
    answer = functools.cache(asked)

    def of_git(folder):
        is_ours = folder.resolve().is_relative_to(root)
        return answer(root) if is_ours else asked(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "of_git", of_git)
        yield


@pytest.fixture
def children_that_look(monkeypatch):
    """Have a child look at each file before it is opened, as on Linux."""
    monkeypatch.setattr(hdf5_foreign, "_HAS_CHILDREN", sys.platform == "linux")


@pytest.fixture
def copied(monkeypatch):
    """Copy numbers from segments to results files however few they are."""
    monkeypatch.setattr(reader, "_COPIED_BYTES", 1)
    monkeypatch.setattr(reader, "_EXTENT_BYTES", 1)


@pytest.fixture(autouse=True)
def _placed(request, monkeypatch):
    """Where values are kept in place, take all numbers for large ones."""
    given = getattr(request.node, "callspec", None)
    if given is not None and any(type(p) is str and p == PLACED for p in given.params.values()):
        place_all(monkeypatch)


@pytest.fixture(autouse=True)
def _own_experiments():
    """Leave the modules of other experiments as they were: what a test imports ends with it."""

    def ours():
        return {n: m for n, m in sys.modules.copy().items() if n.partition(".")[0] == "experiments"}

    before = ours()
    yield
    for name in ours().keys() - before.keys():
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with an empty experiments/ in it, which is the current one."""
    (tmp_path / "experiments").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said_under_hash_seeds():
    """Different things that a program prints in processes whose sets have different orders."""

    def run(program):
        seeds = ("0", "1")
        return {
            subprocess.run(
                [sys.executable, "-c", program],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in seeds
        }

    return run


class Said(NamedTuple):
    """What a command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def sweeps(project, monkeypatch, capsys):
    """Call the command line in this process: ``sweeps("run", "wave").code``."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["sweeps", *arguments])
        capsys.readouterr()
        interrupt = signal.getsignal(signal.SIGINT)
        with pytest.raises(SystemExit) as exit_:
            main()
        signal.signal(signal.SIGINT, interrupt)  # it is about to exit, and lets go of it
        return Said(exit_.value.code, *capsys.readouterr())

    return call
