"""Laws of finding: a name leads to one experiment, or to a sentence that says why not."""

import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sweeps.errors import DeclarationError, SweepsError, UnknownNameError
from sweeps.project import imports
from sweeps.project.discovery import find, find_all

HEAD = (
    "from sweeps.declaration.experiment import experiment\nfrom sweeps.spaces.build import grid\n"
)


def declare(*names):
    return HEAD + "".join(
        f"@experiment(grid(x=[1]))\ndef {name}(x):\n    return {{'y': x}}\n" for name in names
    )


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write files into ``experiments/`` of a project of their own; forget them afterwards."""
    path, modules = list(sys.path), dict(sys.modules)
    monkeypatch.delenv("SWEEPS_EXPERIMENTS", raising=False)
    monkeypatch.chdir(tmp_path)

    def write(**files):
        folder = tmp_path / "experiments"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)

    yield write
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]
    sys.modules.update(modules)


def names(found):
    return [each.full_name for each in found]


def loaded():
    return {name.partition(".")[2] for name in sys.modules if name.startswith("experiments.")}


# ---- what is found


def test_all_experiments_are_found_where_they_are_defined(write):
    write(a=declare("two", "one"), b=declare("three"), c="x = 1", _d=declare("four"))
    assert (names(find_all()[0]), find_all()[1]) == (["a.two", "a.one", "b.three"], [])


def test_an_experiment_counts_once_whoever_imports_it(write):
    write(a=declare("one") + "alias = one", b="from .a import one, alias\nother = one")
    assert names(find_all()[0]) == ["a.one"]


def test_what_is_found_can_be_called_and_located(write):
    write(a=declare("one"))
    found = find("one")
    assert found.experiment(x=3) == {"y": 3}
    assert (found.location.module, found.experiment.name) == ("experiments.a", "one")


@pytest.mark.parametrize("where", ["studies", "studies/a.py", "studies.a", Path("studies")])
def test_all_ways_to_say_where(write, where, tmp_path):
    write(a=declare("one"))
    (tmp_path / "experiments").rename(tmp_path / "studies")
    assert find("one", where).experiment.name == "one"


@pytest.mark.parametrize("look", [lambda: find("one"), lambda: find_all()[0][0]])
def test_an_edited_experiment_is_found_as_it_is_now(write, look):
    for n in (1, 22, 333):
        write(a=declare("one").replace("{'y': x}", f"{n} * x"))
        assert look().experiment(x=1) == n


def test_threads_at_once_find_an_edited_experiment_as_it_is_now(write, monkeypatch):
    def slowly(module, has_changed=imports._has_changed):
        answer = has_changed(module)
        time.sleep(random.random() / 500)  # what is said may be of the past when one acts on it
        return answer

    monkeypatch.setattr(imports, "_has_changed", slowly)
    helper = "import time\ntime.sleep(0.01)\nn = "
    for n in (1, 22, 333, 4444):
        text = "import time\nfrom experiments import _helper\ntime.sleep(0.01)\n" + declare("one")
        write(_helper=f"{helper}{n}", a=text.replace("{'y': x}", "_helper.n * x"))
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: find("one").experiment(x=1), range(8)))
        assert found == [n] * 8


@pytest.mark.parametrize("start", ["Thread(target=look)", "Timer(0, look)"])
def test_a_module_may_wait_for_a_thread_that_looks_for_another(write, start):
    text = (
        "import threading\nfrom sweeps.project.discovery import find\nfound = []\n"
        "def look(): found.append(find('two').full_name)\n"
        f"thread = threading.{start}\nthread.start()\nthread.join(5)\n"
        "assert found == ['b.two'], found\n"
    )
    write(a=text + declare("one"), b=declare("two"))
    assert find("one").full_name == "a.one"


def test_lazy_objects_are_left_asleep(write):
    lazy = "class Lazy:\n    @property\n    def __class__(self): raise RuntimeError('woken')\n"
    write(a=declare("one") + lazy + "lazy = Lazy()")
    assert names(find_all()[0]) == ["a.one"]


# ---- no more is imported than needed


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pendulum", {"pendulum"}),  # the file of that name
        ("swing", {"others"}),  # a file that defines it
        ("named", {"quoted"}),  # a file that quotes it
        ("others.swing", {"others"}),
        ("computed", {"pendulum", "others", "quoted", "dynamic", "unrelated"}),  # no text says it
    ],
)
def test_only_likely_modules_are_imported(write, name, expected):
    write(
        pendulum=declare("pendulum"),
        others=declare("swing") + "# pendulum\n",
        quoted=declare("x1").replace("[1])", "[1]), name='named'"),
        dynamic=declare("x2").replace("[1])", "[1]), name='comp' + 'uted'"),
        unrelated="",
    )
    assert find(name).experiment.name == name.rpartition(".")[2]
    assert loaded() == expected


# ---- ambiguous names


@pytest.mark.parametrize("first", ["one", "a"], ids=["file of that name", "other files"])
def test_a_name_of_two_is_refused_and_the_full_name_decides(write, first):
    write(**{first: declare("one"), "b": declare("one")})
    with pytest.raises(
        UnknownNameError, match=f"2 modules .*'one'.*{first}.one.*b.one|b.one.*one.one"
    ):
        find("one")
    for module in (first, "b"):
        assert find(f"{module}.one").location.name == module


def test_one_module_may_not_use_a_name_twice(write):
    write(a=declare("one") + "kept = one\n" + declare("one"))
    with pytest.raises(UnknownNameError, match="two experiments of one module are named 'one'"):
        find("one")
    assert "two experiments of one module" in find_all()[1][0].error


# ---- unknown names


def test_an_unknown_name_lists_what_there_is(write):
    write(pendulum=declare("pendulum"), b=declare("ising"))
    with pytest.raises(UnknownNameError) as caught:
        find("pendulun")
    assert str(caught.value) == (
        "no experiment 'pendulun' in experiments/ (found: ising, pendulum). "
        "Did you mean 'pendulum'?"
    )


def test_an_unknown_full_name_lists_full_names(write):
    write(a=declare("one"))
    with pytest.raises(UnknownNameError, match=r"found: a\.one"):
        find("b.one")


def test_an_unknown_name_mentions_modules_that_may_hide_it(write):
    write(a=declare("one"), bad="1/0")
    with pytest.raises(UnknownNameError, match=r"bad cannot be imported: ZeroDivisionError"):
        find("two")


def test_an_empty_folder_says_how_to_begin(write):
    write()
    with pytest.raises(UnknownNameError, match=r"found none.*python -m sweeps new"):
        find("one")


# ---- broken modules

BROKEN = {
    "def f(:\n": "SyntaxError: invalid syntax (bad.py, line 1)",
    "x = 1\nimport no_such_module\n": (
        "ModuleNotFoundError: No module named 'no_such_module' (bad.py, line 2)"
    ),
    "\n\n1/0": "ZeroDivisionError: division by zero (bad.py, line 3)",
    "raise SystemExit(2)": "SystemExit: 2 (bad.py, line 1)",
    "import sys\nsys.exit('stop')": "SystemExit: stop (bad.py, line 2)",
    "raise ValueError": "ValueError (bad.py, line 1)",
    "raise ValueError('two\\nlines')": "ValueError: two lines (bad.py, line 1)",
    "import json\njson.loads('')": (
        "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (bad.py, line 2)"
    ),
    "from . import helper": "ZeroDivisionError: division by zero (helper.py, line 2)",
    "from . import typo": "SyntaxError: '(' was never closed (typo.py, line 1)",
    "from sweeps.errors import DeclarationError\nraise DeclarationError('holds NaN')": (
        "DeclarationError: holds NaN (bad.py, line 2)"
    ),
}
HELPERS = {"helper": "\n1/0", "typo": "f("}


@pytest.mark.parametrize(("text", "error"), BROKEN.items(), ids=[e[:30] for e in BROKEN.values()])
def test_a_broken_module_is_listed_and_stops_no_other(write, text, error):
    write(a=declare("one"), bad=text, **HELPERS)
    found, broken = find_all()
    assert names(found) == ["a.one"]
    assert {each.location.name: each.error for each in broken}["bad"] == error
    assert find("one").experiment.name == "one"


@pytest.mark.parametrize("text", BROKEN, ids=[e[:30] for e in BROKEN.values()])
@pytest.mark.parametrize("name", ["bad", pytest.param("bad.one", marks=pytest.mark.campaign)])
def test_a_broken_module_that_was_asked_for_is_an_error_with_its_place(write, text, name):
    write(bad=text, other=declare("bad", "one"), **HELPERS)
    with pytest.raises(SweepsError, match=r"(bad|helper|typo)\.py, line \d") as caught:
        find(name)
    assert isinstance(caught.value, DeclarationError) == ("NaN" in str(caught.value))
    assert "Traceback" not in str(caught.value)


def test_an_interrupt_is_no_broken_module(write):
    write(a="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        find_all()


def test_a_mended_module_is_found(write):
    write(a="1/0")
    assert find_all()[1]
    write(a=declare("one"))
    assert names(find_all()[0]) == ["a.one"]


def test_what_modules_print_is_kept_from_standard_output(write, capfd):
    write(a="print('hello')\n" + declare("one"))
    find("one")
    assert capfd.readouterr().out == ""


def test_finding_needs_no_scientific_library_of_its_own(write):
    """`find` is in the way of every command: it may cost little more than its imports."""
    write(a="")
    code = (
        "import sys, sweeps.declaration.experiment; before = set(sys.modules)\n"
        "from sweeps.project.discovery import find_all; find_all()\n"
        "print(*{m.partition('.')[0] for m in set(sys.modules) - before}"
        " - set(sys.stdlib_module_names))"
    )
    repository = str(Path(sys.modules["sweeps"].__path__[0]).parent)
    environment = {**os.environ, "PYTHONPATH": repository}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"sweeps", "experiments"}


# ---- modules that compute when they are imported


@pytest.mark.parametrize(
    "call",
    [
        "one.run()",
        "print(one.run(engine='serial'))",
        "sweeps.run('one')",
        "sweeps.run('experiments.other.two')",
        "sweeps.bench(one)",
        "sweeps.diff('one')",
        "import bottom",
        "from . import _bottom",
    ],
)
def test_a_module_that_computes_when_imported_is_refused_with_the_remedy(write, tmp_path, call):
    """Workers import it too, and would start workers of their own."""
    write(a=f"import sweeps\n{declare('one')}{call}", other=declare("two"))
    for helper in ("bottom.py", "experiments/_bottom.py"):
        (tmp_path / helper).write_text("import sweeps\nsweeps.run('two')\n")
    remedy = r"experiments.a is imported.*: put the call under `if __name__"
    with pytest.raises(SweepsError, match=remedy):
        find("one")
    found, [broken] = find_all()
    assert names(found) == ["other.two"]
    assert "if __name__" in broken.error
    assert not list(tmp_path.glob("results/*"))


@pytest.mark.parametrize("call", ["plan", "status", "why"])
def test_a_module_may_ask_how_far_it_is_when_imported(write, call):
    write(a=f"import sweeps\n{declare('one')}asked = sweeps.{call}('one')")
    assert names(find_all()[0]) == ["a.one"]


def test_a_module_may_run_when_it_is_the_script(write, tmp_path):
    write(a=declare("one") + "print(one.run(n_workers=1).y.values)\n")
    script = [sys.executable, "experiments/a.py"]
    assert subprocess.run(script, capture_output=True, check=True, timeout=60).stdout == b"[1]\n"


def test_workers_refuse_a_module_that_a_script_imports_and_that_runs_then(write, tmp_path):
    write(a=declare("one") + "one.run(n_workers=1)\n")
    script = [sys.executable, "-c", "import experiments.a"]
    done = subprocess.run(script, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"put the call under `if __name__" in done.stderr


@pytest.mark.parametrize("module", ["latin", "helper"])
def test_a_module_that_is_no_utf_8_is_named(sweeps, module):
    own = "from sweeps import experiment, grid\nimport experiments.helper as helper\n"
    own += "@experiment(grid(x=[1]))\ndef latin(x):\n    return helper.one()\n"
    texts = {"latin": own, "helper": "def one():\n    return 1\n"}
    for name, text in texts.items():
        raw = text.encode() + (b"# caf\xe9\n" if name == module else b"")
        Path("experiments", f"{name}.py").write_bytes(raw)
    said = sweeps("run", "latin", "--engine", "serial")
    assert said.code == 2
    assert f"{module}.py" in said.err
    assert "Traceback" not in said.err
    assert "utf-8" in said.err.lower()
