"""Which of the points that failed before are computed again."""

from __future__ import annotations

import datetime
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from sweeps.errors import SweepsError, unknown
from sweeps.memo import index as memo

KINDS = ("exception", "timeout", "died", "output")
"""How points fail."""


class Retry(NamedTuple):
    """Which failed points are computed again: those of a kind that failed before a time.

    Attributes
    ----------
    is_wanted : bool
        Whether any are.
    is_all : bool
        Whether they are all that is computed.
    """

    is_wanted: bool = True
    is_all: bool = False
    kind: str | None = None
    before_ns: int | None = None

    @classmethod
    def of(cls, retry: bool, failed: bool, kind: str | None, before: str | None) -> Self:
        """Make it of options of a run, and refuse those that contradict each other."""
        if failed and not retry:
            raise SweepsError("--failed computes failed points again: leave out --no-retry")
        if kind is not None and not failed:
            raise SweepsError(f"--kind {kind} chooses among failed points: add --failed")
        if kind is not None and kind not in KINDS:
            raise unknown("kind of failure", kind, KINDS)
        return cls(retry, failed, kind, None if before is None else _time_ns(before))

    def again(self, index: memo.Index) -> npt.NDArray[np.bool_]:
        """Tell which failures are tried again, in the order of the index, and False behind them."""
        tried_ns: dict[tuple[int, int], int] = {}
        for each in index.in_order if self.before_ns is not None else ():
            for failure in each.failures:
                if failure.attempts == index.failures[failure.key].attempts:
                    tried_ns.setdefault(failure.key, each.created_ns)
        told = [
            self.is_wanted
            and self.kind in (None, failure.kind)
            and (self.before_ns is None or tried_ns[key] < self.before_ns)
            for key, failure in index.failures.items()
        ]
        return np.array([*told, False])


EVERY = Retry()


def _time_ns(text: str) -> int:
    """Read a time; without a time zone it is local."""
    try:
        return round(datetime.datetime.fromisoformat(text).timestamp() * 1e9)
    except (ValueError, OverflowError, OSError, TypeError):
        raise SweepsError(
            f"--retry-before {text}: give a time, such as 2026-10-30T12:00 or, with the time zone, "
            "2026-10-30T12:00+01:00"
        ) from None
