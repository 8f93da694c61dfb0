"""A cut shows the values that are there, holds what it is told to, and says what it leaves out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sweeps.errors import SweepsError
from sweeps.storage.hdf5 import STATUS
from sweeps.viewer import cuts
from sweeps.viewer.cuts import Wanted, cut
from sweeps.viewer.sheet import Sheet, Variable


class Made(Sheet):
    """A sheet of numbers in memory, whose coordinates are counted from 10."""

    def __init__(self, values, status=None, sizes=None):
        self.values = np.asarray(values)
        names = "abcdef"[: self.values.ndim]
        self.sizes = sizes or dict(zip(names, self.values.shape, strict=True))
        self.own_sizes = {}
        self.outputs = {"z": Variable("z", "number", tuple(self.sizes))}
        self.coordinates = {dim: Variable(dim, "number", (dim,)) for dim in self.sizes}
        self.version, self.place = "1", "memory"
        done = np.full(self.values.size, STATUS["done"], dtype=np.int8)
        self.stated = done if status is None else np.asarray(status, dtype=np.int8)

    @property
    def status(self):
        return self.stated

    @property
    def elapsed(self):
        return np.arange(self.n_positions, dtype=np.float32)

    def read(self, name, at):
        return self.values[tuple(at.get(dim, slice(None)) for dim in self.sizes)], None

    def coordinate(self, name):
        return np.arange(self.sizes[name]) + 10.0

    def failures(self, start, stop):
        return []


SHAPES = npst.array_shapes(min_dims=1, max_dims=4, max_side=6)


@given(SHAPES, st.data())
def test_a_cut_is_the_slice_that_numpy_gives(shape, data):
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    sheet = Made(values)
    dims = list(sheet.sizes)
    x = data.draw(st.sampled_from(dims))
    y = data.draw(st.sampled_from(["", *(dim for dim in dims if dim != x)]))
    at = {d: data.draw(st.integers(0, n - 1)) for d, n in sheet.sizes.items() if d not in (x, y)}
    found = cut(sheet, Wanted("z", x, y, at))
    expected = values[tuple(at.get(dim, slice(None)) for dim in dims)]
    along = [dim for dim in dims if dim in (x, y)]
    assert np.array_equal(found.values, expected.T if along == [x, y] else expected)
    assert {each.dim: each.at for each in found.held} == at
    assert found.x.values.tolist() == [10.0 + n for n in range(sheet.sizes[x])]
    assert (found.low, found.high) == (found.values.min(), found.values.max())


@given(npst.arrays(float, st.integers(1, 50_000), elements=st.floats(-1e9, 1e9), fill=st.just(0.0)))
def test_a_long_line_keeps_its_extremes(values):
    found = cut(Made(values), Wanted("z", "a"))
    assert len(found.values) <= cuts.MOST_ON_LINE
    assert (found.low, found.high) == (values.min(), values.max())
    places = (found.x.values - 10).astype(int)
    assert np.array_equal(found.values, values[places])
    assert (np.diff(places) > 0).all()


@pytest.mark.parametrize("shape", [(1000, 3), (3, 1000), (801, 799)])
def test_a_large_grid_is_thinned_evenly_and_says_so(shape):
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    found = cut(Made(values), Wanted("z", "b", "a"))
    assert max(found.values.shape) <= cuts.MOST_ON_SIDE
    assert found.step == -(-max(shape) // cuts.MOST_ON_SIDE)
    rows, columns = ((s.values - 10).astype(int) for s in (found.y, found.x))
    assert np.array_equal(found.values, values[np.ix_(rows, columns)])


def test_only_points_that_are_done_have_values():
    status = [STATUS[name] for name in ("done", "missing", "failed", "excluded")]
    found = cut(Made([1.0, 2.0, 3.0, 4.0], status), Wanted("z", "a"))
    assert found.values[0] == 1.0
    assert np.isnan(found.values[1:]).all()
    assert found.status.tolist() == status


def test_where_nothing_is_said_the_middle_is_held():
    (held,) = cut(Made(np.zeros((7, 3))), Wanted("z", "b")).held
    assert (held.dim, held.at, held.size, held.label) == ("a", 3, 7, "13")


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("nothing", "a"),
        Wanted("z", "nothing"),
        Wanted("z", ""),
        Wanted("z", "a", "nothing"),
        Wanted("z", "a", at={"b": 3}),
        Wanted("z", "a", at={"b": -1}),
        Wanted("../z", "a"),
    ],
)
def test_what_is_not_there_is_refused_in_words(wanted):
    with pytest.raises(SweepsError):
        cut(Made(np.zeros((2, 3))), wanted)


@pytest.mark.parametrize("values", [[np.nan, np.nan], [np.inf, -np.inf]])
def test_values_that_are_no_numbers_have_no_range(values):
    found = cut(Made(values), Wanted("z", "a"))
    assert (found.low, found.high) == (None, None)
    assert np.isnan(found.values).all()


def test_texts_become_places_of_their_names():
    found = cut(Made(np.array(["u", "v", "u"], dtype=object)), Wanted("z", "a"))
    assert [found.categories[int(n)] for n in found.values] == ["u", "v", "u"]


def test_of_very_many_texts_the_last_ones_are_put_together():
    texts = np.array([f"{n:03}" for n in range(100)], dtype=object)
    found = cut(Made(texts), Wanted("z", "a"))
    assert found.categories[-1] == "others"
    assert found.values.max() == len(found.categories) - 1
