"""A file that a point hands over keeps its content, under a name that leads nowhere else."""

import dataclasses
import pickle
import resource
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import OutputError
from sweeps.outputs.file import ClashError, File, checked, unfolded, why_unsafe
from sweeps.storage import packs
from sweeps.storage.pack_writer import Writer

LARGE = bytes(range(256)) * 4097  # more than is read at once


class Pair(NamedTuple):
    energy: float
    log: File


@dataclasses.dataclass
class Record:
    energy: float
    log: File


@pytest.mark.parametrize("content", [b"", b"text\n", LARGE])
def test_a_path_may_go_as_soon_as_the_file_is_made(tmp_path, content):
    path = tmp_path / "out.log"
    path.write_bytes(content)
    made = File(path)
    path.unlink()
    assert (made.name, made.read_bytes()) == ("out.log", content)
    assert made.read_bytes() == content  # again
    assert pickle.loads(pickle.dumps(made)).read_bytes() == content


def test_there_may_be_more_large_files_than_are_usually_open(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 10, limits[1]))
        made = [File(path) for _ in range(30)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert all(each.read_bytes() == LARGE for each in made)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "a\0b", "a\nb", "\x1b[2J",
     "a\\b", "\udcff", "\u202egpj.exe", "x" * 256, "/".join(["x" * 200] * 6)],
)  # fmt: skip
def test_a_name_that_is_not_safe_is_refused(name):
    with pytest.raises(OutputError, match="name"):
        File(b"", name=name)


@given(st.text(max_size=20))
def test_a_name_is_refused_or_stays_below_a_folder(name):
    if why_unsafe(name):
        with pytest.raises(OutputError):
            checked(name)
        return
    parts = checked(name).split("/")
    assert not {"", ".", ".."} & {*parts}
    assert "\0" not in name


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"x", "needs a name"), (3, "give a path"), ("missing.log", "does not exist"),
     (".", "not a file"), ("a\0b", "NUL|null|cannot read|cannot be named"), (None, "give a path")],
)  # fmt: skip
def test_what_is_no_file_is_refused(content, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=said):
        File(content, **({"name": "x"} if content == "." else {}))


@pytest.mark.parametrize(
    "value",
    [{"energy": 1.0, "log": File(b"a", name="x")}, Pair(1.0, File(b"a", name="x")),
     Record(1.0, File(b"a", name="x"))],
)  # fmt: skip
def test_a_file_becomes_name_size_and_digest(value):
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # FIPS 180-2 has it
    assert unfolded(value, None) == {
        "energy": 1.0, "log": "x", "log_bytes": 1, "log_sha256": digest,
    }  # fmt: skip


def test_files_without_a_name_of_an_output_get_one():
    assert {*unfolded(File(b"a", name="x"), None)} == {"file", "file_bytes", "file_sha256"}
    made = unfolded([File(b"a", name="x"), File(b"", name="y")], None)
    assert made["files"].tolist() == ["x", "y"]
    assert made["files_bytes"].tolist() == [1, 0]


def test_what_holds_no_file_is_returned_as_it_is():
    for value in ({"a": 1}, [1, 2], [], {"a": []}, np.zeros(3), [File(b"", name="x"), 1], None):
        assert unfolded(value, None) is value or unfolded(value, None) == value


@pytest.mark.parametrize("other", ["log_bytes", "log_sha256"])
def test_names_that_are_taken_are_refused(other):
    with pytest.raises(ClashError, match=other):
        unfolded({"log": File(b"", name="x"), other: 1}, None)
    twice = [File(b"", name="x"), File(b"a", name="x")]
    with pytest.raises(ClashError, match="two files named 'x'"):
        unfolded({"log": twice}, None)
    with pytest.raises(ClashError, match="file and a folder named 'a/b'"):
        unfolded({"log": [File(b"", name="a/b"), File(b"", name="a/b/c")]}, None)
    assert unfolded({"log": twice}, None, is_column=True)["log"].tolist() == ["x", "x"]


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_contents_come_back_by_their_digests(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("packs")
    writer = Writer(folder)
    mark = writer.begin()
    made = [unfolded(File(c, name="x"), writer) for c in contents]
    writer.commit(mark)
    found = packs.available(folder)
    assert len(found) == len(set(contents))
    for content, each in zip(contents, made, strict=True):
        assert b"".join(packs.pieces(found[each["file_sha256"]])) == content
