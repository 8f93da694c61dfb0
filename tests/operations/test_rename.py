"""Laws of renaming: results go on under a new name, nothing is lost or overwritten on the way."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sweeps as package
from sweeps.errors import SweepsError
from sweeps.operations import failures
from sweeps.operations import rename as operations_rename
from sweeps.project.sweep import resolve
from sweeps.storage import disk, files

WAVE = """
from sweeps import experiment, grid

@experiment(grid(x=[1.0, 2.0, 3.0]), name="{name}"{more})
def compute(x, k=2):
    if x == {bad}:
        raise ValueError("bad")
    return [x * k, x]
"""


def write(name, bad=0, more="", file="waves"):
    Path("experiments", f"{file}.py").write_text(WAVE.format(name=name, bad=bad, more=more))


def run(name, **options):
    return package.run(name, engine="serial", **options)


def rename(old="old", new="new"):
    return operations_rename.rename(old, operations_rename.find(old, new))


def kept():
    """Content of all files of the results folder but results files."""
    return {str(p): p.read_bytes() for p in Path("results").rglob("*") if p.is_file()}


def facts(dataset):
    return {n: (v.dims, v.attrs, repr(v.values.tolist())) for n, v in dataset.variables.items()}


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Results under the old name."""
    folder = tmp_path_factory.mktemp("computed")
    with contextlib.chdir(folder), pytest.warns(UserWarning, match="1 of 3 points of 'old' failed"):
        Path("experiments").mkdir()
        write("old", bad=3.0)
        run("old")
    del sys.modules["experiments.waves"]
    return folder / "results"


@pytest.fixture
def renamed(project, computed):
    """An experiment that was computed, and then given a new name."""
    shutil.copytree(computed, "results")
    write("new", bad=3.0)
    return project


def test_memo_and_results_go_on_under_the_new_name(renamed):
    done = rename()
    assert (done.is_landed, done.left, done.warnings) == (True, (), ())
    status = package.status("new")
    assert (status.done, status.failed, status.missing, status.stale) == (2, 1, 0, 0)
    (failure,) = failures.failures_of(resolve("new"))
    assert failure.message == "bad"
    assert not Path("results/old.h5").exists()
    assert not Path("results/.memo/old").exists()


def test_what_lands_is_what_a_run_under_the_new_name_would_land(renamed):
    rename()
    landed, anew = package.load("new"), run("new", results="elsewhere")
    assert facts(landed) == facts(anew)
    assert landed.attrs["experiment"] == landed.attrs["title"] == "new"
    assert landed.new.dims == ("x", "new_dim_0")


def test_the_next_run_computes_nothing_and_lands_nothing(renamed):
    write("old")
    run("old")
    write("new")
    rename()
    before = Path("results/new.h5").stat().st_mtime_ns
    assert package.plan("new").reused == 3
    run("new")
    assert Path("results/new.h5").stat().st_mtime_ns == before


def test_a_path_is_no_name(renamed):
    before = kept()
    for old in ("", ".", "..", ".memo", "a/b", "/etc", "../old", "old/", "a\0b"):
        with pytest.raises(SweepsError, match="is not the name of an experiment"):
            rename(old)
    assert kept() == before


def test_a_name_that_is_not_declared_says_what_to_do(renamed):
    before = kept()
    with pytest.raises(SweepsError, match=r"Did you mean 'new'\? First rename the function"):
        rename("old", "newe")
    assert kept() == before


def test_a_name_that_is_still_declared_is_another_experiment(renamed):
    write("old", file="others")
    before = kept()
    with pytest.raises(SweepsError, match=r"both declared, 'old' in experiments\.others"):
        rename()
    assert kept() == before


def test_a_module_that_may_declare_the_old_name_is_looked_at_first(renamed):
    Path("experiments/old.py").write_text("import nonsense_")
    with pytest.raises(SweepsError, match="'old' may still be declared"):
        rename()


def test_an_old_name_of_which_nothing_is_there_says_what_is(renamed):
    with pytest.raises(SweepsError, match=r"\(found: old\). Did you mean 'old'"):
        rename("odl")


def test_results_of_the_new_name_are_not_mixed_with_those_of_the_old(renamed):
    run("new")
    before = kept()
    with pytest.raises(SweepsError, match="'new' already has results"):
        rename()
    Path("results/new.h5").unlink()
    with pytest.raises(SweepsError, match="'new' already has results"):
        rename()
    del before[str(Path("results/new.h5"))]
    assert kept() == before


def test_a_run_that_kept_nothing_under_the_new_name_is_in_nobodys_way(renamed):
    run("new", limit=0)
    Path("results/new.h5").unlink(missing_ok=True)
    files.make_folder(resolve("new").memo)
    (resolve("new").memo / "code.json").write_text("{}")
    done = rename()
    assert (done.is_landed, done.left) == (True, ())
    assert package.status("new").done == 2


def test_results_of_other_code_are_moved_and_told_to_be_stale(renamed):
    write("new", more=", version=2")
    before = Path("results/old.h5").read_bytes()
    done = rename()
    assert not done.is_landed
    assert package.status("new").stale == 2
    assert Path("results/new.h5").read_bytes() == before
    write("new", bad=3.0)
    assert package.status("new").done == 2


def test_a_file_of_another_sweep_is_left_as_it_is(renamed):
    write("old")
    run("old", axes={"x": [1.0, 2.0, 5.0, 6.0]})
    write("new")
    assert not rename().is_landed
    assert package.load("new").x.values.tolist() == [1.0, 2.0, 5.0, 6.0]
    assert package.plan("new", axes={"x": [1.0, 2.0, 5.0, 6.0]}).reused == 4


@pytest.mark.parametrize("what", ["memo", "file"])
def test_one_of_both_is_enough(renamed, what):
    if what == "memo":
        Path("results/old.h5").unlink()
    else:
        shutil.rmtree("results/.memo/old")
    done = rename()
    assert done.is_landed == (what == "memo")
    assert Path("results/new.h5").exists()
    assert done.left == ()


def test_renaming_twice_says_where_things_are(renamed):
    first, second = rename(), rename()
    assert (first.results, first.left) == (second.results, second.left)
    assert package.status("new").done == 2


def test_names_can_be_changed_again_and_back(renamed):
    rename()
    for old, new in (("new", "newer"), ("newer", "old"), ("old", "new")):
        write(new, bad=3.0)
        done = rename(old, new)
        assert (done.is_landed, done.left) == (True, ())
        assert package.load(new)[new].dims == ("x", f"{new}_dim_0")
    assert package.status("new").done == 2


class Killed(BaseException):
    pass


STEPS = [(disk, name) for name in ("link", "replace", "unlink", "flush_folder")]
STEPS += [(files, "commit"), (operations_rename, "_move_landed"), (operations_rename, "_land")]


# One kill for each state that a kill can leave behind: other kills leave the same ones.
LEFT = {("before", "replace"), ("behind", "commit"), ("before", "_move_landed")}
LEFT |= {("behind", "link"), ("behind", "unlink"), ("behind", "_land")}
KILLS = [
    pytest.param(
        *(module, name, when == "behind"),
        id=f"{when}-{name}",
        marks=[] if (when, name) in LEFT else pytest.mark.campaign,
    )
    for module, name in STEPS
    for when in ("before", "behind")
]


@pytest.mark.parametrize(("module", "name", "is_done"), KILLS)
def test_a_kill_between_two_steps_is_mended_by_repeating(renamed, module, name, is_done):
    before = facts(package.load("old"))
    step = getattr(module, name)

    def kill(*arguments, **options):
        if is_done:
            step(*arguments, **options)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, kill)
        with contextlib.suppress(Killed):
            rename()
    done = rename()
    assert done.left == ()
    assert package.status("new").done == 2
    assert len(facts(package.load("new"))) == len(before)
    assert package.load("new").attrs["title"] == "new"


def test_what_a_run_of_the_old_name_commits_later_is_brought_over_by_another_renaming(renamed):
    sweep = resolve("new")
    old_memo = files.memo_folder(sweep.results, "old", sweep.fingerprint.digest)
    rename()
    write("old", more="", bad=0)
    made = resolve("old")
    assert made.fingerprint.digest != sweep.fingerprint.digest
    run("old")  # a run of the old name ends: its memo and its file are there again
    write("new")
    done = rename()
    assert not old_memo.parent.exists()
    assert done.left == (Path("results/old.h5").absolute(),)
    assert "exists already, so" in done.warnings[0]
    assert package.status("new").done == 3


def test_a_damaged_segment_is_set_aside_and_told_and_all_else_is_renamed(renamed):
    segment, *_ = Path("results/.memo/old").glob("*/*.seg")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    (warning,) = rename().warnings
    assert "set aside the damaged file" in warning
    run("new")
    assert package.status("new").done == 2
    assert not list(Path("results/.memo/old").glob("*/*.seg"))


def test_a_segment_that_is_being_written_stays_and_is_told_of(renamed):
    rename()
    place = Path("results/.memo/old/abc")
    place.mkdir(parents=True)
    (place / ".tmp-1-abc").write_bytes(b"half")
    (place / "code.json").write_text("{}")
    done = rename()
    assert (place / ".tmp-1-abc").exists()
    assert Path("results/.memo/old").absolute() in done.left
    assert "rename again" in done.warnings[-1]


def test_a_file_in_the_way_is_said_and_nothing_is_overwritten(renamed):
    Path("results/.memo/new").write_text("mine")
    with pytest.raises(SweepsError, match=r"\.memo/new"):
        rename()
    assert Path("results/.memo/new").read_text() == "mine"
    assert Path("results/old.h5").exists()


def test_without_links_the_file_is_renamed(renamed, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert rename().is_landed
    assert not Path("results/old.h5").exists()


def test_a_summary_is_landed_with_the_new_name(project):
    text = "\n@compute.summary\ndef best(results):\n    return {{'n': results.sizes['x']}}\n"
    for name in ("old", "new"):
        write(name)
        with Path("experiments/waves.py").open("a") as file:
            file.write(text.format())
        if name == "old":
            run("old")
    rename()
    assert int(package.load("new", group="summary").n) == 3


def test_a_run_under_way_keeps_its_points_under_the_old_name_until_they_are_renamed(project):
    slow = WAVE.replace("    if x", "    import time; time.sleep(0.15)\n    if x")
    slow = slow.replace("[1.0, 2.0, 3.0]", "[float(i) for i in range(1, 8)]")
    file = Path("experiments/waves.py")
    file.write_text(slow.format(name="old", bad=0, more=""))
    command = [sys.executable, "-m", "sweeps", "run", "old", "-j", "1", "--engine", "serial"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as going:
        for _ in going.stderr:  # progress: it has begun
            if list(Path("results").glob(".memo/old/*/*.seg")):
                break
        while not list(Path("results").glob(".memo/old/*/*.seg")):
            assert going.poll() is None
        file.write_text(slow.format(name="new", bad=0, more=""))
        rename()
        going.communicate(timeout=60)
    rename()
    status = package.status("new")
    assert status.done + status.missing == 7
    run("new")
    assert package.status("new").done == 7
    assert not Path("results/.memo/old").exists()


def test_a_function_that_was_renamed_keeps_its_results(project):
    file = Path("experiments/waves.py")
    text = WAVE.replace(', name="{name}"', "").format(bad=0, more="")
    file.write_text(text.replace("def compute", "def old"))
    run("old")
    file.write_text(text.replace("def compute", "def new"))
    assert rename().is_landed
    assert package.status("new").done == 3
