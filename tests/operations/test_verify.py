"""What is not what was written is named; what somebody changed is told from what a disk spoiled."""

import errno
import hashlib
import os
import shutil

import h5py
import pytest

import sweeps as package
from sweeps.errors import StorageError
from sweeps.memo import listing
from sweeps.storage import disk
from sweeps.storage import seal as storage_seal

pytestmark = pytest.mark.usefixtures("children_that_look")

SOURCE = """
from sweeps import experiment, grid

@experiment(grid(x=[1.0, 2.0, 3.0]))
def square(x):
    return x * x
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where results are kept once they are made."""
    return tmp_path_factory.mktemp("kept") / "results"


@pytest.fixture
def landed(sweeps, project, kept):
    """A results file with a memo of a few segments beside it."""
    (project / "experiments" / "square.py").write_text(SOURCE)
    if kept.exists():
        shutil.copytree(kept, project / "results")
        return project / "results" / "square.h5"
    for n in "1", "2", "3":
        assert sweeps("run", "square", f"x=range(0,{n})", "--engine=serial").code == 0
    shutil.copytree(project / "results", kept)
    return project / "results" / "square.h5"


def segments(landed):
    return sorted((landed.parent / ".memo").rglob("*.seg"))


def flip(path, at=-100):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_what_was_written_is_whole(sweeps, landed):
    said = sweeps("verify", "square")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("square: results file and 3 files of stored results: no damage")
    n_bytes = sum(p.stat().st_size for p in (landed, *segments(landed)))
    data = sweeps("verify", str(landed), "--json").json
    assert (data["whole"], data["segments"], data["bytes"]) == (True, 3, n_bytes)


def test_a_damaged_results_file_is_set_aside_and_landed_anew_without_computing(sweeps, landed):
    before = package.load(landed)
    flip(landed)
    said = sweeps("verify", "square")
    assert said.code == 1
    assert "square.h5.bad" in said.out
    assert "python -m sweeps run square" in said.err
    assert not landed.exists()
    assert "0 computed, 3 reused" in sweeps("run", "square", "x=range(0,3)").out
    assert package.load(landed).drop_attrs().identical(before.drop_attrs())
    assert sweeps("verify", "square").code == 0
    assert "square.h5.bad" in sweeps("clean", "square").out


def test_a_damaged_file_is_not_loaded_and_the_next_run_lands_it_anew(sweeps, landed):
    before = package.load(landed)
    flip(landed)
    with pytest.raises(StorageError, match="python -m sweeps verify"):
        package.load(landed)
    assert "0 computed, 3 reused" in sweeps("run", "square", "x=range(0,3)").out
    assert package.load(landed).drop_attrs().identical(before.drop_attrs())


@pytest.mark.parametrize(
    ("is_shown", "expected"), [(True, "0 computed, 3 reused"), (False, "1 computed, 2 reused")]
)
def test_points_of_a_damaged_segment_are_those_of_the_results_file_or_computed_again(
    sweeps, landed, is_shown, expected
):
    flip(segments(landed)[1])
    data = sweeps("verify", "square", "--json").json
    ((damage,), n) = data["damages"], len(segments(landed))
    assert (damage["kind"], damage["state"], n) == ("segment", "damaged", 2)
    assert damage["path"].endswith(listing.BAD_SUFFIX)
    if not is_shown:
        landed.unlink()
    assert expected in sweeps("run", "square", "x=range(0,3)").out
    assert sweeps("verify", "square").code == 0


def test_an_attribute_that_a_user_adds_is_no_damage(sweeps, landed):
    with h5py.File(landed, "a") as file:
        file.attrs["note"] = "mine"
    said = sweeps("verify", "square")
    assert said.code == 1
    assert "another program changed it" in said.out
    assert landed.exists()
    assert "0 computed" in sweeps("run", "square", "x=range(0,3)").out
    assert package.load(landed).attrs["note"] == "mine"  # a run with nothing to do leaves it


@pytest.mark.parametrize("n_kept", [0, 5, 50, -49, -48, -1], ids=str)
def test_a_cut_file_is_damaged_unless_just_its_seal_is_gone(sweeps, landed, n_kept):
    landed.write_bytes(landed.read_bytes()[:n_kept])
    (damage,) = sweeps("verify", "square", "--json").json["damages"]
    assert damage["state"] == ("unsealed" if n_kept == -48 else "damaged")


def test_what_cannot_be_read_is_told_and_the_rest_is_looked_at(sweeps, landed, monkeypatch):
    read, refused = disk.read, os.open(landed, os.O_RDONLY)

    def fail(descriptor, n_bytes):
        if os.path.sameopenfile(descriptor, refused):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(descriptor, n_bytes)

    monkeypatch.setattr(disk, "read", fail)
    flip(segments(landed)[0])
    damages = sweeps("verify", "square", "--json").json["damages"]
    assert [each["state"] for each in damages] == ["unreadable", "damaged"]
    assert "Input/output error" in damages[0]["reason"]
    assert landed.exists()
    os.close(refused)


def test_where_nobody_may_write_a_damaged_file_is_named_all_the_same(sweeps, landed, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(disk, "replace", refuse)
    flip(landed)
    (damage,) = sweeps("verify", "square", "--json").json["damages"]
    assert damage["path"] == str(landed)
    assert "move it away" in damage["reason"]


def test_a_damaged_acceptance_is_named(sweeps, landed):
    folder = segments(landed)[0].parent / "accepted"
    folder.mkdir()
    (folder / "0123.json").write_text("{")
    (damage,) = sweeps("verify", "square", "--json").json["damages"]
    assert damage["kind"] == "acceptance"


def test_the_code_is_not_needed(sweeps, landed, project):
    (project / "experiments" / "square.py").unlink()
    assert sweeps("verify", "square").code == 0


def test_what_is_not_there_is_a_mistake(sweeps, landed):
    said = sweeps("verify", "sqare")
    assert said.code == 2
    assert "Did you mean 'square'" in said.err


@pytest.mark.parametrize("n_bytes", [0, 5, 2**20, 3 * 2**20 + 1])
def test_a_seal_is_of_all_bytes(tmp_path, monkeypatch, n_bytes):
    """However many threads make it, and how often."""
    monkeypatch.setattr(storage_seal, "_AT_ONCE", 2)
    content = os.urandom(n_bytes)
    descriptor = disk.create(tmp_path / "x")
    disk.write_all(descriptor, content)
    storage_seal.seal(descriptor, storage_seal.RESULTS)
    os.close(descriptor)
    seal = storage_seal.look(tmp_path / "x", storage_seal.RESULTS)
    assert seal.is_whole(storage_seal.RESULTS)
    pieces = [content[at : at + 2**20] for at in range(0, n_bytes, 2**20)]
    digest = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in pieces)).digest()
    assert (tmp_path / "x").read_bytes() == content + digest + storage_seal.RESULTS
    assert not seal.is_whole(storage_seal.SEGMENT)


def test_a_flush_that_fails_beside_the_digest_fails_the_seal(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(storage_seal, "_LARGE_BYTES", 0)
    monkeypatch.setattr(disk, "flush", fail)
    descriptor = disk.create(tmp_path / "x")
    with pytest.raises(OSError, match="Input/output"):
        storage_seal.seal(descriptor, storage_seal.RESULTS)
    os.close(descriptor)


def foreign(folder):
    folder.mkdir(exist_ok=True)
    made = {
        "notes.h5": b"my notes\n" * 20,
        "empty.h5": b"",
        "matlab.h5": b"MATLAB 7.3 MAT-file" + bytes(493) + b"\x89HDF\r\n\x1a\n" + bytes(200),
        "netcdf3.h5": b"CDF\x01" + bytes(100),
        "cut.h5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "source.py": b"print(1)\n",
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return {folder / name: content for name, content in made.items()}


@pytest.mark.parametrize("place", ["results", "."])
def test_what_is_no_results_file_stays_as_it_is(sweeps, project, place):
    for path, content in foreign(project / place).items():
        relative = str(path.relative_to(project))
        for given in (relative, str(path), f"results/../{relative}", path.stem):
            (project / "results").mkdir(exist_ok=True)
            assert sweeps("verify", given).code in (1, 2)
            assert path.read_bytes() == content
    assert not list(project.rglob("*.bad"))


@pytest.mark.parametrize(
    "given", ["{}", "results/../results/square.h5", "../{0.parent.parent.name}/x"]
)
def test_only_a_name_and_a_plain_path_into_the_folder_of_results_set_aside(sweeps, landed, given):
    flip(landed)
    content = landed.read_bytes()
    asked = given.format(landed).replace("/x", "/results/square.h5")
    said = sweeps("verify", asked)
    assert said.code == 1
    assert "not set aside" in said.out
    assert landed.read_bytes() == content
    assert sweeps("verify", "results/square.h5").code == 1
    assert not landed.exists()


def test_outside_of_the_folder_of_results_nothing_is_set_aside(sweeps, landed, project):
    flip(landed)
    flip(segments(landed)[0])
    (project / "results").rename(project / "other")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert sweeps("verify", "other/square.h5").code == 1
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", ["status", "plan", "why", "failures", "show", "list", "clean"])
def test_a_command_that_looks_changes_nothing(sweeps, landed, project, command):
    for path in segments(landed):
        flip(path)
    landed.unlink()
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    sweeps(command, *([] if command == "list" else ["square"]))
    now = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert {p: c for p, c in now.items() if "__pycache__" not in str(p)} == {
        p: c for p, c in before.items() if "__pycache__" not in str(p)
    }


@pytest.mark.parametrize("command", ["run", "status", "plan", "show", "verify", "clean"])
@pytest.mark.parametrize("which", ["results file", "segment"])
def test_files_of_a_later_format_are_refused_with_that_reason(sweeps, landed, command, which):
    path = landed if which == "results file" else segments(landed)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"3")
    if which == "segment":
        landed.unlink()
    content = path.read_bytes()
    said = sweeps(command, "square", *(["--yes"] if command == "clean" else []))
    assert path.read_bytes() == content
    assert "damaged" not in said.out + said.err
    if command != "clean" and (which, command) != ("segment", "show"):
        assert said.code == (1 if command == "verify" else 2)
        assert "format 3" in said.out + said.err
