"""Delivering: what was landed, as a dataset, whatever is in the place of its file by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweeps.subject import STATE, Subject

if TYPE_CHECKING:
    import xarray


def deliver(subject: Subject, state: str) -> xarray.Dataset:
    """Load what has landed, and nothing that another run has put in its place since.

    That may be of another space, or of other code.

    Parameters
    ----------
    state : str
        Of the file that has landed, as `subject.STATE` in it says.

    Raises
    ------
    StorageError
        Where the disk does not take the file that is then made apart.
    """
    from sweeps import loading  # of xarray, which takes a while

    if subject.landed.exists():
        dataset = loading.load(subject.landed)  # values and attributes are of one file
        if dataset.attrs.get(STATE) == state:
            return dataset
        dataset.close()
    from sweeps import refreshing  # seldom needed, where a run had nothing to do

    return refreshing.load_apart(subject)
