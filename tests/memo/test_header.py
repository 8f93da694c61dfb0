"""An outline says what the HDF5 of a segment says, or nothing."""

import numpy as np
import pytest

from sweeps.errors import StorageError
from sweeps.memo import header, segment
from sweeps.memo import index as memo
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Part, Variable
from sweeps.spaces.keys import Factors


def part_of(n, **options):
    keys = np.array([[2**64 - 1 - i, i] for i in range(n)], dtype=np.uint64).reshape(-1, 2)
    attrs = {"units": "m", "nan": float("nan"), "odd": "\0\ud800"}
    variables = (
        Variable("y", np.arange(2.0 * n).reshape(n, 2), ("t",), None, attrs),
        Variable("s", np.array(["é"] * n, dtype=object)),
        Variable("d", np.array(["2026-01-01"] * n, dtype="M8[D]")),
        Variable("", np.array([True] * n)),
    )
    elapsed = np.linspace(0, 1, n, dtype=np.float32)
    return Part(keys, elapsed, variables, **options)


FAILURE = Failure((3, 2**64 - 1), "exception", "Error", "nul \0 \ud800", "trace", 2, 0.25)
PLAIN = {
    "one": ([part_of(1)], []),
    "some parts": ([part_of(3), part_of(2)], [FAILURE]),
    "failures alone": ([], [FAILURE, FAILURE]),
    "the same time": (
        [Part(part_of(3).keys, np.broadcast_to(np.float32(2), 3), part_of(3).variables)],
        [],
    ),
}
OTHER = {
    "many points": [part_of(header._MOST_POINTS + 1)],
    "coordinates": [part_of(2, coordinates=(Variable("t", np.arange(2.0), ("t",)),))],
    "factors": [Part(Factors(("x",), (part_of(2).keys,)), np.zeros(2, np.float32), ())],
    "free lengths": [
        Part(
            part_of(2).keys,
            np.zeros(2, np.float32),
            (Variable("r", np.arange(3), ("i",), np.array([3, 0])),),
        )
    ],
}


def said(loaded):
    """All that there is in a segment, in a form that can be compared."""
    return repr(
        [
            (
                part.group,
                part.keys.tolist(),
                part.elapsed.tolist(),
                [(h.name, h.dtype, h.dims, h.shape, h.counts, h.attrs) for h in part.variables],
                part.coordinates,
            )
            for part in loaded.parts
        ]
        + [loaded.created_ns, loaded.failures]
    )


@pytest.mark.parametrize(("parts", "failures"), PLAIN.values(), ids=PLAIN)
def test_it_says_what_hdf5_says(parts, failures, tmp_path, monkeypatch):
    path = segment.commit(tmp_path, parts, failures, created_ns=7)
    with monkeypatch.context() as patch:
        patch.setattr(segment, "open_hdf5", None)  # nobody asks it
        by_outline = said(segment.load(path))
    monkeypatch.setattr(header, "decode", lambda _: None)
    assert said(segment.load(path)) == by_outline


@pytest.mark.parametrize("parts", OTHER.values(), ids=OTHER)
def test_what_it_cannot_say_is_read_of_hdf5(parts, tmp_path):
    assert header.encode(parts, [], 7) == b""
    loaded = segment.load(segment.commit(tmp_path, parts))
    assert sum(map(len, loaded.parts)) == sum(len(part.keys) for part in parts)


def test_one_that_would_be_long_is_left_out():
    assert header.encode([], [Failure((1, 2), "exception", "E", "m", "t" * 10**5)], 7) == b""


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "1", '{"created_ns": 1, "parts": [["0g", "", "[]"]]}', "[" * 60_000]
)
def test_nonsense_of_a_right_digest_is_refused_and_left_in_its_place(text, tmp_path, monkeypatch):
    made = text.encode() + len(text).to_bytes(4, "little") + b"sweeps-outline-1"
    monkeypatch.setattr(header, "encode", lambda *_: made)
    path = segment.commit(tmp_path, [part_of(1)])
    with pytest.raises(StorageError, match="its digest is right"):
        memo.scan(tmp_path)
    assert path.exists()
