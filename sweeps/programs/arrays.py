"""Readers of what programs write as arrays: numpy's files, HDF5, netCDF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sweeps.errors import ProgramError
from sweeps.programs.inputs import relative
from sweeps.programs.readers import Reader

_CLASSIC = b"CDF"


def npy(file: str) -> Reader:
    """Read an array from a file of `numpy.save`.

    Examples
    --------
    >>> import pathlib, tempfile, numpy
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> numpy.save(folder / "field.npy", [1.0, 2.0])
    >>> npy("field.npy")(folder)
    array([1., 2.])
    """
    return Reader(_npy, relative(file, "npy"))


def _npy(path: str) -> Any:
    return np.load(path)  # which unpickles nothing, unless it is told to


def npz(file: str, name: str) -> Reader:
    """Read an array from a file of `numpy.savez`."""
    return Reader(_npz, relative(file, "npz"), (name,))


def _npz(path: str, name: str) -> Any:
    with np.load(path) as arrays:
        if name not in arrays:
            raise ProgramError(f"has no {name!r}, it has {', '.join(arrays)}")
        return arrays[name]


def hdf5(file: str, name: str) -> Reader:
    """Read a dataset from an HDF5 file, by its path such as "run/energy"."""
    return Reader(_hdf5, relative(file, "hdf5"), (name,))


def _hdf5(path: str, name: str) -> Any:
    import h5py

    with h5py.File(path, "r") as opened:
        found = opened.get(name)
        if not isinstance(found, h5py.Dataset):
            raise ProgramError(f"has no dataset {name!r}, it has {', '.join(opened)}")
        return found.asstr()[()] if h5py.check_string_dtype(found.dtype) else found[()]


def netcdf(file: str, name: str) -> Reader:
    """Read a variable from a netCDF file, with its scale and offset; fill values are NaN.

    Both forms of the format are known, classic netCDF and netCDF-4.
    """
    return Reader(_netcdf, relative(file, "netcdf"), (name,))


def _netcdf(path: str, name: str) -> Any:
    import xarray

    with Path(path).open("rb") as file:
        engine = "scipy" if file.read(3) == _CLASSIC else "h5netcdf"
    with xarray.open_dataset(path, engine=engine, decode_times=False) as opened:
        if name not in opened.variables:
            raise ProgramError(f"has no variable {name!r}, it has {', '.join(map(str, opened))}")
        return opened[name].to_numpy()
