"""What was landed, as a dataset, whatever is in the place of its file by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweeps.project.sweep import Sweep
from sweeps.results.state import STATE

if TYPE_CHECKING:
    import xarray


def deliver(sweep: Sweep, state: str) -> xarray.Dataset:
    """Load what has landed, and nothing that another run has put in its place since.

    That may be of another space, or of other code.

    Parameters
    ----------
    state : str
        Of the file that has landed, as `sweep.STATE` in it says.

    Raises
    ------
    StorageError
        Where the disk does not take the file that is then made apart.
    """
    from sweeps.storage import dataset as storage_dataset  # of xarray, which takes a while

    if sweep.landed.exists():
        dataset = storage_dataset.load(sweep.landed)  # values and attributes are of one file
        if dataset.attrs.get(STATE) == state:
            return dataset
        dataset.close()
    from sweeps.results import update  # seldom needed, where a run had nothing to do

    return update.load_apart(sweep)
