"""Signatures: which arguments a function takes, and whether a space gives it what it needs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sweeps.errors import DeclarationError, unknown
from sweeps.spaces.accept import accept
from sweeps.spaces.keys import RNG
from sweeps.spaces.values import Values
from sweeps.storage import hdf5

if TYPE_CHECKING:
    from sweeps.spaces.space import Space


REPLICATE = "replicate"
"""The axis of repetitions, which differ in their random numbers only."""

_NOTHING: frozenset[str] = frozenset()


def arguments(
    function: Callable[..., Any], provided: Collection[str] = _NOTHING
) -> dict[str, inspect.Parameter]:
    """Arguments of a function that a space may give, so neither its `rng` nor what is `provided`.

    Those of ``*args`` and ``**kwargs`` have no names.
    """
    found = _parameters(function)
    named = (p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    return {p.name: p for p in named if p.name != RNG and p.name not in provided}


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has an argument of this name."""
    return any(p.name == name for p in _parameters(function))


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a function, or whatever is called like one, gives a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    call = getattr(type(function), "__call__", None)  # noqa: B004 - of an object
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def passed(function: Callable[..., Any], space: Space) -> tuple[str, ...]:
    """Parameters of a space that a function takes: not all derived ones, nor their sources."""
    takes_all = _takes_all(function)
    return tuple(name for name in space.parameters if takes_all or takes(function, name))


def _takes_all(function: Callable[..., Any]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in _parameters(function))


def _parameters(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{function!r}: cannot find out its arguments: {error}") from error


def constants(
    function: Callable[..., Any], space: Space, provided: Collection[str] = _NOTHING
) -> dict[str, Values]:
    """Defaults of the arguments that some points of a space do not have, one value each.

    A default that cannot identify a point, such as a function, is no constant: it is known as a
    part of the code.
    """
    found = {}
    for name, argument in arguments(function, provided).items():
        is_swept = name in space.parameters and not space.columns[name].has_gaps
        table = None if is_swept else _default(argument)
        if table is not None:
            found[name] = table
    return found


def keyed(function: Callable[..., Any]) -> frozenset[str]:
    """Arguments whose value is part of every point's key, whatever the space."""
    return frozenset(
        name
        for name, argument in arguments(function).items()
        if argument.default is argument.empty or _default(argument) is not None
    )


def _default(argument: inspect.Parameter) -> Values | None:
    """Table of an argument's default; None without one, and for one that cannot be a key."""
    if argument.default is argument.empty:
        return None
    try:
        return accept(argument.name, [argument.default])
    except DeclarationError:
        return None


def check(
    function: Callable[..., Any],
    space: Space,
    dims: Mapping[str, tuple[str, ...]],
    provided: Collection[str] = _NOTHING,
) -> None:
    """Refuse parameters that do not fit the function, and names that do not fit each other."""
    called = f"{getattr(function, '__name__', type(function).__name__)}()"
    taken = arguments(function, provided)
    for name, argument in taken.items():
        if argument.kind is argument.POSITIONAL_ONLY:
            raise DeclarationError(f"{called} takes {name!r} by position only: remove the '/'")
        is_swept = name in space.parameters
        if argument.default is argument.empty and (not is_swept or space.columns[name].has_gaps):
            raise DeclarationError(
                f"{called} has no value for argument {name!r}"
                f"{' at some points' if is_swept else ''}: add it to the space or give it a default"
            )
    for name in () if _takes_all(function) else space.parameters:
        is_shown_only = name in space.derived or space.is_source(name)
        if name not in taken and name != REPLICATE and not is_shown_only:
            raise unknown("parameter", name, taken, f"of {called}")
    if REPLICATE in space.parameters and not (takes(function, RNG) or takes(function, REPLICATE)):
        raise DeclarationError(
            f"all replicates of {called} would be equal: give it an argument 'rng', which "
            "gets each point's own numpy.random.Generator"
        )
    names = {**dict.fromkeys(space.parameters), **dict.fromkeys(space.dims), **taken}
    _check_names(names, {RNG, *provided})
    for output, own in dims.items():
        for dim in own:
            if dim in names:
                raise DeclarationError(
                    f"dims of {output!r}: {dim!r} is already a dimension or parameter: use another "
                    "name"
                )


def _check_names(names: Iterable[str], provided: Collection[str]) -> None:
    for name in names:
        if name in provided or name.startswith("_"):
            raise DeclarationError(
                f"the name {name!r} is reserved for sweeps: give the parameter another name"
            )
    for clash in hdf5.clashing(names):
        raise DeclarationError(
            f"the names {' and '.join(map(repr, clash))} differ only in case or Unicode "
            "form, and some programs cannot tell them apart: rename one"
        )
