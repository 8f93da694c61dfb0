"""A crew: the process that computes blocks for a worker elsewhere, with a child process of its own.

It commits to the memo of the run where it sees that; else what it would have written goes back with
the outcomes, and the run writes it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import numpy as np

from sweeps import engines
from sweeps.declaration.checks import CHECKPOINT
from sweeps.engines import Block, Receipt, Refusal
from sweeps.errors import SweepsError
from sweeps.execution import brief, printed, remote, send
from sweeps.execution.dispatch import Dispatch
from sweeps.execution.plan import Points
from sweeps.memo import index as memo
from sweeps.memo import listing
from sweeps.spaces.product import Positions
from sweeps.storage import files, packs
from sweeps.storage.files import TEMPORARY_PREFIX as _TEMPORARY
from sweeps.worker import job

_IDLE_S = 60.0  # a run that gives out nothing for so long is over, or has enough other workers

_COMMIT_S = 2.0  # after so long the child commits what it has

_SENT_ONCE = (listing.SUFFIX, packs.SUFFIX)

_BLOCK_S = 4.0  # after so long, another crew may compute what is left of a block


def main(descriptor: int) -> None:
    """Compute the blocks that come by a connection, until it ends."""
    os.dup2(2, 1)  # what anything prints belongs to the log of the worker
    connection = Connection(descriptor)
    errand: remote.Errand = connection.recv()
    place = Path(tempfile.mkdtemp(prefix="sweeps-crew-"))
    asked = queue.SimpleQueue[Block | None]()
    threading.Thread(target=_hear, args=(connection, asked, place), daemon=True).start()
    try:
        crew = Crew(errand, place)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, crew.stop)
        while not crew.is_stopped and (block := _next(asked)) is not None:
            connection.send(crew.compute(block))
        crew.close()
    except Exception as error:  # whatever the project's modules raise
        said = f"{error}" if isinstance(error, SweepsError) else f"{type(error).__name__}: {error}"
        connection.send(Refusal(f"on {socket.gethostname()}: {said}"))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _hear(connection: Connection, asked: queue.SimpleQueue[Block | None], place: Path) -> None:
    """Hear what is asked, and end with the worker: the run gives its block to another one."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            asked.put(connection.recv())
    if _is_busy.is_set():
        shutil.rmtree(place, ignore_errors=True)
        os._exit(1)
    asked.put(None)


def _next(asked: queue.SimpleQueue[Block | None]) -> Block | None:
    with contextlib.suppress(queue.Empty):
        return asked.get(timeout=_IDLE_S)
    return None


_is_busy = threading.Event()


class Crew:
    """Computes blocks of one run.

    Parameters
    ----------
    place : Path
        A folder of its own, for what it cannot write to the memo.
    """

    def __init__(self, errand: remote.Errand, place: Path) -> None:
        self._is_seen = errand.is_seen
        self._memo = errand.memo if self._is_seen else place / "memo"
        results = errand.results if self._is_seen else place / "results"
        parcel = _at_home(errand, place)
        now_ns = max(errand.now_ns, time.time_ns())
        own = {
            "memo": self._memo,
            "results": results,
            "clock_ns": now_ns - time.monotonic_ns(),
            "block_s": _COMMIT_S,
            "checkpoints": brief.checkpoints(self._memo, errand.probe, recompute=errand.recompute),
        }
        (given,) = send.unpack(parcel, place, **own).args
        job.become_worker(given.folder, given.path)
        experiment, settings = job.load(given)
        made = dataclasses.replace(experiment.without_space(), space=settings.keys.space)
        engine = engines.get("loky")
        engine.check()
        files.make_folder(self._memo)
        self._dispatch = Dispatch(
            Points(made, settings.keys, self._memo),
            memo.Index(self._memo, {}),
            [],
            engine,
            1,
            lambda folder, take: send.unpack(parcel, folder, **own),
            recompute=errand.recompute,
            is_limited=settings.memory_bytes is not None,
        )
        self.is_stopped = False
        self._warnings: tuple[str, ...] = ()
        if CHECKPOINT in settings.services and not self._is_seen:
            others = f"machines that do not see {errand.memo}"
            self._warnings = (f"checkpoints on {others} stay there, and end with the run",)

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Begin nothing more; what is under way is finished and committed."""
        self.is_stopped = True
        self._dispatch.stop()

    def compute(self, block: Block) -> Receipt:
        """Compute a block until it is done or its time is over."""
        _is_busy.set()
        until, left = time.monotonic() + _BLOCK_S, list[Positions]()

        def after_each() -> None:
            if self.is_stopped or time.monotonic() > until:
                left.append(self._dispatch.withdraw())

        tally = self._dispatch.go_on(block.positions)
        self._dispatch.compute(after_each)
        left.append(self._dispatch.withdraw())
        _is_busy.clear()
        not_begun = np.concatenate(left)
        error = f"on {socket.gethostname()}: {tally.error}" if tally.error else ""
        return Receipt(
            block.number,
            tally.n_computed,
            tally.n_failed,
            len(not_begun),
            tally.busy_s,
            left=not_begun,
            error=error,
            warnings=(*tally.warnings, *self._warnings),
            forms=tuple(tally.forms),
            traces=tuple(tally.traces),
            files=() if self._is_seen else tuple(self._sent()),
            peak_bytes=tally.peak_bytes,
        )

    def _sent(self) -> Iterator[tuple[str, bytes]]:
        """Take what is to be written to the memo of the run out of our own."""
        # Contents before the segments that name them.
        found = sorted(self._memo.rglob("*"), key=lambda p: (p.suffix != packs.SUFFIX, p))
        for path in found:
            name, is_temporary = path.relative_to(self._memo), path.name.startswith(_TEMPORARY)
            if path.is_file() and not is_temporary and brief.CHECKPOINTS not in name.parts:
                yield str(name), path.read_bytes()
                if path.suffix in _SENT_ONCE or path.name == printed.FILE:
                    path.unlink()  # what points have read is written once by a child

    def close(self) -> None:
        """End the child, which closes its resources."""
        self._dispatch.end()
        self._dispatch.close()
        engines.get("loky").close()


def _at_home(errand: remote.Errand, place: Path) -> send.Parcel:
    """Adapt a job to this machine: where its folders are not here, others do as well."""
    given = errand.parcel.job
    folder = given.folder if Path(given.folder).is_dir() else str(place)
    path = (*given.path, *(each for each in sys.path if each not in given.path))
    return dataclasses.replace(
        errand.parcel, job=dataclasses.replace(given, folder=folder, path=path)
    )
