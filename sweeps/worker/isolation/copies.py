"""A point's own copy of all that it could change, so that no other point sees its changes.

What cannot change costs nothing, which is decided once for each object. What can is taken apart
once, by pickle, and put together again for each point: some microseconds for a small object. A
copy shares with the original what cannot change, and what is known by its name.
"""

from __future__ import annotations

import copy
import dis
import functools
import io
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.declaration.checks import is_async
from sweeps.project.imports import is_project_file
from sweeps.spaces.values import Values, is_frozen, unlabel
from sweeps.worker.isolation.contents import (
    CONSTANT_BY_NAME,
    PLAIN,
    Pickler,
    Same,
    held_in_closure,
)

Make = Callable[[], Any]
"""Makes a new copy."""

_SAID_BY_VALUE = frozenset({"decimal", "fractions", "pathlib", "uuid", "zoneinfo", "re"})

_CONTAINERS = frozenset({list, dict, set, bytearray})

_WRITES = frozenset({"STORE_DEREF", "DELETE_DEREF"})

_LARGE_TEXT = 64


def can_change(thing: Any) -> bool:
    """Whether a point that is given a thing could change it, for all that is usual.

    Frozen dataclasses, named objects of libraries and functions can not, unless they hold
    something that can: a function in its closure or its defaults.

    Examples
    --------
    >>> can_change((1, "rk4", len)), can_change(([],)), can_change(functools.partial(max, [1]))
    (False, True, True)
    """
    return _can_change(thing, set())


def _can_change(thing: Any, seen: set[int]) -> bool:
    kind = type(thing)
    if kind in PLAIN or isinstance(thing, CONSTANT_BY_NAME) or id(thing) in seen:
        return False
    if kind in _CONTAINERS:
        return True
    seen.add(id(thing))
    parts = _parts(thing)
    if parts is not None:
        return any(_can_change(part, seen) for part in parts)
    if kind is np.ndarray:
        is_bare = thing.base is None and not thing.dtype.hasobject
        return bool(thing.flags.writeable) or not is_bare
    return not (_is_constant_by_type(thing) or _is_of_library(thing))


def _parts(thing: Any) -> Iterable[Any] | None:
    """What a thing consists of that cannot change by itself; None for others."""
    kind = type(thing)
    if isinstance(thing, (tuple, frozenset)) and not hasattr(thing, "__dict__"):
        return thing
    if kind is types.FunctionType:
        return [thing.__closure__] if _rebinds(thing) else _held(thing)
    if kind is types.CellType:
        return [[]]  # it can be filled with something else
    if kind in (types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType):
        return [getattr(thing, "__func__", None), thing.__self__]
    if kind is functools.partial:
        return [thing.func, *thing.args, *thing.keywords.values()]
    if kind is types.MappingProxyType:
        return [*thing.keys(), *thing.values()]
    if is_frozen(thing):
        slots = (getattr(thing, name, None) for name in getattr(thing, "__slots__", ()))
        return [*getattr(thing, "__dict__", {}).values(), *slots]
    return None


def _held(function: types.FunctionType) -> list[Any]:
    """What a function has in its closure, defaults and attributes."""
    held = [*held_in_closure(function), *(function.__defaults__ or ())]
    return [*held, *(function.__kwdefaults__ or {}).values(), *vars(function).values()]


def _rebinds(function: types.FunctionType) -> bool:
    """Whether a function, or one within it, sets a variable of its closure (``nonlocal``)."""
    return function.__closure__ is not None and _writes(
        function.__code__, frozenset(function.__code__.co_freevars)
    )


@functools.lru_cache(maxsize=256)
def _writes(code: types.CodeType, free: frozenset[str]) -> bool:
    inner = [own for own in code.co_consts if isinstance(own, types.CodeType)]
    return any(
        step.opname in _WRITES and step.argval in free for step in dis.get_instructions(code)
    ) or any(_writes(own, free & frozenset(own.co_freevars)) for own in inner)


def _is_constant_by_type(thing: Any) -> bool:
    kind = type(thing)
    if kind.__module__ in _SAID_BY_VALUE or kind.__module__.startswith("pathlib."):
        return True
    if not hasattr(kind, "__deepcopy__"):
        return False
    try:
        return copy.deepcopy(thing) is thing
    except Exception:  # of someone else's
        return False


def _is_of_library(thing: Any) -> bool:
    """Whether a library knows an object by name, or made it of a function: compiled or cached."""
    module = sys.modules.get(type(thing).__module__)
    file = getattr(module, "__file__", None)
    if module is None or module.__name__ == "__main__" or is_project_file(file):
        return False
    if hasattr(thing, "__wrapped__") and callable(thing):
        return True
    return any(named is thing for named in list(vars(module).values()))


class Originals:
    """Things that points are given copies of, as they were when the run began.

    Attributes
    ----------
    shared : list of str
        What could not be copied, so that points share it: for messages.
    """

    def __init__(self, tables: Mapping[str, Values]) -> None:
        self.shared: list[str] = []
        self._makers: dict[int, Make] = {}
        self._names: set[str] = set()
        for name, table in tables.items():
            for element in table.objects or ():
                self._add(name, unlabel(element))

    def _add(self, name: str, thing: Any) -> None:
        if id(thing) not in self._makers and can_change(thing):
            self._makers[id(thing)] = self._copier(repr(name), thing)
        if id(thing) in self._makers:
            self._names.add(name)

    def _copier(self, where: str, thing: Any) -> Make:
        make, shared = copier(thing)
        self.shared += [
            (
                f"{where}: a {kind} cannot be copied, so all points share it; open it inside "
                "the function, or declare it with resources={...}"
            )
            for kind in dict.fromkeys(shared)
        ]
        return make

    def column(self, name: str, column: Any) -> Any:
        """Make copies of a parameter's values at some points, where they can change."""
        return Copies(column, self._makers) if name in self._names else column

    def function(
        self, function: Callable[..., Any], given: Mapping[str, Any]
    ) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Make a function that is new at each call, where it or what it is given can change.

        Returns
        -------
        function : callable
            It has what can change of `given`.
        given : dict
            The rest.
        """
        held = {name: value for name, value in given.items() if can_change(value)}
        rest = {name: value for name, value in given.items() if name not in held}
        if not held and not can_change(function):
            return function, rest
        name = getattr(function, "__qualname__", type(function).__name__)
        whole = functools.partial(function, **held) if held else function
        return _renewed(function, self._copier(f"what {name}() holds", whole)), rest


class Copies:
    """Values of some points, each a copy of its own, made when it is asked for."""

    def __init__(self, values: list[Any], makers: Mapping[int, Make]) -> None:
        self._values, self._makers = values, makers

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        makers = self._makers
        for value in self._values:
            make = makers.get(id(value))
            yield value if make is None else make()

    def __getitem__(self, rows: slice) -> list[Any]:
        """List the copies of a slice of the points."""
        return list(Copies(self._values[rows], self._makers))


def _renewed(function: Callable[..., Any], make: Make) -> Callable[..., Any]:
    """Make a function that makes itself anew at each call."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return make()(*args, **kwargs)

    @functools.wraps(function)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        return await make()(*args, **kwargs)

    return call_async if is_async(function) else call


def copier(thing: Any) -> tuple[Make, list[str]]:
    """Take a thing apart, and make what puts copies of it together.

    Returns
    -------
    make : callable
    shared : list of str
        Types of what could not be copied, which the copies share with the original.

    Examples
    --------
    >>> original = {"seen": []}
    >>> make, _ = copier(original)
    >>> make()["seen"].append(1)
    >>> make(), original
    ({'seen': []}, {'seen': []})
    """
    file, first = io.BytesIO(), _Pickler(io.BytesIO())
    try:
        first.dump(thing)
        pickler = _Pickler(file, first)
        pickler.dump(thing)
    except Exception:  # any that another library raises
        return lambda: thing, [type(thing).__name__]
    taken_apart, table = file.getvalue(), [each for each, _ in pickler.table.values()]

    def make() -> Any:
        return _Unpickler(io.BytesIO(taken_apart), table).load()

    try:
        is_copied = make() is not thing  # or its class makes one object only
    except Exception:
        is_copied = False
    return (make, pickler.shared) if is_copied else (lambda: thing, [type(thing).__name__])


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, table: list[Any]) -> None:
        super().__init__(file)
        self.persistent_load = table.__getitem__  # type: ignore[method-assign]


class _Pickler(Pickler):
    """Takes things apart; what cannot change goes to a table, by which copies share it.

    Parameters
    ----------
    file : io.BytesIO
    first : _Pickler, optional
        One that has taken the same thing apart. Arrays that it has met with the same memory have
        the same memory in the copy, and weak references to what it has met lead to its copy.

    Attributes
    ----------
    n_arrays : dict of int to int
        How many arrays were met that have the same memory, by the id of its owner.
    """

    def __init__(self, file: io.BytesIO, first: _Pickler | None = None) -> None:
        super().__init__(file)
        self.n_arrays: dict[int, int] = {}
        self._n_arrays = first.n_arrays if first else {}
        self._inside = frozenset(first.memo.copy() if first else ())
        self.table: dict[int, tuple[Any, int]] = {}

    def persistent_id(self, item: Any) -> int | None:
        """Place in the table of what is shared; None for what is copied."""
        kind = type(item)
        if kind is Same:
            item = item.thing
        elif kind in PLAIN:
            is_long = kind in (str, bytes) and len(item) > _LARGE_TEXT
            if not is_long and kind not in (object, types.CodeType):
                return None
        elif kind is weakref.ref:
            if id(item()) in self._inside:
                return None
        elif kind in _CONTAINERS or kind is tuple or can_change(item) or kind is types.CellType:
            return None
        return self.table.setdefault(id(item), (item, len(self.table)))[1]

    def reducer_override(self, item: Any) -> Any:
        """How to take a thing apart."""
        return self._array(item) if type(item) is np.ndarray else super().reducer_override(item)

    def _array(self, item: npt.NDArray[Any]) -> Any:
        base = item.base
        owner = base if type(base) is np.ndarray and base.base is None else item
        self.n_arrays[id(owner)] = self.n_arrays.get(id(owner), 0) + 1
        is_whole = owner.flags.c_contiguous or owner.flags.f_contiguous
        if owner is item or not is_whole or not item.size or self._n_arrays.get(id(owner), 1) < 2:
            return NotImplemented
        offset = item.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        return _view, (owner, item.shape, item.dtype, offset, item.strides)

    def _held(self, thing: Any) -> Any:
        return thing if id(thing) in self._inside else Same(thing)


def _view(owner: npt.NDArray[Any], shape: Any, dtype: Any, offset: int, strides: Any) -> Any:
    memory: Any = owner if owner.flags.c_contiguous else owner.T
    return np.ndarray(shape, dtype, memory, offset, strides)
