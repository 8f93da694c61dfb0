"""Laws of files that points read: those that the source names count, all others are told of."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

import sweeps
from sweeps.code.fingerprint import content
from sweeps.project.sweep import resolve

HEAD = """
import gzip, io, json, os, tomllib
from io import open as start
from pathlib import Path
import importlib.resources
import h5py
import numpy as np
import pandas as pd
from sweeps import experiment, grid

HERE = Path(__file__).parent.parent
TABLE = HERE / "data" / "table.csv"
NAMES = ["data/table.csv", "data/second.csv"]

FOLDER = HERE / "data"
DEEP = os.path.join(FOLDER, "table.csv")
STEM = "tab" + "le"

def load(path):
    return open(path).read()

def load_default(path="data/table.csv"):
    return Path(path).read_text()

class Model:
    path = HERE / "data/table.csv"
    def load(self):
        return self.path.read_text()

@experiment(grid(x=[1, 2]){options})
def reads(x, name="table"):
    {body}
    return x
"""
NAMED = {
    "open": "open('data/table.csv').read()",
    "a mode": "open('data/table.csv', 'rb').read()",
    "a module's name": "open(TABLE).read()",
    "from the module's folder": "open('../data/table.csv').read()",
    "a local name": "path = HERE / 'data/table.csv'\n    open(path).read()",
    "joined": "open(os.path.join(HERE, 'data', 'table.csv')).read()",
    "with": "with open('data/table.csv') as file: file.read()",
    "a text": "Path('data/table.csv').read_text()",
    "bytes": "TABLE.read_bytes()",
    "a method": "TABLE.open().read()",
    "io": "io.open('data/table.csv').read()",
    "an alias": "start('data/table.csv').read()",
    "numpy": "np.loadtxt('data/table.csv')",
    "a keyword": "np.genfromtxt(fname='data/table.csv')",
    "pandas": "pd.read_csv('data/table.csv')",
    "json": "json.load(open('data/table.csv'))",
    "toml": "tomllib.loads(TABLE.read_text())",
    "hdf5": "h5py.File('data/table.csv', 'r')",
    "a default": "load_default()",
    "handed over": "load('data/table.csv')",
    "handed over by a name": "load(TABLE)",
    "a loop": "for path in NAMES: open(path).read()",
    "comprehended": "[open(path).read() for path in NAMES]",
    "an attribute": "Model().load()",
    "a local import": "import pandas as p\n    p.read_csv('data/table.csv')",
    "a local alias": "from io import open as o\n    o('data/table.csv').read()",
    "a folder and a name": "(FOLDER / 'table.csv').read_text()",
    "joined to a folder": "open(DEEP).read()",
    "joined by a method": "FOLDER.joinpath('table.csv').read_bytes()",
    "beside": "(FOLDER / 'second.csv').parent.joinpath('table.csv').read_text()",
    "added": "open('data/' + STEM + '.csv').read()",
    "handed over in parts": "load(FOLDER / 'table.csv')",
    "a local folder": "folder = FOLDER\n    open(folder / 'table.csv').read()",
    "a folder": "[path.read_text() for path in (HERE / 'data').glob('*.csv')]",
    "a list of names": "os.listdir('data')",
    "resources": "(importlib.resources.files('experiments') / '../data/table.csv').read_text()",
    "an alternative": "open('data/table.csv' if x else 'data/second.csv').read()",
}
UNTOLD = {
    "made up": ("open(f'{name}.txt').read()", "open"),
    "an argument": ("Path(name).read_text()", ".read_text"),
    "the environment": ("open(os.environ['TABLE']).read()", "open"),
    "numpy": ("np.load(name)", "numpy.load"),
    "pandas": ("pd.read_csv(name)", "pandas.read_csv"),
    "beside one that is named": ("open('data/table.csv'); np.load(name)", "numpy.load"),
    "a made up folder": ("os.listdir(name)", "os.listdir"),
}
NONE = {
    "nothing": "x",
    "no reader": "os.path.basename('data/table.csv')",
    "written": "open('data/table.csv', 'w').write('1')",
    "appended": "open(TABLE, mode='a').write('1')",
    "a text written": "Path('data/table.csv').write_text('1')",
    "written and read": "np.savetxt('data/table.csv', [1]); np.loadtxt('data/table.csv')",
    "by pandas": "pd.DataFrame().to_csv('data/table.csv'); pd.read_csv('data/table.csv')",
    "hdf5": "h5py.File('data/table.csv', 'a')",
    "not there": "Path('nowhere.csv').exists() and open('nowhere.csv')",
    "elsewhere": "import tempfile\n    with tempfile.TemporaryDirectory() as t:\n"
    "        open(t + '/x', 'w').close(); open(t + '/x').read()",
    "no file": "webbrowser = x\n    json.loads('{}')",
}


@pytest.fixture
def declare(project):
    (project / "data").mkdir()
    for name in ("data/table.csv", "data/second.csv", "unrelated.csv"):
        (project / name).write_text("1\n")

    def declared(body, options=""):
        text = HEAD.replace("{body}", body).replace("{options}", options)
        (project / "experiments" / "reads.py").write_text(text)
        return resolve("reads")

    return declared


@pytest.mark.parametrize("body", NAMED.values(), ids=NAMED)
def test_files_of_the_project_count_by_content(declare, project, body):
    before = declare(body)
    assert before.unwatched == ()
    (project / "unrelated.csv").write_text("2\n")
    os.utime(project / "data/table.csv", (1, 1))
    assert declare(body).fingerprint.digest == before.fingerprint.digest
    (project / "data/table.csv").write_text("2\n")
    assert declare(body).fingerprint.digest != before.fingerprint.digest
    (project / "data/table.csv").write_text("1\n")
    assert declare(body).fingerprint.digest == before.fingerprint.digest


@pytest.mark.parametrize(("body", "reader"), UNTOLD.values(), ids=UNTOLD)
@pytest.mark.parametrize("options", ["", ", depends_on='../unrelated.csv'", ", version=2"])
def test_files_that_cannot_be_told_are_named_unless_the_user_has_seen_to_them(
    declare, body, reader, options
):
    told = declare(body, options).unwatched
    assert len(told) == (options == "")
    pattern = (
        f"'reads' reads a file with {re.escape(reader)} at experiments/reads.py:[0-9]+ .*"
        " depends_on"
    )
    assert all(re.match(pattern, each) for each in told)


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_files_that_code_does_not_read_or_makes_itself_do_not_count(declare, project, body):
    before = declare(body)
    (project / "data/table.csv").write_text("2\n")
    assert declare(body).fingerprint.digest == before.fingerprint.digest
    assert before.unwatched == ()


def test_an_edited_table_makes_points_stale_and_is_named(declare, project):
    (project / "data/table.csv").write_text("10\n")
    declare("return x * float(TABLE.read_text())")
    assert sweeps.run("reads", engine="serial").reads.values.tolist() == [10, 20]
    (project / "data/table.csv").write_text("30\n")
    assert sweeps.plan("reads").stale == 2
    assert [c.part for c in sweeps.why("reads").since[0].changes] == ["data:data/table.csv"]
    assert sweeps.run("reads", engine="serial").reads.values.tolist() == [30, 60]


def test_a_file_that_appears_or_goes_counts(declare, project):
    body = "return TABLE.read_text() if TABLE.exists() else ''"
    with_it = declare(body).fingerprint.digest
    (project / "data/table.csv").unlink()
    without = declare(body).fingerprint.digest
    assert with_it != without
    (project / "data/table.csv").write_text("1\n")
    assert declare(body).fingerprint.digest == with_it


def test_paths_from_the_root_count_within_the_project_only(declare, project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "table.csv"
    outside.write_text("1")
    body = f"open('/proc/uptime').read(); open({str(outside)!r}).read()"
    before = declare(body)
    assert before.unwatched == ()
    outside.write_text("2")
    assert declare(body).fingerprint.digest == before.fingerprint.digest
    inside = project / "data/table.csv"
    before = declare(f"open({str(inside)!r}).read()").fingerprint.digest
    inside.write_text("2")
    assert declare(f"open({str(inside)!r}).read()").fingerprint.digest != before


def test_results_and_source_files_count_by_other_means(declare, project):
    declare("return x")
    sweeps.run("reads", engine="serial")
    before = declare("open('results/reads.h5', 'rb').read(4); open('other.py').read()")
    (project / "other.py").write_text("x = 1")
    assert not [part for part in before.fingerprint.parts if part.startswith("data:")]


STARTS = "subprocess.run(['sh', 'solver.sh'])"
OUTPUT = f"import subprocess\n    {STARTS}\n    np.loadtxt('data/table.csv')"


@pytest.mark.parametrize("options", ["", ", depends_on='../data/second.csv'"])
def test_what_a_program_may_write_does_not_count_and_is_told_of(declare, project, options):
    (project / "solver.sh").write_text("echo 2 > data/table.csv")
    before = declare(OUTPUT, options)
    assert ["with numpy.loadtxt" in each for each in before.unwatched] == [True] * (not options)
    sweeps.run("reads", engine="serial")
    assert sweeps.plan("reads").reused == 2
    assert (project / "data/table.csv").read_text() == "2\n"


def test_beside_a_library_files_count(declare, project):
    body = "import ctypes\n    ctypes.CDLL(None)\n    np.loadtxt('data/table.csv')"
    before = declare(body).fingerprint.digest
    (project / "data/table.csv").write_text("2\n")
    assert declare(body).fingerprint.digest != before


@pytest.mark.parametrize("pattern", ["../data/*.csv", "../**/*.csv", "../data"])
def test_patterns_and_folders_count_by_the_files_that_they_mean(declare, project, pattern):
    options = f", depends_on={pattern!r}"
    before = declare("x", options).fingerprint.digest
    (project / "data/notes.txt").write_text("")
    assert (declare("x", options).fingerprint.digest == before) is pattern.endswith("csv")
    (project / "data/notes.txt").unlink()
    for name in ("data/table.csv", "data/third.csv"):
        assert declare("x", options).fingerprint.digest == before
        (project / name).write_text("2\n")
        assert declare("x", options).fingerprint.digest != before
        (project / name).write_text("1\n") if name == "data/table.csv" else None
    (project / "data/third.csv").rename(project / "data/fourth.csv")
    renamed = declare("x", options).fingerprint.digest
    (project / "data/fourth.csv").rename(project / "data/third.csv")
    assert declare("x", options).fingerprint.digest != renamed


def test_a_pattern_that_matches_nothing_is_refused(declare):
    with pytest.raises(sweeps.SweepsError, match=r"depends_on names '.*\*\.dat', .* patterns are"):
        declare("x", ", depends_on='../data/*.dat'")


def test_where_the_project_stands_does_not_count(declare, project, tmp_path_factory, monkeypatch):
    body, options = "open(TABLE).read()", ", depends_on='../*.csv'"
    here = declare(body, options).fingerprint.digest
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.copytree(project, elsewhere)
    monkeypatch.chdir(elsewhere)
    assert resolve("reads").fingerprint.digest == here


def test_environment_variables_that_are_named_count_by_value(declare, monkeypatch):
    options = ", depends_on_env=('MODEL_HOME', 'SECRET')"
    monkeypatch.setenv("SECRET", "hush")
    found = {}
    for value in ("/a", "/b", ""):
        monkeypatch.setenv("MODEL_HOME", value)
        found[value] = declare("x", options).fingerprint
    monkeypatch.delenv("MODEL_HOME")
    found[None] = declare("x", options).fingerprint
    assert len({each.digest for each in found.values()}) == 4
    monkeypatch.setenv("MODEL_HOME", "/a")
    again = declare("x", options).fingerprint
    assert again == found["/a"]
    assert "hush" not in repr(again)


def test_installed_programs_are_recorded_and_do_not_count(declare, project):
    declare("import subprocess\n    subprocess.run(['/bin/ls', '/bin/cat'])")
    sweeps.run("reads", engine="serial")
    recorded = json.loads(sweeps.load("reads").attrs["programs"])
    assert recorded == {name: content(Path(name)) for name in ("/bin/cat", "/bin/ls")}
