"""Checkpoints: one attempt has one folder, what it leaves is found, and nothing empty stays."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from sweeps.errors import StorageError
from sweeps.storage import disk
from sweeps.worker import checkpoints
from sweeps.worker.checkpoints import Store

KEY = (1, 2**64 - 1)


@pytest.fixture
def folder(tmp_path):
    return checkpoints.place(tmp_path / "memo")


def names(folder):
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def write(attempt, text="half"):
    (attempt.path / "state").write_text(text)


def test_nothing_is_left_of_a_point_that_wrote_nothing(folder):
    store = Store(folder)
    for has_raised in (False, True):
        attempt = store.take(KEY)
        assert attempt.path.is_dir()
        attempt.end(has_raised=has_raised)
        assert names(folder) == []


def test_what_an_attempt_leaves_is_given_to_the_next_one_until_the_values_are_on_disk(folder):
    store = Store(folder)
    attempt = store.take(KEY)
    write(attempt)
    attempt.end(is_cut_off=True)
    again = Store(folder).take(KEY)
    assert again.path == attempt.path
    assert (again.path / "state").read_text() == "half"
    again.end(has_raised=False)
    assert names(folder) == [checkpoints.name_of(KEY)]
    again._store.forget([[5, 6], [*KEY]])
    assert names(folder) == []


def test_a_point_that_is_computed_again_after_its_end_begins_afresh(folder):
    store = Store(folder)
    attempt = store.take(KEY)
    write(attempt)
    attempt.end()
    assert names(store.take(KEY).path) == []


def test_two_attempts_at_a_time_never_share_a_folder(folder):
    first, other = Store(folder), Store(folder)
    attempt = first.take(KEY)
    write(attempt)
    beside = other.take(KEY)
    assert beside.path != attempt.path
    assert names(beside.path) == []
    write(beside, "of the other")
    beside.end()
    assert (attempt.path / "state").read_text() == "half"
    attempt.end(has_raised=True)
    assert names(folder) == [attempt.path.name]


def test_an_attempt_in_a_killed_process_is_over(folder):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from sweeps.worker.checkpoints import Store\n"
        "attempt = Store(Path(sys.argv[1])).take((1, 2**64 - 1))\n"
        "(attempt.path / 'state').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert done.returncode == -9
    attempt = Store(folder).take(KEY)
    assert (attempt.path / "state").read_text() == "half"


def test_a_checkpoint_at_which_a_point_raises_without_getting_further_is_set_aside(folder):
    attempt = Store(folder).take(KEY)
    write(attempt)
    attempt.end(has_raised=True)  # it had written something: that is kept
    attempt = Store(folder).take(KEY)
    write(attempt, "more")
    attempt.end(has_raised=True)
    attempt = Store(folder).take(KEY)
    assert (attempt.path / "state").read_text() == "more"
    attempt.end(has_raised=True)
    assert names(folder) == [f"{attempt.path.name}.bad"]
    attempt = Store(folder).take(KEY)
    assert names(attempt.path) == []


def deleted(path):
    path.rmdir()


def link(path):
    path.rmdir()
    path.symlink_to(path.parent.parent.parent / "precious")


def file(path):
    path.rmdir()
    path.write_text("a file")


def inner_link(path):
    (path / "link").symlink_to(path.parent.parent.parent / "precious")


def loop(path):
    (path / "loop").symlink_to(path)


def read_only(path):
    (path / "inner").mkdir()
    (path / "inner" / "state").write_text("half")
    (path / "inner").chmod(0o500)
    path.chmod(0o500)


@pytest.mark.parametrize("change", [deleted, link, file, inner_link, loop, read_only])
def test_what_a_point_makes_of_its_folder_harms_nothing_else(tmp_path, folder, change):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("1")
    store = Store(folder)
    attempt = store.take(KEY)
    change(attempt.path)
    attempt.end()
    attempt = Store(folder).take(KEY)
    assert attempt.path.is_dir()
    assert not attempt.path.is_symlink()
    attempt.end()
    attempt._store.forget([KEY])
    store.forget([KEY])
    assert names(folder) == []
    assert (precious / "thesis.tex").read_text() == "1"


def test_a_link_in_the_place_of_all_checkpoints_is_not_followed(tmp_path, folder):
    folder.parent.mkdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(StorageError, match="link"):
        Store(folder).take(KEY)
    assert checkpoints.left_over(folder.parent, list) == checkpoints.kept(folder.parent) == []


def test_a_full_disk_is_told_by_the_path(folder, monkeypatch):
    store = Store(folder)
    store.take(KEY).end()

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "make_folder", full)
    with pytest.raises(StorageError, match="No space left"):
        store.take(KEY)
    monkeypatch.undo()
    store.take(KEY).end()  # the lock was given back


def test_a_temporary_one_does_not_outlive_the_attempt():
    attempt = Store(None).take(KEY)
    write(attempt)
    attempt.end(has_raised=True)
    assert not attempt.path.exists()


def test_without_locks_each_attempt_has_a_folder_of_its_own_and_that_is_told(folder, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(checkpoints.fcntl, "flock", refuse)
    store = Store(folder)
    first, second = store.take(KEY), store.take(KEY)
    assert first.path != second.path
    write(first)
    first.end(has_raised=True)
    second.end()
    assert names(folder) == []
    assert store.warnings == (
        f"{folder} has no locks, so points that are killed begin at the beginning",
    )


def test_a_file_that_a_function_opened_in_the_place_of_the_lock_stays_open(tmp_path, folder):
    attempt = Store(folder).take(KEY)
    number = attempt._descriptor
    with (tmp_path / "own").open("w") as own:
        os.dup2(own.fileno(), number)  # which closes the lock
        attempt.end()
        assert os.fstat(number).st_ino == (tmp_path / "own").stat().st_ino
        os.close(number)
    Store(folder).take(KEY).end()
    assert names(folder) == []


def test_two_attempts_of_one_store_in_two_threads_do_not_share_either(folder):
    store = Store(folder)
    with ThreadPoolExecutor(4) as pool:
        attempts = list(pool.map(lambda _: store.take(KEY), range(4)))
    assert len({each.path for each in attempts}) == 4
    for each in attempts:
        each.end()
    assert names(folder) == []
