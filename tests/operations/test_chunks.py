"""`load(chunks=...)`: arrays of dask, with the values that `load` gives."""

import importlib.util

import numpy as np
import pytest

import sweeps
from sweeps import experiment, grid
from sweeps.errors import DeclarationError

pytestmark = pytest.mark.filterwarnings("ignore:.* points? of .* failed")


@pytest.fixture
def made(project):
    def made(x):
        return {"n": 12 // x, "word": f"a{x}", "when": np.datetime64("2024-01-01") + x, "z": 1j * x}

    one = experiment(grid(x=[1, 0, 2, 3]), name="made")(made)
    one.run(engine="serial")
    return one


@pytest.mark.parametrize("chunks", ["auto", {"x": 2}, {}, 3, -1])
@pytest.mark.parametrize("masked", [True, False])
def test_chunks_have_the_values_that_load_gives(made, chunks, masked):
    pytest.importorskip("dask")
    found, expected = made.load(chunks=chunks, masked=masked), made.load(masked=masked)
    assert all(found[name].chunks for name in expected.data_vars)
    assert found.compute().identical(expected)
    assert found.n.dtype == (float if masked else np.int64)


@pytest.mark.parametrize("chunks", ["some", {"y": 2}, {"x": 0}, object()])
def test_chunks_that_mean_nothing_are_refused(made, chunks):
    pytest.importorskip("dask")
    with pytest.raises(DeclarationError, match="Give a size"):
        made.load(chunks=chunks)


def test_without_dask_it_is_told_what_to_install(made, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeclarationError, match=r"pip install 'sweeps\[dask\]'"):
        sweeps.load("made", chunks={})
