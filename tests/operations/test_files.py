"""Files that points hand over come back bit for bit, whatever computed, stored or moved them."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import sweeps as package
from sweeps.engines import LOCAL
from sweeps.errors import StorageError, SweepsError
from sweeps.execution.options import Options
from sweeps.operations import run
from sweeps.project.sweep import resolve
from sweeps.storage import packs
from sweeps.storage.pack_writer import Writer
from tests.execution.test_crew import unseen

SOURCE = """
import tempfile
from pathlib import Path

import sweeps
from sweeps import experiment, grid

LARGE = bytes(range(256)) * 4100

@experiment(grid(n=range(6)))
def solved(n):
    if n == 4:
        raise ValueError("no four")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents(n).items():
            (Path(folder) / name).write_bytes(content)
        return {
            "square": n * n,
            "log": sweeps.File(Path(folder) / "out.log"),
            "fields": [sweeps.File(Path(folder) / f"{i}.vtk") for i in range(n)],
            "state": sweeps.File(Path(folder) / "state", name="run/state.bin"),
        }

def contents(n):
    fields = {f"{i}.vtk": b"field %d of any" % i for i in range(n)}
    return {"out.log": b"n = %d" % (n % 2), "state": LARGE + bytes([n]), **fields}
"""

POINTS = [0, 1, 2, 3, 5]


def expected(n):
    large = bytes(range(256)) * 4100
    fields = {f"fields/{i}.vtk": b"field %d of any" % i for i in range(n)}
    return {"log": b"n = %d" % (n % 2), "state": large + bytes([n]), **fields}


def stored(n, **options):
    return {k: f.read_bytes() for k, f in package.files("solved", {"n": n}, **options).items()}


@pytest.fixture
def solved(project):
    (project / "experiments" / "solved.py").write_text(SOURCE)
    return project


@pytest.fixture
def computed(solved):
    with pytest.warns(UserWarning, match="1 of 6"):
        package.run("solved", engine="serial", quiet=True)
    return solved


def age(folder):
    old = time.time() - 2 * packs.SETTLED_S
    for path in folder.rglob("*.pack"):
        os.utime(path, (old, old))


@pytest.mark.parametrize("engine", LOCAL)
def test_every_engine_brings_back_every_file(solved, engine):
    with pytest.warns(UserWarning, match="1 of 6"):
        found = package.run("solved", engine=engine, n_workers=2, quiet=True)
    assert {n: stored(n) for n in POINTS} == {n: expected(n) for n in POINTS}
    assert found.log.sel(n=2).item() == "out.log"
    assert found.log_bytes.sel(n=2).item() == 5
    assert found.state.sel(n=0).item() == "run/state.bin"
    dims = ("n", "fields_dim_0")
    assert found.fields.dims == found.fields_bytes.dims == found.fields_sha256.dims == dims
    assert found.fields.sel(n=3).values.tolist()[:3] == ["0.vtk", "1.vtk", "2.vtk"]
    contents = [p for p in (solved / "results" / ".memo").rglob("*") if p.suffix == ".pack"]
    assert 1 <= len(contents) <= 2


def test_workers_that_do_not_see_the_memo_send_files_with_their_segments(solved, monkeypatch):
    unseen(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        run.execute(resolve("solved"), Options(pool))
    assert {n: stored(n) for n in POINTS} == {n: expected(n) for n in POINTS}


FORMS = """
import sweeps
from sweeps import experiment, grid

def log(n):
    return sweeps.File(b"%d" % n, name="log")

@experiment(grid(n=range(5)), vectorized=True)
def together(n):
    return {"log": [log(i) for i in n]}

@experiment(grid(n=range(5)), concurrency=2)
async def awaited(n):
    return {"log": log(n)}

@experiment(grid(n=range(5)))
def nameless(n):
    return log(n)
"""


@pytest.mark.parametrize("name", ["together", "awaited", "nameless"])
def test_every_form_of_function_hands_over_files(project, name):
    (project / "experiments" / "forms.py").write_text(FORMS)
    package.run(name, engine="serial", quiet=True)
    for n in range(5):
        (file,) = package.files(name, n).values()
        assert (file.read_bytes(), file.size) == (b"%d" % n, 1)
        assert file.output == ("file" if name == "nameless" else "log")


def test_a_large_file_is_read_as_any_other(computed):
    content = expected(3)["state"]
    with package.files("solved", {"n": 3})["state"].open() as file:
        assert file.read(10) == content[:10]
        assert file.seek(-5, os.SEEK_END) == len(content) - 5
        assert file.read() == content[-5:]
        file.seek(0)
        assert file.read() == content


def test_the_command_lists_and_extracts(sweeps, computed, tmp_path):
    said = sweeps("files", "solved", "n=2")
    assert said.code == 0
    assert "run/state.bin" in said.out
    data = sweeps("files", "solved", "--point", "2", "--extract", "out", "--json").json
    assert data["params"] == {"n": 2}
    assert [f["stored"] for f in data["files"]] == [True] * 4
    found = {p.relative_to("out"): p.read_bytes() for p in map(type(tmp_path), data["extracted"])}
    assert {str(k): v for k, v in found.items()} == {
        "log/out.log": b"n = 0", "state/run/state.bin": expected(2)["state"],
        "fields/0.vtk": b"field 0 of any", "fields/1.vtk": b"field 1 of any",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["n=4"], "failed.*no four"), (["n=9"], "n=9"), (["--point", "77"], "no point 77"),
     ([], "give it")],
)  # fmt: skip
def test_a_point_without_files_is_told(sweeps, computed, words, reason):
    said = sweeps("files", "solved", *words)
    assert said.code == 2
    assert re.search(reason, said.err)
    assert "Traceback" not in said.err


def test_a_point_that_is_not_computed_is_told(solved):
    with pytest.raises(SweepsError, match="not computed"):
        package.files("solved", 0)


def test_a_folder_that_cannot_be_written_is_told(sweeps, computed):
    (computed / "out").mkdir()
    (computed / "out" / "log").write_text("in the way")
    said = sweeps("files", "solved", "n=2", "--extract", "out")
    assert (said.code, "Traceback" in said.err) == (2, False)
    assert "give another folder" in said.err


def test_files_stay_when_code_is_accepted_and_the_experiment_is_renamed(sweeps, computed):
    source = computed / "experiments" / "solved.py"
    source.write_text(SOURCE.replace("n * n", "n ** 2"))
    assert sweeps("accept", "solved", "--yes").code == 0
    assert stored(3) == expected(3)
    source.write_text(SOURCE.replace("n * n", "n ** 2").replace("def solved", "def settled"))
    assert sweeps("rename", "solved", "settled").code == 0
    found = package.files("settled", {"n": 3})
    assert {k: f.read_bytes() for k, f in found.items()} == expected(3)


@pytest.mark.parametrize(
    ("keep", "how"),
    [("both", "flip"), ("both", "cut"), ("both", "gone"), ("results", "flip"), ("results", "gone")],
)
def test_a_damaged_pack_is_named_and_costs_only_its_points(sweeps, solved, keep, how):
    source = SOURCE.replace("range(6))", f"range(6)), keep={keep!r}")
    (solved / "experiments" / "solved.py").write_text(source)
    sweeps("run", "solved", "--engine=serial")
    (path,) = (solved / "results" / ".memo").rglob("*.pack")
    entry = next(e for e in packs.entries(path) if e.size > 10**6)  # of the first point
    content = bytearray(path.read_bytes())
    content[entry.start + 9] ^= 1
    if how == "cut":
        last = [e for e in packs.entries(path) if e.size > 10**6][-1]
        del content[last.start + 5 :]
    path.write_bytes(content)
    if how == "gone":
        path.unlink()
    n_lost = len(POINTS) if how == "gone" else 2 if how == "cut" else 1
    with pytest.raises(StorageError, match="sweeps verify solved"):
        stored(0)
    said = sweeps("verify", "solved")
    assert said.code == 1
    assert f"{n_lost} point" in said.out
    assert ("out.log" if how == "gone" else "run/state.bin") in said.out
    assert f"{n_lost} missing, 1 failed" in sweeps("plan", "solved").out
    assert f"{n_lost} computed" in sweeps("run", "solved", "--engine=serial", "--no-retry").out
    assert {n: stored(n) for n in POINTS} == {n: expected(n) for n in POINTS}
    assert sweeps("verify", "solved").code == 0
    assert "0 computed" in sweeps("run", "solved", "--engine=serial", "--no-retry").out


def test_a_pack_of_a_later_version_is_left_alone(sweeps, computed):
    (path,) = (computed / "results" / ".memo").rglob("*.pack")
    path.write_bytes(path.read_bytes().replace(b"sweeps-file-1", b"sweeps-file-2"))
    said = sweeps("verify", "solved")
    assert (said.code, "later version" in said.out, "lost" in said.out) == (1, True, False)
    age(computed)
    assert str(path.name) not in sweeps("clean", "solved").out
    assert "0 computed" in sweeps("run", "solved", "--engine=serial", "--no-retry").out
    assert path.exists()


def test_outputs_that_only_look_like_a_file_are_left_alone(sweeps, project):
    alike = '{"a": "x", "a_bytes": 1, "a_sha256": "ab", "log": sweeps.File(b"", name="x")}'
    source = "import sweeps\n@sweeps.experiment(sweeps.grid(n=[1]))\ndef alike(n):\n"
    source += f"    return {alike}\n"
    (project / "experiments" / "alike.py").write_text(source)
    sweeps("run", "alike", "--engine=serial")
    assert sweeps("verify", "alike").code == 0
    for path in project.rglob("*.pack"):
        path.unlink()
    assert "handed over x," in sweeps("verify", "alike").out


def test_a_results_file_alone_says_which_files_it_lacks(sweeps, computed):
    for path in (computed / "results" / ".memo" / "solved").rglob("*"):
        if path.is_file():
            path.unlink()
    said = sweeps("run", "solved", "n=range(0,4)", "--engine=serial")
    assert "0 computed, 4 reused" in said.out
    with pytest.raises(StorageError, match="lost"):
        stored(3)
    assert "5 points handed over" in sweeps("verify", "solved").out
    assert "4 computed" in sweeps("run", "solved", "n=range(0,4)", "--engine=serial").out
    assert stored(3) == expected(3)


def test_clean_frees_what_no_point_has(sweeps, computed):
    before = {n: stored(n) for n in POINTS}
    age(computed)
    (path,) = (computed / "results" / ".memo").rglob("*.pack")
    writer = Writer(path.parent)
    mark = writer.begin()
    writer.add(b"of nobody" * 1000)
    writer.add(b"n = 1")  # again
    writer.commit(mark)
    assert "files that no point has" not in sweeps("clean", "solved").out  # it may be in use
    age(computed)
    said = sweeps("clean", "solved", "--yes")
    assert "files that no point has" in said.out
    assert {n: stored(n) for n in POINTS} == before
    assert "freed 0 B" in sweeps("clean", "solved", "--yes").out


def test_a_thousand_small_files_are_a_few_on_disk(project):
    many = SOURCE.partition("LARGE")[0] + (
        "@experiment(grid(n=range(1000)))\n"
        "def many(n):\n"
        "    return {'log': sweeps.File(b'%d' % (n // 2), name='log')}\n"
    )
    (project / "experiments" / "many.py").write_text(many)
    package.run("many", engine="serial", quiet=True)
    assert len(list((project / "results").rglob("*"))) < 30
    (path,) = (project / "results").rglob("*.pack")
    assert len(packs.entries(path)) == 500
    assert package.files("many", 999)["log"].read_bytes() == b"499"
