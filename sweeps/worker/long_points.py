"""Give points what helps them when they take long: a folder that outlives a kill, and `report`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any

from sweeps.declaration import checks
from sweeps.declaration.checks import CHECKPOINT, REPORT
from sweeps.errors import StorageError
from sweeps.signals import Interrupted
from sweeps.worker import capture
from sweeps.worker.checkpoints import Attempt, Store
from sweeps.worker.said import Report


def helped(
    function: Callable[..., Any], services: Collection[str], store: Store
) -> Callable[..., Any]:
    """Make a function that is given keys and places in a block, and calls one that needs more.

    The folder of a point stays, if there is anything in it, until the point's values are on disk.
    """

    def begin(arguments: dict[str, Any]) -> Attempt | None:
        if REPORT in services:
            arguments[REPORT] = Report(capture.RECORD.get(), arguments[REPORT])
        if CHECKPOINT not in services:
            return None
        key = tuple(arguments[CHECKPOINT])
        try:
            attempt = store.take(key)
        except StorageError as error:
            store.refused[key] = str(error)
            raise
        arguments[CHECKPOINT] = attempt.path
        return attempt

    @functools.wraps(function)
    def call(**arguments: Any) -> Any:
        attempt = begin(arguments)
        try:
            value = function(**arguments)
        except BaseException as error:
            _end(attempt, error)
            raise
        _end(attempt)
        return value

    @functools.wraps(function)
    async def call_async(**arguments: Any) -> Any:
        attempt = begin(arguments)
        try:
            value = await function(**arguments)
        except BaseException as error:
            _end(attempt, error)
            raise
        _end(attempt)
        return value

    return call_async if checks.is_async(function) else call


def _end(attempt: Attempt | None, error: BaseException | None = None) -> None:
    if attempt is not None:
        # What is cancelled has run out of time.
        is_cut_off = isinstance(error, Interrupted) or type(error).__name__ == "CancelledError"
        attempt.end(has_raised=error is not None, is_cut_off=is_cut_off)
