"""Laws of pinning: a pinned module is what its file would give, whatever is there by now."""

import contextlib
import importlib
import importlib.resources
import importlib.util
import inspect
import linecache
import os
import pickle
import pkgutil
import py_compile
import shutil
import sys
import threading
import traceback
from pathlib import Path

import pytest

from sweeps.code import pins
from sweeps.code.source.module import project_file, read_source
from sweeps.errors import SweepsError

FILES = {
    "plain.py": "'''About.'''\nX = 1\n\ndef f():\n    return X + None\n",
    "pkg/__init__.py": "from . import one\nX = one.X\n",
    "pkg/one.py": "from .sub.two import X\nfrom plain import f\n",
    "pkg/sub/two.py": "X = 2\n",  # in a package without __init__.py
    "pkg/table.txt": "3",
}
NAMES = {"plain": "plain.py", "pkg": "pkg/__init__.py", "pkg.one": "pkg/one.py",
         "pkg.sub.two": "pkg/sub/two.py"}  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Files that can be imported, and are forgotten afterwards."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    yield tmp_path
    forget()


def forget():
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("plain", "pkg", "late", "latin"):
            del sys.modules[name]


def pins_of(root, names=NAMES):
    return pins.Pins({n: (root / f, read_source(root / f).text) for n, f in names.items()})


def described(name):
    module = importlib.import_module(name)
    spec = module.__spec__
    own = {key: vars(module).get(key) for key in ("__name__", "__file__", "__package__", "__doc__")}
    own |= {"path": [*vars(module).get("__path__", [])], "cached": module.__cached__}
    of_spec = ("name", "origin", "cached", "parent", "has_location")
    own |= {f"spec {key}": getattr(spec, key) for key in of_spec}
    own["spec places"] = [*(spec.submodule_search_locations or [])]
    own["names"] = sorted(vars(module))
    loader = module.__loader__
    own |= {"is package": loader.is_package(name), "file": loader.get_filename(name)}
    own |= {"source": loader.get_source(name), "data": loader.get_data(module.__file__)}
    return own


@pytest.mark.parametrize("is_gone", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_it_looks_as_if_it_came_from_its_file(project, name, is_gone):
    expected, taken = described(name), pins_of(project)
    forget()
    if is_gone:
        shutil.rmtree(project)
    else:
        for file in NAMES.values():
            (project / file).write_text("broken(")
    with pins.held(taken):
        assert described(name) == expected
        assert importlib.util.find_spec("plain").origin == str(project / "plain.py")
        assert importlib.reload(sys.modules[name]).__file__ == str(project / NAMES[name])
        assert project_file(name) == project / NAMES[name]
        assert read_source(project / NAMES[name]).text == FILES[NAMES[name]]


def test_tracebacks_and_inspect_show_the_code_that_runs(project):
    taken = pins_of(project)
    (project / "plain.py").write_text("\n\n\n\n\n\n")
    with pins.held(taken):
        plain = importlib.import_module("plain")
        try:
            plain.f()
        except TypeError:
            assert "return X + None" in traceback.format_exc()
        assert inspect.getsource(plain.f) == "def f():\n    return X + None\n"
        assert inspect.getsource(plain) == FILES["plain.py"]
    assert linecache.getlines(str(project / "plain.py")) == ["\n"] * 6


def test_files_beside_it_are_those_on_disk(project):
    with pins.held(pins_of(project)):
        assert pkgutil.get_data("pkg", "table.txt") == b"3"
        (project / "pkg" / "table.txt").write_text("4")
        assert importlib.resources.files("pkg").joinpath("table.txt").read_text() == "4"


def test_what_is_not_pinned_comes_from_disk_and_what_is_over_too(project):
    taken = pins_of(project, {"plain": "plain.py"})
    before = [*sys.meta_path]
    (project / "plain.py").write_text("X = 5")
    (project / "pkg/sub/two.py").write_text("X = 5")
    with pins.held(taken):
        assert importlib.import_module("pkg").X == 5
        assert importlib.import_module("plain").X == 1
        assert pins.text_of(sys.modules["plain"]) == FILES["plain.py"]
    assert pins.text_of(sys.modules["pkg"]) is None
    forget()
    assert importlib.import_module("plain").X == 5
    assert sys.meta_path == before
    assert read_source(project / "plain.py").text == "X = 5"


def test_the_next_pins_take_the_place_of_those_before(project):
    first = pins_of(project)
    (project / "plain.py").write_text("X = 5")
    second = pins_of(project, {"plain": "plain.py"})
    try:
        for taken, x in ((first, 1), (second, 5), (first, 1)):
            pins.pin(taken)
            forget()
            found = importlib.import_module("plain").X
            assert found == x
    finally:
        pins.pin(None)


def test_two_runs_in_one_process_cannot_have_two_texts(project):
    first = pins_of(project)
    (project / "plain.py").write_text("X = 5")
    second = pins_of(project)
    with pins.held(first), pins.held(pins_of(project, {"pkg.sub.two": "pkg/sub/two.py"})):
        with pytest.raises(
            SweepsError, match=r"plain\.py was edited during another run in this process"
        ):
            pins.held(second).__enter__()
        assert importlib.import_module("plain").X == 1
    forget()
    with pins.held(second):
        assert importlib.import_module("plain").X == 5


def test_many_threads_hold_on_to_the_same_pins(project):
    taken, before, wrong = pins_of(project), [*sys.meta_path], []
    (project / "plain.py").write_text("X = 5")

    def hold():
        for _ in range(100):
            with pins.held(taken):
                if pins.pinned_text(project / "plain.py") != FILES["plain.py"]:
                    wrong.append(1)
                if importlib.util.find_spec("late"):
                    wrong.append(2)

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert (sys.meta_path, pins.pinned_text(project / "plain.py")) == (before, None)


LATIN = "# -*- coding: latin-1 -*-\nX = 'é'\n"


@pytest.mark.parametrize(
    "raw",
    [
        LATIN.encode("latin-1"),
        b"\xef\xbb\xbf" + "X = 'é'\n".encode(),
        "X = 'é'\r\nY = '''\r\n'''\r".encode(),
        "#!python\n# vim: set fileencoding=utf-8 :\nX = 'é'\n".encode(),
    ],
)
def test_encodings_and_line_ends_are_those_of_python(project, raw):
    (project / "latin.py").write_bytes(raw)
    expected = {k: v for k, v in vars(importlib.import_module("latin")).items() if k in "XY"}
    taken = pins_of(project, {"latin": "latin.py"})
    forget()
    (project / "latin.py").write_text("")
    with pins.held(taken):
        found = importlib.import_module("latin")
    assert {k: v for k, v in vars(found).items() if k in "XY"} == expected
    assert pins.text_of(found) == taken.files["latin"][1]


@pytest.mark.parametrize("mode", py_compile.PycInvalidationMode)
@pytest.mark.parametrize("is_of_pinned", [True, False])
def test_bytecode_counts_by_the_hash_of_its_text(project, mode, is_of_pinned):
    """Whatever its times say; and what is kept is taken by any Python, as long as it is right."""
    path, taken = project / "plain.py", pins_of(project)
    status = path.stat()
    if not is_of_pinned:
        path.write_text(FILES["plain.py"].replace("X = 1", "X = 5"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    bytecode = py_compile.compile(str(path), invalidation_mode=mode)
    with pins.held(taken):
        assert importlib.import_module("plain").X == 1
    assert Path(bytecode).read_bytes()[4:8] == b"\3\0\0\0"
    forget()
    found = importlib.import_module("plain").X
    assert found == (1 if is_of_pinned else 5)


def test_bytecode_is_used(project, monkeypatch):
    taken = pins_of(project)
    with pins.held(taken):
        importlib.import_module("plain")
        forget()
        loader = pins.TextLoader
        monkeypatch.setattr(loader, "source_to_code", lambda *_: pytest.fail("compiled again"))
        assert importlib.import_module("plain").X == 1


def test_bytecode_that_cannot_be_kept_costs_nothing_else(project, monkeypatch):
    shutil.rmtree(project / "__pycache__", ignore_errors=True)
    (project / "__pycache__").write_text("in the way")
    with pins.held(pins_of(project)):
        assert importlib.import_module("plain").X == 1


def test_its_functions_are_pickled_by_name(project):
    with pins.held(pins_of(project)), contextlib.suppress(TypeError):
        f = importlib.import_module("pkg.one").f
        assert pickle.loads(pickle.dumps(f)) is f


@pytest.mark.parametrize("is_edited", [True, False])
@pytest.mark.parametrize("before", [None, "of the user"])
def test_machine_code_of_an_edited_module_is_not_left_to_others(
    project, monkeypatch, is_edited, before
):
    """numba knows by the file's time alone what its cache is of, when a module is imported."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", before) if before else None
    taken = pins.Pins(pins_of(project).files, project / "scratch")
    if is_edited:
        (project / "plain.py").write_text("X = 5")
    with pins.held(taken):
        importlib.import_module("plain")
        expected = str(project / "scratch") if is_edited else before
        assert os.environ.get("NUMBA_CACHE_DIR") == expected
    assert os.environ.get("NUMBA_CACHE_DIR") == before
