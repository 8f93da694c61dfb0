"""Which points may have killed a worker, and what is recorded of one that did."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from sweeps.outputs import failures
from sweeps.spaces.product import Positions
from sweeps.worker import scratch


@dataclasses.dataclass(frozen=True, eq=False)
class Suspect:
    """Points that a worker was at when workers died; it is the fault of any of them.

    If it is not, that of earlier ones of the block, as far as these are held back.
    """

    positions: Positions
    earlier: Positions
    at: scratch.Flight
    cause: str


def why(suspect: Suspect, timeout_s: float | None) -> failures.Why:
    """Kind, type, message and traceback of a point that killed its worker."""
    at = suspect.at
    if at.kind == "timeout" and timeout_s is not None:
        return failures.timed_out(timeout_s, at.traceback)
    message = f"the worker died: {at.cause or exit_code(suspect.cause)}"
    return "died", "WorkerDied", message, at.traceback


def halves(groups: Sequence[Positions]) -> Iterator[Sequence[Positions]]:
    """Divide groups in two; a single one through its middle."""
    if not groups:
        return
    if len(groups) == 1:
        (group,) = groups
        groups = np.array_split(group, 2)
    middle = len(groups) // 2
    for half in (groups[:middle], groups[middle:]):
        if sum(map(len, half)):
            yield half


def exit_code(cause: str) -> str:
    """The part of loky's message that says something: the exit codes."""
    _, found, codes = cause.partition("exit codes of the workers are {")
    return f"exit code {codes.partition('}')[0]}" if found else cause.partition("\n")[0]
