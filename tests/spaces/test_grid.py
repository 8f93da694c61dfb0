"""Laws of the columns of points in a row: they are those that any points get."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweeps import grid, zipped
from sweeps.spaces import grid as grids

AXES = st.sampled_from(
    [
        range(3, 30, 4),
        [0.5, -1.0, float("inf")],
        [2 + 1j, 0.5j],
        [True, False],
        ["a", "é"],
        [None, (1, 2)],
    ]
)


@given(axes=st.lists(AXES, min_size=1, max_size=4), data=st.data())
def test_points_in_a_row_get_what_any_points_get(axes, data):
    space = grid(**dict(zip("abcd", axes, strict=False)))
    names = data.draw(st.permutations(list(space.columns)))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(space))] * 2)))
    if start == stop:
        return
    columns = grids.columns(space, range(start, stop), names)
    low = data.draw(st.integers(0, stop - start - 1))
    high = data.draw(st.integers(low + 1, stop - start))
    for made, at in (
        (columns, (start, stop)),
        (columns.part(low, high), (start + low, start + high)),
    ):
        wanted = space.arguments_at(np.arange(*at), names)
        assert made.keys() == wanted.keys()
        for name in names:
            assert type(made[name]) is type(wanted[name])
            np.testing.assert_array_equal(
                np.asarray(made[name], object), np.asarray(wanted[name], object)
            )
            if isinstance(made[name], np.ndarray):
                assert made[name].dtype == wanted[name].dtype


def test_each_column_is_new_and_can_be_written_to():
    space = grid(a=[1.0, 2.0, 3.0]) * zipped("row", b=[1, 2], c=[3, 4])
    for part in (grid(a=[1.0, 2.0, 3.0]), grid(a=[1.0], b=[2.0, 3.0])):
        columns = grids.columns(part, range(2), list(part.columns))
        columns["a"][:] = 0
        assert columns["a"].tolist() == part.arguments_at(np.arange(2), ["a"])["a"].tolist()
    assert grids.columns(space, range(2), ["a", "b", "c"]) is None
