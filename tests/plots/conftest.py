"""Made results, as `sweeps.load` gives them, and figures of them."""

import numpy as np
import pytest
import xarray

from sweeps.plots import content


@pytest.fixture
def made():
    """Make contents: outputs by name, dims and values; coordinates; the state of each point."""

    def make(outputs, coords, dims, status=None):
        dataset = xarray.Dataset(outputs, coords)
        shape = tuple(dataset.sizes[dim] for dim in dims)
        state = np.ones(shape, int) if status is None else np.asarray(status)
        return content.of("made", dataset, xarray.DataArray(state, dims=tuple(dims)))

    return make
