"""Summaries that you register with an experiment."""

from __future__ import annotations

import inspect
from typing import Any

from sweeps.errors import DeclarationError
from sweeps.spaces import values


def check(given: Any, experiment: str) -> None:
    """Refuse what cannot be called with the results alone, or does not answer at once."""
    if not callable(given):
        raise DeclarationError(
            f"@{experiment}.summary takes a function of the results, not {values.short(given)}"
        )
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(given) for is_kind in kinds):
        raise DeclarationError(
            f"{values.short(given)} is a coroutine or generator function: return the summary with "
            "a plain def"
        )
    try:
        inspect.signature(given).bind("the results")
    except TypeError as error:
        raise DeclarationError(
            f"@{experiment}.summary calls the function with one argument, the results, "
            f"which {values.short(given)} does not allow: {error}"
        ) from error
    except ValueError:  # some functions written in C do not tell their arguments
        pass
