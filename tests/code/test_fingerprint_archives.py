"""Laws of modules in zip archives: they are the project's code, as those in folders are."""

import importlib
import sys
import time
import zipfile

import pytest

import sweeps
from sweeps.code import loaded, pins
from sweeps.code.source.module import project_file
from sweeps.project.sweep import resolve

MODULES = {
    "zipped.py": "def twice(x):\n    return 2 * x\n",
    "pack/__init__.py": "FACTOR = 3\n",
    "pack/inner.py": (
        "import importlib.resources\nfrom pack import FACTOR\n"
        "TEXT = importlib.resources.files('pack').joinpath('text.txt').read_text()\n"
        "def scaled(x):\n    return FACTOR * x + len(TEXT)\n"
    ),
    "pack/text.txt": "four",
    "unrelated.py": "X = 1\n",
}
EXPERIMENT = """
from sweeps import experiment, grid
import zipped
from pack.inner import scaled

@experiment(grid(x=[1, 2]))
def calls(x):
    return zipped.twice(x) + scaled(x)
"""


@pytest.fixture
def archive(project, monkeypatch):
    """An archive on the path; called with other texts, it is made anew."""
    place = project / "lib.zip"

    def write(**edits):
        with zipfile.ZipFile(place, "w") as opened:
            for name, text in {**MODULES, **edits}.items():
                opened.writestr(name, text)

    write()
    (project / "experiments" / "calls.py").write_text(EXPERIMENT)
    monkeypatch.syspath_prepend(place)
    yield write
    for name in ("zipped", "pack", "pack.inner", "unrelated"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


EDITS = [
    ({"zipped.py": MODULES["zipped.py"].replace("2", "7")}, [14, 24]),
    ({"pack/__init__.py": "FACTOR = 5\n"}, [11, 18]),
]


@pytest.mark.parametrize(
    ("engine", "edit", "then"),
    [("serial", *EDITS[0]), ("threads", *EDITS[1])],
    ids=["module", "package"],
)
def test_an_edit_in_an_archive_makes_points_stale(archive, engine, edit, then):
    assert sweeps.run("calls", engine=engine).calls.values.tolist() == [9, 14]
    archive(**{"unrelated.py": "X = 2\n"})
    assert sweeps.plan("calls").reused == 2
    archive(**edit)
    assert sweeps.plan("calls").stale == 2
    assert sweeps.run("calls", engine=engine).calls.values.tolist() == then
    archive()
    assert sweeps.plan("calls").reused == 2


def test_workers_import_from_an_archive_what_the_run_began_with(archive):
    made = resolve("calls").fingerprint
    assert {"zipped", "pack", "pack.inner"} <= {*made.modules}
    archive(**EDITS[0][0])
    assert sweeps.run("calls", n_workers=1).calls.values.tolist() == [14, 24]


def test_files_of_a_package_in_an_archive_are_read_where_it_is_pinned(archive, project):
    file = project / "lib.zip" / "pack" / "__init__.py"
    with pins.held(pins.Pins({"pack": (file, "FACTOR = 4\n")})):
        assert importlib.import_module("pack.inner").scaled(1) == 8


def test_code_in_memory_that_is_older_than_the_archive_is_known(archive):
    module = importlib.import_module("zipped")
    assert project_file("zipped") is not None
    since_ns = time.time_ns()
    assert not loaded.is_older(module, since_ns)
    time.sleep(0.02)  # times of files are those of ticks
    archive(**EDITS[0][0])
    assert loaded.is_older(module, since_ns)


@pytest.mark.parametrize("path", ["lib.zip/none.py", "none.zip/zipped.py", "experiments/none.py"])
def test_what_is_in_no_archive_is_not_there(archive, project, path):
    with pytest.raises(OSError, match="none"):
        pins.content(project / path)
