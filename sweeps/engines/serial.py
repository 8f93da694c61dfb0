"""The engine that computes in the process of the run, one point after the other."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from sweeps.engines import Engine, Outcome, Work


class Serial(Engine):
    """Calls the function in the caller's thread."""

    isolates = False
    shares_machine = True
    is_sequential = True

    def n_workers(self, given: int | None) -> int:
        """Return 1, whatever is given."""
        return 1

    def carry(self, work: Work, blocks: Iterator[Any], n_workers: int) -> Generator[Outcome]:
        """Work through the blocks."""
        for block in blocks:
            yield work(block)
