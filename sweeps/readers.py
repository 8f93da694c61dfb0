"""What reads the outputs of programs: ``from sweeps.readers import regex``."""

from sweeps.programs.arrays import hdf5, netcdf, npy, npz
from sweeps.programs.readers import csv, json, regex

__all__ = ["csv", "hdf5", "json", "netcdf", "npy", "npz", "regex"]
