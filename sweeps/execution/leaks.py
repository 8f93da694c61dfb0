"""Whether values depend on the points that were computed before.

Where points leave something behind in a module's globals, some are computed once more in a new
process, forth and back, all of that in another new process, and in a third one back and forth. An
output that is the same in the first two, and that points had otherwise at another time, depends on
what was computed before. What the first point leaves for all others is seen in the third alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from sweeps import ahead
from sweeps.declaration import checks
from sweeps.engines import Block, guard
from sweeps.errors import SweepsError
from sweeps.execution import send
from sweeps.outputs import schema
from sweeps.project.sweep import Sweep
from sweeps.spaces.product import Places, Positions, written
from sweeps.storage import kinds
from sweeps.worker import evaluate, scratch
from sweeps.worker.isolation import undo
from sweeps.worker.job import ready

Values = dict[str, str]
"""By output: a digest of what a point had."""

MAX_POINTS = 128
"""Points that are computed again, at most."""

_MIN_POINTS = 2

_SHARE = 0.1

_MIN_S, _MAX_S = 2.0, 60.0  # of a run's time, all workers together

_CHECKED = ".independent"  # in the memo, where points were found not to depend on each other

_FAILURE = "whether it fails"


def warning(
    sweep: Sweep, positions: Places, busy_s: float, n_computed: int, traces: Collection[str]
) -> str:
    """Find out whether values depend on what was computed before, and say so; empty if not.

    Parameters
    ----------
    positions : places
        Points that the run computed.
    busy_s : float
        What they took, all workers together.
    n_computed : int
        Number of points that took it.
    traces : collection of str
        What points changed that lasts.
    """
    made, checked = sweep.experiment, sweep.memo / _CHECKED
    is_outward = made.resources or checks.is_async(made.function)  # it may ask a server
    if not traces or not n_computed or is_outward or checked.exists():
        return ""
    some = _some(positions, busy_s, busy_s / n_computed)
    name, said = made.name, f"points change {_listed(traces)}, which later points see"
    if not len(some):
        return (
            f"{name}: {said}; whether results depend on it was not checked, because points "
            f"take long: compare one with python -m sweeps reproduce {name} AXIS=VALUE"
        )
    found = _computed_again(sweep, some)
    if found is None:
        return ""
    different = _different(*found)
    if not different:
        with contextlib.suppress(OSError):
            checked.touch()
        return ""
    verb = "differs" if len(different) == 1 else "differ"
    return (
        f"{name}: results depend on which points were computed before: "
        f"{', '.join(different)} {verb}; {said}"
    )


def _listed(traces: Collection[str]) -> str:
    first = sorted(traces)[:3]
    return ", ".join(first) + (", ..." if len(traces) > len(first) else "")


def _some(positions: Places, busy_s: float, point_s: float) -> Positions:
    """Choose points: the first ones, and others evenly; as many as their time allows."""
    allowed_s = min(max(_MIN_S, _SHARE * busy_s), _MAX_S)
    n = int(min(len(positions), MAX_POINTS, allowed_s / max(6 * point_s, 1e-9)))
    if n < min(_MIN_POINTS, len(positions)):
        return written(positions[:0])
    first = np.arange((n + 1) // 2)
    evenly = np.linspace(len(first), len(positions) - 1, n - len(first)).astype(np.int64)
    chosen = np.unique(np.concatenate([first, evenly]))
    return np.array([positions[i] for i in chosen.tolist()], dtype=np.int64)


def _different(
    first: Sequence[Values], second: Sequence[Values], reverse: Sequence[Values]
) -> list[str]:
    """Outputs that are the same in two processes, and that a point had otherwise at another time.

    Others are random, of their time, or fetched.
    """
    half = len(reverse) // 2
    turned = [*reverse[half:], *reverse[:half]]  # forth and back, as the first ones
    names = dict.fromkeys(name for values in first for name in values)
    columns = {name: [values.get(name) for values in first] for name in names}
    again = {name: [values.get(name) for values in second] for name in names}
    other = {name: [values.get(name) for values in turned] for name in names}
    leaking = [
        name
        for name, own in columns.items()
        if own == again[name] and not own == own[::-1] == other[name]
    ]
    # An output that is missing where the point fails says nothing more.
    return [_FAILURE] if _FAILURE in leaking else leaking


def _computed_again(sweep: Sweep, some: Positions) -> list[list[Values]] | None:
    """Compute points in three new processes, the last one back first; None where that fails."""
    own = scratch.Scratch()
    started: list[subprocess.Popen[bytes]] = []
    try:
        (job,) = send.send(sweep, own.path).args
        answers = [own.path / f"{n}{scratch.VALUES}" for n in range(3)]
        started.extend(map(_start, answers))
        for each, order in zip(started, (some, some, some[::-1]), strict=True):
            if each.stdin is not None:
                each.stdin.write(pickle.dumps((job, order)))
                each.stdin.close()
        deadline = time.monotonic() + _MAX_S
        for each in started:
            each.wait(deadline - time.monotonic())
        return [json.loads(answer.read_text()) for answer in answers]
    except (SweepsError, OSError, ValueError, subprocess.TimeoutExpired):
        return None  # what cannot be sent, is killed, or takes long
    finally:
        for each in started:
            with contextlib.suppress(OSError):
                each.kill()
            each.wait()
        own.remove()


def _start(answer: Path) -> subprocess.Popen[bytes]:
    """Start a process that waits for what to compute; not one of loky's, which others may use."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from sweeps.execution.leaks import main; main()"
    )
    command = [sys.executable, "-c", code, str(os.getpid()), str(answer)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**undo.environment(), **ahead.flags()},
    )


def main() -> None:
    """Compute what comes by a pipe, and write what came of it."""
    parent, answer = sys.argv[1:]
    job, some = pickle.load(sys.stdin.buffer)
    guard.begin(int(parent))
    task = ready(job)
    if isinstance(task, evaluate.Task):
        values = [_values(task, int(position)) for position in (*some, *some[::-1])]
        Path(answer).write_text(json.dumps(values))
    os._exit(0)  # even if points have left threads


def _values(task: evaluate.Task, position: int) -> Values:
    parts, failures = evaluate.values(task, Block(0, np.array([position])))
    values: Values = {}
    for failure in failures:
        values[_FAILURE] = f"{failure.type}: {failure.message}"
    for part in parts:
        for variable in part.variables:
            name = schema.shown(variable.name, task.experiment.name)
            values[name] = kinds.digest(variable.values)
    return values
