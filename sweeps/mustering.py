"""Mustering: all worker processes of a run started and ready before there is a block for them."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from pathlib import Path

from sweeps import engines, hosting, suspicion, worker
from sweeps.block import Lost, Receipt

_READY = ".ready"
_LONGEST_S = 60.0  # who is not there by then has died, or is very slow to import
_LOOK_S = 0.002


def muster(engine: engines.Engine, job: worker.Job, n_workers: int) -> str:
    """Have all workers ready; return why they cannot be, else an empty text."""
    meet = functools.partial(_meet, job, n_workers)
    with contextlib.closing(engine(meet, iter(range(n_workers)), n_workers)) as said:
        for outcome in said:
            if isinstance(outcome, Lost):
                cause = suspicion.exit_code(outcome.cause)
                return f"workers die before they compute anything: {cause}"
            if outcome.error:
                return outcome.error
    return ""


def _meet(job: worker.Job, n_processes: int, number: int) -> Receipt:
    """Make this process ready, resources and all, and wait until so many are."""
    task, error = worker.ready(job), ""
    if isinstance(task, Receipt):
        error = task.error
    else:
        try:
            with task.hosts.caller(task.experiment, task.settings.flights):
                pass
        except hosting.CannotOpenError as refused:
            error = str(refused)
    folder = Path(job.settings).parent
    (folder / f"{os.getpid()}{_READY}").touch()
    deadline = time.monotonic() + _LONGEST_S
    while len(list(folder.glob(f"*{_READY}"))) < n_processes and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return Receipt(number, 0, 0, 0, 0.0, error)
