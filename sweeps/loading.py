"""Path → xarray.Dataset; knows that a results file describes itself, and no more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from sweeps import opening, sealing
from sweeps.errors import StorageError, nearest
from sweeps.sheet import SUMMARY

if TYPE_CHECKING:
    import xarray

# Below this the whole file is read at once.
EAGER_BYTES = 2**30


def load(path: Path, group: str | None = None) -> xarray.Dataset:
    """Open a results file as a labelled dataset.

    Parameters
    ----------
    path : Path
        Of a results file.
    group : str, optional
        Group of the file to open instead of its root: ``summary``, ``_sweeps``.

    Returns
    -------
    xarray.Dataset
        In memory if it takes less than 1 GiB there, and then the file is closed. A larger one is
        read when used; it goes on showing the file as it was when opened, also when a later run
        has replaced it. Pickled, it shows the same file, or raises `StorageError` where that was
        replaced. Integers and bools with missing points are floats with NaN, and strings
        objects with NaN.

    Raises
    ------
    StorageError
        For a path that is not there, is no HDF5 file or a damaged one, and for a group that is not
        in it.
    HostileFileError
        For a file that asks for more than to be read, as `opening.open_read` says.
    """
    import xarray

    if not os.path.exists(path):  # noqa: PTH110 - Path's raises for what can be no path
        raise _missing(path)
    with opening.damaged(path):
        if path.is_file() and sealing.is_damaged(path, sealing.RESULTS):
            raise StorageError(_what_is_damaged(path))
    with opening.open_read(path) as file, opening.damaged(path):
        if group is not None and not _is_group(file.get(group)):
            raise _no_group(path, group, [n for n, item in file.items() if _is_group(item)])
    with opening.damaged(path):
        import h5netcdf  # noqa: F401 - where it is missing, xarray says that it knows no such engine

        dataset = xarray.open_dataset(
            _State(path),  # type: ignore[arg-type]
            engine="h5netcdf",
            group=group,
            decode_times=_decode_times(),
        )
        dataset.encoding["source"] = os.path.abspath(path)  # noqa: PTH100 - follows no links
        if is_read_at_once(dataset):
            with dataset:
                return dataset.load()
    return dataset


def is_read_at_once(dataset: xarray.Dataset) -> bool:
    """Whether `load` reads all of a dataset, so that it does not need its file any more."""
    return dataset.nbytes < EAGER_BYTES


class _State(opening.Source):
    """A results file as it was when it was loaded, in other processes too."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (os.path.abspath(self.path), self._identity())  # noqa: PTH100

    def _identity(self) -> tuple[int, bytes | float]:
        """Tell it from what may take its name: by its digest, or else its time."""
        digest = sealing.held_by(self._descriptor, sealing.RESULTS)
        return self.n_bytes, digest or os.fstat(self._descriptor).st_mtime


def _again(path: str, identity: tuple[int, bytes | float]) -> _State:
    """Open a results file that was loaded elsewhere.

    Raises
    ------
    StorageError
        Where it is not that file any more, or cannot be read.
    """
    with opening.damaged(path):
        state = _State(Path(path))
    if state._identity() != identity:
        raise StorageError(
            f"{path} was replaced since it was loaded: load it again, or .load() it before it is "
            "sent to other processes or pickled"
        )
    return state


def _what_is_damaged(path: Path) -> str:
    if sealing.is_being_written(path):
        return f"cannot read {path}: {opening.WRITTEN}"
    return (
        f"{path} is damaged: its content does not match its digest. Run {path.stem} again to land "
        f"it anew; python -m sweeps verify {path} looks at what it is made from, too"
    )


def _missing(path: Path) -> StorageError:
    hint = nearest(path.stem, (other.stem for other in path.parent.glob("*.h5")))
    return StorageError(
        f"no results file {path}; make it first: python -m sweeps run {path.stem}.{hint}"
    )


def _is_group(thing: Any) -> bool:
    return isinstance(thing, h5py.Group)


def _no_group(path: Path, group: str, groups: list[str]) -> StorageError:
    advice = f"found: {', '.join(sorted(groups)) or 'none'}"
    if group == SUMMARY:
        advice = (
            f"register a function by @{path.stem}.summary, and run it: python -m sweeps run "
            f"{path.stem} says so where it fails"
        )
    return StorageError(f"no group {group!r} in {path}; {advice}.{nearest(group, groups)}")


def _decode_times() -> Any:
    """Ask for microseconds where xarray can (2025.1); nanoseconds span 1678 to 2261 only."""
    import xarray

    coder = getattr(getattr(xarray, "coders", None), "CFDatetimeCoder", None)
    return True if coder is None else coder(time_unit="us")
