"""Laws of packed states and times: readers see what they see in a file that is not packed."""

import dataclasses
import itertools
import math
import shutil

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import sweeps
from sweeps import experiment, grid
from sweeps.results import packed, write
from sweeps.results.contents import Coordinate
from sweeps.storage.dataset import load
from sweeps.storage.hdf5 import GROUP
from tests.results.test_write import ENGINES, output, sheet
from tests.sizes import examples

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=3)
TIMES = st.sampled_from([0.0, -0.0, 0.25, 1e-9, math.nan])


def pack_all(patch, chunk=8):
    """Have spaces of any size packed, in small chunks."""
    patch.setattr(write, "_MANY", 1)
    patch.setattr(packed, "_CHUNK", chunk)


def states(values, dtype):
    own = np.array(values, dtype)
    return lambda start, stop: own[start:stop].copy()


@examples(60)
@given(shape=SHAPES, chunk=st.integers(1, 40), data=st.data())
def test_every_reader_sees_the_same_as_without(tmp_path_factory, shape, chunk, data):
    folder, n_points = tmp_path_factory.mktemp("packed"), math.prod(shape)
    lengths = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3), TIMES), min_size=1)
    runs = data.draw(lengths)
    every = itertools.chain.from_iterable([own] * n for n, *own in itertools.cycle(runs))
    status, elapsed = zip(*itertools.islice(every, n_points), strict=True)
    sizes = dict(zip("abc", shape, strict=False))
    axes = [Coordinate(name, (name,), np.arange(size)) for name, size in sizes.items()]
    made = dataclasses.replace(
        sheet(sizes, axes, [output("y", np.arange(n_points).reshape(shape), sizes)]),
        status=states(status, np.int8),
        elapsed=states(elapsed, np.float32),
    )
    write.land(folder / "plain.h5", made)
    with pytest.MonkeyPatch.context() as patch:
        pack_all(patch, chunk)
        patch.setattr(packed, "is_worth", lambda *_: True)
        write.land(folder / "packed.h5", made)
    for engine in ENGINES:
        pytest.importorskip(engine if engine == "h5netcdf" else "netCDF4")
        plain, other = (
            xr.load_dataset(folder / f"{name}.h5", engine=engine, group=GROUP)
            for name in ("plain", "packed")
        )
        xr.testing.assert_identical(plain, other)
        assert plain.elapsed.values.tobytes() == other.elapsed.values.tobytes()
    with h5py.File(folder / "packed.h5") as file:
        assert file[GROUP]["status"].chunks
        assert file["y"].chunks is None
    shutil.rmtree(folder)


@pytest.mark.parametrize("keep", ["both", "results"])
def test_a_run_goes_on_from_a_packed_file(tmp_path, monkeypatch, keep):
    pack_all(monkeypatch)
    space = grid(a=range(20), b=range(10))
    made = experiment(space, vectorized=True, keep=keep, name="made")(lambda a, b: a * b + 0.5)
    first = made.run(results=tmp_path, engine="serial")
    with h5py.File(tmp_path / "made.h5") as file:
        elapsed = file[GROUP]["elapsed"][()]
        assert file[GROUP]["status"].chunks
        assert file[GROUP]["status"][()].tolist() == np.ones((20, 10)).tolist()
    shutil.rmtree(tmp_path / ".memo")
    made.run(results=tmp_path, engine="serial", axes={"a": range(30)})
    later = sweeps.load(tmp_path / "made.h5")
    xr.testing.assert_equal(later.made[:20], first.made)
    with h5py.File(tmp_path / "made.h5") as file:
        assert (file[GROUP]["elapsed"][:20] == elapsed).all()


def test_states_that_differ_from_point_to_point_stay_as_they_are(tmp_path, monkeypatch):
    pack_all(monkeypatch)
    write.land(tmp_path / "a.h5", sheet({"x": 64}, [], [output("y", np.arange(64), {"x": 64})]))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file[GROUP]["status"].chunks is None


def test_the_states_of_a_large_space_take_no_space(tmp_path):
    """A file may unpack to a hundred times its size, so values of points are needed, too."""
    n_points = 2 * write._MANY
    values = output("y", np.zeros(n_points, np.int8), {"x": n_points})
    ones = dataclasses.replace(
        sheet({"x": n_points}, [], [values]),
        status=lambda start, stop: np.ones(stop - start, np.int8),
        elapsed=lambda start, stop: np.full(stop - start, 1e-9, np.float32),
    )
    write.land(tmp_path / "ones.h5", ones)
    n_bytes = (tmp_path / "ones.h5").stat().st_size
    assert n_bytes < 1.1 * n_points
    write.land(tmp_path / "nothing.h5", dataclasses.replace(ones, outputs=[]))
    assert (tmp_path / "nothing.h5").stat().st_size > 5 * n_points
    for name in ("ones", "nothing"):
        assert load(tmp_path / f"{name}.h5", GROUP).sizes == {"x": n_points}
