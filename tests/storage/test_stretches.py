"""A table of stretches is read as it was made, or refused; checks tell what was changed."""

import hashlib
import os
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sweeps.storage import seal, stretches
from sweeps.storage.stretches import Stretch

VALUES = arrays.arrays(np.uint16, st.tuples(st.integers(1, 5), st.integers(1, 4)))


def stretch(values, offset=0):
    return Stretch(offset, values[0].nbytes, stretches.checks(values))


def earlier(values, offset=0):
    """As version 1 of the format has it."""
    own = [np.frombuffer(hashlib.sha256(each.tobytes()).digest(), np.uint8) for each in values]
    return Stretch(offset, values[0].nbytes, np.array(own))


@given(every=st.lists(VALUES, max_size=3))
@pytest.mark.parametrize("form", [stretch, earlier])
def test_a_table_is_read_as_it_was_made(form, every):
    made = [form(values, 100 * number) for number, values in enumerate(every)]
    n_each = stretches.CHECK_BYTES if form == stretch else stretches.EARLIER_BYTES
    for one, found in zip(made, stretches.decode(stretches.encode(made), n_each), strict=True):
        assert (found.offset, found.point_bytes, found.end) == (
            one.offset,
            one.point_bytes,
            one.end,
        )
        np.testing.assert_array_equal(found.checks, one.checks)


@given(values=VALUES, data=st.data())
@pytest.mark.parametrize("form", [stretch, earlier])
def test_exactly_the_points_that_were_changed_are_damaged(tmp_path_factory, form, values, data):
    path, offset = tmp_path_factory.mktemp("some") / "file", data.draw(st.integers(0, 9))
    content = bytearray(bytes(offset) + values.tobytes())
    hit = data.draw(st.lists(st.integers(offset, len(content) - 1), unique=True))
    for at in hit:
        content[at] ^= 1
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        own = form(values, offset)
        found = stretches.damaged(descriptor, own, range(len(values)))
    finally:
        os.close(descriptor)
    assert found == sorted({(at - offset) // values[0].nbytes for at in hit})


@pytest.mark.parametrize("layout", ["C", "F", "strided", "broadcast"])
def test_checks_are_of_the_values_however_they_are_in_memory(layout):
    values = np.arange(24.0).reshape(4, 6)
    laid = {
        "C": values,
        "F": np.asfortranarray(values),
        "strided": np.repeat(values, 2, axis=1)[:, ::2],
        "broadcast": np.broadcast_to(values, (1, 4, 6))[0],
    }[layout]
    assert stretches.checks(laid).view("<u4")[:, 0].tolist() == [
        zlib.crc32(each.tobytes()) for each in values
    ]


_HUGE = 10**30

_NEARLY = ["", "5", "null", "{}", '"a"', "[5]", "[[1]]", "[[1, 2, 3, 4]]", '[["a", 1, 1]]']
_NEARLY += ["[[1, 1, -1]]", "[[-9, 1, 0]]", "[[1, -5, 1]]", "[[1, 1, 1e9]]", "[[1, 1, null]]"]
_NEARLY += [f"[[{_HUGE}, 1, 0]]", f"[[1, 1, {_HUGE}]]", f"[[1, {_HUGE}, 1]]", "[[1, NaN, 0]]"]
_NEARLY += ["[" * 5000, "[[0, 8, 1]]", "[[1, Infinity, 0]]"]

TABLES = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda text, rest: f"{text}\n".encode() + rest,
        st.sampled_from(_NEARLY),
        st.sampled_from([b"", bytes(4), bytes(32), bytes(64)]),
    ),
)


@given(table=TABLES, off=st.integers(-9, 9), is_right=st.booleans())
@pytest.mark.parametrize("kind", [seal.IN_PLACE, b"sweeps-inplace-1"])
def test_nonsense_behind_a_file_is_damage_and_nothing_else(
    tmp_path_factory, kind, table, off, is_right
):
    """Also where the digest is right, as of a file that somebody made."""
    path = tmp_path_factory.mktemp("some") / "file"
    length = max(0, len(table) + off).to_bytes(8, "little")
    content = bytes(100) + table + length
    digest = hashlib.sha256(content).digest()
    digest = hashlib.sha256(digest).digest() if kind == seal.IN_PLACE else digest
    path.write_bytes(content + (digest if is_right else bytes(32)) + kind)
    found = seal.look(path, seal.RESULTS)
    assert found.n_bytes == path.stat().st_size
    if found.is_readable(seal.RESULTS):
        assert is_right
        assert found.digest == digest


@pytest.mark.parametrize("n_bytes", [0, 1, 47, 48, 55, 56, 57])
def test_a_file_that_is_hardly_more_than_a_seal_is_not_whole(tmp_path, n_bytes):
    (tmp_path / "file").write_bytes((b"\xff" * 60 + seal.IN_PLACE)[-n_bytes:] if n_bytes else b"")
    assert not seal.look(tmp_path / "file", seal.RESULTS).is_readable(seal.RESULTS)
