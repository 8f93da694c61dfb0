"""A file is there whole or not at all, and who may read it is the user's choice."""

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

from sweeps.errors import StorageError
from sweeps.storage import disk, files


def fail(code):
    def failing(*_args):
        raise OSError(code, os.strerror(code))

    return failing


@pytest.mark.parametrize("chunks", [[], [b""], [b"a"], [b"a", memoryview(b"bc")]])
def test_what_is_committed_is_there(tmp_path, chunks):
    files.commit(tmp_path / "x", chunks)
    assert (tmp_path / "x").read_bytes() == b"".join(bytes(c) for c in chunks)
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    files.commit(tmp_path / "x", [b"0123456789", b"abc"])
    assert (tmp_path / "x").read_bytes() == b"0123456789abc"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_failed_commit_leaves_what_was_there(tmp_path, monkeypatch, call, code):
    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setattr(os, call, fail(code))
    with pytest.raises(StorageError, match=os.strerror(code)) as caught:
        files.commit(tmp_path / "x", [b"new"])
    assert str(tmp_path / "x") in str(caught.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"x": b"old"}


def test_an_exception_in_the_writer_leaves_what_was_there(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "x") as new:
        new.path.write_bytes(b"half")
        raise KeyboardInterrupt
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"x": b"old"}


LIMITED = """
import resource, sys
from pathlib import Path
from sweeps.storage import disk
from sweeps.storage import files
from sweeps.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.commit(Path(sys.argv[1]), [bytes(600), bytes(600)])
except StorageError as error:
    print(error)
"""


def test_a_limit_of_the_system_is_told(tmp_path):
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "x")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert os.strerror(errno.EFBIG) in said
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from sweeps.storage import disk
from sweeps.storage import files
fsync = os.fsync
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
files.commit(Path(sys.argv[1]), [b"new"])
"""


def test_a_kill_leaves_what_was_there(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "x")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "x").read_bytes() == b"old"
    (left,) = [p for p in tmp_path.iterdir() if p.name != "x"]
    assert left.name.startswith(files.TEMPORARY_PREFIX)
    assert not files.is_abandoned(left)
    os.utime(left, (0, 0))
    assert files.is_abandoned(left)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_says_who_may_read(tmp_path, mask):
    before = os.umask(mask)
    try:
        files.make_folder(tmp_path / "folder")
        files.commit(tmp_path / "folder" / "x", [b"a"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((tmp_path / "folder" / "x").stat().st_mode) == 0o666 & ~mask


def test_every_new_folder_is_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(disk, "flush_folder", flushed.append)
    files.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert flushed == [tmp_path.parent, tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    flushed.clear()
    files.make_folder(tmp_path / "a" / "b")  # which a run may have made that was killed then
    assert flushed == [tmp_path / "a"]


def test_a_file_and_then_its_name_are_flushed(tmp_path, monkeypatch):
    """Else a power cut could leave the name of a file without its content."""
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda d: (done.append(stat.S_ISDIR(os.fstat(d).st_mode)), fsync(d))
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("named"), replace(a, b)))
    files.commit(tmp_path / "x", [b"a"])
    assert done == [False, "named", True]


@pytest.mark.parametrize(("code", "is_fatal"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_folders_that_cannot_be_flushed(tmp_path, monkeypatch, code, is_fatal):
    monkeypatch.setattr(os, "fsync", fail(code))
    if is_fatal:
        with pytest.raises(OSError, match=os.strerror(code)):
            disk.flush_folder(tmp_path)
    else:
        disk.flush_folder(tmp_path)


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_file_in_the_place_of_a_folder_is_told(tmp_path, where):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="move it away"):
        files.make_folder(tmp_path / where)


def test_a_gone_temporary_is_not_abandoned(tmp_path):
    assert not files.is_abandoned(tmp_path / "none")


def test_a_link_whose_target_is_gone_is_told(tmp_path):
    (tmp_path / "memo").symlink_to(tmp_path / "disk")
    with pytest.raises(
        StorageError, match=r"memo is a link to .*disk; which does not exist: mount"
    ):
        files.make_folder(tmp_path / "memo" / "wave")
