"""The engine that computes in threads of the run's process."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from sweeps.engines import Engine, Outcome, Work, pool


class Threads(Engine):
    """Shares the blocks among threads, for functions that release the interpreter."""

    isolates = False
    shares_machine = True
    is_sequential = False

    def check(self) -> None:
        """Refuse if joblib would use no threads."""
        pool.check()
        # As joblib, it sets KMP_* in the environment when it is imported, which no point has done.
        import threadpoolctl  # noqa: F401

    def n_workers(self, given: int | None) -> int:
        """Return as many as given, or one a core."""
        return pool.n_workers(given)

    def carry(self, work: Work, blocks: Iterator[Any], n_workers: int) -> Generator[Outcome]:
        """Share the blocks, and the cores that linear algebra uses."""
        from threadpoolctl import threadpool_limits

        # Worker processes of joblib get the same bound; its threads do not.
        with threadpool_limits(max(1, pool.n_workers(None) // n_workers)):
            yield from pool.carry("threading", work, blocks, n_workers)
