"""What stands where in a product of dimensions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.spaces import product
from sweeps.spaces.axes import Column, axis, together
from sweeps.spaces.product import Deferred, Product


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
