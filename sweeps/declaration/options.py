"""Options of an experiment: each function checks one and returns the form that is kept."""

from __future__ import annotations

import inspect
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from sweeps.declaration import signature
from sweeps.errors import DeclarationError, unknown
from sweeps.spaces import keys
from sweeps.spaces.values import short
from sweeps.storage import hdf5

_NAME = re.compile(r"\w[\w-]*")

_MAX_NAME_BYTES = 100  # of a file name's 255; temporary names are longer

_MAX_TIMEOUT_S = 1e8  # faulthandler takes no more than 1e9

_MAX_CONCURRENCY = 10_000

KEEP = ("both", "results")


def name(given: Any, function: Callable[..., Any]) -> str:
    """Name of the experiment and its results file; by default the function's."""
    chosen = getattr(function, "__name__", "") if given is None else given
    if not is_name(chosen):
        raise DeclarationError(
            f"{short(chosen)} cannot name an experiment: use letters, digits, '_' and '-', at most "
            f"{_MAX_NAME_BYTES}, as in @experiment(..., name='pendulum')"
        )
    return str(chosen)


def is_name(given: Any) -> bool:
    """Whether an experiment can have this name, which becomes part of a path.

    Some filesystems take texts for one that have the same normal form, so only that is allowed.
    """
    return (
        isinstance(given, str)
        and _NAME.fullmatch(given) is not None
        and len(given.encode()) <= _MAX_NAME_BYTES
        and unicodedata.is_normalized("NFC", given)
    )


def units(given: Any) -> dict[str, str]:
    """Units by the name of what has them."""
    checked = _mapping("units", given, "{'length': 'm'}")
    for key, unit in checked.items():
        if not isinstance(key, str) or not isinstance(unit, str) or unit != hdf5.text(unit):
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


def ignore(given: Any) -> frozenset[str]:
    """Names of arguments."""
    return frozenset(_names("ignore", given, "names, ignore=['verbose']"))


def _names(option: str, given: Any, wanted: str) -> tuple[str, ...]:
    is_many = isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping))
    names = tuple(given) if is_many else (given,)
    for each in names:
        if not isinstance(each, str):
            raise DeclarationError(f"{option} has {short(each)}: give {wanted}")
    return names


def folder(given: Any) -> str | None:
    """Path of a folder, or None for the one of results."""
    if given is None or isinstance(given, (str, os.PathLike)):
        return None if given is None else str(os.fspath(given))
    raise DeclarationError(f"folder is {short(given)}: give the path of a folder")


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
    """A version: a string or an integer."""
    if given is None or isinstance(given, (str, int)):
        return given
    raise DeclarationError(f"version is {short(given)}: give a string or an integer")


def seed(given: Any) -> int:
    """Seed of the random streams of all points."""
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    raise DeclarationError(f"seed is {short(given)}: give an integer, 0 or more")


def common_random_numbers(given: Any, names: Collection[str]) -> tuple[str, ...]:
    """Parameters along which all points draw the same random numbers, sorted."""
    wanted = "names of parameters, common_random_numbers=['rate']"
    chosen = _names("common_random_numbers", given, wanted)
    for name in chosen:
        if name == signature.REPLICATE:
            raise DeclarationError(
                "common_random_numbers has 'replicate': all replicates would be equal, leave it out"
            )
        if name not in names:
            raise unknown("parameter", name, sorted(names), "for common_random_numbers")
    return tuple(sorted(set(chosen)))


def flag(option: str, given: Any) -> bool:
    """An option that is on or off."""
    if isinstance(given, bool):
        return given
    raise DeclarationError(f"{option} is {short(given)}: give True or False")


def keep(given: Any) -> str:
    """Where values are kept."""
    if isinstance(given, str) and given in KEEP:
        return given
    raise DeclarationError(
        f"keep is {short(given)}: give {KEEP[0]!r}, to keep values both in the stored "
        f"results and in the results file, or {KEEP[1]!r}, to keep them only in the "
        "results file once it is written"
    )


def concurrency(given: Any) -> int:
    """Points that a worker has under way at once."""
    is_integer = isinstance(given, int) and not isinstance(given, bool)
    if is_integer and 1 <= given <= _MAX_CONCURRENCY:
        return int(given)
    raise DeclarationError(
        f"concurrency is {short(given)}: give the number of points that a worker "
        f"computes at the same time, an integer from 1 to {_MAX_CONCURRENCY:,}"
    )


def resources(given: Any) -> dict[str, Callable[..., Any]]:
    """Functions that open what a worker makes once, by the argument that gets it."""
    checked = _mapping("resources", given, "{'client': open_client}")
    for key, opener in checked.items():
        if not isinstance(key, str) or not key.isidentifier() or key.startswith("_"):
            raise DeclarationError(f"resources: {short(key)} cannot be an argument's name")
        is_undecorated = inspect.isgeneratorfunction(opener) or inspect.isasyncgenfunction(opener)
        if is_undecorated or not callable(opener):
            raise DeclarationError(
                f"resources: {key!r} is {short(opener)}: give a function that returns a context "
                "manager, such as one with @contextlib.contextmanager"
            )
    return checked


def refuse_contradictions(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Refuse options that the function cannot mean."""
    called = f"{getattr(function, '__name__', type(function).__name__)}()"
    is_async = signature.is_async(function)
    if is_async and given["vectorized"]:
        raise DeclarationError(f"{called} is async and cannot be vectorized too: choose one")
    if given["concurrency"] > 1 and not is_async:
        raise DeclarationError(
            f"concurrency is for async functions: {called} must be an 'async def' function"
        )
    if given["common_random_numbers"] and not signature.takes(function, keys.RNG):
        raise DeclarationError(
            f"common_random_numbers needs random numbers: give {called} an argument 'rng'"
        )
    for name, opener in given["resources"].items():
        if name == keys.RNG:
            raise DeclarationError(
                "resources: the name 'rng' is reserved for the random numbers of each point"
            )
        if not signature.takes(function, name):
            raise DeclarationError(f"resources: {called} has no argument {name!r} for the resource")
        if not is_async and _is_only_async(opener):
            raise DeclarationError(
                f"resources: {name!r} is opened with 'async with': {called} must be an 'async "
                "def' function"
            )


def _is_only_async(opener: Callable[..., Any]) -> bool:
    """Whether what a function returns seems to have no ``__enter__``."""
    is_generator = inspect.isasyncgenfunction(inspect.unwrap(opener))
    return is_generator or (hasattr(opener, "__aenter__") and not hasattr(opener, "__enter__"))


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
            f"@{experiment}.summary calls the function with one argument, the results, "
            f"which {short(given)} does not allow: {error}"
        ) from error
    except ValueError:  # some functions written in C do not tell their arguments
        pass
    return given  # type: ignore[no-any-return]
