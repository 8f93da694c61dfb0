"""Load what a run wrote, even if another run has replaced the file since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweeps.project.sweep import Sweep
from sweeps.results.state import STATE

if TYPE_CHECKING:
    import xarray


def deliver(sweep: Sweep, state: str) -> xarray.Dataset:
    """Load the results file that was written.

    Another run may have replaced it since, with another space or other code; then load the results
    from the memo.

    Parameters
    ----------
    state : str
        Of the file that was written, as its attribute `STATE` says.

    Raises
    ------
    StorageError
        If the disk does not take the temporary file that is then needed.
    """
    from sweeps.storage import dataset as storage_dataset  # imports xarray, which takes a while

    if sweep.landed.exists():
        dataset = storage_dataset.load(sweep.landed)  # values and attributes are from one file
        if dataset.attrs.get(STATE) == state:
            return dataset
        dataset.close()
    from sweeps.results import update  # rarely needed

    return update.load_apart(sweep)
