"""Dispatching: missing points to workers and their receipts back, whatever befalls the workers."""

from __future__ import annotations

import dataclasses
import functools
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sweeps import engines, flight, memo, planning, scheduling, values, worker
from sweeps.block import Block, Failure, Lost, Receipt
from sweeps.errors import StorageError, SweepsError
from sweeps.space import Positions
from sweeps.subject import Subject

_MAX_BARREN_LOSSES = 3
_TIMEOUT = "took longer than the timeout of {:g} s"


@dataclasses.dataclass
class Tally:
    """What came of the points so far."""

    n_computed: int = 0
    n_failed: int = 0
    error: str = ""


class Dispatch:
    """Computes points on an engine.

    Workers may die at any time. What they had committed is in the memo; what they were at is in
    their flight records. A point under suspicion is computed again alone; the one that kills its
    worker there is guilty, and fails; all others go on.
    """

    def __init__(
        self,
        subject: Subject,
        index: memo.Index,
        todo: Iterable[Positions],
        engine: str,
        n_workers: int,
    ) -> None:
        self._subject = subject
        self._index = index
        self._engine = engines.get(engine)
        self._in_process = engines.is_in_process(engine)
        self._n_workers = n_workers
        self._scheduler = scheduling.Scheduler(todo, self._cut, n_workers)
        self._flights = Path(tempfile.mkdtemp(prefix="sweeps-"))
        self._work = self._make_work()
        self._n_barren = 0
        self.tally = Tally()

    def stop(self) -> None:
        """Begin nothing more; what is under way is finished and committed."""
        self._scheduler.stop()
        flight.ask_to_stop(self._flights)

    def close(self) -> None:
        """Remove what only this run needed."""
        shutil.rmtree(self._flights, ignore_errors=True)

    def receipts(self) -> Iterator[None]:
        """Compute everything, coming back after every outcome."""
        while self._scheduler.n_left and not self._scheduler.is_stopped:
            for outcome in self._carry(self._scheduler.blocks(), self._n_workers):
                if isinstance(outcome, Lost):
                    self._recover(outcome)
                else:
                    self._take(outcome)
                yield

    def _carry(self, blocks: Iterator[Block], n_workers: int) -> Iterator[Receipt | Lost]:
        packed = blocks if self._in_process else map(_pack, blocks)
        return self._engine(self._work, packed, n_workers)

    def _take(self, receipt: Receipt) -> None:
        if receipt.error:
            self.tally.error = receipt.error
            self.stop()
            return
        self._scheduler.settle(receipt)
        self._n_barren = 0
        self.tally.n_computed += receipt.n_done
        self.tally.n_failed += receipt.n_failed

    def _recover(self, lost: Lost) -> None:
        """Find out what the memo has of the lost blocks, and who is to blame."""
        self._index = memo.scan(self._subject.memo, self._index)
        flights = {f.block: f for f in flight.read(self._flights)}
        suspects = []
        for number, positions in list(self._scheduler.flying.items()):
            own = self._subject.keys(positions)
            is_open = (self._index.find(own) < 0) & (self._index.find_failed(own) < 0)
            self._count_committed(own, is_open)
            at = flights.get(number)
            if at is not None and is_open[at.point]:
                is_open[at.point] = False
                suspects.append((positions[at.point : at.point + 1], at))
            self._scheduler.give_back(number, positions[is_open])
        for position, at in suspects:
            if at.kind == "timeout" or at.cause or not self._survives_alone(position):
                self._condemn(position, at, lost.cause)
        self._n_barren = 0 if flights else self._n_barren + 1
        if self._n_barren >= _MAX_BARREN_LOSSES:
            self.tally.error = f"workers die before they compute anything: {lost.cause}"
            self.stop()

    def _count_committed(self, own: Any, is_open: Any) -> None:
        """Count what was committed though its receipt never came."""
        n_done = int((self._index.find(own) >= 0).sum())
        self.tally.n_computed += n_done
        self.tally.n_failed += int((~is_open).sum()) - n_done

    def _survives_alone(self, position: Positions) -> bool:
        lone = scheduling.Scheduler([position], self._cut, 1)
        for outcome in self._carry(lone.blocks(), 1):
            if isinstance(outcome, Lost):
                return False
            self.tally.n_computed += outcome.n_done
            self.tally.n_failed += outcome.n_failed
            self.tally.error = self.tally.error or outcome.error
        return True

    def _condemn(self, position: Positions, at: flight.Flight, cause: str) -> None:
        """Record that a point killed its worker."""
        flights = flight.read(self._flights)  # of its second try, which may have said more
        at = next(iter(flights), at)
        timeout_s = self._subject.experiment.timeout
        if at.kind == "timeout" and timeout_s is not None:
            kind, name, message = "timeout", "TimeoutError", _TIMEOUT.format(timeout_s)
        else:
            kind, name = "died", "WorkerDied"
            message = f"the worker died: {at.cause or _exit_codes(cause)}"
        key = self._subject.keys(position)
        failure = Failure(
            (int(key[0, 0]), int(key[0, 1])),
            kind,
            name,
            message,
            at.traceback,
            attempts=1 + int(self._attempts(key)[0]),
        )
        try:
            memo.commit(self._subject.memo, [], [failure])
        except StorageError as error:
            self.tally.error = str(error)
            self.stop()
        self.tally.n_failed += 1

    def _cut(self, positions: Positions, number: int) -> Iterator[Block]:
        codes = self._subject.experiment.space.codes(positions)
        for offset, part in enumerate(planning.alike(codes)):
            yield planning.cut(self._subject.keys, positions[part], number + offset, self._attempts)

    def _attempts(self, keys: Any) -> Any:
        """How often points failed before, shape (n,)."""
        if not self._index.failures:
            return np.zeros(len(keys), dtype=np.int64)
        attempts = np.array([f.attempts for f in self._index.failures.values()])
        found = self._index.find_failed(keys)
        return np.where(found >= 0, attempts[found], 0)

    def _make_work(self) -> Callable[[Any], Receipt]:
        subject = self._subject
        experiment = subject.experiment
        constants = {
            name: values.unlabel(table.element(0)) for name, table in experiment.constants.items()
        }
        taken = frozenset({*experiment.space.parameters, *experiment.space.dims, *constants})
        settings = worker.Settings(constants, taken, subject.memo, scheduling.BLOCK_S)
        if self._in_process:
            task = worker.Task(experiment, settings, flight.Recorder(None))
            return functools.partial(worker.evaluate, task)
        job = worker.Job(
            experiment.name,
            subject.fingerprint.digest,
            subject.location,
            subject.attribute,
            b"" if subject.location is not None else _pack(experiment.without_space()),
            _pack(settings),
            str(self._flights),
            os.getpid(),
            tuple(sys.path),
            os.getcwd(),  # noqa: PTH109
        )
        return functools.partial(worker.work, job)


def _pack(thing: Any) -> bytes:
    """Pickle for a worker, what is defined in ``__main__`` by value."""
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise SweepsError(
            f"cannot send {type(thing).__name__} to a worker process: {error}; "
            "use --engine serial or threads, or objects that can be pickled"
        ) from error
    return packed


def _exit_codes(cause: str) -> str:
    """The part of loky's message that says something: the exit codes."""
    _, found, codes = cause.partition("exit codes of the workers are ")
    return f"exit code {codes.strip().strip('{}')}" if found else cause.partition("\n")[0]


def n_workers(given: int | None, n_points: int, engine: str) -> int:
    """Number of workers for a run: as given, else one a core, and never more than points."""
    if engine == "serial":
        return 1
    if given is not None and given < 1:
        raise SweepsError(f"-j {given}: give a number of workers, at least 1")
    if given is None:
        from joblib import cpu_count

        given = cpu_count()
    return max(1, min(given, n_points))


def kill_workers() -> None:
    """End all worker processes of this process now."""
    if "joblib" in sys.modules:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=False, kill_workers=True)
