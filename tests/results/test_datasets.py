"""Writing: the points of a space go out in slabs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweeps.results import datasets


@given(
    sizes=st.lists(st.integers(1, 6), max_size=4).map(tuple),
    n_most=st.integers(1, 50),
)
def test_slabs_are_the_points_in_order(sizes, n_most):
    flat = np.arange(int(np.prod(sizes, dtype=int))).reshape(sizes)
    end = 0
    for start, stop, box in datasets.slabs(sizes, n_most):
        assert start == end
        assert 0 < stop - start <= n_most
        assert flat[box].ravel().tolist() == list(range(start, stop))
        end = stop
    assert end == flat.size
