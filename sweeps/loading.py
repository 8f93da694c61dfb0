"""Path → xarray.Dataset; knows that a results file describes itself, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps import h5
from sweeps.errors import StorageError, nearest

if TYPE_CHECKING:
    import xarray

# Below this the whole file is read at once.
EAGER_BYTES = 2**30


def load(path: Path) -> xarray.Dataset:
    """Open a results file as a labelled dataset.

    Parameters
    ----------
    path : Path
        Of a results file.

    Returns
    -------
    xarray.Dataset
        In memory if it takes less than 1 GiB there, and then the file is closed. A larger one is
        read when used; it goes on showing the file as it was when opened, also when a later run
        has replaced it. Integers and bools with missing points are floats with NaN, and strings
        objects with NaN.

    Raises
    ------
    StorageError
        For a path that is not there or is no HDF5 file.
    HostileFileError
        For a file that reaches outside itself.
    """
    import xarray

    if not path.exists():
        raise _missing(path)
    with h5.open_read(path):
        pass
    # No lock for the same reason as in h5.open_read.
    dataset = xarray.open_dataset(
        path, engine="h5netcdf", decode_times=_decode_times(), driver_kwds={"locking": False}
    )
    if dataset.nbytes < EAGER_BYTES:
        with dataset:
            return dataset.load()
    return dataset


def _missing(path: Path) -> StorageError:
    hint = nearest(path.stem, (other.stem for other in path.parent.glob("*.h5")))
    return StorageError(
        f"no results file {path}; make it first: python -m sweeps run {path.stem}.{hint}"
    )


def _decode_times() -> Any:
    """Ask for microseconds where xarray can (2025.1); nanoseconds span 1678 to 2261 only."""
    import xarray

    coder = getattr(getattr(xarray, "coders", None), "CFDatetimeCoder", None)
    return True if coder is None else coder(time_unit="us")
