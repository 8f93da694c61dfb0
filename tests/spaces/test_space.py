"""Laws of the algebra of spaces, checked against plain lists of points made with loops."""

import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sweeps.errors import DeclarationError, UnknownNameError
from sweeps.spaces.build import grid, points, zipped
from sweeps.spaces.product import ABSENT, Dimension, axis
from sweeps.spaces.space import Space
from tests.sizes import few
from tests.strategies import (
    DERIVATIONS,
    can_multiply,
    derived_at,
    first_of_each,
    keeps_some,
    said,
    samples,
    spaces,
)


def is_same(a, b):
    """Equal, in the same order, of the same types."""
    return list(map(said, a)) == list(map(said, b))


def at_all_positions(space):
    return space.positions(0, len(space))


@few(12)
@given(spaces())
def test_a_space_has_the_points_that_loops_make(made):
    space, expected = made
    assert is_same(space, expected)
    assert len(space) == len(expected)


@few(12)
@given(spaces(), st.data())
def test_point_agrees_with_iteration(made, data):
    space, expected = made
    if expected:
        index = data.draw(st.integers(-len(expected), len(expected) - 1))
        assert is_same([space.point(index)], [expected[index]])
    for index in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError, match=f"with {len(expected)} points"):
            space.point(index)


@few(12)
@given(spaces())
def test_positions_are_flat_indices_in_c_order(made):
    space, _ = made
    positions = space.positions(0, len(space))
    assert (np.diff(positions) > 0).all()
    shape = tuple(space.sizes.values())
    assert space.n_positions == int(np.prod(shape, dtype=int))
    codes = space.codes(positions)
    index = dict(zip(space.dims, np.unravel_index(positions, shape), strict=True)) if shape else {}
    for name, column in space.columns.items():
        dims = space.dims_of(name)
        place = np.ravel_multi_index([index[d] for d in dims], [space.sizes[d] for d in dims])
        assert (codes[name] == column.at(place)).all()


@few(12)
@given(spaces())
def test_pieces_of_positions_make_up_the_whole(made):
    space, expected = made
    cut = len(space) // 2
    pieces = [space.positions(0, cut), space.positions(cut, len(space))]
    assert is_same(space.parameters_at(np.concatenate(pieces)), expected)


@few(12)
@given(spaces())
def test_a_column_has_each_value_once_and_codes_only_for_those(made):
    space, _ = made
    for column in space.columns.values():
        elements = [repr(e) for e in column.table.elements()]
        assert len(set(elements)) == len(elements)
        if column.codes is not None:
            assert {*column.codes.tolist()} - {ABSENT} == {*range(len(column.table))}
            if not space.predicates:
                assert column.has_gaps == (ABSENT in column.codes)


@few(12)
@given(spaces())
def test_union_is_idempotent(made):
    space, expected = made
    assert is_same(space + space, expected)


@few(10)
@given(spaces(), spaces())
def test_union_commutes_as_a_set(one, other):
    (a, in_a), (b, in_b) = one, other
    assert {*map(said, a + b)} == {*map(said, b + a)}
    assert is_same(a + b, first_of_each(in_a + in_b))


@few(10)
@given(spaces(), spaces(), spaces())
def test_union_is_associative(one, other, third):
    a, b, c = one[0], other[0], third[0]
    assert is_same((a + b) + c, a + (b + c))


TWO = spaces(names=("i", "f")), spaces(names=("s", "m"))
THREE = spaces(names=("i",)), spaces(names=("s",)), spaces(names=("m",))


@few(10)
@given(*TWO)
def test_a_product_has_every_pair(one, other):
    (a, in_a), (b, in_b) = one, other
    assume(can_multiply(a, b))
    assert is_same(a * b, [p | q for p in in_a for q in in_b])
    assert len(a * b) == len(a) * len(b)
    assert (a * b).sizes == a.sizes | b.sizes
    assert {*map(said, b * a)} == {*map(said, a * b)}


@few(10)
@given(*THREE)
def test_a_product_is_associative(one, other, third):
    (a, _), (b, _), (c, _) = one, other, third
    assume(can_multiply(a, b) and can_multiply(a, c) and can_multiply(b, c))
    assert is_same((a * b) * c, a * (b * c))


@few(10)
@given(*TWO)
def test_where_before_and_after_a_product_are_one(one, other):
    (a, in_a), (b, in_b) = one, other
    assume(can_multiply(a, b))
    kept = [p | q for p in in_a if keeps_some(**p) for q in in_b]
    assert is_same(a.where(keeps_some) * b, kept)


def keeps_by_default(i=0, s="a"):
    return keeps_some(i=i, s=s)


@few(10)
@given(*TWO)
def test_functions_see_what_a_product_adds(one, other):
    (a, _), (b, _) = one, other
    assume(can_multiply(a, b))
    assert is_same(a.where(keeps_by_default) * b, (a * b).where(keeps_by_default))
    both = (a * b).derive(both=lambda i=0, s="a": f"{i}{s}")
    assert is_same(a.derive(both=lambda i=0, s="a": f"{i}{s}") * b, both)


@few(10)
@given(*TWO)
def test_a_product_of_unions_is_a_union_of_products(one, other):
    (a, _), (b, _) = one, other
    assume(can_multiply(a, b))
    twice = (a + a).rename(**{(a + a).dims[0]: "twice"})
    assert {*map(said, twice * b)} == {*map(said, a * b + a * b)} == {*map(said, a * b)}


@few(12)
@given(spaces())
def test_where_twice_is_where_both(made):
    space, expected = made
    both = space.where(keeps_some).where(lambda **p: len(repr(p)) % 2)
    assert is_same(both, [p for p in expected if keeps_some(**p) and len(repr(p)) % 2])


@few(10)
@given(spaces(), st.sampled_from(sorted(DERIVATIONS)))
def test_a_point_derives_the_same_wherever_it_is(made, name):
    space, expected = made
    required, function = DERIVATIONS[name]
    assume(name not in space.parameters and {*required} <= {*space.parameters})
    derived = space.derive(**{name: function})
    assert is_same(derived, [p | derived_at(name, p) for p in expected])
    assert is_same(derived.where(keeps_some), filter(lambda p: keeps_some(**p), derived))
    assert is_same(derived + derived, first_of_each(list(derived)))
    for each in required:
        assert {*space.dims_of(each)} <= {*derived.dims_of(name)}


@few(10)
@given(spaces())
def test_a_derived_parameter_varies_along_the_dimensions_of_what_it_needs(made):
    space, _ = made
    assert {*space.derived} <= {*space.parameters}
    for name in space.parameters:
        along = [dim for dim in space.dims if dim in space.dims_of(name)]
        assert list(space.dims_of(name)) == along
        if name not in space.derived:
            assert len(along) == 1


@few(10)
@given(spaces())
def test_derived_parameters_stay_derived(made):
    space, _ = made
    renamed = space.rename(**{d: f"{d}_2" for d in space.dims if d not in space.parameters})
    for other in (space * grid(z=[1]), renamed, space.where(keeps_some), space.settled()):
        assert other.derived == space.derived
    both = space + space
    assert {*both.derived} == {*space.derived} & {*both.parameters}


@few(10)
@given(spaces())
def test_a_settled_space_has_the_same_points_at_the_same_positions(made):
    space, expected = made
    settled = pickle.loads(pickle.dumps(space.settled()))
    assert is_same(settled.parameters_at(at_all_positions(space)), expected)
    assert settled.parameters == space.parameters
    assert settled.sizes == space.sizes
    assert list(map(settled.dims_of, settled.parameters)) == list(
        map(space.dims_of, space.parameters)
    )
    if not space.predicates:
        assert is_same(settled, expected)


@few(12)
@given(spaces(leaves=(samples,)))
def test_repeated_rows_are_points_too_and_the_first_of_each_is_known(made):
    space, expected = made
    assert is_same(space, expected)
    is_first = space.is_first(at_all_positions(space))
    if is_first is None:
        assert first_of_each(expected) == expected
    else:
        kept = [p for p, first in zip(expected, is_first, strict=True) if first]
        assert is_same(kept, first_of_each(expected))


@few(10)
@given(spaces())
def test_dimensions_are_renamed_and_nothing_else_changes(made):
    space, expected = made
    names = {dim: f"{dim}_2" for dim in space.dims if dim not in space.parameters}
    renamed = space.rename(**names)
    assert is_same(renamed, expected)
    assert renamed.dims == tuple(names.get(dim, dim) for dim in space.dims)
    for name in space.parameters:
        assert renamed.dims_of(name) == tuple(names.get(d, d) for d in space.dims_of(name))


# ---- cases


def test_names_can_be_swapped():
    space = points([{"x": 1}], "a") * points([{"y": 1}], "b")
    assert space.rename(a="b", b="a").dims == ("b", "a")


def test_how_a_sample_was_drawn_is_carried_along():
    drawn = Dimension("sample", 2, axis("x", [1, 2]).columns, sampling="sobol")
    space = (Space((drawn,)) * grid(y=[1])).rename(sample="draw").where(lambda x: True)
    assert [d.sampling for d in space.dimensions] == ["sobol", None]
    assert [d.sampling for d in space.settled().dimensions] == [None, None]


def test_a_union_keeps_derived_parameters_that_both_derive():
    a = grid(x=[1, 2]).derive(y=lambda x: 2 * x)
    assert (a + grid(x=[3])).derived == ("y",)
    assert list(a + grid(x=[3])) == [{"x": 1, "y": 2}, {"x": 2, "y": 4}, {"x": 3}]
    assert (a + grid(y=[3])).derived == ()  # there it is a parameter of its own
    assert (a + a).derive(z=lambda y: y + 1).point(1) == {"x": 2, "y": 4, "z": 5}


REFUSED = {
    "taken": (lambda s: s.derive(x=lambda y: 1), "'x' has the name of another parameter"),
    "taken dim": (lambda s: s.derive(run=lambda y: 1), "'run' has the name of another parameter"),
    "twice": (lambda s: s.derive(d=lambda x: 1).derive(d=lambda x: 1), "'d' has the name of"),
    "both": (lambda s: s.derive(z=lambda x: 1) * grid(z=[1]), "'z' has the name of another"),
    "no name": (lambda s: s.derive(**{"a b": lambda x: 1}), "'a b' is not a valid name"),
    "no function": (lambda s: s.derive(d=5), ".derive(d=...) takes a function"),
    "itself": (lambda s: s.derive(d=lambda d: 1), "no parameter 'd' in the space for .derive"),
    "unknown": (lambda s: s.derive(d=lambda xx: 1), "no parameter 'xx' in the space for .derive"),
    "later": (lambda s: s.derive(d=lambda e: 1, e=lambda x: 1), "no parameter 'e' in the space"),
    "rename axis": (lambda s: s.rename(x="y"), "cannot be renamed alone"),
    "rename unknown": (lambda s: s.rename(runn="a"), "Did you mean 'run'"),
    "rename to parameter": (lambda s: s.rename(run="y"), "'y' is a parameter"),
    "rename to dim": (lambda s: s.rename(run="case"), "'case' is used twice"),
    "rename to no name": (lambda s: s.rename(run="a b"), "'a b' is not a valid name"),
    "rename to number": (lambda s: s.rename(run=5), "5 is not a valid name"),
    "dims_of": (lambda s: s.dims_of("run"), "no parameter 'run' in the space"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(make, message):
    space = grid(x=[1]) * zipped("run", y=[1], z2=[2]) * zipped("case", v=[1], w=[2])
    with pytest.raises((DeclarationError, UnknownNameError)) as caught:
        make(space)
    assert message in str(caught.value)
