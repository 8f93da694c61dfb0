"""A segment is what was written, or it is not used at all."""

import dataclasses
import errno
import hashlib
import os
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import LaterFormatError, StorageError
from sweeps.memo import header, segment
from sweeps.memo.segment import DamagedError, MergedAwayError
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Part, Variable
from sweeps.storage import hdf5, hdf5_open, hdf5_write, seal
from tests.sizes import examples


def part_of(keys, values, **options):
    rows = np.array([[key, ~key & (2**64 - 1)] for key in keys], dtype=np.uint64).reshape(-1, 2)
    variable = Variable("y", np.asarray(values), **options)
    return Part(rows, np.arange(len(rows), dtype=np.float32), (variable,))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A segment with some of everything."""
    attrs = {"units": "m", "nan": float("nan"), "odd": "\0\ud800"}
    coordinate = Variable("t", np.array([0.5, 1.5]), ("t",), attrs={"units": "s"})
    arrays = Variable("a", np.arange(4.0).reshape(2, 2), ("t",), None, attrs)
    texts = Variable("s", np.array(["x", "é\n"], dtype=object))
    ragged = Variable("r", np.arange(3), ("i",), np.array([3, 0]))
    keys = np.array([[1, 2], [2**64 - 1, 0]], dtype=np.uint64)
    part = Part(keys, np.array([0.5, 2], np.float32), (arrays, texts, ragged), (coordinate,))
    failure = Failure((3, 2**64 - 1), "exception", "Error", "nul \0", "trace", 2, 0.25)
    return segment.commit(tmp_path_factory.mktemp("memo"), [part], [failure])


def test_everything_is_kept(small):
    loaded = segment.load(small)
    (part,) = loaded.parts
    assert part.keys.tolist() == [[1, 2], [2**64 - 1, 0]]
    assert part.elapsed.tolist() == [0.5, 2]
    a, s, r = part.variables
    assert (a.name, a.dims, a.shape, a.dtype, a.counts) == ("a", ("t",), (2,), np.float64, None)
    assert (a.attrs["units"], a.attrs["odd"]) == ("m", "\0\ud800")
    assert s.dtype == object
    assert (r.shape, r.counts.tolist()) == ((3,), [3, 0])
    (t,) = part.coordinates
    assert (t.name, t.dims, t.values.tolist(), t.attrs) == ("t", ("t",), [0.5, 1.5], {"units": "s"})
    with segment.open_hdf5(small) as file:
        assert segment.read(part, 0, file).tolist() == [[0, 1], [2, 3]]
        assert segment.read(part, 0, file, slice(1, 2)).tolist() == [[2, 3]]
        assert segment.read(part, 1, file).tolist() == ["x", "é\n"]
        assert segment.read(part, 2, file).tolist() == [0, 1, 2]
    (failure,) = loaded.failures
    assert failure == Failure((3, 2**64 - 1), "exception", "Error", "nul \\x00", "trace", 2, 0.25)


FAILURES = st.builds(
    Failure,
    st.tuples(*[st.integers(0, 2**64 - 1)] * 2),
    st.sampled_from(["exception", "died"]),
    st.just("E"),
    st.text("ab\n", max_size=2),
    st.text("ab\n", max_size=4),
    st.integers(1, 3),
)


@given(st.lists(FAILURES, max_size=5), st.sampled_from(["", "a\n", "Traceback: "]))
def test_failures_come_back_whatever_their_tracebacks_end_with(tmp_path_factory, failed, before):
    """A traceback is kept without the message that it ends with, if it does."""
    ended = [dataclasses.replace(f, traceback=f"{before}{f.message}\n") for f in failed]
    folder = tmp_path_factory.mktemp("memo")
    assert list(segment.load(segment.commit(folder, [], failed + ended)).failures) == failed + ended
    shutil.rmtree(folder)


def test_equal_texts_are_stored_once(tmp_path):
    def n_bytes(n):
        text = "x" * 1000
        same = [Failure((k, k), "exception", "E", text, f"{text}: {text}\n") for k in range(n)]
        return segment.commit(tmp_path, [], same).stat().st_size

    assert (n_bytes(2000) - n_bytes(1000)) / 1000 < 60


def test_failures_of_before_are_read(tmp_path):
    """Until each distinct text was written once, the columns held the texts themselves."""
    failure = Failure((1, 2), "exception", "E", "m", "trace: m\n", 2, 0.5)

    def build(file, put):
        file.attrs["created_ns"] = 1
        group = file.create_group("failures")
        group["keys"], group["attempts"], group["elapsed"] = np.array([[1, 2]], "u8"), [2], [0.5]
        for name in ("kind", "type", "message", "traceback"):
            hdf5.write(group, name, np.array([getattr(failure, name)], dtype=object))

    content = b"".join(hdf5_write.image(build))
    digest = hashlib.sha256(content).digest()
    path = tmp_path / f"{digest.hex()[:32]}.seg"
    path.write_bytes(content + digest + b"sweeps-segment-1")
    assert segment.load(path).failures == (failure,)


def test_every_bit_counts(small, tmp_path):
    """One bit is flipped in a byte here and there, from the first to the last."""
    content = small.read_bytes()
    path = tmp_path / small.name
    for place in range(0, len(content), 31):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        with pytest.raises((DamagedError, LaterFormatError)):
            segment.load(path)
    path.write_bytes(content)
    assert segment.load(path).n_bytes == len(content)


@given(data=st.data())
@examples(200)
def test_any_damage_is_found(small, tmp_path_factory, data):
    content = small.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, len(content)))
    damaged = content[:start] + data.draw(st.binary(max_size=8)) + content[stop:]
    path = tmp_path_factory.mktemp("memo") / small.name
    path.write_bytes(damaged)
    if damaged in (content, content[:-1] + b"2"):  # both formats have the same digest
        segment.load(path)
    elif damaged == content[: -seal.DIGEST_BYTES - len(seal.SEGMENT)]:
        assert segment.load(path).parts  # by its name it is known to be whole
    else:
        with pytest.raises((DamagedError, StorageError)) as told:
            segment.load(path)
        if told.type is StorageError:  # a byte says that somebody writes to it
            assert "open for writing" in str(told.value)


def test_whose_digest_is_right_is_whole_by_any_name_and_without_its_seal(small, tmp_path):
    path = tmp_path / f"{'0' * 32}.seg"
    shutil.copy(small, path)
    assert len(segment.load(path).parts) == len(segment.load(small).parts)
    cut = tmp_path / small.name
    cut.write_bytes(small.read_bytes()[: -seal.DIGEST_BYTES - len(seal.SEGMENT)])
    assert len(segment.load(cut).parts) == len(segment.load(small).parts)


@pytest.mark.parametrize("locking", [True, False])
def test_a_segment_that_is_open_for_writing_is_neither_damaged_nor_unknown(
    small, tmp_path, locking
):
    path = tmp_path / small.name
    shutil.copy(small, path)
    with h5py.File(path, "a", locking=locking) as held:
        for look in segment.load, segment.verify:
            with pytest.raises(StorageError, match="open for writing"):
                look(path)
        held.close()
    assert len(segment.load(path).parts) == len(segment.load(small).parts)


@pytest.mark.parametrize("end", [b"sweeps-segment-3", b"sweeps-segment-35", b"sweeps-results-7"])
def test_a_later_format_is_refused_with_that_reason(small, tmp_path, end):
    path = tmp_path / small.name
    path.write_bytes(small.read_bytes()[: -len(end)] + end)
    for look in segment.load, segment.verify:
        with pytest.raises(LaterFormatError, match=r"has format .* up to 2: use the version"):
            look(path)


def test_a_whole_segment_of_something_else_is_said_and_not_damage(tmp_path):
    for build in (
        lambda _file: None,
        lambda file: file.__setitem__("x", h5py.ExternalLink("a", "b")),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(segment, "_build", lambda file, *_, build=build: build(file))
            patch.setattr(header, "encode", lambda *_: b"")
            path = segment.commit(tmp_path, [])
        with pytest.raises(StorageError, match="its digest is right, but"):
            segment.load(path)


def test_what_is_no_file_is_damage(tmp_path):
    (tmp_path / "a.seg").mkdir()
    (tmp_path / "b.seg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c.seg").touch()
    for path in tmp_path.iterdir():
        with pytest.raises(DamagedError):
            segment.load(path)


def test_a_segment_that_is_gone_was_merged(tmp_path):
    for look in segment.load, segment.open_hdf5:
        with pytest.raises(MergedAwayError, match="run again"):
            look(tmp_path / "a.seg")


def test_a_segment_that_goes_while_it_is_read_was_merged(small, monkeypatch, tmp_path):
    path = tmp_path / small.name
    shutil.copy(small, path)
    verified = segment.verify
    monkeypatch.setattr(segment, "verify", lambda p: (verified(p), p.unlink())[0])
    with pytest.raises(MergedAwayError):
        segment.load(path)


def test_a_segment_that_goes_while_hdf5_opens_it_was_merged(small, monkeypatch, tmp_path):
    """HDF5 opens a file, and then asks for its name once more."""
    path = tmp_path / small.name
    shutil.copy(small, path)

    def open_and_ask(place):
        place.unlink()
        raise StorageError(f"cannot read {place}: can't retrieve stat info for file")

    monkeypatch.setattr(hdf5_open, "open_own", open_and_ask)
    with pytest.raises(MergedAwayError):
        segment.load(path)


def test_the_fault_of_the_machine_is_not_the_segments(small, monkeypatch):
    """Or too many open files would set a whole memo aside."""

    def refuse(*_args, **_options):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(StorageError, match=os.strerror(errno.EMFILE)):
        segment.load(small)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(StorageError, match=os.strerror(errno.EMFILE)):
        segment.load(small)


def test_a_thousand_outputs(tmp_path):
    keys = np.zeros((1, 2), dtype=np.uint64)
    long = {"history": "x" * 100}  # an attribute of HDF5 holds 64 KiB, or more if told so
    variables = tuple(Variable(f"output {i}", np.zeros(1), attrs=long) for i in range(1000))
    path = segment.commit(tmp_path, [Part(keys, np.zeros(1, np.float32), variables)])
    (part,) = segment.load(path).parts
    assert [v.name for v in part.variables] == [f"output {i}" for i in range(1000)]
    assert part.variables[-1].attrs == long


@pytest.mark.parametrize("raised", [KeyError, RuntimeError, OSError, StorageError])
def test_what_hdf5_says_of_the_disk_is_not_the_segments_fault(small, monkeypatch, raised):
    """In large segments, which have no outline."""

    def fail(*_):
        raise raised("file read failed: errno = 5, error message = 'Input/output error'")

    monkeypatch.setattr(header, "decode", lambda _: None)
    monkeypatch.setattr(segment, "_stored_part", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        segment.load(small)


def test_a_file_that_goes_while_it_is_read_was_merged_away(tmp_path):
    with pytest.raises(MergedAwayError), segment.reading(tmp_path / "a.seg"):
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_a_segment_may_have_many_parts(tmp_path, monkeypatch):
    """Points of as many shapes are as many parts; a limit to objects would set it aside."""
    monkeypatch.setattr(hdf5_open, "MAX_LINKS", 100)
    parts = [part_of([k], np.zeros((1, k % 7 + 1))) for k in range(50)]
    assert len(segment.load(segment.commit(tmp_path, parts)).parts) == 50
