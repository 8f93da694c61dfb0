"""Deliver the results of a run: what it has written, whatever others have landed since."""

from __future__ import annotations

import atexit
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.code import provenance
from sweeps.memo import index as memo
from sweeps.memo.segment import MergedAwayError
from sweeps.project.sweep import Sweep
from sweeps.results import collect, update, write
from sweeps.results.state import STATE
from sweeps.storage import files

if TYPE_CHECKING:
    import xarray


def deliver(sweep: Sweep, state: str) -> xarray.Dataset:
    """Load the results file that was written, whose attribute `STATE` is `state`.

    Another run may have replaced it since, with another space or other code; then load the results
    from the memo, through a temporary file.
    """
    from sweeps.storage import dataset as storage_dataset  # imports xarray, which takes a while

    if sweep.landed.exists():
        dataset = storage_dataset.load(sweep.landed)  # values and attributes are from one file
        if dataset.attrs.get(STATE) == state:
            return dataset
        dataset.close()
    path = sweep.results / files.temporary_name()
    try:
        _write_apart(sweep, path)
        dataset = storage_dataset.load(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if storage_dataset.is_read_at_once(dataset):
        path.unlink(missing_ok=True)
    else:  # it is read when it is used
        atexit.register(path.unlink, missing_ok=True)
    return dataset


def _write_apart(sweep: Sweep, path: Path) -> None:
    """Write what the memo has of the space into a file that is not the results file."""
    while True:
        with contextlib.suppress(MergedAwayError):  # another run merged a segment: scan again
            index = memo.scan(sweep.memo)
            gathered = collect.gather(sweep.experiment, sweep.keys, index)
            said = update.origin(sweep, gathered, provenance.now())
            with collect.sheet(gathered, {**said, STATE: sweep.state(index.segments)}) as new:
                write.land(path, new)
            return
