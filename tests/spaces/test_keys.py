"""Laws of keys: a point has one, whatever space it is in, and no other point has it."""

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sweeps.declaration.experiment import experiment
from sweeps.declaration.resweep import resweep
from sweeps.spaces.accept import accept
from sweeps.spaces.build import grid, points, zipped
from sweeps.spaces.keys import hash_values, key_maker, match
from sweeps.spaces.values import encode


def f(a=1, b=2.5, c="x", d=None):
    return a


def keys_of(space, function=f):
    """Keys of all points of a space, each as a pair of integers."""
    made = experiment(space, name="f")(function)
    return [tuple(row) for row in key_maker(made)(space.positions(0, len(space))).tolist()]


value = {
    "a": st.integers(-3, 3),
    "b": st.sampled_from([-1.0, 0.0, 0.1, 2.5]),
    "c": st.sampled_from(["x", "y", ""]),
    "d": st.sampled_from([None, True, (1, "x"), 7]),
}
point = st.fixed_dictionaries({}, optional=value)
DEFAULTS = {"a": 1, "b": 2.5, "c": "x", "d": None}


# ---- one point, one key


@given(point, st.data())
def test_a_point_has_the_same_key_in_whatever_space(one, data):
    (expected,) = keys_of(points([one]))
    shuffled = dict(data.draw(st.permutations(list(one.items()))))
    axes = {name: [given] for name, given in shuffled.items()}
    rest = {name: data.draw(value[name]) for name in one}
    assert keys_of(grid(**axes)) == [expected]
    assert keys_of(points([DEFAULTS | one])) == [expected]
    assert keys_of(points([one]) + points([rest]))[0] == expected
    assert keys_of(points([rest]) + grid(**axes))[-1] == expected or rest == one
    if one:
        assert keys_of(zipped("row", **axes)) == [expected]
        name = data.draw(st.sampled_from(sorted(one)))
        alone = grid(**{name: axes.pop(name)})
        assert keys_of(alone * grid(**axes)) == keys_of(grid(**axes) * alone) == [expected]
    declared = resweep(experiment(grid())(f), {n: [v] for n, v in one.items()})
    assert key_maker(declared)(np.array([0])).tolist() == [list(expected)]


@given(point, point)
def test_points_that_differ_have_keys_that_differ(one, other):
    same = {n: encode(v) for n, v in (DEFAULTS | one).items()} == {
        n: encode(v) for n, v in (DEFAULTS | other).items()
    }
    assert (keys_of(points([one])) == keys_of(points([other]))) == same


@given(st.lists(st.integers(-50, 50), unique=True, min_size=1), st.data())
def test_an_axis_that_grows_shrinks_and_is_reordered_keeps_its_keys(axis, data):
    known = dict(zip(axis, keys_of(grid(a=axis)), strict=True))
    other = data.draw(st.permutations(axis))[: data.draw(st.integers(1, len(axis)))]
    assert keys_of(grid(a=other)) == [known[a] for a in other]
    assert len(set(known.values())) == len(axis)


def test_the_same_value_under_another_name_is_another_point():
    ((ax,),) = [keys_of(grid(a=[7]), lambda a: a)]
    ((bx,),) = [keys_of(grid(b=[7]), lambda b: b)]
    assert ax != bx


def test_swapped_values_are_another_point():
    swap = keys_of(points([{"a": 1, "e": 2}, {"a": 2, "e": 1}]), lambda a, e: a)
    assert swap[0] != swap[1]


@pytest.mark.parametrize(
    "given", [[0.5, -0.0, 1e300], [1, 2**62], [2**63, 2**64 - 1], [True, False], [1j, 0], ["a", ""]]
)
def test_hashing_a_table_and_its_elements_one_by_one_agree(given):
    table = accept("x", given)
    alone = [hash_values("x", accept("x", [e])) for e in table.elements()]
    assert (hash_values("x", table) == np.concatenate(alone)).all()
    assert (hash_values("x", table) != hash_values("y", table)).all()


def test_a_long_range_has_the_keys_of_its_numbers():
    whole = accept("x", range(-5, 10**5))
    assert isinstance(whole.array, range)
    assert (hash_values("x", whole) == hash_values("x", accept("x", list(range(-5, 10**5))))).all()


def test_keys_are_the_same_in_every_process(said_under_hash_seeds):
    program = (
        "from sweeps.spaces.keys import hash_values; from sweeps.spaces.accept import accept\n"
        "for given in ([1, 2], [0.1], ['a'], [None, (1, 'b')], [True], [1j]):\n"
        "    print(hash_values('x', accept('x', given)).tolist())\n"
        "import datetime as d; from sweeps.spaces.values import encode\n"
        "print(encode(('a', 1, 0.1, 1j, None, True, b'b', d.date(2024, 1, 31),"
        " d.datetime(2024, 1, 31, 12, tzinfo=d.UTC))).hex())"
    )
    assert len(said_under_hash_seeds(program)) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [(1, b"x\0i1"), (0.5, b"x\0f" + struct.pack("<d", 0.5)), ("a", b"x\0sa"), (None, b"x\0n")],
)
def test_a_key_is_the_sum_of_hashes_of_names_and_values(given, said):
    # Every user's memo is made of these: to change one is to recompute all that there is.
    digest = hashlib.blake2b(said, digest_size=16).digest()
    assert tuple(hash_values("x", accept("x", [given]))[0].tolist()) == struct.unpack("<2Q", digest)
    own, other = (hash_values(name, accept(name, [given])) for name in ("x", "y"))
    assert keys_of(grid(x=[given], y=[given]), lambda x, y: x) == [tuple((own + other)[0].tolist())]


# ---- tokens


def test_another_object_behind_a_label_is_another_point():
    table = accept("x", {"f": abs, "g": 1})
    plain, one, other = (hash_values("x", table, tokens) for tokens in ({}, {"f": "1"}, {"f": "2"}))
    assert len({tuple(t[0].tolist()) for t in (plain, one, other)}) == 3
    assert (plain[1] == one[1]).all()
    assert (one[1] == other[1]).all()


# ---- matching


lanes = hnp.arrays(np.uint64, st.tuples(st.integers(0, 30), st.just(2)), elements=st.integers(0, 3))


@given(lanes, lanes, st.data())
def test_match_is_what_a_dict_says(wanted, known, data):
    known = np.unique(known, axis=0)  # so small that many share their first lane
    known = known[data.draw(st.permutations(range(len(known))))] if len(known) else known
    known = known[np.argsort(known[:, 0], kind="stable")]
    order = np.array(data.draw(st.permutations(range(100, 100 + len(known)))), dtype=np.int64)
    model = {tuple(key): n for key, n in zip(known.tolist(), order.tolist(), strict=True)}
    found = match(wanted, known, order)
    assert found.tolist() == [model.get(tuple(key), -1) for key in wanted.tolist()]


def test_the_largest_keys_match_as_well():
    top = 2**64 - 1
    known = np.array([[0, 0], [2**63, 5], [top, 1], [top, top]], dtype=np.uint64)
    wanted = np.array([[top, top], [top, 0], [2**63, 5], [0, 0], [1, 0]], dtype=np.uint64)
    assert match(wanted, known, np.arange(4)).tolist() == [3, -1, 1, 0, -1]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (7, b"i7"),
        (1.5, b"f" + struct.pack("<d", 1.5)),
        ("rk4", b"srk4"),
        (True, b"b1"),
        (None, b"n"),
    ],
)
def test_keys_do_not_change_from_one_release_to_the_next(value, code):
    """A memo of years is lost to whoever changes this."""
    digest = hashlib.blake2b(b"length\0" + code, digest_size=16).digest()
    assert hash_values("length", accept("length", [value])).astype("<u8").tobytes() == digest
