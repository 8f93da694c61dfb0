"""Land meanwhile: refresh the results file of a long run, so that it shows the points so far."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterable, Sequence

from sweeps.errors import SweepsError
from sweeps.memo import index as memo
from sweeps.outputs.schema import Form
from sweeps.outputs.types import Header
from sweeps.project.sweep import Sweep
from sweeps.results import update

LANDING_SHARE = 50
"""A long run lands what it has when this many times a landing's duration has passed: 2 %."""

_FIRST_LANDING_S = 3.0
_PAUSE_S = 30.0

_BYTES_PER_S = 2e8
"""How fast a landing is, until one was measured: 1.3 GB took 5.8 to 7.9 s on two cores."""

_STATE_BYTES = 5
"""Of a point in a results file, beside its outputs: its status and its time."""


class Landing:
    """Refreshes the results file while a run goes on, at most 2 % of its time.

    Parameters
    ----------
    index : Index
        The memo when the run began.
    started : str
        When that was.
    forms : sequence of Form
        Of the outputs so far; it grows.
    left : callable
        Says how many seconds the run still takes, if that is known.
    """

    def __init__(
        self,
        sweep: Sweep,
        index: memo.Index,
        started: str,
        forms: Sequence[Form],
        left: Callable[[], tuple[float, object] | None],
    ) -> None:
        self._sweep, self._index, self._started = sweep, index, started
        self._forms, self._left = forms, left
        self._last = time.perf_counter()
        # A file that is there is not replaced by one with less so soon.
        self._pause_s = _PAUSE_S if sweep.landed.exists() else _FIRST_LANDING_S
        self._took_s: float | None = None

    def if_due(self) -> None:
        """Refresh it if the last time is long enough ago, and the run is not about to end."""
        begun = time.perf_counter()
        if begun - self._last <= self._pause_s:
            return
        took_s = self._expected_s() if self._took_s is None else self._took_s
        if begun - self._last <= LANDING_SHARE * took_s:
            return
        if (known := self._left()) is not None and known[0] < max(_FIRST_LANDING_S, took_s):
            return
        with contextlib.suppress(SweepsError):  # the last landing will say it
            refreshed = update.refresh(self._sweep, self._index, self._started)
            self._index = refreshed.gathered.index
        self._last = time.perf_counter()
        self._pause_s, self._took_s = _PAUSE_S, self._last - begun

    def _expected_s(self) -> float:
        """Estimate how long the first landing takes: the file has room for the whole space."""
        stored = (part.variables for part in self._index.parts)
        seen = (headers for _, headers, _ in self._forms)
        return (
            file_bytes(self._sweep.experiment.space.n_positions, itertools.chain(stored, seen))
            / _BYTES_PER_S
        )


def file_bytes(n_positions: int, forms: Iterable[Sequence[Header]]) -> int:
    """Estimate the size of a results file from the forms of outputs, of which the largest count.

    Texts count as what refers to them.
    """
    largest: dict[str, int] = {}
    for each in itertools.chain(*forms):
        n_bytes = math.prod(each.shape) * each.dtype.itemsize
        largest[each.name] = max(n_bytes, largest.get(each.name, 0))
    return n_positions * (_STATE_BYTES + sum(largest.values()))
