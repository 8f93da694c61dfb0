"""Packs: what is committed is found again, and damage costs what it touches."""

import contextlib
import errno
import itertools
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import StorageError
from sweeps.storage import disk, packs
from sweeps.storage.pack_writer import Writer

CONTENTS = [b"first", b"", b"third" * 100, packs.head(3, bytes(32)) + b"abc", b"last"]


def write(folder, contents, writer=None):
    """Write contents and return the path of their pack."""
    writer = writer or Writer(folder)
    mark = writer.begin()
    for content in contents:
        writer.add(content)
    writer.commit(mark)
    return writer, packs.listing(folder)[0]


def intact(folder):
    found = packs.available(folder).values()
    return {b"".join(packs.pieces(each)) for each in found if packs.is_whole(each)}


def age(path):
    old = time.time() - 2 * packs.SETTLED_S
    os.utime(path, (old, old))


def test_contents_are_stored_once_whole_or_in_pieces(tmp_path):
    writer, path = write(tmp_path, CONTENTS)
    n_bytes = path.stat().st_size
    write(tmp_path, [iter([c[:2], c[2:]]) for c in CONTENTS], writer)
    assert path.stat().st_size == n_bytes
    assert intact(tmp_path) == {*CONTENTS}


@given(st.data())
def test_any_damage_costs_what_it_touches(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("packs")
    _, path = write(folder, CONTENTS)
    ends = [*itertools.accumulate(packs.HEAD_BYTES + len(c) for c in CONTENTS)]
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
        lost = {next(c for c, end in zip(CONTENTS, ends, strict=True) if at < end)}
    else:
        del content[at:]
        lost = {c for c, end in zip(CONTENTS, ends, strict=True) if at < end}
    path.write_bytes(content)
    assert intact(folder) >= {*CONTENTS} - lost
    assert intact(folder) & {*CONTENTS} == {*CONTENTS} - lost


def test_a_content_that_cannot_be_read_leaves_nothing(tmp_path):
    def torn():
        yield b"abc"
        raise OSError(errno.EIO, "broken")

    writer, path = write(tmp_path, [b"one"])
    before = path.read_bytes()
    with pytest.raises(OSError, match="broken"):
        writer.add(torn())
    assert path.read_bytes() == before
    write(tmp_path, [b"two"], writer)
    assert intact(tmp_path) == {b"one", b"two"}


@pytest.mark.parametrize("call", ["write", "flush", "create"])
def test_what_the_disk_does_not_take_fails_the_commit_and_the_next_one_goes_on(
    tmp_path, monkeypatch, call
):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer, _ = (Writer(tmp_path), None) if call == "create" else write(tmp_path, [b"kept"])
    mark = writer.begin()
    with monkeypatch.context() as patch:
        patch.setattr(disk, call, full)
        assert writer.add(b"lost")[0] == 4
        assert writer.add(iter([b"also ", b"lost"]))[0] == 9
        with pytest.raises(StorageError, match="No space left"):
            writer.commit(mark)
    write(tmp_path, [b"lost"], writer)
    assert intact(tmp_path) >= {b"lost"}
    assert b"also lost" not in intact(tmp_path)


def test_a_pack_that_was_taken_away_is_followed_by_another(tmp_path):
    writer, path = write(tmp_path, [b"one"])
    path.unlink()
    write(tmp_path, [b"one", b"two"], writer)
    assert intact(tmp_path) == {b"one", b"two"}


def test_a_descriptor_that_a_point_closed_is_not_written_to(tmp_path):
    writer, _ = write(tmp_path / "packs", [b"one"])
    os.close(writer._descriptor)
    with (tmp_path / "own").open("wb") as own:  # of the point: it gets the same number
        assert own.fileno() == writer._descriptor
        write(tmp_path / "packs", [b"two"], writer)
    assert (tmp_path / "own").read_bytes() == b""
    assert intact(tmp_path / "packs") == {b"one", b"two"}


def test_what_was_appended_before_a_point_closed_all_files_is_committed(tmp_path):
    writer = Writer(tmp_path)
    mark = writer.begin()
    writer.add(b"before")
    os.close(writer._descriptor)
    writer.add(b"behind")
    writer.commit(mark)
    del writer
    assert intact(tmp_path) == {b"before", b"behind"}


def test_a_copy_of_the_process_writes_nothing(tmp_path):
    writer, path = write(tmp_path, [b"one"])
    before = path.read_bytes()
    pid = os.fork()
    if not pid:
        writer.add(b"of the copy")
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.read_bytes() == before
    write(tmp_path, [iter([b"tw", b"o"]), b"three"], writer)
    assert intact(tmp_path) == {b"one", b"two", b"three"}


def test_a_pack_that_is_taken_away_before_it_is_committed_fails_the_commit(tmp_path):
    writer = Writer(tmp_path)
    for content in [b"next"], []:
        mark = writer.begin()
        writer.add(b"gone")
        for path in packs.listing(tmp_path):
            path.unlink()
        for each in content:
            writer.add(each)
        with pytest.raises(StorageError):
            writer.commit(mark)
    write(tmp_path, [b"gone"], writer)
    assert intact(tmp_path) == {b"gone"}


@given(st.integers(0, 12))
def test_an_interrupt_at_any_step_leaves_whole_contents(tmp_path_factory, number):
    folder = tmp_path_factory.mktemp("packs")
    steps = itertools.count()

    def stepping(call):
        def step(*arguments):
            if next(steps) == number:
                raise KeyboardInterrupt
            return call(*arguments)

        return step

    writer, _ = write(folder, [b"one"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "write", stepping(disk.write))
        patch.setattr(os, "lseek", stepping(os.lseek))
        with contextlib.suppress(KeyboardInterrupt):
            writer.add(iter([b"tw", b"o"]))
    write(folder, [b"three"], writer)
    assert intact(folder) in ({b"one", b"three"}, {b"one", b"two", b"three"})


def test_a_writer_leaves_no_pack_without_contents(tmp_path):
    writer = Writer(tmp_path)
    writer.add(b"never committed")
    del writer
    assert packs.listing(tmp_path) == []


def test_small_packs_are_merged_once_they_are_settled(tmp_path):
    writers = [write(tmp_path, [b"same", b"%d" % n])[0] for n in range(packs._N_SMALL)]
    assert len(packs.listing(tmp_path)) == len(writers)
    packs.merge(tmp_path)
    assert len(packs.listing(tmp_path)) == len(writers)  # somebody may append
    for path in packs.listing(tmp_path):
        age(path)
    packs.merge(tmp_path)
    (path,) = packs.listing(tmp_path)
    assert len(packs.entries(path)) == len(writers) + 1
    assert intact(tmp_path) == {b"same", *(b"%d" % n for n in range(len(writers)))}


def test_a_pack_of_a_later_version_is_known(tmp_path):
    _, path = write(tmp_path, [b"one"])
    assert not packs.is_later(path)
    path.write_bytes(path.read_bytes().replace(b"sweeps-file-1", b"sweeps-file-2"))
    assert packs.is_later(path)
    assert packs.entries(path) == []
