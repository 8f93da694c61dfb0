"""Laws of importing: the file that was named is the file that runs, here and in a worker."""

import contextlib
import gc
import importlib
import itertools
import os
import pickle
import py_compile
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.staleness.trying import in_child
from sweeps.errors import SweepsError, UnknownNameError
from sweeps.project.discovery import ModuleLocation, locate
from sweeps.project.imports import (
    forget_changed_modules,
    forget_loaded_modules,
    forget_project_modules,
    import_location,
    is_project_file,
)

LONG_AGO_S = 1_000_000_000


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write files of a project, old enough that nothing can be in doubt; forget them afterwards."""
    path, modules = list(sys.path), dict(sys.modules)
    monkeypatch.delenv("SWEEPS_EXPERIMENTS", raising=False)
    monkeypatch.chdir(tmp_path)

    def write(files, root=tmp_path, age_s=LONG_AGO_S):
        for name, text in files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            if age_s:
                os.utime(file, (age_s, age_s))
        return root

    yield write
    sys.path[:] = path
    sys.modules.update(modules)
    for name in sys.modules.keys() - modules.keys():
        module = sys.modules[name]
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]


def the_only(where):
    (location,) = locate(where)
    return location


# ---- locate


def test_a_folder_has_its_public_python_files_as_modules(write):
    root = write(
        {f"experiments/{name}": "" for name in ("b.py", "a.py", "_c.py", "__init__.py", ".#a.py")}
        | {"experiments/notes.txt": "", "experiments/sub/d.py": ""}
    )
    assert locate("experiments") == (
        ModuleLocation("experiments", str(root / "experiments"), "experiments.a"),
        ModuleLocation("experiments", str(root / "experiments"), "experiments.b"),
    )


@pytest.mark.parametrize("form", [str, Path, lambda p: f"{p}/", lambda p: f"{p}/../experiments"])
def test_all_ways_to_name_a_folder_are_one(write, form):
    root = write({"experiments/a.py": ""})
    assert locate(form(root / "experiments")) == locate("experiments") == locate()


def test_the_environment_names_the_default(write, monkeypatch):
    write({"studies/a.py": "", "experiments/b.py": ""})
    monkeypatch.setenv("SWEEPS_EXPERIMENTS", "studies")
    assert [at.module for at in locate()] == ["studies.a"]


def test_locating_imports_nothing(write):
    write({"pkg/__init__.py": "1/0", "pkg/a.py": "1/0", "experiments/b.py": "1/0"})
    before = set(sys.modules)
    located = [*locate("pkg.a"), *locate("experiments")]
    assert [at.source_file().name for at in located] == ["a.py", "b.py"]
    assert not {"pkg", "pkg.a", "experiments"} & (set(sys.modules) - before)


def test_a_dotted_package_has_its_direct_modules(write):
    write(
        {"lib/pkg/__init__.py": "", "lib/pkg/b.py": "", "lib/pkg/_c.py": "", "lib/__init__.py": ""}
    )
    write({"lib/pkg/deeper/__init__.py": "", "lib/pkg/a.py": ""})
    assert [at.module for at in locate("lib.pkg")] == ["lib.pkg.a", "lib.pkg.b"]


@pytest.mark.parametrize("where", ["absent", "absent.py", "notes.txt", "no such", "a..b", "json.x"])
def test_what_is_not_there_is_said_with_what_to_do(write, where):
    write({"notes.txt": ""})
    with pytest.raises(UnknownNameError, match=r"python -m sweeps new NAME") as caught:
        locate(where)
    assert repr(where) in str(caught.value)


@pytest.mark.parametrize("name", ["scipy", "json", "sweeps", "numpy"])
def test_a_folder_never_hides_an_installed_package(write, name):
    write({f"{name}/a.py": "from . import helpers\nx = helpers.x", f"{name}/helpers.py": "x = 5"})
    before = sys.modules.get(name)
    location = locate(Path(name))[0]
    assert import_location(location).x == 5
    assert location.module == f"{name}_.a"
    assert sys.modules.get(name) is before


# ---- import_location


@pytest.mark.parametrize("has_init", [False, True])
@pytest.mark.parametrize("folder", ["experiments", "my experiments", "deep/er/studies", "v1.2"])
def test_modules_of_a_folder_import_each_other_and_the_project(write, tmp_path, folder, has_init):
    package = Path(folder).name
    write(
        {
            f"{folder}/pendulum.py": "from . import helpers\nimport mylib\nx = helpers.x + mylib.x",
            f"{folder}/helpers.py": "x = 1",
            f"{Path(folder).parent}/mylib.py": "x = 20",
        }
    )
    if has_init:
        write({f"{folder}/__init__.py": "y = 300"})
    if package.isidentifier():
        write({f"{folder}/absolute.py": f"from {package} import helpers\nx = helpers.x"})
        assert import_location(the_only(f"{folder}/absolute.py")).x == 1
    module = import_location(the_only(f"{folder}/pendulum.py"))
    assert module.x == 21
    assert getattr(sys.modules[module.__package__], "y", None) == (300 if has_init else None)


def test_importing_twice_gives_the_same_module(write):
    write({"experiments/a.py": ""})
    assert import_location(locate()[0]) is import_location(locate()[0])


def test_the_project_stands_before_installed_packages(write):
    write({"experiments/a.py": "import click\nx = click.__file__", "click.py": ""})
    sys.modules.pop("click", None)
    assert import_location(locate()[0]).x == str(Path.cwd() / "click.py")


PROJECT = {
    "experiments/a.py": "import mylib\nfrom space_lib import part\nx = mylib.x, part.x",
    "mylib.py": "x = {0}",
    "space_lib/part.py": "x = {0}",  # a package without __init__.py
}


def test_projects_of_the_same_names_are_not_mixed_up(write, tmp_path):
    """Back and forth, also where the modules came in by an ordinary import."""
    roots = {1: tmp_path / "one", 2: tmp_path / "two"}
    for number, root in roots.items():
        write({name: text.format(number) for name, text in PROJECT.items()}, root)
    sys.path.insert(0, str(roots[1]))
    import mylib  # noqa: F401

    for number in (2, 1, 2, 2, 1):
        assert import_location(locate(roots[number] / "experiments")[0]).x == (number, number)


@pytest.mark.parametrize("dotted", ["pkg.a", "pkg"])
def test_dotted_modules_are_imported_from_the_working_folder(write, dotted):
    write({"pkg/__init__.py": "", "pkg/a.py": "x = 7"})
    assert import_location(the_only(dotted)).x == 7


def test_a_worker_imports_the_same(write):
    """By plain pickle, in a process that starts elsewhere and knows nothing of the project."""
    root = write({"my experiments/a.py": "import mylib\nx = mylib.x", "mylib.py": "x = 42"})
    location = the_only(root / "my experiments")
    sent = pickle.dumps(location).hex()
    code = (
        "import pickle, sys; from sweeps.project.imports import import_location;"
        "print(import_location(pickle.loads(bytes.fromhex(sys.argv[1]))).x)"
    )
    repository = str(Path(sys.modules["sweeps"].__path__[0]).parent)
    done = subprocess.run(
        [sys.executable, "-c", code, sent],
        cwd="/",
        env={**os.environ, "PYTHONPATH": repository},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "42\n"


@pytest.mark.parametrize("error", ["1/0", "raise SystemExit(3)", "import nothing_of_that_name"])
def test_a_failed_import_leaves_no_half_module(write, error):
    write({"experiments/a.py": error, "experiments/__init__.py": ""})
    with pytest.raises((ZeroDivisionError, SystemExit, ImportError)):
        import_location(locate()[0])
    assert "experiments.a" not in sys.modules
    write({"experiments/a.py": "x = 1"}, age_s=LONG_AGO_S + 5)
    assert import_location(locate()[0]).x == 1


def test_new_files_are_seen_at_once(write):
    write({"experiments/a.py": ""})
    import_location(locate()[0])
    for n in range(3):
        write({f"experiments/b{n}.py": f"from .c{n} import x", f"experiments/c{n}.py": f"x = {n}"})
        os.utime("experiments", (LONG_AGO_S, LONG_AGO_S))  # as if faster than its clock ticks
        assert import_location(the_only(f"experiments/b{n}.py")).x == n


# ---- changed sources


@pytest.mark.parametrize("edited", ["experiments/a.py", "experiments/h.py", "lib/core.py"])
def test_changed_sources_are_loaded_anew(write, edited):
    files = {
        "experiments/a.py": "from . import h\nfrom lib import core\nx = 1 + h.x + core.x",
        "experiments/h.py": "x = 1",
        "lib/core.py": "x = 1",
    }
    write(files)
    first = import_location(locate()[0])
    assert not forget_changed_modules()
    assert import_location(locate()[0]) is first
    write({edited: files[edited].replace("x = 1", "x = 2")}, age_s=LONG_AGO_S + 60)
    assert forget_changed_modules()
    assert (first.x, import_location(locate()[0]).x) == (3, 4)
    assert not forget_changed_modules()


def test_an_edit_in_the_middle_of_the_import_is_seen(write):
    save = "import pathlib\nif x == 1: pathlib.Path(h.__file__).write_text('x = 2')"
    write({"experiments/a.py": f"from . import h\nx = h.x\n{save}", "experiments/h.py": "x = 1"})
    assert import_location(the_only("experiments/a.py")).x == 1
    assert forget_changed_modules()
    assert import_location(the_only("experiments/a.py")).x == 2


def test_an_edit_of_the_same_length_in_the_same_second_is_seen(write, monkeypatch):
    """Python's own bytecode would hide it: it keeps whole seconds and the length."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for n in range(5):
        write(
            {"experiments/a.py": "from lib import core\nx = core.x", "lib/core.py": f"x = {n}"},
            age_s=None,
        )
        write({"experiments/b.py": f"x = {n}"}, age_s=None)
        forget_changed_modules()
        assert [import_location(at).x for at in locate()] == [n, n]


def test_bytecode_that_others_wrote_too_early_is_not_believed(write):
    write({"experiments/a.py": "x = 1"})
    bytecode = py_compile.compile("experiments/a.py")
    os.utime(bytecode, (LONG_AGO_S, LONG_AGO_S))
    write({"experiments/a.py": "x = 2"})
    assert import_location(locate()[0]).x == 2


def test_a_package_that_others_imported_gives_the_changed_module(write, monkeypatch):
    write({"experiments/__init__.py": "", "experiments/a.py": "from . import b\nx = b.x"})
    write({"experiments/b.py": "x = 1"})
    monkeypatch.syspath_prepend(Path.cwd())
    importlib.import_module("experiments")
    import_location(locate()[0])
    write({"experiments/b.py": "x = 2"}, age_s=LONG_AGO_S + 60)
    forget_changed_modules()
    assert import_location(locate()[0]).x == 2


def test_modules_that_others_imported_stay(write, monkeypatch):
    write({"mylib.py": "x = 1", "experiments/a.py": "import mylib"})
    monkeypatch.syspath_prepend(Path.cwd())
    import mylib

    import_location(locate()[0])
    write({"experiments/a.py": "import mylib "}, age_s=LONG_AGO_S + 60)
    assert forget_changed_modules()
    assert sys.modules["mylib"] is mylib


def test_a_worker_can_forget_what_functions_imported(write):
    write({"experiments/a.py": "def f():\n    from . import late\n    return late.x"})
    write({"experiments/late.py": "x = 1"})
    assert import_location(locate()[0]).f() == 1
    write({"experiments/late.py": "x = 2"}, age_s=LONG_AGO_S + 60)
    forget_project_modules()
    assert import_location(locate()[0]).f() == 2


def test_all_that_was_loaded_can_be_forgotten(write):
    write({"experiments/a.py": "import helper", "helper.py": ""})
    first = import_location(locate()[0])
    forget_loaded_modules()
    again = import_location(locate()[0])
    assert again is not first
    assert again.helper is not first.helper


@pytest.mark.parametrize(
    "look",
    [forget_changed_modules, forget_loaded_modules, forget_project_modules, import_location],
    ids=lambda look: look.__name__,
)
def test_modules_are_gone_through_while_others_import(write, monkeypatch, look):
    # Collecting garbage runs code, which stands for that of another thread here.
    write({"experiments/a.py": "x = 1"})
    (location,) = locate()
    import_location(location)
    names, n_before = (f"imported_meanwhile_{n}" for n in itertools.count()), gc.get_threshold()

    def import_one(phase, info):
        monkeypatch.setitem(sys.modules, next(names), types.ModuleType("another"))

    def add_root():
        sys.path.insert(0, "elsewhere")
        import_location(location)

    used = [(n, n) for n in range(10_000)]  # pairs that are made of what is free collect nothing
    gc.callbacks.append(import_one)
    gc.set_threshold(20)
    try:
        add_root() if look is import_location else look()
    finally:
        gc.set_threshold(*n_before)
        gc.callbacks.remove(import_one)
    assert used and next(names) != "imported_meanwhile_0"


@pytest.mark.parametrize("edited", ["x = 2", "x = 1 ", None])
def test_a_change_is_one_of_the_text_whatever_its_times(write, edited):
    write({"experiments/a.py": "x = 1"})
    import_location(locate()[0])
    path = Path("experiments/a.py")
    before = path.stat()
    write({"experiments/a.py": edited or "x = 1"}, age_s=None)
    if edited:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert forget_changed_modules() == bool(edited)


@pytest.mark.parametrize("name", ["json", "_ctypes", "h5py", "sweeps.project.imports"])
def test_installed_files_are_not_of_the_project(name):
    assert not is_project_file(importlib.import_module(name).__file__)


def test_files_that_are_nowhere_installed_are_of_the_project(tmp_path):
    assert is_project_file(str(tmp_path / "a.py"))
    assert not is_project_file("<string>")
    assert not is_project_file(None)


# ---- what computes when a module is imported

SWEEP = """import concurrent.futures, os, subprocess, sys, threading
import sweeps

@sweeps.experiment(sweeps.grid(x=[1, 2]))
def a(x):
    return x

pool = concurrent.futures.ThreadPoolExecutor(2)
"""

UNGUARDED = {
    "itself": "a.run()",
    "thread": "threads = [threading.Thread(target=a.run)]; threads[0].start(); threads[0].join()",
    "pool": "pool.submit(a.run).result()",
    "a thread of a thread": (
        "def f(): pool.submit(a.run).result()\n"
        "thread = threading.Thread(target=f); thread.start(); thread.join()"
    ),
    "by name": "pool.submit(sweeps.plan, 'a').result()",
    "process": "subprocess.run([sys.executable, '-m', 'sweeps', 'run', 'a'], check=True)",
}


@pytest.mark.parametrize("call", UNGUARDED.values(), ids=UNGUARDED)
def test_what_computes_when_its_module_is_imported_is_told_the_remedy(write, call):
    def import_it():
        threading.excepthook = threading.__excepthook__  # pytest's keeps errors back
        with Path("said").open("w") as said, contextlib.redirect_stderr(said):
            os.dup2(said.fileno(), 2)
            try:
                import_location(the_only("experiments/a.py"))
            except (SweepsError, subprocess.CalledProcessError) as error:
                print(error, file=said)

    write({"experiments/a.py": SWEEP + call})
    in_child(import_it, timeout_s=6)  # it may wait for itself for ever
    said = Path("said").read_text()
    assert "whenever experiments.a is imported" in said
    assert 'put the call under `if __name__ == "__main__":`' in said


def test_an_import_is_over_for_the_threads_that_it_started(write):
    waits = (
        "go = threading.Event()\ndef f():\n    go.wait()\n    done.append(a.run(engine='serial'))"
    )
    starts = "done = []\nthread = threading.Thread(target=f)\nthread.start()"
    write({"experiments/a.py": f"{SWEEP}{waits}\n{starts}"})
    start, environment = threading.Thread.start, dict(os.environ)
    module = import_location(locate()[0])
    assert threading.Thread.start is start
    assert dict(os.environ) == environment
    module.go.set()
    module.thread.join()
    assert module.done[0].a.values.tolist() == [1, 2]


def test_other_threads_run_while_a_module_is_imported(write):
    waits = "begun, go = threading.Event(), threading.Event()\n"
    write({"experiments/a.py": SWEEP, "lib.py": f"import threading\n{waits}"})
    write({"experiments/b.py": "import lib\nlib.begun.set()\nassert lib.go.wait(60)"})
    module = import_location(the_only("experiments/a.py"))
    import lib

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(import_location, the_only("experiments/b.py"))
        assert lib.begun.wait(60)
        with ThreadPoolExecutor(1) as other:
            found = other.submit(module.a.run, engine="serial").result()
        lib.go.set()
        slow.result()
    assert found.a.values.tolist() == [1, 2]
