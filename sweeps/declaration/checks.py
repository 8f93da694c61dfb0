"""Checks of a declaration: its options, and whether the space gives the function what it needs.

A function that checks an option returns the form that is kept.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sweeps.errors import DeclarationError, unknown
from sweeps.spaces.accept import accept
from sweeps.spaces.keys import RNG
from sweeps.spaces.values import Values, short
from sweeps.storage import files, hdf5

if TYPE_CHECKING:
    from sweeps.spaces.space import Space


REPLICATE = "replicate"
"""The axis of repetitions, which differ in their random numbers only."""

CHECKPOINT, REPORT = "checkpoint", "report"
"""Arguments that a worker gives, where the space and the function give them no values."""

_MAX_TIMEOUT_S = 1e8  # faulthandler takes no more than 1e9

_MAX_CONCURRENCY = 10_000

KEEP = ("both", "results")


def name(given: Any, function: Callable[..., Any]) -> str:
    """Name of the experiment and its results file; by default the function's."""
    chosen = getattr(function, "__name__", "") if given is None else given
    if not files.is_name(chosen):
        raise DeclarationError(
            f"{short(chosen)} cannot name an experiment: use letters, digits, '_' and '-', at most "
            f"{files.MAX_NAME_BYTES}, as in @experiment(..., name='pendulum')"
        )
    return str(chosen)


def texts(option: str, given: Any, example: str) -> dict[str, str]:
    """Units or long names, by the name of what has them."""
    checked = _mapping(option, given, example)
    for key, text in checked.items():
        if not isinstance(key, str) or not isinstance(text, str) or text != hdf5.text(text):
            verb = "map" if option == "units" else "maps"
            raise DeclarationError(f"{option} {verb} names to text, not {key!r} to {short(text)}")
    return checked


def attrs(given: Any) -> dict[str, dict[str, Any]]:
    """Attributes by the name of what has them."""
    from sweeps.declaration import attributes  # few experiments have some

    return attributes.checked(_mapping("attrs", given, "{'length': {'source': 'table 3'}}"))


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
    paths = _several(given, str, bytes, os.PathLike)
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            raise DeclarationError(f"depends_on has {short(path)}: give paths of files")
    return tuple(os.fspath(path) for path in paths)


def depends_on_env(given: Any) -> tuple[str, ...]:
    """Names of environment variables."""
    return _names("depends_on_env", given, "names, depends_on_env=['MODEL_HOME']")


def ignore(given: Any) -> frozenset[str]:
    """Names of arguments."""
    return frozenset(_names("ignore", given, "names, ignore=['verbose']"))


def _names(option: str, given: Any, wanted: str) -> tuple[str, ...]:
    names = _several(given, str, bytes, Mapping)
    for each in names:
        if not isinstance(each, str):
            raise DeclarationError(f"{option} has {short(each)}: give {wanted}")
    return names


def _several(given: Any, *single: type) -> tuple[Any, ...]:
    """Several things, or a single one of these types."""
    is_several = isinstance(given, Iterable) and not isinstance(given, single)
    return tuple(given) if is_several else (given,)


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
        if name == REPLICATE:
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


def refuse_contradictions(
    function: Callable[..., Any], given: Mapping[str, Any], space: Space
) -> None:
    """Refuse options that the function cannot mean."""
    called, awaits = _called(function), is_async(function)
    if given["vectorized"] and (own := services(function, space, given["resources"])):
        raise DeclarationError(
            f"{called} is vectorized, and {own[0]!r} is of one point: one call computes many, so "
            f"remove vectorized=True, or rename the argument"
        )
    if awaits and given["vectorized"]:
        raise DeclarationError(f"{called} is async and cannot be vectorized too: choose one")
    if given["concurrency"] > 1 and not awaits:
        raise DeclarationError(
            f"concurrency is for async functions: {called} must be an 'async def' function"
        )
    if given["common_random_numbers"] and not takes(function, RNG):
        raise DeclarationError(
            f"common_random_numbers needs random numbers: give {called} an argument 'rng'"
        )
    for name, opener in given["resources"].items():
        if name == RNG:
            raise DeclarationError(
                "resources: the name 'rng' is reserved for the random numbers of each point"
            )
        if not takes(function, name):
            raise DeclarationError(f"resources: {called} has no argument {name!r} for the resource")
        if not awaits and _is_only_async(opener):
            raise DeclarationError(
                f"resources: {name!r} is opened with 'async with': {called} must be an 'async "
                "def' function"
            )


def _called(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__name__', type(function).__name__)}()"


def _is_only_async(opener: Callable[..., Any]) -> bool:
    """Whether what a function returns seems to have no ``__enter__``."""
    is_generator = inspect.isasyncgenfunction(inspect.unwrap(opener))
    return is_generator or (hasattr(opener, "__aenter__") and not hasattr(opener, "__enter__"))


# ---- the function and its space


def arguments(
    function: Callable[..., Any], provided: Collection[str] = ()
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


def services(
    function: Callable[..., Any], space: Space, provided: Collection[str] = ()
) -> tuple[str, ...]:
    """Arguments that a worker gives: `checkpoint` and `report`, if nothing else gives them."""
    own = arguments(function, provided)
    named = [n for n in (CHECKPOINT, REPORT) if n in own and own[n].default is own[n].empty]
    return tuple(name for name in named if name not in space.parameters)


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
    function: Callable[..., Any], space: Space, provided: Collection[str] = ()
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
    provided: Collection[str] = (),
) -> None:
    """Refuse parameters that do not fit the function, and names that do not fit each other."""
    called = _called(function)
    taken = arguments(function, provided)
    for name, argument in taken.items():
        if argument.kind is argument.POSITIONAL_ONLY:
            raise DeclarationError(f"{called} takes {name!r} by position only: remove the '/'")
        is_swept = name in space.parameters
        is_given = is_swept or name in (CHECKPOINT, REPORT)
        has_gaps = is_swept and space.columns[name].has_gaps
        if argument.default is argument.empty and (has_gaps or not is_given):
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
