"""A worker's thread, where its resources are opened, used and closed, and its loop runs.

A worker may serve several runs, and nobody tells it that one is over. So its host looks for a mark
in the run's folder, and leaves marks of its own there for as long as its resources are open.
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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.declaration import signature
from sweeps.declaration.experiment import Experiment
from sweeps.errors import SweepsError
from sweeps.signals import Interrupted
from sweeps.worker import call as worker_call
from sweeps.worker import call_async, capture, scratch
from sweeps.worker.call import Called

if TYPE_CHECKING:
    import asyncio


MAX_CLOSING_S = 30.0
"""What takes longer to be closed is left to itself, so that the results land."""

MAX_OPENING_S = 600.0
"""What takes longer to be opened never will be; meanwhile an interrupt is heard."""

_CHECK_S = 0.05

_WAIT_S = 0.005

Call = Callable[..., Called]


class CannotOpenError(SweepsError):
    """A resource that no point can do without."""


class Hosts:
    """The hosts of a process: one for each worker in it; none where a function needs none."""

    def __init__(self) -> None:
        self._free: list[Host] = []

    @contextlib.contextmanager
    def caller(self, experiment: Experiment, folder: Path) -> Iterator[Call]:
        """Lend what calls the function of an experiment, as `call.call_each` does.

        Raises
        ------
        CannotOpenError
            Where a resource cannot be opened.
        """
        if not experiment.resources and not signature.is_async(experiment.function):
            call = worker_call.call_columns if experiment.vectorized else worker_call.call_each
            yield functools.partial(call, experiment.function)
            return
        try:
            host = self._free.pop()
        except IndexError:
            host = Host(experiment, folder)
        yield host.call
        self._free.append(host)  # after an interrupt it is still busy: nobody gets it any more


class Host:
    """A thread with the resources of an experiment; it ends when the run is over.

    Raises
    ------
    CannotOpenError
        Where a resource cannot be opened.
    """

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
        """Wait for the resources, but not for ever, nor for longer than the run is to go on."""
        deadline = time.monotonic() + MAX_OPENING_S
        while not wait([self._opened], timeout=_CHECK_S).done:
            is_late = time.monotonic() > deadline
            if is_late or scratch.is_asked_to_stop(self._folder):
                _mark(self._folder, self._thread).unlink(missing_ok=True)  # nobody waits for it
                why = f"its resources were not opened in {MAX_OPENING_S:g} s" if is_late else "stop"
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


@contextlib.contextmanager
def opened(experiment: Experiment) -> Iterator[Call]:
    """Open the resources in this thread, and give what calls the function with them.

    Raises
    ------
    CannotOpenError
        Where a resource cannot be opened.
    """
    opening = _opened_in_loop if signature.is_async(experiment.function) else _opened
    with opening(experiment) as (call, resources):

        def call_with_them(given: Mapping[str, Any], *arguments: Any) -> Called:
            return call(experiment.function, {**given, **resources}, *arguments)

        yield call_with_them


@contextlib.contextmanager
def _opened(experiment: Experiment) -> Iterator[tuple[Call, dict[str, Any]]]:
    with contextlib.ExitStack() as stack:
        resources = {}
        for name, opener in experiment.resources.items():
            with _said(experiment, name):
                manager = opener()
                resources[name] = stack.enter_context(manager)
        yield (
            worker_call.call_columns if experiment.vectorized else worker_call.call_each,
            resources,
        )


@contextlib.contextmanager
def _opened_in_loop(experiment: Experiment) -> Iterator[tuple[Call, dict[str, Any]]]:
    """Open the resources in a task on an event loop that stays, and close them in the same task.

    What a resource keeps on the loop, such as connections, outlives a block; and there are context
    managers that must be left by the task that entered them.
    """
    import asyncio

    loop, over = asyncio.new_event_loop(), asyncio.Event()
    opened: asyncio.Future[dict[str, Any]] = loop.create_future()

    async def keep() -> None:
        async with contextlib.AsyncExitStack() as stack:
            opened.set_result(await _enter(experiment, stack))
            while not over.is_set():  # a function may cancel whatever runs on its loop
                with contextlib.suppress(asyncio.CancelledError):
                    await over.wait()

    def call(*arguments: Any) -> Called:
        call_ = functools.partial(call_async.call_concurrently, concurrency=experiment.concurrency)
        called: Called = call_async.run(loop, call_(*arguments))
        return called

    keeper = loop.create_task(keep())
    try:
        call_async.run(loop, asyncio.wait([keeper, opened], return_when=asyncio.FIRST_COMPLETED))
        if not opened.done():
            keeper.result()
        try:
            yield call, opened.result()
        except Interrupted:
            loop.set_exception_handler(lambda *_: None)  # of what does not end when it is told to
            raise
        finally:
            over.set()
            call_async.run(loop, _end(keeper))
    finally:
        loop.close()


async def _enter(experiment: Experiment, stack: contextlib.AsyncExitStack) -> dict[str, Any]:
    resources = {}
    for name, opener in experiment.resources.items():
        with _said(experiment, name):
            manager = opener()
            is_async = hasattr(manager, "__aenter__")
            enter = stack.enter_async_context(manager) if is_async else None
            resources[name] = stack.enter_context(manager) if enter is None else await enter
    return resources


async def _end(keeper: asyncio.Task[None]) -> None:
    """Close the resources, and whatever else is left on the loop."""
    import asyncio

    try:
        await keeper
    finally:
        await call_async.cancel(asyncio.all_tasks() - {asyncio.current_task()})
        await asyncio.get_running_loop().shutdown_asyncgens()


@contextlib.contextmanager
def _said(experiment: Experiment, name: str) -> Iterator[None]:
    try:
        yield
    except Interrupted:
        raise
    except BaseException as error:
        kind = type(error).__name__
        raise CannotOpenError(
            f"resource {name!r} of {experiment.name!r} could not be opened: {kind}: {error}"
        ) from error


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
    while any(map(scratch.is_alive, _holders(folder))):
        if time.monotonic() > deadline:
            said.add(f"a resource was not closed in {MAX_CLOSING_S:g} s, and is left to itself")
            break
        time.sleep(_WAIT_S)
    return sorted(said.union(path.read_text() for path in folder.glob(f"*{scratch.COMPLAINT}")))


def _holders(folder: Path) -> Iterator[int]:
    """Processes whose resources are open."""
    return (int(mark.name.partition("-")[0]) for mark in folder.glob(f"*{scratch.OPEN}"))
