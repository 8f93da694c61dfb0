"""Slabs of the space come out right however points lie in segments."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sweeps.memo import index as memo
from sweeps.memo import reader as memo_reader
from sweeps.memo import segment
from sweeps.memo.reader import SlabReader, grouped
from sweeps.outputs import schema
from sweeps.outputs.types import Part, Variable
from tests.sizes import examples

N = 12


def reader_of(folder, order, cuts, values, counts=None):
    """Commit the points in some order and some segments; the entries are by point."""
    keys = np.stack([np.arange(N), np.arange(N)], axis=1).astype(np.uint64)
    edges = [0, *sorted(cuts), N]
    for age, at in enumerate(order[a:b] for a, b in itertools.pairwise(edges)):
        if counts is None:
            variable = Variable("y", values[at], ("t",) if values.ndim > 1 else ())
        else:
            flat = np.concatenate([values[i, : counts[i]] for i in at])
            variable = Variable("y", flat, ("t",), counts[at])
        segment.commit(
            folder, [Part(keys[at], np.zeros(len(at), np.float32), (variable,))], (), age
        )
    index = memo.scan(folder)
    agreed = schema.agree([(p.variables, p.coordinates) for p in index.parts], ()).outputs["y"]
    return SlabReader(index, index.find(keys), range(len(index.parts)), "f"), agreed


ORDERS = st.permutations(range(N)).map(np.array) | st.just(np.arange(N)[::-1])
CUTS = st.sets(st.integers(1, N - 1), max_size=3)
SLABS = st.tuples(st.integers(0, N), st.integers(0, N)).map(sorted)


RUNS = pytest.mark.parametrize("run", [1, N + 1], ids=["read as runs", "read by rows"])


@RUNS
@given(order=ORDERS, cuts=CUTS, slab=SLABS, waste=st.sampled_from([0, 10**6]))
@examples(60)
def test_a_slab_is_a_slab(run, order, cuts, slab, waste, tmp_path_factory):
    values = np.random.default_rng(1).random((N, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memo_reader, "_WASTE_BYTES", waste)
        patch.setattr(memo_reader, "_MAX_OPEN", 1)
        patch.setattr(memo_reader, "_RUN", run)
        reader, agreed = reader_of(tmp_path_factory.mktemp("memo"), order, cuts, values)
        made, missing = reader.read(agreed, *slab)
        reader.close()
    np.testing.assert_array_equal(made, values[slice(*slab)])
    assert missing is None
    assert not reader.has_holes("y")


@RUNS
@given(order=ORDERS, cuts=CUTS, slab=SLABS)
@examples(60)
def test_a_slab_of_lengths_that_differ(run, order, cuts, slab, tmp_path_factory):
    generator = np.random.default_rng(2)
    values, counts = generator.random((N, 4)), generator.integers(0, 5, N)
    reader, agreed = reader_of(tmp_path_factory.mktemp("memo"), order, cuts, values, counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memo_reader, "_RUN", run)
        made, missing = reader.read(agreed, *slab)
        found, no_count = reader.read_counts(agreed, 0, *slab)
    own = np.arange(agreed.shape[0]) < counts[slice(*slab), np.newaxis]
    np.testing.assert_array_equal(made[own], values[slice(*slab), : agreed.shape[0]][own])
    np.testing.assert_array_equal(np.zeros_like(own) if missing is None else missing, ~own)
    assert found.tolist() == counts[slice(*slab)].tolist()
    assert no_count is None
    reader.close()


@RUNS
@given(order=ORDERS, cuts=CUTS, slab=SLABS, holes=st.sets(st.integers(0, N - 1)))
@example(order=np.roll(np.arange(N), -3), cuts=set(), slab=[0, N], holes={2})
@examples(60)
def test_points_that_are_not_there_are_missing(run, order, cuts, slab, holes, tmp_path_factory):
    values = np.arange(float(N))
    reader, agreed = reader_of(tmp_path_factory.mktemp("memo"), order, cuts, values)
    entries = reader._entries.copy()
    entries[list(holes)] = -1
    reader = SlabReader(reader._index, entries, range(len(reader._index.parts)), "f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memo_reader, "_RUN", run)
        made, missing = reader.read(agreed, *slab)
    reader.close()
    is_hole = np.isin(np.arange(N), list(holes))[slice(*slab)]
    assert (missing is not None) == is_hole.any()
    assert missing is None or (missing == is_hole).all()
    np.testing.assert_array_equal(made[~is_hole], values[slice(*slab)][~is_hole])


def test_at_most_so_many_files_are_open(tmp_path, monkeypatch):
    monkeypatch.setattr(memo_reader, "_MAX_OPEN", 2)
    reader, agreed = reader_of(tmp_path, np.arange(N), set(range(1, N)), np.arange(float(N)))
    reader.read(agreed, 0, N)
    files = list(reader._open.values())
    assert len(files) == 2
    reader.close()
    assert not any(files)


@given(order=ORDERS, cuts=CUTS, dtype=st.sampled_from(["f8", "i2", "?", "c8"]))
@examples(60)
def test_extents_are_what_landing_would_write(order, cuts, dtype, tmp_path_factory):
    values = np.random.default_rng(3).integers(0, 2, (N, 3)).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memo_reader, "_MAX_OPEN", 1)
        patch.setattr(memo_reader, "_WINDOW", 5)
        patch.setattr(memo_reader, "_COPIED_BYTES", 1)
        patch.setattr(memo_reader, "_EXTENT_BYTES", 1)
        reader, agreed = reader_of(tmp_path_factory.mktemp("memo"), order, cuts, values)
        found = reader.extents(agreed)
        reader.close()
    stored = [e.path.read_bytes()[e.offset : e.offset + e.n_bytes] for e in found]
    assert b"".join(stored) == values.tobytes()


@pytest.mark.parametrize("values", [["a"] * N, np.arange(N).astype("M8[D]"), np.zeros((N, 0))])
def test_what_is_not_stored_as_it_lands_has_no_extents(values, copied, tmp_path):
    reader, agreed = reader_of(tmp_path, np.arange(N), {3}, np.asarray(values))
    assert reader.extents(agreed) == []
    reader.close()


def test_few_bytes_in_many_pieces_are_not_worth_it(tmp_path, monkeypatch):
    reader, agreed = reader_of(tmp_path, np.arange(N), {4, 8}, np.arange(float(N)))
    assert reader.extents(agreed) == []
    monkeypatch.setattr(memo_reader, "_COPIED_BYTES", 8 * N)
    for n_bytes, n_extents in ((8 * N // 3, 3), (8 * N // 3 + 1, 0)):
        monkeypatch.setattr(memo_reader, "_EXTENT_BYTES", n_bytes)
        assert len(reader.extents(agreed)) == n_extents
    reader.close()


@given(numbers=st.lists(st.integers(-1, 3)))
def test_grouped(numbers):
    places = {}
    for number, at in grouped(np.array(numbers, dtype=np.int64)):
        places[number] = np.arange(len(numbers))[at].tolist()
    assert places == {n: [i for i, m in enumerate(numbers) if m == n] for n in set(numbers)}


@pytest.mark.parametrize("slab", [(0, 2), (2, 4), (0, 4)])
def test_a_slab_is_in_the_unit_of_all(slab, tmp_path):
    keys = np.stack([np.arange(4), np.arange(4)], axis=1).astype(np.uint64)
    for age, (at, unit, scale) in enumerate([(slice(0, 2), "m", 1.0), (slice(2, 4), "km", 1e3)]):
        attrs = {"units": unit, "_base": "m", "_scale": scale, "_offset": 0.0, "_library": "pint"}
        own = Variable("y", np.array([1.0, 2.0]), attrs=attrs)
        segment.commit(tmp_path, [Part(keys[at], np.zeros(2, np.float32), (own,))], (), age)
    index = memo.scan(tmp_path)
    in_metres = int(index.part_of(index.find(keys[:1]))[0])
    forms = [(p.variables, p.coordinates) for p in (index.parts[in_metres], *index.parts)]
    agreed = schema.agree(forms, ()).outputs["y"]
    reader = SlabReader(index, index.find(keys), range(2), "f")
    made, missing = reader.read(agreed, *slab)
    reader.close()
    assert (made.tolist(), missing) == ([1.0, 2.0, 1e3, 2e3][slice(*slab)], None)
