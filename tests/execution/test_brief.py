"""Laws of code that is edited while runs go on: no value is ever under the name of other code."""

import contextlib
import hashlib
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import h5py
import pytest

import sweeps
from sweeps import engines
from sweeps.errors import SweepsError
from sweeps.execution.options import Options
from sweeps.memo import index as memo
from sweeps.memo import segment
from sweeps.operations import run
from sweeps.project import discovery, imports
from sweeps.project.sweep import resolve

TRIAL = """
import time
from sweeps import experiment, grid
from . import early
from lib import deep

TRIAL = 1000

@experiment(grid(x=range(N_POINTS)))
def trial(x):
    time.sleep(PAUSE_S)
    from . import late
    from lib.inner import later
    return {"early": early.EARLY, "deep": deep.deep(), "late": late.late(), "later": later.LATER,
            "trial": TRIAL}
"""
FILES = {
    "experiments/trial.py": TRIAL,
    "experiments/early.py": "EARLY = 1000\n",
    "experiments/late.py": "LATE = 1000\n\ndef late():\n    return LATE\n",
    "lib/deep.py": "DEEP = 1000\n\ndef deep():\n    return DEEP\n",
    "lib/inner/__init__.py": "",
    "lib/inner/later.py": "LATER = 1000\n",
}
EDITED = [name for name in FILES if "__init__" not in name]
N_OUTPUTS = 5


class Project:
    """Modules that all say which version they are of."""

    def __init__(self, root, n_points=20, pause_s=0.01):
        self.root = root
        self.texts = {
            name: text.replace("N_POINTS", str(n_points)).replace("PAUSE_S", str(pause_s))
            for name, text in FILES.items()
        }
        for name in FILES:
            self.edit(name, 1000)

    def edit(self, name, version, *, in_place=False):
        """Give a file another version, under a name of its own first or where it stands."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self.texts[name].replace("= 1000\n", f"= {version}\n")
        if in_place:
            path.write_text(text)
        else:
            new = path.with_suffix(".new")
            new.write_text(text)
            new.replace(path)

    def edit_all(self, version):
        for name in EDITED:
            self.edit(name, version)


@pytest.fixture(autouse=True)
def _own_library():
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "lib"]:
        del sys.modules[name]


@pytest.fixture
def trial(project):
    return Project(project)


def committed(results=Path("results"), name="trial"):
    """Versions of each folder of the memo, and values that its segments hold."""
    found = []
    for folder in sorted((results / ".memo" / name).iterdir()):
        sources = json.loads((folder / "code.json").read_text())["sources"]
        said = dict(
            re.search(r"^([A-Z]+) = (\d+)", source).groups()
            for source in sources.values()
            if re.match(r"[A-Z]+ = \d", source)
        )
        said = {name.lower(): {float(version)} for name, version in said.items()}
        index = memo.scan(folder)
        values, n_points = {name: set() for name in said}, 0
        for part in index.parts:
            with h5py.File(part.path) as file:
                for number, variable in enumerate(part.variables):
                    values[variable.name] |= set(segment.read(part, number, file).tolist())
            n_points += len(part)
        # A file that is being written may have nothing in it, and then the function fails.
        assert not index.failures or len(said) < N_OUTPUTS, index.failures
        found.append((said, values, n_points))
    return found


def assert_all_are_of_their_code(results=Path("results")):
    """Read all that was ever committed, and say how many points in how many versions."""
    found = committed(results)
    for said, values, n_points in found:
        assert not n_points or (len(said) == N_OUTPUTS and values == said)
    return [n for _, _, n in found if n]


def execute(engine, watch=None, **options):
    return run.execute(resolve("trial"), Options(engine, **options), watch)


@contextlib.contextmanager
def edited_all_the_time(project, pause_s, how):
    """Edit one file after the other, in another process."""
    program = f"""
import itertools, random, sys, time
sys.path[:0] = {[str(Path(__file__).parents[2]), str(Path(__file__).parent)]!r}
from pathlib import Path
from test_brief import EDITED, Project
project = Project(Path({str(project.root)!r}))
project.texts = {project.texts!r}
print("ready", flush=True)
for version in itertools.count(1001):
    time.sleep(random.uniform(0, 2 * {pause_s}))
    project.edit(random.choice(EDITED), version % 9000 + 1000, in_place={how == "in place"})
"""
    editor = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        editor.stdout.readline()
        yield
    finally:
        editor.kill()
        editor.communicate()


# ---- at any moment


each_once = pytest.mark.parametrize(
    ("engine", "n_before"),
    [
        ("loky", 1),
        ("serial", 1),
        *(
            pytest.param(*each, marks=pytest.mark.campaign)
            for each in [("loky", 0), ("serial", 0), ("threads", 0), ("threads", 1)]
        ),
    ],
)
"""Each engine, and an edit before and after the first block."""


def run_while_edited(trial, engine, how, n_runs):
    n_refused = 0
    with edited_all_the_time(trial, 0.02 if engine == "loky" else 0.1, how):
        for _ in range(n_runs):
            try:
                execute(engine, n_workers=2)
            except SweepsError:  # as in the middle of a file; nobody is left in doubt
                n_refused += 1
    assert n_refused < n_runs
    assert sum(assert_all_are_of_their_code()) >= 20


@pytest.mark.parametrize("how", ["in place", pytest.param("replaced", marks=pytest.mark.campaign)])
@pytest.mark.parametrize(
    "engine",
    [pytest.param(e, marks=pytest.mark.campaign if e != "loky" else ()) for e in engines.LOCAL],
)
def test_files_that_change_all_the_time(trial, engine, how):
    run_while_edited(trial, engine, how, 3)


@pytest.mark.campaign
@pytest.mark.parametrize("how", ["in place", "replaced"])
@pytest.mark.parametrize("engine", engines.LOCAL)
def test_files_that_change_all_the_time_for_long(trial, engine, how):
    run_while_edited(trial, engine, how, 200)


@each_once
def test_a_run_keeps_the_version_that_it_began_with(trial, engine, n_before):
    """Modules that the function imports when it runs too, before and after its first block."""
    edited = []

    def edit(progress):
        if progress.n_computed >= n_before and not edited:
            edited.append(progress.n_computed)
            trial.edit_all(2000)

    assert execute(engine, edit, n_workers=2).n_computed == 20
    assert edited[0] < 20
    assert assert_all_are_of_their_code() == [20]
    assert execute(engine, n_workers=2).n_computed == 20
    assert assert_all_are_of_their_code() == [20, 20]
    trial.edit_all(1000)
    assert execute(engine, n_workers=2).n_computed == 0


DEADLY = """
    import os, pathlib
    if x == 10 and pathlib.Path("kill").exists():
        pathlib.Path("kill").unlink()
        os.kill(os.getpid(), 9)
    from . import late
"""


@pytest.mark.parametrize("is_gone", [pytest.param(False, marks=pytest.mark.campaign), True])
def test_a_worker_that_starts_late_has_the_version_that_the_run_began_with(trial, is_gone):
    """Also where all of the project was moved away by then."""
    text = trial.texts["experiments/trial.py"]
    trial.texts["experiments/trial.py"] = text.replace("\n    from . import late\n", DEADLY)
    trial.edit_all(1000)
    Path("kill").touch()

    def edit(progress):
        if is_gone:
            for name in ("experiments", "lib"):
                shutil.rmtree(trial.root / name, ignore_errors=True)
        else:
            trial.edit_all(2000 + progress.n_computed)

    assert execute("loky", edit, n_workers=2).n_computed == 20
    assert assert_all_are_of_their_code() == [20]
    assert not Path("kill").exists()


@pytest.mark.campaign  # in short: runs of two versions in tests/reliability/test_concurrency.py
@pytest.mark.parametrize("in_copies", [True, False], ids=["two copies", "one edited"])
def test_two_processes_with_two_versions_share_a_memo(tmp_path, in_copies):
    roots = [tmp_path / "old", tmp_path / ("new" if in_copies else "old")]
    projects = [Project(root, 60, 0) for root in dict.fromkeys(roots)]
    waits = f"""
    while x == 30 and not os.path.exists({str(tmp_path / "both")!r}):
        time.sleep(0.005)
    from . import late
"""
    for each in projects:
        text = each.texts["experiments/trial.py"].replace("import time", "import os, time")
        each.texts["experiments/trial.py"] = text.replace("\n    from . import late\n", waits)
        each.edit_all(1000)

    def start(root):
        results = ["--results", str(tmp_path / "results")]
        command = [sys.executable, "-m", "sweeps", "run", "trial", "-j", "1", *results]
        return subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True)

    def wait_for_values(n_versions):
        while len({*(s.parent for s in tmp_path.glob("results/.memo/trial/*/*.seg"))}) < n_versions:
            assert first.poll() is None, "the two did not run at the same time"
            time.sleep(0.005)

    first = start(roots[0])
    if not in_copies:
        wait_for_values(1)
    projects[-1].edit_all(2000)
    second = start(roots[1])
    wait_for_values(2)
    (tmp_path / "both").touch()
    told = [each.communicate(timeout=60)[1] for each in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), told
    assert assert_all_are_of_their_code(tmp_path / "results") == [60, 60]


@pytest.mark.parametrize("engine", ["serial", "threads"])
def test_a_module_that_was_in_memory_before_the_experiment(trial, monkeypatch, engine):
    """As in a notebook, where a helper was imported in an earlier cell."""
    monkeypatch.syspath_prepend(trial.root)
    importlib.import_module("lib.deep")
    trial.edit("lib/deep.py", 2000)
    with pytest.raises(SweepsError, match=r"deep\.py was edited since it was imported here"):
        execute(engine)
    assert execute("loky", n_workers=2).n_computed == 20
    assert assert_all_are_of_their_code() == [20]


# ---- data


TABLED = """
import pathlib, time
from sweeps import experiment, grid

TABLE = pathlib.Path(__file__).with_name("table.txt").read_text()

@experiment(grid(x=range(20)), depends_on="table.txt")
def trial(x):
    time.sleep(0.01)
    return {"read": float(pathlib.Path(__file__).with_name("table.txt").read_text() or -1),
            "had": float(TABLE or -1)}
"""


@pytest.fixture
def table(project):
    path = project / "experiments" / "table.txt"
    path.write_text("1000")
    (project / "experiments" / "trial.py").write_text(TABLED)
    return path


CONTENTS = {
    hashlib.blake2b(text.encode(), digest_size=16).hexdigest(): float(text or -1)
    for text in ["", *map(str, range(1, 10_000))]
}


def contents(results=Path("results")):
    """What the points of each version read, which is what it says."""
    found = []
    for folder in sorted((results / ".memo" / "trial").iterdir()):
        parts = json.loads((folder / "code.json").read_text())["parts"]
        read = set()
        for part in memo.scan(folder).parts:
            with h5py.File(part.path) as file:
                for number in range(len(part.variables)):
                    read |= set(segment.read(part, number, file).tolist())
        assert read <= {CONTENTS[parts["data:table.txt"]]}
        found += sorted(read)
    return sorted(found)


@each_once
def test_data_that_is_changed_ends_the_run_and_what_is_kept_is_right(table, engine, n_before):
    edited = []

    def edit(progress):
        if progress.n_computed >= n_before and not edited:
            edited.append(progress.n_computed)
            table.write_text("2000")

    with pytest.raises(SweepsError, match=r"table\.txt was changed during the run"):
        execute(engine, edit, n_workers=2)
    kept = [1000.0] if n_before else []
    assert contents() == kept
    assert execute(engine, n_workers=2).n_computed == 20
    assert contents() == [*kept, 2000.0]


@pytest.mark.parametrize(
    "engine", ["loky", "threads", pytest.param("serial", marks=pytest.mark.campaign)]
)
def test_data_that_changes_all_the_time(table, engine):
    program = f"""
import itertools, pathlib, random, time
for version in itertools.count(1001):
    pathlib.Path({str(table)!r}).write_text(str(version % 9000 + 1000))
    time.sleep(random.choice([0, 0.0005, 0.01, 0.3]))
"""
    editor = subprocess.Popen([sys.executable, "-c", program])
    try:
        for _ in range(3):
            with contextlib.suppress(SweepsError):
                execute(engine, n_workers=2)
    finally:
        editor.kill()
        editor.wait()
    contents()


@pytest.mark.parametrize("engine", engines.LOCAL)
def test_data_that_is_changed_while_the_module_that_read_it_is_imported(table, engine):
    """Before the experiment is declared, and within one tick of the clock of files."""
    change = """
if (once := pathlib.Path(__file__).with_name("once")).exists():
    once.unlink()
    once.with_name("table.txt").write_text("2000")
"""
    table.with_name("trial.py").write_text(TABLED.replace("\n@", f"{change}\n@"))
    table.with_name("once").touch()
    assert execute(engine, n_workers=2).n_computed == 20
    assert contents() == [2000.0]


def test_data_that_a_helper_in_memory_read_for_another_experiment(table):
    """Which does not say that it depends on it."""
    text = TABLED.replace('__file__).with_name("table.txt").read_text()', '"")', 1)
    text = text.replace("import pathlib", "from .early import TABLE\nimport pathlib")
    text = text.replace('TABLE = pathlib.Path("")\n', "")
    early = 'import pathlib\nTABLE = pathlib.Path(__file__).with_name("table.txt").read_text()\n'
    table.with_name("early.py").write_text(early)
    other = text.replace("trial", "other").replace(', depends_on="table.txt"', "")
    table.with_name("other.py").write_text(other)
    assert run.execute(resolve("other"), Options("serial")).n_computed == 20
    table.write_text("2000")
    table.with_name("trial.py").write_text(text)
    assert execute("serial").n_computed == 20
    assert contents() == [2000.0]


def test_data_that_a_module_in_memory_may_have_read(table):
    sweep = resolve("trial")
    assert run.execute(sweep, Options("serial")).n_computed == 20
    table.write_text("2000")
    again = resolve(sweep.experiment)
    with pytest.raises(SweepsError, match=r"table\.txt was changed since experiments\.trial was"):
        run.execute(again, Options("serial"))
    assert run.execute(again, Options("loky")).n_computed == 20
    table.write_text("3000")
    assert run.execute(resolve("trial"), Options("serial")).n_computed == 20
    assert contents() == [1000.0, 2000.0, 3000.0]


# ---- what is not in modules


LABELED = """
import importlib
from sweeps import experiment, grid

METHODS = {"one": importlib.import_module(".".join(["lib", "method"])).one}

@experiment(grid(x=range(20), method=METHODS))
def trial(x, method):
    return method()
"""


def test_code_behind_values_that_is_edited_between_planning_and_running(project):
    """The import is one that no fingerprint can see, so that only the values tell of it."""
    Project(project).edit_all(1000)
    method = project / "lib" / "method.py"
    (project / "experiments" / "trial.py").write_text(LABELED)
    method.write_text("def one():\n    return 1000\n")
    sweep = resolve("trial")
    method.write_text("def one():\n    return 2000\n")
    assert run.execute(sweep, Options("loky", n_workers=2)).n_computed == 20
    assert set(sweeps.load("trial").trial.values.flat) == {1000}  # as it was planned
    sweep = resolve("trial")

    def edit(progress):
        method.write_text("def one():\n    return 3000\n")

    assert run.execute(sweep, Options("loky", n_workers=2), edit).n_computed == 20
    assert set(sweeps.load("trial").trial.values.flat) == {2000}


DRAWN = """
from sweeps import experiment, grid

@experiment(grid(x=range(20)), seed=1)
def trial(x, rng):
    return rng.random()
"""


def test_a_seed_that_is_edited_draws_nothing_under_the_old_one(project):
    """It is in the keys, and not in the fingerprint."""
    path = project / "experiments" / "trial.py"
    path.write_text(DRAWN)
    experiment = resolve("trial").experiment
    path.write_text(DRAWN.replace("seed=1", "seed=2"))
    drawn = sweeps.run(experiment, engine="loky").trial.values
    path.write_text(DRAWN)
    assert execute("serial", recompute=True).n_computed == 20
    assert sweeps.load("trial").trial.values.tolist() == drawn.tolist()


CARRIED = """
from sweeps import experiment, grid

def scaled(factor):
    return lambda x: 1000 * factor

def make():
    return experiment(grid(x=range(20)), name="trial")(scaled(1))
"""


@pytest.mark.parametrize("engine", engines.LOCAL)
def test_inner_functions_in_memory_are_not_sent_under_the_name_of_new_code(project, engine):
    path = project / "experiments" / "carried.py"
    path.write_text(CARRIED)
    made = imports.import_location(discovery.locate()[0]).make()
    path.write_text(CARRIED.replace("1000", "2000"))
    with pytest.raises(SweepsError, match=r"carried\.py was edited since it was imported here"):
        sweeps.run(made, engine=engine)
    path.write_text(CARRIED)
    assert set(sweeps.run(made, engine=engine).trial.values) == {1000}


SCRIPT = """
import pathlib
from sweeps import experiment, grid, run
from lib.method import one

here, edit = pathlib.Path(__file__), pathlib.Path("edit")
if edit.exists():
    edit.unlink()
    # Of another length: Python itself takes bytecode of the same second and length as up to date.
    here.write_text(here.read_text().replace("+ 1\\n", "+ 1 + 1\\n"))

@experiment(grid(x=range(4)))
def trial(x):
    return one() + 1

if __name__ == "__main__":
    print(run(trial, n_workers=1).trial.values.tolist())
"""


@pytest.mark.parametrize(
    "command", [pytest.param(["script.py"], marks=pytest.mark.campaign), ["-m", "script"]]
)
def test_a_script_that_was_edited_after_it_began(project, command):
    Project(project)
    (project / "lib" / "method.py").write_text("def one():\n    return 1000\n")
    script = project / "script.py"
    script.write_text(SCRIPT)
    (project / "edit").touch()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert "script.py was edited since it was imported here" in done.stderr
    assert not done.stdout


LABELS = """
from sweeps import experiment, grid, run
from lib.method import one

SHIFT = 1

def first():
    return SHIFT

class Callable:
    def __init__(self, value):
        self.value = value

    def __call__(self):
        return self.value

METHODS = {"first": first, "lambda": lambda: 2, "one": one, "object": Callable(3)}

@experiment(grid(method=METHODS))
def trial(method):
    return method()

if __name__ == "__main__":
    print(run(trial, n_workers=1).trial.values.tolist())
"""


@pytest.mark.parametrize(
    "command", [["script.py"], pytest.param(["-m", "script"], marks=pytest.mark.campaign)]
)
def test_functions_of_a_script_may_be_values(project, command):
    Project(project)
    (project / "lib" / "method.py").write_text("def one():\n    return 1000\n")
    (project / "script.py").write_text(LABELS)
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.stdout == "[1, 2, 1000, 3]\n", done.stderr


CACHED = """
import time
from sweeps import cached, experiment, grid

@cached
def table(n):
    return [1000] * n

@experiment(grid(x=range(20)))
def trial(x):
    time.sleep(0.01)
    return table(x)[-1] if x else 1000
"""


@pytest.mark.parametrize("engine", engines.LOCAL)
def test_a_cached_helper_keeps_its_values_under_the_code_of_the_run(project, engine):
    path = project / "experiments" / "trial.py"
    path.write_text(CACHED)

    def edit(progress):
        path.write_text(CACHED.replace("[1000]", f"[{2000 + progress.n_computed}]"))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert execute(engine, edit, n_workers=2).n_computed == 20
    assert set(sweeps.load("trial").trial.values) == {1000}
    (folder,) = Path("results/.cached").glob("*/*")
    assert len(list(folder.rglob("*.pkl"))) == 19
    path.write_text(CACHED)
    table = imports.import_location(discovery.locate()[0]).table
    assert table.place("results") == Path.cwd() / folder
