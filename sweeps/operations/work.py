"""Compute missing points beside other runs, or one shard of them, and leave the landing to others.

Any number of such runs go on at the same time, on any number of machines. Nobody waits for another.
"""

from __future__ import annotations

import dataclasses
import os
import time
import warnings
from collections.abc import Mapping
from typing import Any

from sweeps.declaration.experiment import Experiment
from sweeps.errors import SweepsError
from sweeps.execution.options import Options, Report
from sweeps.execution.shard import Shard, compute_part, parse
from sweeps.operations import run
from sweeps.progress.show import Watch, in_python
from sweeps.project.imports import refuse_while_importing
from sweeps.project.sweep import Sweep, resolve
from sweeps.signals import Interrupted
from sweeps.spaces.space import Space


def work(
    experiment: str | Experiment,
    *,
    shard: str | None = None,
    space: Space | None = None,
    axes: Mapping[str, Any] | None = None,
    only: str | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Report:
    """Compute missing points of an experiment that other runs leave free, or one shard of them.

    The results file is not written: `sweeps.land` or `sweeps.run` does that, when all is computed.

    Parameters
    ----------
    experiment, space, axes, only, results, experiments
        As for `sweeps.run`.
    shard : str, optional
        ``"2/8"`` computes shard 2 of 8, counted from 0, and heeds no other run, so that it needs no
        locks of files. ``"auto"`` and ``"auto/8"`` take the numbers from the batch system.
    **options
        As for `sweeps.run`; `recompute` with a shard only.

    Returns
    -------
    Report
        How many points were computed, reused and failed.

    Warns
    -----
    UserWarning
        About problems that did not stop the run.

    Raises
    ------
    SweepsError
        If the experiment cannot run, or points cannot be stored.
    """
    refuse_while_importing("work()")
    given = run.given_options("work()", options)
    if given.recompute and shard is None:
        raise SweepsError(
            "work() computes what is missing, and several runs would each recompute everything: "
            "give a shard with recompute=True, or call run()"
        )
    own = None if shard is None else parse(shard)
    sweep = resolve(
        experiment, results=results, experiments=experiments, axes=axes, space=space, only=only
    )
    try:
        with in_python(sweep.experiment.name, is_shown=not given.quiet) as watch:
            report = execute(sweep, given, watch, own)
    except Interrupted:
        raise KeyboardInterrupt from None
    for told in report.warnings:
        warnings.warn(told, stacklevel=2)
    if report.is_interrupted:
        raise KeyboardInterrupt
    return report


def execute(
    sweep: Sweep,
    options: Options,
    watch: Watch | None = None,
    shard: Shard | None = None,
    *,
    is_only_one: bool = False,
) -> Report:
    """Compute the points of a shard, or what other runs leave free, without stored results.

    Parameters
    ----------
    is_only_one : bool
        Whether no other run follows in this process that could use the workers.

    Raises
    ------
    SweepsError
        If the experiment cannot run; nothing has been computed then.
    StorageError
        If points cannot be stored; what was committed is kept.
    """
    start = time.perf_counter()
    runs = None if shard is None else shard.runs(len(sweep.experiment.space))
    with run.may_end(options, is_only_one=is_only_one) as interruption:
        report = compute_part(sweep, options, watch, interruption, runs)
    return dataclasses.replace(report, seconds=time.perf_counter() - start)
