"""Laws of who is there: on this machine locks tell; elsewhere silence does."""

import os
import shutil

import pytest

from sweeps.memo import claimants
from sweeps.memo.claimants import FOLDER, Claimant


@pytest.fixture
def folder(tmp_path):
    (folder := tmp_path / FOLDER).mkdir()
    return folder


@pytest.fixture
def killed(folder, monkeypatch):
    """Leave the file of a run of some machine behind."""

    def kill(machine):
        with monkeypatch.context() as patch:
            patch.setattr(claimants, "machine", lambda: machine)
            run = Claimant(folder)
            path = next(folder.glob(f"{run.run:016x}.run"))
            run.close()
        path.touch()
        return run.run, path

    return kill


def test_a_killed_run_of_this_machine_is_gone_at_once_and_its_file_is_removed(folder, killed):
    own = Claimant(folder)
    run, path = killed(claimants.machine())
    assert own.is_gone(run)
    assert own.is_alone()
    assert not path.exists()
    own.close()
    assert not list(folder.iterdir())


def test_a_run_of_another_machine_may_be_there_until_a_day_has_passed(folder, killed):
    own = Claimant(folder)
    run, path = killed(7)
    assert not own.is_gone(run)
    assert not own.is_alone()
    assert claimants.are_live(folder.parent)
    now = path.stat().st_mtime
    os.utime(path, (now - 2 * 86400,) * 2)
    assert own.is_alone()
    assert not path.exists()
    own.close()


def test_a_run_that_is_there_is_neither_gone_nor_alone(folder):
    first, second = Claimant(folder), Claimant(folder)
    assert first.run != second.run
    assert not first.is_gone(second.run)
    assert not second.is_alone()
    second.close()
    assert first.is_alone()
    first.close()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_of_a_run_is_no_run(folder, make):
    path = folder / f"{7 << 32 | 7:016x}.run"
    make(path)
    own = Claimant(folder)
    assert not claimants._is_live(folder, 7 << 32 | 7)
    assert not own.is_gone(7 << 32 | 7)  # as where somebody removed the files
    own.close()
    assert not claimants.are_live(folder.parent)


def test_a_file_that_was_removed_is_made_anew(folder):
    own, other = Claimant(folder), Claimant(folder)
    shutil.rmtree(folder)
    assert not other.is_gone(own.run)  # as fast as it was removed, it may come back
    own.show()
    other.show()
    assert not other.is_gone(own.run)
    assert not other.is_alone()
    own.close()
    other.close()
    own.show()
    assert not list(folder.iterdir())


MOUNTS = """
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /data rw,relatime shared:2 - nfs4 srv:/data rw,vers=4.2,hard,local_lock=none,addr=1
31 22 0:41 / /old rw,relatime shared:3 - nfs srv:/old rw,vers=3,nolock,local_lock=all,addr=1
32 31 0:42 / /old/good rw,relatime - nfs srv:/good rw,vers=3,local_lock=none
33 22 0:43 / /my\\040lustre rw,relatime - lustre mds:/fs rw,localflock
34 22 0:44 / /ssh rw - fuse.sshfs me@host: rw,user_id=0
"""


@pytest.mark.parametrize(
    ("place", "is_local"),
    [
        ("/home/me/results", False),
        ("/data/results", False),
        ("/old", True),
        ("/old/results", True),
        ("/older", False),
        ("/old/good/results", False),
        ("/my lustre/x", True),
        ("/ssh/x", True),
    ],
)
def test_where_locks_are_of_one_machine_only_is_told_by_the_mount(
    tmp_path, monkeypatch, place, is_local
):
    (mounts := tmp_path / "mounts").write_text(MOUNTS.lstrip())
    monkeypatch.setattr(claimants, "_MOUNTS", mounts)
    monkeypatch.setattr("os.path.realpath", str)
    assert claimants.are_locks_local(place) == is_local
    mounts.unlink()
    assert not claimants.are_locks_local(place)
