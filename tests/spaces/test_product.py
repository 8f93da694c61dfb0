"""Laws of products: what stands where; rows that are listed, joined end to end, and found equal."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import DeclarationError
from sweeps.spaces import product
from sweeps.spaces.accept import accept
from sweeps.spaces.product import (
    ABSENT,
    Column,
    Deferred,
    Product,
    axis,
    end_to_end,
    first_rows,
    listed,
    together,
)
from sweeps.spaces.values import Labelled, Values, factorize


def make(*dimensions, **others):
    """Make a product of dimensions, and of columns along several, given as (dims, column)."""
    columns = {c.name: c for d in dimensions for c in d.columns}
    along = {c.name: (d.name,) for d in dimensions for c in d.columns}
    columns |= {name: column for name, (_, column) in others.items()}
    along |= {name: dims for name, (dims, _) in others.items()}
    return Product(dimensions, columns, along)


RUN = together("run", {"b": ["x", "y", "z"], "c": [1.0, 2.0, 1.0]})
OVER = axis("e", range(4)).columns[0].table
MADE = make(
    axis("a", [1, 2]),
    RUN,
    axis("d", [5, 6]),
    e=(("a", "d"), Column("e", OVER)),
    one=((), Column("one", OVER.select(np.array([3])), np.array([0]))),
)


def test_columns_stand_along_their_dimensions():
    expected = [
        {"a": a, "b": b, "c": c, "d": d, "e": e, "one": 3}
        for (a, row) in [(1, 0), (2, 2)]
        for b, c in zip("xyz", [1.0, 2.0, 1.0], strict=True)
        for d, e in [(5, row), (6, row + 1)]
    ]
    assert MADE.parameters_at(np.arange(MADE.n_positions)) == expected


@given(st.sets(st.sampled_from(list(MADE.columns))))
def test_a_part_has_what_its_parameters_vary_along(names):
    part = MADE.part(names)
    assert {*part.columns} == names
    used = {dim for name in names for dim in MADE.along[name]}
    assert part.sizes == {dim: size for dim, size in MADE.sizes.items() if dim in used}
    wanted = [{n: p[n] for n in names} for p in MADE.parameters_at(np.arange(MADE.n_positions))]
    found = part.parameters_at(np.arange(part.n_positions))
    assert all(point in wanted for point in found)
    assert all(point in found for point in wanted)
    assert part.n_positions == math.prod(part.sizes.values())


@given(step=st.integers(1, 13), chosen=st.none() | st.lists(st.integers(0, 11), max_size=12))
def test_pieces_make_up_the_whole(step, chosen):
    positions = None if chosen is None else np.array(chosen, dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product, "_STEP", step)
        pieces = list(MADE.pieces(positions))
    every = list(range(12)) if chosen is None else chosen
    assert [position for at, _ in pieces for position in at.tolist()] == every
    assert [p for _, points in pieces for p in points] == MADE.parameters_at(
        np.array(every, dtype=np.int64)
    )
    assert all(len(at) <= step for at, _ in pieces)


def test_a_deferred_column_is_made_once_and_when_looked_at():
    made = []
    column = Deferred("x", False, lambda: made.append(1) or axis("x", [7, 8]).columns[0])
    space = make(x=((), column))
    assert (space.n_positions, column.name, column.has_gaps, made) == (1, "x", False, [])
    assert column.table.element(1) == 8
    assert column.at(np.array([1])).tolist() == [1]
    assert column.codes is None
    assert made == [1]


# ---- rows

numbers = st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=8)


def column(given_values):
    """A column with a gap for each None, as its table and codes."""
    present = [v for v in given_values if v is not None]
    table, own = factorize("x", accept("x", [*present, 99]))  # 99: a value that nobody uses
    codes = np.full(len(given_values), ABSENT)
    codes[[v is not None for v in given_values]] = own[:-1]
    return table, codes


def values_of(made):
    return [None if c == ABSENT else made.table.element(c) for c in made.codes.tolist()]


@given(st.lists(numbers, min_size=1, max_size=3))
def test_end_to_end_keeps_all_values_and_gaps(pieces):
    made = end_to_end("x", [column(piece) for piece in pieces])
    flat = [v for piece in pieces for v in piece]
    assert values_of(made) == flat
    assert sorted(made.table.elements()) == sorted({v for v in flat if v is not None})


@given(
    st.integers(0, 10).flatmap(
        lambda n: st.lists(st.lists(st.integers(-1, 3), min_size=n, max_size=n))
    )
)
def test_first_rows_are_those_of_a_dict(codes):
    n_rows = len(codes[0]) if codes else 1
    columns = [
        Column(str(i), accept("x", range(4)), np.array(c, dtype=int)) for i, c in enumerate(codes)
    ]
    rows = list(zip(*codes, strict=True)) if codes else [()]
    first = {row: n for n, row in reversed(list(enumerate(rows)))}
    assert first_rows(columns, n_rows).tolist() == sorted(first.values())


def test_columns_of_many_values_do_not_overflow():
    many = np.arange(2**17)
    columns = [Column(name, accept("x", many), many) for name in "abcdefgh"]
    assert len(first_rows(columns, len(many))) == len(many)


def test_one_axis_named_as_its_dimension_is_an_axis():
    assert axis("x", [1, 2]).is_axis
    assert together("x", {"x": [1, 2]}).is_axis
    assert not together("point", {"x": [1, 2]}).is_axis
    assert not together("point", {"x": [1], "y": [2]}).is_axis


def test_an_axis_takes_a_table_as_it_is():
    table = accept("x", {"a": len})
    assert isinstance(table, Values)
    assert axis("x", table).columns[0].table is table
    assert axis("x", table).columns[0].table.element(0) == Labelled("a", len)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=8))
def test_rows_repeat_only_where_allowed(rows):
    x, y = ([*values] for values in zip(*rows, strict=True))
    raw = {"x": x, "y": accept("y", y)}  # as they are given, or as a table
    made = together("run", raw, allow_repeats=True)
    assert (made.size, made.sampling) == (len(rows), None)
    assert [*zip(*map(values_of, made.columns), strict=True)] == rows
    if len({*rows}) < len(rows):
        with pytest.raises(DeclarationError, match="is listed twice"):
            together("run", raw)


@pytest.mark.parametrize(
    "rows", [[{}], [{"x": 1}], [{"x": 1}, {}], [{"y": None}, {"x": 1, "y": 2}]]
)
def test_listed_points_have_gaps_where_they_have_no_value(rows):
    made = listed("point", rows)
    assert made.size == len(rows)
    for one in made.columns:
        assert [c != ABSENT for c in one.codes.tolist()] == [one.name in row for row in rows]
        assert one.has_gaps == any(one.name not in row for row in rows)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_rows_may_be_repeated_where_that_is_asked_for(rows):
    made = together("sample", {"x": rows, "y": [str(x) for x in rows]}, allow_repeats=True)
    firsts = [x not in rows[:n] for n, x in enumerate(rows)]
    assert made.size == len(rows)
    assert [made.columns[0].table.element(c) for c in made.columns[0].codes] == rows
    if all(firsts):
        assert made.is_first is None
    else:
        assert made.is_first.tolist() == firsts
        with pytest.raises(DeclarationError, match="is listed twice: give it once"):
            together("sample", {"x": rows})
