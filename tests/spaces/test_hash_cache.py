"""Hashes are the same whether they are kept or not, and only what is new is hashed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.spaces import hash_cache, keys, user_cache
from sweeps.spaces.accept import accept
from sweeps.spaces.keys import hash_values
from tests.sizes import examples

CHUNK = 4


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder of kept hashes, where axes of eight values are long."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(hash_cache, "CHUNK", CHUNK)
    monkeypatch.setattr(hash_cache, "LONG", 2 * CHUNK)
    return user_cache.folder("hashes")


@pytest.fixture
def hashed(place, monkeypatch):
    """The values that were hashed, in pieces."""
    pieces, alone = [], keys._hash

    def count(name, table, tokens=None):
        pieces.append(list(table.elements()))
        return alone(name, table, tokens)

    monkeypatch.setattr(keys, "_hash", count)
    return pieces


def assert_right(raw, name="x"):
    """Compare with the hashes of each value alone."""
    alone = [hash_values(name, accept(name, [value])) for value in raw]
    assert np.array_equal(hash_values(name, accept(name, raw)), np.concatenate(alone))


VALUES = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=8, max_size=20),
    st.lists(st.integers(0, 2**64 - 1), min_size=8, max_size=20),
    st.lists(st.floats(allow_nan=False), min_size=8, max_size=20),
    st.lists(st.complex_numbers(allow_nan=False), min_size=8, max_size=20),
    st.lists(st.booleans(), min_size=8, max_size=20),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
        min_size=8,
        max_size=20,
    ),
    st.builds(range, st.integers(-5, 5), st.integers(20, 30)),
)


@examples(150)
@given(raw=VALUES, data=st.data())
def test_hashes_are_those_of_each_value(raw, data):
    with pytest.MonkeyPatch.context() as patch:  # one cache for all, in which they could be mixed
        patch.setattr(hash_cache, "CHUNK", CHUNK)
        patch.setattr(hash_cache, "LONG", 2 * CHUNK)
        more = data.draw(st.permutations(list(raw)))
        for each in (raw, raw, more, [*raw, *more[:3]]):
            assert_right(each)


def test_what_looks_alike_is_kept_apart(place):
    for name in ("x", "y", "x'"):
        assert_right(list(range(8)), name)
        assert_right([float(n) for n in range(8)], name)
        assert_right([str(n) for n in range(8)], name)
        assert_right(np.arange(8, dtype=np.uint64) + 2**63, name)
        assert_right([n - 2**63 for n in range(8)], name)  # of the same bytes
    assert_right(["ab", "c", "d", "e"] * 2)
    assert_right(["a", "bc", "d", "e"] * 2)


def test_one_more_value_costs_one_chunk(hashed, monkeypatch):
    hash_values("x", accept("x", range(20)))
    hashed.clear()
    for grown in (range(20), np.arange(21), range(24)):
        hash_values("x", accept("x", grown))
    assert hashed == [[20], [20, 21, 22, 23]]


def test_a_long_range_has_the_hashes_of_its_integers(hashed, monkeypatch):
    monkeypatch.setattr(hash_cache, "CHUNK", 2**15)
    made = hash_values("x", accept("x", range(-5, 2**17, 2)))
    hashed.clear()
    assert np.array_equal(hash_values("x", accept("x", np.arange(-5, 2**17, 2))), made)
    assert not hashed


def test_few_values_and_labelled_ones_are_not_kept(place):
    assert_right(range(7))
    hash_values("x", accept("x", {f"f{n}": abs for n in range(20)}))
    hash_values("x", accept("x", [f"f{n}" for n in range(20)]), {"f1": "digest"})
    assert not place.exists()


def test_any_flip_or_cut_of_kept_hashes_is_noticed(place, hashed):
    raw = [0.5 * n for n in range(8)]
    assert_right(raw)
    path, other = place.iterdir()
    whole = path.read_bytes()
    for content in (
        *(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))),
        *(whole[:n] for n in range(len(whole))),
        whole + b"\0",
        other.read_bytes(),
    ):
        path.write_bytes(content)
        hashed.clear()
        right = hash_values("x", accept("x", raw))
        assert len(hashed) == 1
        assert path.read_bytes() == whole
    assert np.array_equal(right, keys._hash("x", accept("x", raw)))


def test_no_home_or_one_that_takes_nothing_costs_only_the_hashing(place, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for home in (str(tmp_path / "file"), "", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", home)
        monkeypatch.setattr("os.path.expanduser", lambda path: path)
        assert_right(range(70_000, 70_020))
        assert_right([n / 3 for n in range(20)])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_few_files_are_kept_and_an_axis_does_not_push_out_its_own(place, monkeypatch, hashed):
    monkeypatch.setattr(hash_cache, "MAX_FILES", 4)
    for start in range(4):
        assert_right([start + n / 40 for n in range(40)])
    assert len(list(place.iterdir())) == 4
    hashed.clear()
    hash_values("x", accept("x", [3 + n / 40 for n in range(40)]))
    assert len(hashed) == 7  # of ten chunks
