"""Bytes of segments come out as they are, or it is said which segment cannot be read."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import StorageError
from sweeps.memo import reader, segment
from sweeps.memo.reader import Extent
from sweeps.storage import disk
from tests.sizes import examples

CONTENTS = {"a": np.random.default_rng(0).bytes(300), "b": np.random.default_rng(1).bytes(40)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("segments")
    for name, content in CONTENTS.items():
        (made / name).write_bytes(content)
    return made


def copied(extents, target, offset=0):
    with target.open("w+b") as opened:
        reader.copy(extents, opened.fileno(), offset)
    return target.read_bytes()


@given(
    pieces=st.lists(
        st.tuples(st.sampled_from(sorted(CONTENTS)), st.integers(0, 40), st.integers(0, 40))
    ),
    offset=st.integers(0, 9),
    chunk=st.sampled_from([1, 7, 2**20]),
)
@examples(60)
def test_bytes_are_copied_one_extent_after_another(folder, pieces, offset, chunk):
    ranges = [(name, min(a, b), max(a, b)) for name, a, b in pieces]
    extents = [Extent(folder / name, start, stop - start) for name, start, stop in ranges]
    expected = b"".join(CONTENTS[name][start:stop] for name, start, stop in ranges)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_CHUNK_BYTES", chunk)
        found = copied(extents, folder / "target", offset)
    assert found == (bytes(offset) + expected if expected else b"")


def test_a_segment_that_is_gone_was_merged_away(folder):
    with pytest.raises(segment.MergedAwayError):
        copied([Extent(folder / "gone", 0, 1)], folder / "target")


def test_a_segment_that_ends_early_is_told(folder):
    with pytest.raises(StorageError, match=r"cannot read .*b: it was cut short"):
        copied([Extent(folder / "b", 30, 11)], folder / "target")


@pytest.mark.parametrize("call", ["open_to_read", "read"])
def test_a_segment_that_cannot_be_read_is_told(folder, monkeypatch, call):
    def refuse(*arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(disk, call, refuse)
    with pytest.raises(StorageError, match=r"cannot read .*a: Input/output error"):
        copied([Extent(folder / "a", 0, 1)], folder / "target")
