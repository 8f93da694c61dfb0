"""Engines carry blocks to workers, and what workers say of them back.

The contract is here; each engine is one file in this folder and one line in `_ENGINES`.
An engine knows blocks and receipts, and never experiments, the memo or the results file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sweeps.errors import SweepsError, unknown
from sweeps.outputs.types import Header, Variable
from sweeps.spaces.product import Places, written

_ENGINES = {
    "loky": "Loky",
    "serial": "Serial",
    "threads": "Threads",
    "dask": "Dask",
    "mpi": "MPI",
}
"""Module in this folder, which is also the engine's name, and the class in it."""

NAMES = tuple(_ENGINES)

LOCAL = ("loky", "serial", "threads")
"""Those that need nothing but this machine."""

_WITH_ADDRESS = ("dask",)


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
    left : numpy.ndarray or None
        Shape (n_left,), positions of those left; None if they are the last ones of the block.
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
    files : tuple of (str, bytes)
        What the worker could not write to the memo, since it does not see it: names and contents.
    elapsed : numpy.ndarray or None
        Shape (n_done + n_failed,), seconds of each point; None where these are many.
    peak_bytes : int
        The most memory that the worker process has had so far; 0 if unknown.
    """

    number: int
    n_done: int
    n_failed: int
    n_left: int
    busy_s: float
    left: npt.NDArray[np.int64] | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()
    forms: tuple[tuple[int, tuple[Header, ...], tuple[Variable, ...]], ...] = ()
    traces: tuple[str, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    elapsed: npt.NDArray[np.float32] | None = None
    peak_bytes: int = 0


class Refusal(NamedTuple):
    """A worker's answer that it cannot compute for this run at all; it ends the run."""

    reason: str


class Lost(NamedTuple):
    """An engine's word that workers died with blocks in their hands.

    If it names the blocks, the others go on; else all are lost, and it is the last outcome.
    """

    cause: str
    numbers: tuple[int, ...] = ()


Outcome = Receipt | Refusal | Lost

Work = Callable[[Any], Outcome]


class Engine:
    """What carries blocks to workers. Each engine derives from it.

    Attributes
    ----------
    isolates : bool
        A worker is a process of its own. If a point crashes it, or takes too long or too much
        memory, the worker ends and the run goes on. What the engine gets is pickled. If False, a
        worker is the process of the run or a thread of it.
    shares_machine : bool
        Workers run on this machine: they see its temporary folder, and their process ids are known
        here. The flight records, which say what a dead worker was at, need both. If False, each
        worker has a crew compute its blocks (`sweeps.execution.crew`).
    is_sequential : bool
        It works through one block after the other, in the order in which it takes them.
    """

    isolates: bool
    shares_machine: bool
    is_sequential: bool = False

    @property
    def name(self) -> str:
        """The name of the engine, for messages."""
        return type(self).__name__.lower()

    def check(self) -> None:
        """Refuse what this machine, or this process, cannot have workers for.

        Raises
        ------
        SweepsError
            Saying what is missing.
        """

    def expected(self) -> AbstractContextManager[None]:
        """Hold while it is found out what to carry, so that workers may get ready meanwhile."""
        return contextlib.nullcontext()

    def n_workers(self, given: int | None) -> int:
        """Return how many workers it has if the user asks for `given`, or leaves it open."""
        raise NotImplementedError

    def carry(self, work: Work, blocks: Iterator[Any], n_workers: int) -> Generator[Outcome]:
        """Have workers call ``work(block)``, and give what it returns, in any order.

        It takes the next block only when a worker is about to be free. If workers die, it gives
        `Lost`. Closing the generator ends what is under way.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Begin none of the blocks that wait for a worker; a handler of signals may call this."""

    def notice(self) -> str:
        """Say what the user should know of the workers now; empty if all is well."""
        return ""

    def close(self, *, wait: bool = True) -> None:
        """End workers that wait for blocks; the next call of `carry` starts new ones.

        Parameters
        ----------
        wait : bool
            Return only when they have ended.
        """


def check_name(wanted: Any) -> None:
    """Refuse a name that no engine has, before anything else is done.

    Raises
    ------
    UnknownNameError
    """
    if isinstance(wanted, str) and ":" not in wanted and wanted not in NAMES:
        raise unknown("engine", wanted, NAMES)


def get(wanted: Any, address: str | None = None) -> Engine:
    """Get an engine.

    Parameters
    ----------
    wanted : str, Engine or executor
        Its name; ``"package.module:factory"``, which makes an executor; or an object with the
        `submit` of `concurrent.futures.Executor`.
    address : str, optional
        Of the cluster, for an engine that has one: an address, or a file that holds it.

    Raises
    ------
    UnknownNameError
        For a name that no engine has.
    SweepsError
        For what is neither.
    """
    if isinstance(wanted, Engine):
        return wanted
    if address is not None and wanted not in _WITH_ADDRESS:
        raise SweepsError(f"--address {address}: only {' and '.join(_WITH_ADDRESS)} has one")
    check_name(wanted)
    if wanted not in NAMES:
        from sweeps.engines import executor

        return executor.of(wanted)
    module = importlib.import_module(f"{__name__}.{wanted}")
    make = getattr(module, _ENGINES[wanted])
    engine: Engine = make(address) if wanted in _WITH_ADDRESS else make()
    return engine
