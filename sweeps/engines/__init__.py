"""Engines carry blocks to workers: blocks in, outcomes out, in any order.

An engine is a function ``carry(work, blocks, n_workers)`` that gives an outcome for each block as
they come: the receipt that ``work(block)`` returned, or `Lost` and nothing more when workers died.
It takes the next block only when a worker is about to be free.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol

from sweeps.engines.messages import Lost, Receipt
from sweeps.errors import unknown

NAMES = ("loky", "serial", "threads")


class Engine(Protocol):
    """What every engine looks like."""

    def __call__(
        self, work: Callable[[Any], Receipt], blocks: Iterator[Any], n_workers: int
    ) -> Generator[Receipt | Lost]:
        """Carry blocks to workers and outcomes back; closing the generator ends the workers."""


def get(name: str) -> Engine:
    """Get an engine by its name.

    Raises
    ------
    UnknownNameError
        For a name that none has.
    """
    if name not in NAMES:
        raise unknown("engine", name, NAMES)
    from sweeps.engines import local

    engine: Engine = getattr(local, name)
    return engine


def check(name: str) -> None:
    """Refuse an engine that this machine, or this process, cannot have workers for.

    Raises
    ------
    SweepsError
        With what is missing.
    """
    if name != "serial":
        from sweeps.engines import needs

        needs.check(processes=not is_in_process(name))


def end_processes(*, wait: bool = True) -> None:
    """End worker processes that wait for blocks, so that the next run starts its own."""
    from sweeps.engines import local

    local.end_processes(wait=wait)


def is_in_process(name: str) -> bool:
    """Whether an engine's workers share the process of the caller, and its fate."""
    return name != "loky"
