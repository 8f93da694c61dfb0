import base64
import datetime
import os
import platform
import subprocess
import sys
import types
import zipfile
from importlib import metadata

import numpy as np
import pytest

from sweeps.code import provenance


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "wave.py").write_text("a = 1")
    git(tmp_path, "add", "wave.py")
    git(tmp_path, "commit", "-m", "A wave")
    return tmp_path


def test_now_is_utc_to_the_second():
    told = datetime.datetime.strptime(provenance.now(), "%Y-%m-%dT%H:%M:%SZ")
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert datetime.timedelta(0) <= now - told < datetime.timedelta(minutes=5)


def test_the_commit_is_told_and_whether_the_tree_differs(repository):
    commit = git(repository, "rev-parse", "HEAD")
    assert provenance.of_git(repository) == {
        "git_commit": commit,
        "git_dirty": "false",
        "git_patch": "",
    }
    (repository / "notes.txt").write_text("untracked")
    assert provenance.of_git(repository)["git_dirty"] == "false"
    (repository / "wave.py").write_text("a = 2")
    assert provenance.of_git(repository)["git_dirty"] == "true"


EDITS = {
    "text": ("wave.py", b"a = 1\n", "a = 'é'\nb = 1\n".encode()),
    "a binary file": ("table.bin", b"\0\1", b"\0\5\xff"),
    "line ends of Windows": ("windows.py", b"a = 3\r\nb = 1\r\n", b"a = 4\r\nb = 1\r\n"),
    "another encoding": ("latin.py", "a = 'é'\nb = 1\n".encode("latin-1"), b"a = '\xe8'\nb = 1\n"),
    "no line end": ("wave.py", b"a = 1", b"a = 2"),
}


@pytest.mark.parametrize(("name", "before", "after"), EDITS.values(), ids=EDITS.keys())
def test_the_patch_leads_from_the_commit_to_the_work_tree(
    repository, tmp_path_factory, name, before, after
):
    (repository / name).write_bytes(before)
    git(repository, "add", name)
    git(repository, "commit", "--allow-empty", "-m", "Before")
    (repository / name).write_bytes(after)
    for option, value in (  # whatever the user has set up
        ("diff.external", "false"),
        ("color.ui", "always"),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
    ):
        git(repository, "config", option, value)
    told = provenance.of_git(repository)
    patch = told["git_patch"]
    raw = base64.b64decode(patch[7:]) if patch.startswith("base64:") else patch.encode()
    clone = tmp_path_factory.mktemp("clone")
    git(clone, "clone", "-q", str(repository), ".")
    git(clone, "checkout", "-q", told["git_commit"])
    subprocess.run(["git", "apply"], cwd=clone, input=raw, check=True)
    assert (clone / name).read_bytes() == after


def test_a_patch_that_is_too_long_is_left_out_and_said_to_be(repository):
    (repository / "wave.py").write_text("x = 1\n" * (provenance.MOST_PATCH_BYTES // 6))
    told = provenance.of_git(repository)
    assert told["git_dirty"] == "true"
    assert told["git_patch"].startswith("(left out: ")


def test_asking_leaves_the_index_as_it_is(repository):
    os.utime(repository / "wave.py", (10**9, 10**9))  # git compares the content of what was touched
    index = repository / ".git" / "index"
    before = index.stat().st_mtime_ns, index.read_bytes()
    provenance.of_git(repository)
    assert (index.stat().st_mtime_ns, index.read_bytes()) == before


@pytest.mark.parametrize("path", ["", "/nowhere"])
def test_outside_a_repository_nothing_is_told(tmp_path, monkeypatch, path):
    assert provenance.of_git(tmp_path / "none") == {}
    assert provenance.of_git(tmp_path) == {}
    monkeypatch.setenv("PATH", path)  # no git there
    assert provenance.of_git(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/env/lib/sweeps/__main__.py", "run", "wave"], "python -m sweeps run wave"),
        (["/env/bin/sweeps", "run", "wave", "x=1, 2"], "sweeps run wave 'x=1, 2'"),
        (["study.py"], "study.py"),
        ([""], "python"),
        ([], "python"),
    ],
)
def test_the_command_can_be_typed_again(monkeypatch, arguments, command):
    monkeypatch.setattr(sys, "argv", arguments)
    assert provenance.of_machine()["command"] == command


def test_the_machine_is_told(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    told = provenance.of_machine()
    assert told["working_directory"] == str(tmp_path)
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert all(isinstance(value, str) for value in told.values())


def test_packages_are_those_that_are_imported(monkeypatch):
    module = types.ModuleType("made_up_package")
    module.__version__ = "7.5"
    monkeypatch.setitem(sys.modules, "made_up_package", module)
    monkeypatch.setitem(sys.modules, "blocked_package", None)
    monkeypatch.setitem(sys.modules, "numpy.made_up", module)
    versions = provenance.of_packages()
    assert versions["numpy"] == np.__version__
    assert versions["made_up_package"] == "7.5"
    assert "sweeps" in versions
    assert not {"blocked_package", "numpy.made_up", "sys", "json"} & versions.keys()


def test_versions_are_those_of_the_metadata_of_each_package(monkeypatch):
    """As ``importlib.metadata`` reads them, which takes longer to import."""
    installed = [place for place in sys.path if place.endswith("site-packages")]
    monkeypatch.setattr(sys, "path", installed)
    provenance._installed.cache_clear()
    assert provenance._installed()
    names = {each.replace("-", "_") for each in (d.name for d in metadata.distributions()) if each}
    told = {name: provenance._of_metadata(name) for name in names}
    assert told == {name: metadata.version(name) for name in names}
    assert provenance._of_metadata("no_such_package") is None
    provenance._installed.cache_clear()


@pytest.mark.parametrize("other", ["a-1.0.egg-info", "zipped"])
def test_packages_that_pip_has_not_installed_are_found_as_ever(other, tmp_path, monkeypatch):
    place = tmp_path / other
    if other == "zipped":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("a-1.0.dist-info/METADATA", "Name: a\nVersion: 1.0\n\n")
        monkeypatch.syspath_prepend(place)
    else:
        place.mkdir()
        (place / "PKG-INFO").write_text("Name: a\nVersion: 1.0\n\n")
        monkeypatch.syspath_prepend(tmp_path)
    provenance._installed.cache_clear()
    try:
        assert provenance._of_metadata("a") == "1.0"
    finally:
        provenance._installed.cache_clear()


def test_a_lazy_module_is_not_loaded(monkeypatch):
    class Lazy(types.ModuleType):
        def __getattr__(self, name):
            raise AssertionError(f"asked for {name}")

    monkeypatch.setitem(sys.modules, "lazy_package", Lazy("lazy_package"))
    assert "lazy_package" not in provenance.of_packages()


def test_a_time_is_later_than_another_though_the_clock_stepped_back():
    now = provenance.now()
    assert provenance.now(after="2999-12-31T23:59:59Z") == "3000-01-01T00:00:00Z"
    assert now < provenance.now(after=now)
    assert provenance.now(after="zz is no time") >= now


def test_the_platform_is_told_without_a_program(monkeypatch):
    expected = platform.platform()

    def refuse(*_, **__):
        raise AssertionError("a program is started")

    platform._uname_cache = None
    monkeypatch.setattr(subprocess, "check_output", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert provenance.of_machine()["platform"] == expected


def test_git_is_started_where_there_may_be_a_repository_alone(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(provenance, "_git", lambda *words: started.append(words))
    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.setenv("GIT_PAGER", "cat")
    provenance.of_git(tmp_path)
    assert not started
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    provenance.of_git(tmp_path)
    assert len(started) == 1
