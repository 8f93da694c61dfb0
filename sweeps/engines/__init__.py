"""Engines carry blocks to workers, and what workers say of them back.

The contract is here; each engine is one file in this folder and one line in `_ENGINES`.
An engine knows blocks and receipts, and never experiments, the memo or the results file.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sweeps.errors import unknown
from sweeps.outputs.types import Header, Variable
from sweeps.spaces.product import Places, written

_ENGINES = {"loky": "Loky", "serial": "Serial", "threads": "Threads"}
"""Module in this folder, which is also the engine's name, and the class in it."""

NAMES = tuple(_ENGINES)


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Some points that are sent to a worker together; they have the same parameters.

    Attributes
    ----------
    number : int
        Which block of the run it is.
    positions : Places
        Where in their space the points are. Their parameters follow from it.
    attempts : numpy.ndarray or None
        Shape (n,), how often each point failed before; None if none did.
    """

    number: int
    positions: Places
    attempts: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def at(self) -> npt.NDArray[np.int64]:
        """The positions as an array."""
        return written(self.positions)


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a worker did with a block.

    Attributes
    ----------
    number : int
        The block's.
    n_done, n_failed, n_left : int
        Points; the worker did not begin those left, since the time for the block was over.
    busy_s : float
        Seconds spent in the function.
    error : str
        Why the worker could not commit the block; empty if it could.
    warnings : tuple of str
        What a user should know of the values, which are kept.
    forms : tuple of (int, headers, coordinates)
        Forms of outputs that this worker has not met before, with the position of the first point.
    traces : tuple of str
        Globals that points have changed.
    """

    number: int
    n_done: int
    n_failed: int
    n_left: int
    busy_s: float
    error: str = ""
    warnings: tuple[str, ...] = ()
    forms: tuple[tuple[int, tuple[Header, ...], tuple[Variable, ...]], ...] = ()
    traces: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """A worker's answer that it cannot compute for this run at all; it ends the run."""

    reason: str


class Lost(NamedTuple):
    """An engine's word that workers died with blocks in their hands; the last outcome it gives."""

    cause: str


Work = Callable[[Any], Receipt | Refusal]


class Engine(Protocol):
    """What carries blocks to workers. Each engine derives from it.

    Attributes
    ----------
    isolates : bool
        A worker is a process of its own. If a point crashes it, or takes too long or too much
        memory, the worker ends and the run goes on. What the engine gets is pickled. If False, a
        worker is the process of the run or a thread of it.
    shares_machine : bool
        Workers run on this machine: they see its temporary folder, and their process ids are known
        here. The flight records, which say what a dead worker was at, need both.
    is_sequential : bool
        It works through one block after the other, in the order in which it takes them.
    """

    isolates: bool
    shares_machine: bool
    is_sequential: bool

    def check(self) -> None:
        """Refuse what this machine, or this process, cannot have workers for.

        Raises
        ------
        SweepsError
            Saying what is missing.
        """

    def n_workers(self, given: int | None) -> int:
        """Return how many workers it has if the user asks for `given`, or leaves it open."""
        ...

    def carry(
        self, work: Work, blocks: Iterator[Any], n_workers: int
    ) -> Generator[Receipt | Refusal | Lost]:
        """Have workers call ``work(block)``, and give what it returns, in any order.

        It takes the next block only when a worker is about to be free. If workers die, it gives
        `Lost` and nothing more. Closing the generator ends what is under way.
        """
        ...

    def close(self, *, wait: bool = True) -> None:
        """End workers that wait for blocks; the next call of `carry` starts new ones.

        Parameters
        ----------
        wait : bool
            Return only when they have ended.
        """


def get(name: str) -> Engine:
    """Get an engine by its name.

    Raises
    ------
    UnknownNameError
        For a name that no engine has.
    """
    if name not in _ENGINES:
        raise unknown("engine", name, NAMES)
    module = importlib.import_module(f"{__name__}.{name}")
    engine: Engine = getattr(module, _ENGINES[name])()
    return engine
