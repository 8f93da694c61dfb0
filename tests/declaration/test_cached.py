"""Values follow the code, the data and the arguments that they are of, and nothing else."""

import functools
import os
import pickle
import random
import runpy
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from benchmarks.staleness.trying import in_child
from sweeps import cached, experiment, grid
from sweeps.code.fingerprint import fingerprint
from sweeps.errors import DeclarationError, OutputError, SweepsError, UnknownNameError
from sweeps.storage import files

HELPERS = """
from sweeps import cached
from . import deep

@cached(depends_on="data.csv", ignore="verbose")
def table(n, verbose=False):
    '''A slow table.'''
    with open("log", "a") as file:
        file.write("x")
    return deep.row(n)
"""
DEEP = """
import numpy as np
FACTOR = 1.0

def row(n):
    return FACTOR * np.arange(n)

def unrelated():
    return 1
"""
WAVE = """
from sweeps import experiment, grid
from .helpers import table

@experiment(grid(x=list(range(6))))
def wave(x):
    return {"y": table(6)[x]}
"""


class Project:
    """An experiment that calls a cached helper, which calls a helper of another module."""

    def __init__(self, folder):
        self.folder = folder / "experiments"
        self.write("helpers.py", HELPERS)
        self.write("deep.py", DEEP)
        self.write("wave.py", WAVE)
        self.write("data.csv", "1")

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def edit(self, name, old, new):
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    @property
    def n_computed(self):
        log = self.folder.parent / "log"
        return len(log.read_text()) if log.exists() else 0

    def folders(self, results="results"):
        return sorted((self.folder.parent / results / ".cached").glob("*/*"))


@pytest.fixture
def wave(project):
    return Project(project)


def n_missing(sweeps):
    said = sweeps("plan", "wave", "--json").json
    return said["missing"] + said["stale"]


def run(sweeps, *options):
    said = sweeps("run", "wave", "--json", *options)
    assert said.code == 0, said.err
    return said.json


# ---- in a run


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("loky", ("--results", "elsewhere")),
        ("threads", ()),
        ("serial", ()),
        pytest.param("loky", (), marks=pytest.mark.campaign),
        pytest.param("threads", ("--results", "elsewhere"), marks=pytest.mark.campaign),
        pytest.param("serial", ("--results", "elsewhere"), marks=pytest.mark.campaign),
    ],
)
def test_all_workers_share_one_computation(sweeps, wave, engine, options):
    run(sweeps, "--engine", engine, "-j", "2", *options)
    assert wave.n_computed == 1
    (folder,) = wave.folders(*options[1:])
    assert folder.parent.name == "experiments.helpers.table"
    assert (wave.folder.parent / "results").exists() == (not options)
    run(sweeps, "--engine", "serial", "--recompute", *options)
    assert wave.n_computed == 1


def in_campaigns(*case):
    return pytest.param(case, marks=pytest.mark.campaign)


EDITS = {
    "helper": in_campaigns("helpers.py", "return deep.row(n)", "return deep.row(n) + 1"),
    "helper of the helper": ("deep.py", "np.arange(n)", "np.arange(n) ** 2"),
    "constant of that": in_campaigns("deep.py", "FACTOR = 1.0", "FACTOR = 2.0"),
    "data": ("data.csv", "1", "2"),
    "version": ("helpers.py", "@cached(", "@cached(version=2, "),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_makes_values_and_points_stale_and_undoing_it_brings_both_back(sweeps, wave, edit):
    name, old, new = edit
    run(sweeps, "--engine", "serial")
    assert (wave.n_computed, n_missing(sweeps)) == (1, 0)
    wave.edit(name, old, new)
    assert n_missing(sweeps) == 6
    run(sweeps, "--engine", "serial")
    assert (wave.n_computed, len(wave.folders()), n_missing(sweeps)) == (2, 2, 0)
    wave.edit(name, new, old)
    assert n_missing(sweeps) == 0
    run(sweeps, "--recompute", "--engine", "serial")
    assert (wave.n_computed, len(wave.folders())) == (2, 2)


@pytest.mark.parametrize(
    "edit",
    [
        ("helpers.py", "A slow table.", "A table."),
        in_campaigns("deep.py", "return 1", "return 2"),
        in_campaigns("deep.py", "FACTOR = 1.0", "FACTOR = 1.0  # per metre"),
        ("wave.py", "table(6)[x]", "2 * table(6)[x]"),
    ],
)
def test_edits_of_what_does_not_matter_to_it_leave_a_value(sweeps, wave, edit):
    run(sweeps, "--engine", "serial")
    wave.edit(*edit)
    run(sweeps, "--recompute", "--engine", "serial")
    assert (wave.n_computed, len(wave.folders())) == (1, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('ignore="verbose"', 'ignore=["verbose", "n"]'),
        ("@cached(", "@cached(folder='there', "),
        ('@cached(depends_on="data.csv", ignore="verbose")\n', ""),
        (
            "from sweeps import cached",
            "import sweeps\nfrom sweeps.declaration.cached import cached",
        ),
    ],
)
def test_the_decorator_itself_makes_no_point_stale(sweeps, wave, old, new):
    wave.edit("helpers.py", 'depends_on="data.csv", ', "")
    old = old.replace('depends_on="data.csv", ', "")
    run(sweeps, "--engine", "serial")
    wave.edit("helpers.py", old, new)
    assert n_missing(sweeps) == 0


@pytest.mark.parametrize("number", ["2", "VERSION", "3"])
def test_each_helper_has_a_version_of_its_own(sweeps, wave, number):
    wave.edit("helpers.py", "return deep.row(n)", "return deep.row(n) + first() + second()")
    wave.edit(
        "helpers.py",
        "@cached(depends_on",
        "VERSION = 2\n\n@cached(version=1)\ndef first():\n    return 0\n\n"
        "@cached(version=2)\ndef second():\n    return 0\n\n@cached(version=1, depends_on",
    )
    run(sweeps, "--engine", "serial")
    wave.edit("helpers.py", "@cached(version=1)", f"@cached(version={number})")
    assert n_missing(sweeps) == 6


def test_data_of_a_helper_that_is_carried_along_counts(project):
    (project / "data.csv").write_text("1")
    options = {"depends_on": project / "data.csv"}

    @cached(**options)
    def helper():
        return 1

    def carrying():
        return helper()

    before = fingerprint(carrying).digest
    (project / "data.csv").write_text("2")
    assert fingerprint(carrying).digest != before
    (project / "data.csv").write_text("1")
    assert fingerprint(carrying).digest == before


def test_data_that_only_running_would_tell_is_refused_where_it_stands(sweeps, wave):
    wave.edit("helpers.py", 'depends_on="data.csv"', 'depends_on=str("data.csv")')
    said = sweeps("plan", "wave")
    assert said.code == 2
    assert "helpers.py, line 5: depends_on of @cached must be " in said.err


def test_missing_data_is_told(sweeps, wave):
    (wave.folder / "data.csv").unlink()
    said = sweeps("plan", "wave")
    assert (said.code, "data.csv" in said.err) == (2, True)


def test_clean_frees_what_earlier_code_has_computed(sweeps, wave):
    run(sweeps, "--engine", "serial")
    (before,) = wave.folders()
    wave.edit("deep.py", "FACTOR = 1.0", "FACTOR = 2.0")
    run(sweeps, "--engine", "serial")
    freed = [each["path"] for each in sweeps("clean", "wave", "--yes", "--json").json["waste"]]
    assert [path for path in freed if ".cached" in path] == [str(before)]
    assert len(wave.folders()) == 1
    run(sweeps, "--engine", "serial", "--recompute")
    assert wave.n_computed == 2


def test_verify_names_a_damaged_value_which_is_computed_again(sweeps, wave):
    run(sweeps, "--engine", "serial")
    assert sweeps("verify", "wave", "--json").json["whole"]
    kept, *_ = sorted((wave.folders()[0]).rglob("output.pkl"))
    content = bytearray(kept.read_bytes())
    content[len(content) // 3] ^= 4
    kept.write_bytes(content)
    said = sweeps("verify", "wave", "--json").json
    assert [(each["kind"], each["path"]) for each in said["damages"]] == [
        ("cached value", str(kept))
    ]
    before = wave.n_computed
    run(sweeps, "--engine", "serial", "--recompute")
    assert wave.n_computed == before + 1
    assert sweeps("verify", "wave", "--json").json["whole"]


def test_clean_frees_what_a_killed_process_left(sweeps, wave):
    run(sweeps, "--engine", "serial")
    (kept,) = (wave.folders()[0]).rglob("output.pkl")
    left = kept.with_name(f"{files.TEMPORARY_PREFIX}1-abc")
    left.write_bytes(b"half")
    assert sweeps("clean", "wave", "--json").json["waste"] == []
    os.utime(left, (0, 0))
    sweeps("clean", "wave", "--yes")
    assert (left.exists(), kept.exists()) == (False, True)


def test_an_experiment_may_itself_be_cached(sweeps, wave):
    wave.edit("wave.py", "def wave(x):", "@cached\ndef wave(x):\n    open('log', 'a').write('w')")
    wave.edit("wave.py", "import experiment", "import cached, experiment")
    run(sweeps, "-j", "1")
    run(sweeps, "--recompute", "--engine", "serial")
    assert wave.n_computed == 6 + 1


def test_an_argument_that_cannot_be_told_fails_its_points_and_is_named(sweeps, wave):
    wave.edit("wave.py", "table(6)", "table(6 if x else open('log'))")
    wave.write("../log", "")
    said = sweeps("run", "wave", "--engine", "serial")
    assert (said.code, "5 computed" in said.out) == (1, True)
    assert "table(): 'n' is <_io.TextIOWrapper" in sweeps("failures", "wave").out


# ---- two versions, and code that is newer than the process

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
from experiments.helpers import table
for line in sys.stdin:
    line = line.strip()
    print(table(3).tolist() if line == "call" else line, flush=True)
"""


class Python:
    """A process that has imported the helper, and calls it when told to."""

    def __init__(self, folder):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-c", SCRIPT]
        # Python takes a file edited within a second, to the same length, for what it has compiled.
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(command, text=True, cwd=folder, env=env, **pipes)
        self.say("ready")

    def say(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        return self.process.communicate(timeout=60)[1]


def test_versions_work_side_by_side_and_old_code_keeps_nothing_under_the_name_of_new_code(wave):
    old, late = Python(wave.folder.parent), Python(wave.folder.parent)
    assert old.say("call") == "[0.0, 1.0, 2.0]"
    wave.edit("deep.py", "FACTOR = 1.0", "FACTOR = 2.0")
    assert late.say("call") == late.say("call") == "[0.0, 1.0, 2.0]"
    assert (wave.n_computed, len(wave.folders())) == (3, 1)
    new = Python(wave.folder.parent)
    for _ in range(2):
        assert new.say("call") == "[0.0, 2.0, 4.0]"
        assert old.say("call") == late.say("call") == "[0.0, 1.0, 2.0]"
    assert (wave.n_computed, len(wave.folders())) == (6, 2)
    assert (old.end(), new.end()) == ("", "")
    assert late.end().count("deep.py was edited since it was imported here") == 1


def test_importing_touches_no_disk_and_imports_no_joblib(wave):
    program = "import sys, experiments.wave; print('joblib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
    assert sorted(path.name for path in wave.folder.parent.iterdir()) == ["experiments"]


MAIN = """
import sys
from sweeps import cached, experiment, grid, run

FACTOR = {factor}

@cached
def table(n):
    with open("log", "a") as file:
        file.write("x")
    return [FACTOR * i for i in range(n)]

@experiment(grid(x=[0, 1, 2, 3]))
def wave(x):
    return table(4)[x]

if __name__ == "__main__":
    print(run(wave, engine=sys.argv[1], n_workers=2)["wave"].values.tolist(), table(4))
"""


def test_a_script_shares_with_its_workers(project):
    script = project / "script.py"
    script.write_text(MAIN.format(factor=1))
    command = [sys.executable, "script.py", "loky"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == "[0, 1, 2, 3] [0, 1, 2, 3]\n"
    assert (project / "log").read_text() == "x"
    script.write_text(MAIN.format(factor=2))
    in_child(run_serially)
    assert (project / "log").read_text() == "xx"


def run_serially():
    sys.argv = ["script.py", "serial"]
    runpy.run_path("script.py", run_name="__main__")


# ---- calls


class Calls:
    """What a function was computed for, by whichever process."""

    def __init__(self, path):
        self.path = path

    def note(self, x):
        with self.path.open("a") as file:
            file.write(repr(x).replace("\n", "") + "\n")

    def __eq__(self, other):
        return self.noted == list(map(repr, other))

    def __len__(self):
        return len(self.noted)

    @property
    def noted(self):
        return self.path.read_text().splitlines() if self.path.exists() else []


@pytest.fixture
def calls(project):
    return Calls(project / "log")


def counting(calls, **options):
    @cached(**options)
    def scale(x, factor=2, *more, verbose=False, **others):
        calls.note(x)
        return np.asarray(x) * factor

    return scale


@pytest.mark.parametrize(
    "again",
    [
        lambda f: f(3),
        lambda f: f(x=3),
        lambda f: f(3, 2),
        lambda f: f(factor=2, x=3),
        lambda f: f(3, verbose=True),
    ],
)
def test_the_same_call_in_other_words_is_the_same_call(calls, again):
    scale = counting(calls, ignore=["verbose"])
    assert scale(3) == again(scale) == 6
    assert calls == [3]


OTHERS = [
    *(4, 3.0, True, "3", None, [3], (3,), np.int64(3), np.array(3), np.array([3]), {"x": 3}),
    *(np.array([3.0]), np.array([3], dtype=np.int32), {3: 1}, {3}),
]


def test_other_arguments_are_other_calls(calls):
    @cached
    def same(x, *more, **others):
        return repr((x, more, others))

    found = [same(x) for x in (3, *OTHERS)]
    assert found == [repr((x, (), {})) for x in (3, *OTHERS)]
    assert same(3, 4) != same(3, a=4) != same(3, b=4)


@pytest.mark.parametrize("shape", [(4,), (2, 3), (0,), ()])
def test_arrays_count_by_content(calls, shape):
    scale = counting(calls)
    array = np.asarray(np.random.default_rng(1).random(shape))
    for view in (
        array,
        array.copy(),
        np.array(array, order="F"),
        np.stack([array, array], -1)[..., 0],
    ):
        np.testing.assert_array_equal(scale(view), 2 * array)
    assert len(calls) == 1
    if array.size:
        scale(array + 1e-15)
        assert len(calls) == 2


def test_functions_as_arguments_count_by_their_code(sweeps, wave):
    wave.edit("helpers.py", "def table(n, verbose=False):", "def table(function, verbose=False):")
    wave.edit("helpers.py", "deep.row(n)", "function(6)")
    wave.edit("helpers.py", "from . import deep\n", "")
    wave.edit("wave.py", "table(6)", "table(row)")
    wave.edit("wave.py", "from .helpers", "from .deep import row\nfrom .helpers")
    run(sweeps, "--engine", "serial")
    wave.edit("deep.py", "FACTOR = 1.0", "FACTOR = 2.0")
    run(sweeps, "--engine", "serial")
    assert (wave.n_computed, len(wave.folders())) == (2, 1)


def test_wrong_arguments_are_told_as_python_does(calls):
    @cached
    def one(x):
        return x

    for call in (lambda: one(), lambda: one(1, 2), lambda: one(y=1)):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (threading.Lock(), "'x' is <unlocked _thread.lock .*ignore="),
        ([1, {"a": threading.Lock()}], "'x' is .*_thread.lock"),
        ((i for i in "ab"), "'x' is <generator.*no stable identity"),
        (
            functools.reduce(lambda inner, _: [inner], range(5000), []),
            "'x' is .*no stable identity",
        ),
        (np.random.default_rng(1), "'x' is a random generator.*pass a seed"),
        (np.random.RandomState(1), "'x' is a random generator"),
        (random.Random(1), "'x' is a random generator"),
    ],
)
def test_arguments_that_cannot_be_told_are_refused_by_name(calls, argument, said):
    scale = counting(calls)
    with pytest.raises(DeclarationError, match=f"(?s)scale\\(\\): {said}"):
        scale(argument)
    assert calls == []


def test_what_cannot_be_told_may_be_left_out(calls):
    @cached(ignore=["lock"])
    def first(x, lock):
        return x

    assert first(1, threading.Lock()) == first(1, threading.Lock()) == 1


def test_a_value_that_cannot_be_kept_is_told(calls):
    @cached
    def numbers(n):
        return (i for i in range(n))

    with pytest.raises(OutputError, match=r"a generator cannot be stored.*return arrays"):
        numbers(3)


def test_values_are_of_the_function_and_what_it_encloses(calls):
    def times(k):
        @cached
        def product(x):
            return k * x

        return product

    assert [times(k)(x) for k in (2, 3) for x in (1, 2)] == [2, 4, 3, 6]
    assert [times(k)(x) for k in (2, 3) for x in (1, 2)] == [2, 4, 3, 6]


def test_recursion(calls):
    @cached
    def fibonacci(n):
        calls.note(n)
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(20) == 6765
    assert sorted(map(int, calls.noted)) == list(range(21))


def test_clear_forgets_the_values_of_this_function(calls):
    scale = counting(calls)

    @cached
    def other(x):
        return x

    other(1), scale(1), scale(2), scale.clear(), scale(1), scale.clear(), scale.clear()
    assert calls == [1, 2, 1]
    assert not scale.place().exists()
    assert other.place().exists()


def test_data_that_changes_while_python_runs_counts(calls, project):
    (project / "table.csv").write_text("1")
    (project / "folder").mkdir()
    scale = counting(calls, depends_on=[project / "table.csv", project / "folder"])
    assert scale(1) == scale(1) == 2
    (project / "table.csv").write_text("2")
    assert scale(1) == scale(1) == 2
    (project / "folder" / "new").write_text("3")
    assert scale(1) == scale(1) == 2
    assert calls == [1, 1, 1]
    (project / "folder" / "new").unlink()
    (project / "table.csv").write_text("1")
    assert scale(1) == 2
    assert calls == [1, 1, 1]
    (project / "table.csv").unlink()
    with pytest.raises(DeclarationError, match=r"table\.csv"):
        scale(1)


@pytest.mark.parametrize("given", ["there", "absolute"])
def test_a_folder_of_its_own(calls, project, given):
    folder = str(project / given) if given == "absolute" else given
    home = project if given == "absolute" else os.path.dirname(__file__)  # noqa: PTH120

    @cached(folder=folder)
    def one():
        return 1

    assert one.place().is_relative_to(os.path.join(home, given))  # noqa: PTH118
    if given == "absolute":
        assert one() == one() == 1
        assert one.place().exists()
        assert not (project / "results").exists()


def test_the_folder_of_results_is_that_of_the_run_then_the_environment(project, monkeypatch):
    assert files.results_folder() == project / "results"
    monkeypatch.setenv("SWEEPS_RESULTS", "by_environment")
    assert files.results_folder() == project / "by_environment"
    with files.results_in(project / "run"):
        assert files.results_folder() == project / "run"
        assert files.results_folder("given") == project / "given"
    assert files.results_folder() == project / "by_environment"


# ---- declaring


@cached
def documented(x: int) -> int:
    """Say what it is."""
    return x


def test_it_looks_like_its_function():
    assert documented.__name__ == "documented"
    assert documented.__doc__ == "Say what it is."
    assert documented.__module__ == __name__
    assert documented.__wrapped__(3) == 3
    assert repr(documented) == "<Cached documented()>"


def test_it_is_pickled_by_name(monkeypatch):
    module = types.ModuleType(__name__)
    module.documented = documented
    monkeypatch.setitem(sys.modules, __name__, module)
    assert pickle.loads(pickle.dumps(documented)) is documented


class Model:
    def table(self):
        return 1


def _generate():
    yield 1


async def _later():
    return 1


REFUSED = {
    "method": (Model.table, "does not take methods, and 'Model.table' is one"),
    "bound method": (Model().table, "takes a function"),
    "static method": (staticmethod(Model.table), "does not take methods"),
    "class": (Model, "takes a function, not"),
    "built-in": (len, "takes a function, not"),
    "partial": (functools.partial(_generate), "takes a function, not"),
    "lambda": (lambda: 1, "does not take a lambda"),
    "generator function": (_generate, "is a coroutine or generator function"),
    "async function": (_later, "is a coroutine or generator function"),
    "cached": (documented, "takes a function, not"),
    "experiment": (experiment(grid(x=[1]), name="e")(lambda x: x), "takes a function, not"),
    "text": ("helper", "takes a function, not 'helper'"),
}


@pytest.mark.parametrize(("function", "said"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("decorate", [cached, cached()], ids=["plain", "called"])
def test_what_cannot_be_cached_is_refused(function, said, decorate):
    with pytest.raises(DeclarationError, match=said):
        decorate(function)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ignore": "verbos"}, "no argument 'verbos' of f.*Did you mean 'verbose'"),
        ({"ignore": 3}, "ignore has 3"),
        ({"ignore": [3]}, "ignore has 3"),
        ({"ignore": {"x": 1}}, "ignore has"),
        ({"depends_on": 3}, "depends_on has 3"),
        ({"version": 2.5}, "version is 2.5"),
        ({"folder": 3}, "folder is 3"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, said):
    with pytest.raises(SweepsError, match=said) as caught:

        @cached(**options)
        def f(x, verbose=False):
            return x

    assert isinstance(caught.value, (DeclarationError, UnknownNameError))
