"""Every program of Debian that reads netCDF reads the same names, units, values and gaps.

Where a program is not installed, its tests are skipped.
"""

import math
import re
import shutil
import subprocess
import warnings

import h5py
import numpy as np
import pytest
import xarray as xr

import sweeps as package
from sweeps import experiment, grid

netCDF4 = pytest.importorskip("netCDF4")

ABSENT = math.nan
FLOATS = [[1.0, 2.0, 3.0], [2.0, ABSENT, 6.0], [3.0, 6.0, 9.0]]
INTEGERS = [[2, 3, 4], [3, ABSENT, 5], [4, 5, 6]]
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    """A results file with a failed point, and outputs of every kind that these programs take."""

    def gaps(a, b):
        if a == b == 2:
            raise ValueError("no value here")
        return {
            "f": a * b,
            "single": np.float32(a * b),
            "i": int(a + b),
            "small": np.int16(a + b),
            "flag": a > b,
            "profile": np.array([a, b, a * b]),
            "z": complex(a, b),
            "day": np.datetime64("1970-01-01") + int(a + b),
        }

    results = tmp_path_factory.mktemp("readers")
    axis = [1.0, 2.0, 3.0]
    space = grid(a=axis, b=axis)
    units = {"a": "m", "f": "s", "i": "kg", "single": "µm"}
    made = experiment(space, name="gaps", units=units)(gaps)
    made.summary(lambda ds: {"best": ds.f.max(), "mean": ds.f.mean("a")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the point that failed
        package.run(made, engine="serial", results=results)
    return results / "gaps.h5"


def said_by(*command, stdin=None):
    """What a program says of the file; skipped where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [*map(str, command)], input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
    if "there is no package called" in done.stderr or "not found" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[0])
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers_in(text):
    """All numbers of a text; what programs write for a missing one is NaN."""
    words = re.findall(r"(?<![\w.])(?:NaN|nan|NA|_|-?\d+(?:\.\d*)?(?:e[+-]?\d+)?)(?![\w.])", text)
    return [ABSENT if w.lower() in {"nan", "na", "_"} else float(w) for w in words]


def test_netcdf4_masks_what_is_missing_and_nothing_of_axes(landed):
    with netCDF4.Dataset(landed) as file:
        for name, expected in [("f", FLOATS), ("single", FLOATS), ("i", INTEGERS)]:
            found = file[name][...]
            assert np.ma.getmaskarray(found).tolist() == np.isnan(expected).tolist()
            np.testing.assert_array_equal(found.filled(0), np.nan_to_num(expected))
        assert [file[name].ncattrs() for name in "ab"] == [["units"], []]
        assert (file["f"].units, file["single"].units) == ("s", "µm")
        assert all(type(file.getncattr(name)) is not bytes for name in file.ncattrs())


def test_fill_values_are_those_that_every_reader_knows(landed):
    with h5py.File(landed) as file:
        for name in ("f", "single", "profile", "_sweeps/elapsed", "summary/mean"):
            fill = file[name].attrs["_FillValue"]
            assert np.isnan(fill)
            assert fill.dtype == file[name].dtype
        fill = file["i"].attrs["_FillValue"]
        assert int(float(fill)) == fill
        assert not any("_FillValue" in file[name].attrs for name in "ab")


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_reads_missing_dates(landed, engine):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = xr.open_dataset(landed, engine=engine, drop_variables="z")
    with opened as ds:
        days = ds["day"].values.astype("M8[D]")
    expected = np.ravel(np.nan_to_num(INTEGERS)).astype(int).astype("M8[D]")
    expected[4] = np.datetime64("NaT")
    np.testing.assert_array_equal(days.ravel(), expected)
    np.testing.assert_array_equal(package.load(str(landed))["day"].values.ravel(), expected)


def test_ncdump_fits_a_screen(landed):
    header = said_by("ncdump", "-h", landed)
    assert len(header.splitlines()) < 160
    assert max(map(len, header.splitlines())) < 1000
    assert "string" not in header
    assert 'single:units = "µm"' in header


OCTAVE = """
pkg load netcdf
path = '{path}';
info = ncinfo(path);
printf('%s ', info.Variables.Name); printf('\\n');
evalc('ncdisp(path)');
printf('%s %s\\n', ncreadatt(path, 'a', 'units'), ncreadatt(path, 'f', 'units'));
for name = {{'f', 'single', 'i', 'small'}}
  printf('%g ', double(ncread(path, name{{1}}))); printf('\\n');
end
"""


def test_octave(landed):
    said = said_by("octave-cli", "-q", "--eval", OCTAVE.format(path=landed)).splitlines()
    assert {"a", "b", "f", "i", "profile"} <= {*said[0].split()}
    assert said[1] == "m s"
    for line, expected in zip(said[2:], [FLOATS, FLOATS, INTEGERS, INTEGERS], strict=True):
        np.testing.assert_array_equal(numbers_in(line), np.ravel(expected))


R = """
library(ncdf4)
file <- nc_open('{path}')
cat(names(file$var), '\\n')
cat(ncatt_get(file, 'a', 'units')$value, ncatt_get(file, 'f', 'units')$value, '\\n')
for (name in c('f', 'single', 'i', 'small')) cat(ncvar_get(file, name), '\\n')
"""


def test_r(landed):
    """Other than complex numbers, which it leaves out, with netCDF-C up to 4.9.2."""
    said = said_by("Rscript", "-e", R.format(path=landed)).splitlines()
    said = [line for line in said if not line.startswith("[")]  # of integers of 8 bytes
    assert {"f", "i", "profile"} <= {*said[0].split()}
    assert said[1].split() == ["m", "s"]
    for line, expected in zip(said[2:], [FLOATS, FLOATS, INTEGERS, INTEGERS], strict=True):
        np.testing.assert_array_equal(numbers_in(line), np.ravel(expected))


def test_nco(landed):
    said = said_by("ncks", "-H", "-v", "f,i", landed)
    blocks = dict(re.findall(r"^    (\w+) =\s+([^;]*);", said, re.MULTILINE))
    np.testing.assert_array_equal(numbers_in(blocks["f"]), np.ravel(FLOATS))
    np.testing.assert_array_equal(numbers_in(blocks["i"]), np.ravel(INTEGERS))
    assert ':units = "s"' in said_by("ncks", "-m", "-v", "f", landed)


def test_cdo(landed):
    said = said_by("cdo", "-s", "infon", "-selname,f,i,day", landed)
    rows = {line.split()[-1]: line.split() for line in said.splitlines()[1:]}
    for name, least, most in (("f", 1, 9), ("i", 2, 6), ("day", 2 * DAY_US, 6 * DAY_US)):
        missing, minimum, maximum = (float(rows[name][k]) for k in (6, 8, 10))
        assert (missing, minimum, maximum) == (1, least, most)


def test_gdal(landed, tmp_path):
    for name, expected, units in (("f", FLOATS, "s"), ("single", FLOATS, "µm")):
        source = f"NETCDF:{landed}:{name}"
        assert f"units={units}" in said_by("gdalinfo", source)
        said_by("gdal_translate", "-q", "-of", "XYZ", source, tmp_path / "out.xyz")
        found = [float(line.split()[2]) for line in (tmp_path / "out.xyz").open()]
        rows = np.reshape(found, (3, 3))[::-1]
        np.testing.assert_array_equal(rows, expected)
