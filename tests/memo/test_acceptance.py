"""Acceptances: whose segments count for whom, with which shift, for how long."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import StorageError
from sweeps.memo import acceptance, listing, segment
from sweeps.memo import index as memo
from sweeps.memo.acceptance import Acceptance
from sweeps.memo.listing import Source
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Part, Variable
from sweeps.spaces import keys
from tests.sizes import examples

LANE = st.integers(0, 2**64 - 1)
SHIFT = st.tuples(LANE, LANE)


def said(fingerprint, shift=(0, 0), when="2026-01-01T00:00:00Z"):
    return Acceptance(fingerprint, "why not", when, {}, shift)


def commit(folder, values, failures=(), **options):
    own = np.array([(key, key) for key in values], dtype=np.uint64).reshape(-1, 2)
    variable = Variable("y", np.array(list(values.values())))
    part = Part(own, np.zeros(len(values), np.float32), (variable,))
    return segment.commit(folder, [part] if values else [], failures, **options)


def found(folder, *wanted):
    """What a memo has of keys: the folders of the values, None where it has none."""
    index = memo.scan(folder)
    entries = index.find(np.array(wanted, dtype=np.uint64).reshape(-1, 2))
    numbers = index.part_of(entries)
    return [index.parts[n].path.parent.name if n >= 0 else None for n in numbers]


def test_a_folder_that_accepts_nothing_is_its_only_source(tmp_path):
    assert listing.sources(tmp_path / "a") == (Source(tmp_path / "a"),)
    assert acceptance.accepted(tmp_path / "a") == []


def test_what_is_accepted_is_read_again_and_can_be_taken_back(tmp_path):
    made = said("b" * 32, (1, 2**64 - 1))
    acceptance.accept(tmp_path / "a", made)
    assert acceptance.accepted(tmp_path / "a") == [made]
    acceptance.take_back(tmp_path / "a", made.fingerprint)
    acceptance.take_back(tmp_path / "a", made.fingerprint)
    assert acceptance.accepted(tmp_path / "a") == []


def test_values_count_as_long_as_they_are_accepted(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    commit(b, {1: 1.0})
    assert found(a, (1, 1)) == [None]
    acceptance.accept(a, said("b"))
    assert found(a, (1, 1)) == ["b"]
    assert found(b, (1, 1)) == ["b"]
    acceptance.take_back(a, "b")
    assert found(a, (1, 1)) == [None]


def test_own_values_count_before_accepted_ones_however_old(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    commit(a, {1: 1.0}, created_ns=1)
    commit(b, {1: 2.0, 2: 2.0}, created_ns=2)
    acceptance.accept(a, said("b"))
    assert found(a, (1, 1), (2, 2)) == ["a", "b"]


def test_failures_of_earlier_code_do_not_count(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    commit(b, {}, [Failure((1, 1), "exception", "Error", "", "")])
    acceptance.accept(a, said("b"))
    assert memo.scan(b).failures
    assert not memo.scan(a).failures


def test_acceptances_reach_on_until_one_of_them_is_taken_back(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    commit(c, {1: 1.0})
    acceptance.accept(b, said("c", (1, 2)))
    acceptance.accept(a, said("b", (2**64 - 1, 5)))
    assert [source.folder.name for source in listing.sources(a)] == ["a", "b", "c"]
    assert found(a, (1 + 1 - 1, 1 + 2 + 5)) == ["c"]
    acceptance.take_back(b, "c")
    assert found(a, (1, 8)) == [None]


def test_circles_end(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    commit(a, {1: 1.0}, created_ns=1)
    commit(b, {1: 2.0}, created_ns=2)
    acceptance.accept(a, said("b"))
    acceptance.accept(b, said("a"))
    assert [s.folder.name for s in listing.sources(b)] == ["b", "a"]
    assert (found(a, (1, 1)), found(b, (1, 1))) == (["a"], ["b"])


@given(own=st.lists(st.tuples(LANE, LANE), min_size=1, max_size=4), shift=SHIFT)
def test_a_shift_is_added_to_keys_and_to_products_of_hashes_alike(own, shift):
    first = np.array(own, dtype=np.uint64)
    factors = keys.Factors(("x", ""), (first, np.array([[7, 8]], dtype=np.uint64)))
    expected = [((a + 7 + shift[0]) % 2**64, (b + 8 + shift[1]) % 2**64) for a, b in first.tolist()]
    assert list(map(tuple, keys.shifted(factors.keys(), shift).tolist())) == expected
    assert list(map(tuple, keys.written(keys.shifted(factors, shift)).tolist())) == expected


@given(first=SHIFT, second=SHIFT)
@examples(20)
def test_a_listing_tells_every_acceptance_from_every_other(first, second, tmp_path_factory):
    a, b = (tmp_path_factory.mktemp("memo") / name for name in "ab")
    b = a.with_name("b")
    commit(b, {1: 1.0})
    listings = [listing.listing(a)]
    for shift in (first, second):
        acceptance.accept(a, said("b", shift))
        listings.append(listing.listing(a))
    assert listings[0] == ()
    assert (listings[1] == listings[2]) == (first == second)
    assert tuple(sorted(memo.scan(a).segments)) == listings[2]


def test_what_one_scan_knew_the_next_sees_in_its_new_rank(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    commit(b, {1: 1.0}, created_ns=2)
    commit(c, {1: 2.0}, created_ns=1)
    acceptance.accept(a, said("b", when="2026-01-01T00:00:00Z"))
    before = memo.scan(a)
    acceptance.accept(a, said("c", when="2026-01-02T00:00:00Z"))
    index = memo.scan(a, before)
    assert index.parts[0].path.parent == c
    assert memo.scan(a, index) is index


@pytest.mark.parametrize("content", ["", "{", "[]", '{"fingerprint": "b"}', "null"])
def test_a_damaged_acceptance_is_named(tmp_path, content):
    acceptance.accept(tmp_path / "a", said("b"))
    path = tmp_path / "a" / acceptance.FOLDER / "b.json"
    path.write_text(content)
    with pytest.raises(StorageError, match=r"b\.json is damaged: remove it"):
        listing.listing(tmp_path / "a")


@pytest.mark.parametrize(
    "change",
    [{"shift": [-1, 0]}, {"shift": [1.5, 2]}, {"shift": [2**64, 0]}, {"shift": [0]}, {"reason": 3},
     {"accepted": None}, {"new_defaults": []}, {"new_defaults": {"a": 1}}],
    ids=str,
)  # fmt: skip
def test_what_no_acceptance_says_is_damaged(tmp_path, change):
    acceptance.accept(tmp_path / "a", said("b"))
    path = tmp_path / "a" / acceptance.FOLDER / "b.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StorageError, match="damaged"):
        listing.listing(tmp_path / "a")


def test_what_a_later_version_says_besides_does_not_matter(tmp_path):
    acceptance.accept(tmp_path / "a", said("b"))
    path = tmp_path / "a" / acceptance.FOLDER / "b.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"more": 1}))
    assert acceptance.accepted(tmp_path / "a") == [said("b")]


def test_one_that_was_renamed_by_hand_is_damaged(tmp_path):
    acceptance.accept(tmp_path / "a", said("b"))
    path = tmp_path / "a" / acceptance.FOLDER / "b.json"
    path.rename(path.with_name("c.json"))
    with pytest.raises(StorageError, match="damaged"):
        listing.listing(tmp_path / "a")
