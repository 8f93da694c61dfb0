"""Laws of windows: for the points that are to do, a part of a space says what all of it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid, zipped
from sweeps.spaces.keys import MIN_PRODUCT, key_maker
from sweeps.spaces.window import window

N = 300
SPACES = {
    "numbers": grid(x=range(N)),
    "texts": grid(x=[f"no. {n}" for n in range(N)]),
    "rows": zipped(x=np.linspace(0, 1, N), y=range(N)),
}


def maker(space):
    return key_maker(experiment(space, name="keyed")(lambda x, rng, y=0: x + y)).settled()


@pytest.mark.parametrize("name", SPACES)
@given(st.lists(st.integers(0, N - 1), min_size=1, max_size=5))
def test_points_in_a_window_have_their_keys_streams_and_parameters(name, chosen):
    whole = maker(SPACES[name])
    part = window(whole, [np.array(chosen), range(chosen[0], chosen[0] + 1), range(0)])
    for positions in (np.array(chosen), np.arange(min(chosen), max(chosen) + 1)):
        np.testing.assert_array_equal(part(positions), whole(positions))
        np.testing.assert_array_equal(part.streams(positions), whole.streams(positions))
        assert part.space.parameters_at(positions) == whole.space.parameters_at(positions)


def test_a_window_has_no_other_values():
    part = window(maker(SPACES["numbers"]), [range(7, 9)])
    assert [len(column.table) for column in part.space.columns.values()] == [2]
    assert len(part.hashes["x"]) == 2 + 1


@pytest.mark.parametrize(
    ("space", "places"),
    [
        (grid(x=range(2 * MIN_PRODUCT)), range(MIN_PRODUCT)),
        (grid(x=range(2 * MIN_PRODUCT)), np.array([0, MIN_PRODUCT])),
        (grid(x=range(N), y=range(2)), range(2)),
        (SPACES["numbers"].derive(y=lambda x: x + 1), range(2)),
        (zipped(x=[1] * N, z=range(N)), range(2)),
    ],
)
def test_other_points_and_spaces_stay_whole(space, places):
    made = key_maker(experiment(space, name="keyed")(lambda x, y=0, z=0: x)).settled()
    assert window(made, [places]) is made
