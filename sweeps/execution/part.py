"""Compute a part of the points that the memo lacks, and land nothing: others do that."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from sweeps.execution.compute import carry_out, start, told_of, unfinished
from sweeps.execution.options import Options, Progress, Report, Tally, Watch
from sweeps.execution.plan import first, plan_run
from sweeps.memo import claims
from sweeps.memo import index as memo
from sweeps.project.sweep import Sweep
from sweeps.results import adopt
from sweeps.results.state import held_attributes
from sweeps.signals import Interruption
from sweeps.spaces.product import Places


def compute_part(
    sweep: Sweep,
    options: Options,
    watch: Watch | None,
    interruption: Interruption,
    runs: Sequence[range] | None,
) -> Report:
    """Compute points that the memo lacks; wait for no other run, and land nothing.

    Parameters
    ----------
    runs : sequence of range or None
        Numbers of the points to compute, of which other runs hear nothing; None to take what other
        runs leave free.
    """
    adopt.adopt(sweep, held_attributes(sweep.landed))
    with contextlib.ExitStack() as stack:
        others = None
        if runs is None:
            others = claims.Claims(sweep.memo, sweep.keys)
            stack.callback(others.close)
        index = memo.scan(sweep.memo, sets_aside=True)
        recompute, retry = options.recompute, options.retries
        todo = plan_run(sweep, index, recompute=recompute, retry=retry, keep=True, runs=runs)
        missing = todo.todo if runs is not None else _from_somewhere(todo.todo)
        positions, tally = first(missing, options.limit), Tally()
        if positions:
            dispatch = start(sweep, index, positions, options, others=others, waits=False)
            progress = Progress(n_todo=sum(map(len, positions)))
            tally = carry_out(sweep, dispatch, progress, watch, interruption)
    if tally.error:
        raise unfinished(tally.error, tally)
    n_skipped = todo.n_missing if options.failed else 0
    n_todo = sum(map(len, todo.todo)) + todo.n_left + n_skipped
    return Report(
        experiment=sweep.experiment.name,
        n_points=todo.n_points,
        n_reused=todo.n_points - n_todo + tally.n_elsewhere,
        n_computed=tally.n_computed,
        n_failed=tally.n_failed + todo.n_left,
        n_excluded=todo.n_excluded,
        seconds=0.0,
        results=sweep.landed,
        fingerprint=sweep.fingerprint.digest,
        is_landed=False,
        is_interrupted=interruption.is_asked,
        warnings=(
            *(others.warnings if others is not None else ()),
            *told_of(sweep, index, positions, options, tally, interruption),
        ),
    )


def _from_somewhere(pieces: Sequence[Places]) -> list[Places]:
    """Begin amid some points, so that runs beside each other meet seldom; end with those before."""
    n_before = int.from_bytes(os.urandom(8)) % max(1, sum(map(len, pieces)))
    before, after = [], []
    for piece in pieces:
        at = min(n_before, len(piece))
        before.append(piece[:at])
        after.append(piece[at:])
        n_before -= at
    return [piece for piece in (*after, *before) if len(piece)]
