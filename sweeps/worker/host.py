"""A worker's own thread for a function with resources, and for coroutines.

A worker may serve several runs, and gets no message when one is over. So the thread looks for a
mark in the temporary folder of its run, and leaves a mark there while its resources are open.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import functools
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from sweeps import signals
from sweeps.declaration.experiment import Experiment
from sweeps.worker import capture, scratch
from sweeps.worker.call import Called
from sweeps.worker.resources import Call, CannotOpenError, opened

MAX_CLOSING_S = 30.0
"""A resource that takes longer to close is left to itself, so that the results are written."""

MAX_OPENING_S = 600.0
"""A resource that takes longer to open counts as one that cannot be opened."""

_CHECK_S = 0.05

_WAIT_S = 0.005


@contextlib.contextmanager
def lent(free: list[Host], experiment: Experiment, folder: Path) -> Iterator[Call]:
    """Lend what calls the function of an experiment, on a host that is free or on a new one.

    There is a free host of this process for each worker in it that no thread uses now.
    """
    try:
        host = free.pop()
    except IndexError:
        host = Host(experiment, folder)
    yield host.call
    free.append(host)  # not after an interrupt, when it is still busy


class Host:
    """A thread with the resources of an experiment; it ends when the run is over."""

    def __init__(self, experiment: Experiment, folder: Path) -> None:
        self._experiment, self._folder = experiment, folder
        self._jobs: queue.SimpleQueue[tuple[Future[Called], tuple[Any, ...]] | None]
        self._jobs = queue.SimpleQueue()
        self._is_busy = False
        self._opened: Future[None] = Future()
        live = functools.partial(contextvars.copy_context().run, self._live)  # results folder
        self._thread = threading.Thread(target=live, daemon=True, name="sweeps-host")
        self._thread.start()
        self._wait_until_open()
        atexit.register(self._end)

    def _wait_until_open(self) -> None:
        """Wait for the resources, until they take too long or the run is to stop."""
        deadline = time.monotonic() + MAX_OPENING_S
        while not wait([self._opened], timeout=_CHECK_S).done:
            is_late = time.monotonic() > deadline
            if is_late or scratch.is_asked_to_stop(self._folder):
                _mark(self._folder, self._thread).unlink(missing_ok=True)  # not waited for
                why = (
                    f"its resources were not opened within {MAX_OPENING_S:g} s"
                    if is_late
                    else "stop"
                )
                raise CannotOpenError(f"{self._experiment.name!r} cannot be called: {why}")
        self._opened.result()

    def call(self, given: Mapping[str, Any], *arguments: Any) -> Called:
        """Call the function; takes what `call.call_each` takes behind the function."""
        called: Future[Called] = Future()
        self._jobs.put((called, (given, *arguments)))
        return called.result()

    def _end(self) -> None:
        """Close the resources of a worker that ends before its run, for want of blocks."""
        if not self._is_busy and not scratch.is_over(self._folder):
            self._jobs.put(None)
            self._thread.join(MAX_CLOSING_S)

    def _live(self) -> None:
        try:
            with _marked(self._folder, self._experiment), opened(self._experiment) as call:
                self._opened.set_result(None)
                self._serve(call)
        except BaseException as error:
            if not isinstance(error, CannotOpenError):
                error = CannotOpenError(f"{self._experiment.name!r} cannot be called: {error}")
            self._opened.set_exception(error)
        atexit.unregister(self._end)

    def _serve(self, call: Call) -> None:
        while not scratch.is_over(self._folder):
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get(timeout=_CHECK_S)
                if job is None:
                    return
                called, arguments = job
                self._is_busy = True
                try:
                    with capture.at(arguments[3]):
                        called.set_result(call(*arguments))
                except BaseException as error:
                    called.set_exception(error)
                self._is_busy = False


def _mark(folder: Path, thread: threading.Thread) -> Path:
    return folder / f"{os.getpid()}-{thread.ident}{scratch.OPEN}"


@contextlib.contextmanager
def _marked(folder: Path, experiment: Experiment) -> Iterator[None]:
    """Leave a mark in a run's folder while resources are open, and say there what goes wrong."""
    mark = _mark(folder, threading.current_thread())
    if experiment.resources:
        mark.touch()
    try:
        yield
    except CannotOpenError:
        raise
    except BaseException as error:
        said = f"a resource of {experiment.name!r} could not be closed: {type(error).__name__}: "
        with contextlib.suppress(OSError):  # the run was ended by force, and its folder is gone
            mark.with_suffix(scratch.COMPLAINT).write_text(f"{said}{error}")
    finally:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)


def end(folder: Path) -> list[str]:
    """End the hosts of a run, wait for resources to be closed, and say what went wrong."""
    try:
        scratch.say_over(folder)
    except OSError:  # then the hosts end when the folder is gone
        return []
    said: set[str] = set()
    deadline = time.monotonic() + MAX_CLOSING_S
    while any(map(signals.is_alive, _holders(folder))):
        if time.monotonic() > deadline:
            said.add(f"a resource was not closed within {MAX_CLOSING_S:g} s, and is abandoned")
            break
        time.sleep(_WAIT_S)
    return sorted(said.union(path.read_text() for path in folder.glob(f"*{scratch.COMPLAINT}")))


def _holders(folder: Path) -> Iterator[int]:
    """Processes whose resources are open."""
    return (int(mark.name.partition("-")[0]) for mark in folder.glob(f"*{scratch.OPEN}"))
