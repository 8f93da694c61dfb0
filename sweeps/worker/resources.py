"""The resources of an experiment: opened, given to the function that is called, and closed.

Coroutines and their resources share an event loop, which stays until the resources are closed.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sweeps.declaration import checks
from sweeps.declaration.experiment import Experiment
from sweeps.errors import SweepsError
from sweeps.signals import Interrupted
from sweeps.worker import call_async
from sweeps.worker.call import Called, call_each
from sweeps.worker.call_columns import call_columns

if TYPE_CHECKING:
    import asyncio


Call = Callable[..., Called]
"""Calls a function at points; takes what `call.call_each` takes behind the function."""


class CannotOpenError(SweepsError):
    """A resource that no point can do without."""


@contextlib.contextmanager
def opened(experiment: Experiment) -> Iterator[Call]:
    """Open the resources in this thread, and give what calls the function with them.

    Raises
    ------
    CannotOpenError
        Where a resource cannot be opened.
    """
    opening = _opened_in_loop if checks.is_async(experiment.function) else _opened
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
        yield call_columns if experiment.vectorized else call_each, resources


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
            while not over.is_set():  # a function may cancel all tasks on its loop
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
            loop.set_exception_handler(lambda *_: None)  # of tasks that go on
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
    """Close the resources, and end all that is left on the loop."""
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
