"""Laws of files that points read: those that the source names count, all others are told of."""

import os
import re

import pytest

import sweeps
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
        f"'reads' reads a file with {re.escape(reader)} at experiments/reads.py:[0-9]+;.*"
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


def test_results_and_source_files_count_by_other_means(declare, project):
    declare("return x")
    sweeps.run("reads", engine="serial")
    before = declare("open('results/reads.h5', 'rb').read(4); open('other.py').read()")
    (project / "other.py").write_text("x = 1")
    assert not [part for part in before.fingerprint.parts if part.startswith("data:")]
