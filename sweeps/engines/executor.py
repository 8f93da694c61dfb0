"""The engine that hands blocks to an executor: what has the `submit` of `concurrent.futures`.

The executor, and what it sends through (the scheduler of a cluster), see a builtin function, texts
and bytes, so that they need neither `sweeps` nor the project. Workers need `sweeps`.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import importlib
import itertools
import os
import pickle
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from typing import Any

from sweeps.code import versions
from sweeps.engines import Engine, Lost, Outcome, Receipt, Refusal, Work
from sweeps.errors import SweepsError

_AHEAD = 2  # blocks of a worker: one is under way, and one waits, so that no worker does

_LOOK_S = 0.2

_SMALL_BYTES = 2**16  # 1 MB in each task costs Dask 13 ms; a worker that lacks the work asks for it

_MOST_WORKS = 8  # of which a worker keeps the bytes

_ANSWER = "__import__('sweeps.engines.executor', fromlist=['answer']).answer(told)"
"""What `eval` does at the far end. All ways to pickle know a builtin by its name, and whatever
stands between needs no module of ours, as a function of ours would ("Error during deserialization
of the task graph", says the scheduler of Dask)."""

_LACKS, _OUTCOME, _REFUSAL = "lacks", "outcome", "refusal"


class Executor(Engine):
    """Shares the blocks among the workers of an executor.

    Parameters
    ----------
    make : callable
        Returns the executor.
    is_ours : bool
        Whether to shut it down at the end.
    """

    isolates = True
    shares_machine = False

    def __init__(self, make: Callable[[], Any], *, is_ours: bool = True) -> None:
        self._make, self._is_ours = make, is_ours
        self._made: Any = None
        self._is_stopped = False

    @property
    def executor(self) -> Any:
        """The executor, which is made when it is first needed."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def check(self) -> None:
        """Refuse if the executor cannot be made, as where no scheduler is there."""
        _ = self.executor

    def n_workers(self, given: int | None) -> int:
        """Return as many as given, or as the executor says that it has.

        Raises
        ------
        SweepsError
            If it does not say.
        """
        found = given or self.n_present()
        if not found:
            raise SweepsError(
                f"{type(self.executor).__name__} does not say how many workers it has: say it "
                "with -j, or n_workers="
            )
        return found

    def n_present(self) -> int:
        """Return how many workers there are now; 0 if unknown."""
        for attribute in ("_max_workers", "num_workers"):
            found = getattr(self.executor, attribute, None)
            if isinstance(found, int) and found > 0:
                return found
        return 0

    def carry(self, work: Work, blocks: Iterator[Any], n_workers: int) -> Generator[Outcome]:
        """Share the blocks; the loss of a worker costs the blocks that it had."""
        sent = _Sent(self.executor, work)
        self._is_stopped = False
        try:
            while True:
                n_free = max(0, _AHEAD * self.n_now(n_workers) - len(sent.under_way))
                for block in itertools.islice(blocks, n_free):
                    sent.submit(block, has_work=sent.is_small)
                if not sent.under_way:
                    return
                if refused := self.trouble():
                    yield Refusal(refused)
                    return
                if self._is_stopped:
                    sent.cancel()
                yield from sent.outcomes()
        except _GoneError as error:
            yield self._end(error)
        finally:
            sent.cancel()

    def n_now(self, n_workers: int) -> int:
        """Return how many workers to have blocks for, if the run began with `n_workers`."""
        return n_workers

    def trouble(self) -> str:
        """Say why no worker will ever answer, as of a lost scheduler; empty if all is well."""
        return ""

    def _end(self, error: Exception) -> Outcome:
        """Make another executor in place of one that is broken, if it is ours."""
        said = f"{type(self.executor).__name__} takes no more points: {error}"
        if not self._is_ours:
            return Refusal(f"{said}; make another one and run again")
        self.close(wait=False)
        return Lost(said)

    def stop(self) -> None:
        """Begin none of the blocks that wait for a worker."""
        self._is_stopped = True

    def close(self, *, wait: bool = True) -> None:
        """Shut the executor down if it is ours."""
        if self._is_ours and self._made is not None:
            made, self._made = self._made, None
            made.shutdown(wait=wait)  # what has not begun is cancelled already


class _GoneError(Exception):
    """The executor was shut down, or its workers are gone."""


class _Sent:
    """The blocks that an executor has."""

    def __init__(self, executor: Any, work: Work) -> None:
        import cloudpickle  # which takes functions of ``__main__`` as well

        self._executor = executor
        self._work = cloudpickle.dumps(work)
        self._digest = hashlib.sha256(self._work).hexdigest()
        self._versions = dataclasses.asdict(versions.here())
        self.is_small = len(self._work) <= _SMALL_BYTES
        self.under_way: dict[Future[bytes], Any] = {}
        self._is_cancelled = False

    def submit(self, block: Any, *, has_work: bool) -> None:
        import cloudpickle

        work = self._work if has_work else b""
        told = pickle.dumps((self._versions, self._digest, work, cloudpickle.dumps(block)))
        try:
            future = self._executor.submit(eval, _ANSWER, {"told": told})
        except RuntimeError as error:  # BrokenExecutor is one
            raise _GoneError(f"{type(error).__name__}: {error}") from error
        self.under_way[future] = block

    def outcomes(self) -> Iterator[Outcome]:
        """Give those that have come since; wait for some, but not for long."""
        done, _ = concurrent.futures.wait(
            self.under_way, _LOOK_S, concurrent.futures.FIRST_COMPLETED
        )
        for future in done:
            block = self.under_way.pop(future)
            if future.cancelled():
                if not self._is_cancelled:
                    yield Refusal("the executor was shut down, or has lost its scheduler")
                continue
            error = future.exception()
            if isinstance(error, concurrent.futures.BrokenExecutor):
                raise _GoneError(f"{type(error).__name__}: {error}")
            if error is not None:
                yield _explained(error, getattr(block, "number", block))
                continue
            kind, content = pickle.loads(future.result())
            if kind == _LACKS:
                self.submit(block, has_work=True)
            elif kind == _REFUSAL:
                yield Refusal(content)
            else:
                yield pickle.loads(content)

    def cancel(self) -> None:
        """Take back what no worker has begun."""
        self._is_cancelled = True
        for future in self.under_way:
            with contextlib.suppress(Exception):  # the executor may be gone
                future.cancel()


def _explained(error: BaseException, number: int) -> Outcome:
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        return Refusal(f"a worker cannot import sweeps ({said}): install it where workers run")
    if isinstance(error, concurrent.futures.CancelledError):
        return Refusal(f"the executor was shut down or lost its scheduler ({said})")
    return Lost(said, (number,))


def of(wanted: Any) -> Executor:
    """Make the engine of an executor, or of ``"package.module:factory"``.

    Raises
    ------
    SweepsError
        If it is neither.
    """
    if not isinstance(wanted, str):
        if not callable(getattr(wanted, "submit", None)):
            raise SweepsError(
                f"engine={wanted!r} is no engine: give a name, or an executor with the `submit` "
                "of concurrent.futures"
            )
        return Executor(lambda: wanted, is_ours=False)
    module, _, name = wanted.partition(":")
    if os.getcwd() not in sys.path:  # noqa: PTH109
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SweepsError(
            f"--engine {wanted}: {error}; give package.module:factory, where factory() returns "
            "an executor"
        ) from error
    return Executor(factory)


# ---- at the far end

_works: collections.OrderedDict[str, Work] = collections.OrderedDict()


def answer(told: bytes) -> bytes:
    """Work through a block in a worker of an executor."""
    said, digest, work, block = pickle.loads(told)
    place = f"the worker on {socket.gethostname()}"
    # What is sent may hold functions of ``__main__``, which is byte code.
    found = versions.differ(versions.of(said), versions.here(), place, has_bytecode=True)
    if found.refusals:
        return pickle.dumps((_REFUSAL, found.refusals[0]))
    if digest not in _works:
        if not work:
            return pickle.dumps((_LACKS, None))
        _works[digest] = pickle.loads(work)
        while len(_works) > _MOST_WORKS:
            _works.popitem(last=False)
    outcome = _works[digest](pickle.loads(block))
    if isinstance(outcome, Receipt) and found.warnings:
        warnings = (*outcome.warnings, *found.warnings)
        outcome = dataclasses.replace(outcome, warnings=warnings)
    return pickle.dumps((_OUTCOME, pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)))
