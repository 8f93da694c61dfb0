"""Options of an experiment: each is checked when it is declared, and comes back as it is kept."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sweeps import h5
from sweeps.errors import DeclarationError
from sweeps.values import short

_NAME = re.compile(r"\w[\w-]*")
_MAX_NAME_BYTES = 100  # of a file name's 255; temporary names are longer
_MAX_TIMEOUT_S = 1e8  # faulthandler takes no more than 1e9


def name(given: Any, function: Callable[..., Any]) -> str:
    """Name of the experiment and its results file; by default the function's."""
    chosen = getattr(function, "__name__", "") if given is None else given
    is_name = isinstance(chosen, str) and _NAME.fullmatch(chosen)
    if not is_name or len(chosen.encode()) > _MAX_NAME_BYTES:
        raise DeclarationError(
            f"{short(chosen)} cannot name an experiment: use letters, digits, '_' and '-', at most "
            f"{_MAX_NAME_BYTES}, as in @experiment(..., name='pendulum')"
        )
    return str(chosen)


def units(given: Any) -> dict[str, str]:
    """Units by the name of what has them."""
    checked = _mapping("units", given, "{'length': 'm'}")
    for key, unit in checked.items():
        if not isinstance(key, str) or not isinstance(unit, str) or unit != h5.text(unit):
            raise DeclarationError(f"units map names to text, not {key!r} to {short(unit)}")
    return checked


def dims(given: Any) -> dict[str, tuple[str, ...]]:
    """Names of dimensions by output."""
    checked = {}
    for output, names in _mapping("dims", given, "{'image': ('y', 'x')}").items():
        own = tuple(names) if isinstance(names, (list, tuple)) else (names,)
        for dim in own:
            if not isinstance(dim, str) or not dim.isidentifier() or own.count(dim) > 1:
                raise DeclarationError(
                    f"dims of {output!r}: {dim!r} cannot name a dimension: give different names, "
                    "such as 'time'"
                )
        checked[output] = own
    return checked


def _mapping(option: str, given: Any, example: str) -> dict[Any, Any]:
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    raise DeclarationError(f"{option} is {short(given)}: give names, {option}={example}")


def depends_on(given: Any) -> tuple[str, ...]:
    """Paths of files and folders."""
    is_many = isinstance(given, Iterable) and not isinstance(given, (str, bytes, os.PathLike))
    paths = tuple(given) if is_many else (given,)
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            raise DeclarationError(f"depends_on has {short(path)}: give paths of files")
    return tuple(os.fspath(path) for path in paths)


def timeout(given: Any) -> float | None:
    """Seconds for a point, or None for no limit."""
    if given is None:
        return None
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not is_number or not 0 < given <= _MAX_TIMEOUT_S:
        raise DeclarationError(
            f"timeout is {short(given)}: give seconds, a number above 0 and up to "
            f"{_MAX_TIMEOUT_S:.0e}"
        )
    return float(given)


def version(given: Any) -> str | int | None:
    """What says by itself which version it is."""
    if given is None or isinstance(given, (str, int)):
        return given
    raise DeclarationError(f"version is {short(given)}: give a string or an integer")


def summary(given: Any, experiment: str) -> Callable[..., Any]:
    """A function that can be called with the results alone, and answers at once."""
    if not callable(given):
        raise DeclarationError(
            f"@{experiment}.summary takes a function of the results, not {short(given)}"
        )
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(given) for is_kind in kinds):
        raise DeclarationError(
            f"{short(given)} is a coroutine or generator function: return the summary with a "
            "plain def"
        )
    try:
        inspect.signature(given).bind("the results")
    except TypeError as error:
        raise DeclarationError(
            f"@{experiment}.summary calls the function with the results and nothing else, which "
            f"{short(given)} does not allow: {error}"
        ) from error
    except ValueError:  # some functions written in C do not tell their arguments
        pass
    return given  # type: ignore[no-any-return]
