"""A million points of three columns: each format gives them back, in a gigabyte of memory."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import sweeps
from sweeps import experiment, grid
from sweeps.exports import formats

MOST_BYTES = 1e9

PROGRAM = """
import json, resource, sys
import sweeps
made = sweeps.export("million", sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([made.points, made.n_bytes, peak]))
"""


@pytest.mark.campaign
def test_a_million_points_come_back_from_each_format(project):
    def million(a, b):
        return {"y": np.sin(a) * b}

    space = grid(a=np.arange(1000), b=np.linspace(0, 1, 1000))
    experiment(space, name="million", vectorized=True)(million).run(engine="serial")
    for suffix in (".csv", ".parquet", ".nc", ".zarr", ".mat"):
        if formats.FORMATS[suffix].library:
            pytest.importorskip(formats.FORMATS[suffix].library)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, f"million{suffix}"],
            capture_output=True,
            text=True,
            check=True,
        )
        n_points, n_bytes, peak_bytes = json.loads(done.stdout)
        print(f"{suffix}: {n_bytes / 1e6:.1f} MB, at most {peak_bytes / 1e6:.0f} MB of memory")
        assert n_points == 10**6
        assert peak_bytes < MOST_BYTES
    table = sweeps.table("million").reset_index(drop=True)
    assert pd.read_csv("million.csv").equals(table)
    assert pd.read_parquet("million.parquet").equals(table)
    expected = sweeps.load("million").y
    assert xr.open_dataset("million.nc", engine="h5netcdf").y.identical(expected)
    assert xr.open_dataset("million.zarr", engine="zarr", chunks=None).y.identical(expected)
