"""What objects hold, taken apart by pickle: to copy them, and to see whether points changed them.

`Traces` are what points leave behind in the globals of a project's modules. Whether a value depends
on it is another question: a cache of a module's own changes, too.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import copyreg
import datetime
import functools
import gc
import hashlib
import io
import itertools
import operator
import os
import pickle
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import numpy as np

from sweeps.code.objects import innermost
from sweeps.project.imports import is_project_file

PLAIN = frozenset({
    int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range,
    slice, object, datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
    datetime.timezone, types.CodeType,
})  # fmt: skip
"""Types of what cannot change."""

CONSTANT_BY_NAME = (
    type, types.ModuleType, Enum, np.generic, np.dtype, np.ufunc, weakref.ReferenceType,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
    types.GetSetDescriptorType, types.MemberDescriptorType, types.GenericAlias,
)  # fmt: skip

_BY_IDENTITY = (*CONSTANT_BY_NAME, types.BuiltinFunctionType)

_LOCKS: dict[type, Callable[[], Any]] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
}

_WEAK = frozenset({weakref.WeakSet, weakref.WeakKeyDictionary, weakref.WeakValueDictionary})

_MOST_BYTES = 2**16  # of an array; of larger ones some elements are looked at

_MOST_CACHED = 1000  # values of a cache

_OWN = __name__.partition(".")[0]


# ---- objects


class Same:
    """Stands for a thing that is not taken apart."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing


class Pickler(pickle.Pickler):
    """Takes things apart, also those that pickle refuses.

    With protocol 4, since arrays of the next one do not own their memory.

    Attributes
    ----------
    shared : list of str
        Types of what could not be taken apart.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=4)
        self.shared: list[str] = []

    def reducer_override(self, item: Any) -> Any:
        """How to take a thing apart."""
        kind = type(item)
        if kind is types.FunctionType:
            return self._function(item)
        if kind is types.CellType:  # filled by the functions that have it
            return types.CellType, ()
        if kind is types.MappingProxyType:
            return types.MappingProxyType, (dict(item),)
        if kind in _LOCKS:  # none of a point that never releases its own
            return _LOCKS[kind], ()
        if kind is np.ndarray:
            return NotImplemented
        if kind is weakref.ref:
            return kind, (item(), item.__callback__)
        if kind in _WEAK:
            return self._weak(item)
        if hasattr(kind, "__deepcopy__"):
            return copy.deepcopy, (Same(item),)
        reduce = copyreg.dispatch_table.get(kind)
        if reduce is None and _keeps_less(kind):
            return copyreg.__newobj__, (kind,), vars(item)  # type: ignore[attr-defined]
        try:
            reduced = reduce(item) if reduce else item.__reduce_ex__(4)
        except Exception:  # a file, a generator
            self.shared.append(kind.__name__)
            return operator.itemgetter(0), ((Same(item),),)
        if isinstance(reduced, str):  # the name of a global
            return operator.itemgetter(0), ((Same(item),),)
        return reduced

    def _weak(self, item: Any) -> Any:
        """What it refers to is copied where something else in the copy holds it, else shared."""
        kind = type(item)
        if kind is weakref.WeakSet:
            return kind, ([*map(self._held, item)],)
        if kind is weakref.WeakKeyDictionary:
            return kind, ({self._held(key): value for key, value in item.items()},)
        return kind, ({key: self._held(value) for key, value in item.items()},)

    def _held(self, thing: Any) -> Any:
        """What a weak reference leads to."""
        return Same(thing)

    @staticmethod
    def _function(item: types.FunctionType) -> Any:
        cells = item.__closure__ or ()
        own = (Same(item.__code__), Same(item.__globals__), item.__name__, cells)
        state = (
            tuple(held_in_closure(item)),
            item.__defaults__,
            item.__kwdefaults__,
            vars(item),
            item.__qualname__,
            item.__module__,
            item.__doc__,
        )
        return _new_function, own, state, None, None, _fill_function


def _keeps_less(kind: Any) -> bool:
    """Whether a class leaves something out where it is pickled, and nothing puts it back."""
    return (
        kind.__getstate__ is not object.__getstate__
        and not any(hasattr(kind, own) for own in ("__setstate__", "__slots__", "__getnewargs__"))
        and not hasattr(kind, "__getnewargs_ex__")
        and kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind.__dictoffset__ != 0
    )


def held_in_closure(function: types.FunctionType) -> Iterator[Any]:
    """What the variables of a closure are; None for one that is not yet bound."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet bound
            yield None


def _new_function(
    code: types.CodeType, names: dict[str, Any], name: str, cells: tuple[types.CellType, ...]
) -> types.FunctionType:
    return types.FunctionType(code, names, name, None, cells)


def _fill_function(function: types.FunctionType, state: tuple[Any, ...]) -> None:
    """Complete a function; its closure may hold the function itself."""
    contents, function.__defaults__, function.__kwdefaults__, attributes, *named = state
    function.__qualname__, function.__module__, function.__doc__ = named
    vars(function).update(attributes)
    for cell, content in zip(function.__closure__ or (), contents, strict=True):
        cell.cell_contents = content


class _Digester(Pickler):
    """Writes what an object holds; things that cannot change by their content too."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._functions: set[int] = set()

    def persistent_id(self, item: Any) -> int | None:
        if type(item) is Same:
            item = item.thing
        elif not (isinstance(item, _BY_IDENTITY) or type(item) is object):
            return None
        return id(item)

    def reducer_override(self, item: Any) -> Any:
        if isinstance(item, types.FunctionType):
            return id, self._function_state(item)
        if isinstance(item, (staticmethod, classmethod)):
            return id, (item.__func__,)
        if isinstance(item, property):
            return id, (item.fget, item.fset, item.fdel)
        if isinstance(item, types.CellType):
            return id, tuple(_content(item))
        if isinstance(item, types.GeneratorType):
            return id, (item.gi_frame and item.gi_frame.f_lasti,)
        if isinstance(item, threading.local):
            return id, (vars(item).copy(),)
        if isinstance(item, contextvars.ContextVar):
            return id, (item.get(None),)
        if isinstance(item, io.IOBase):
            return id, (_position(item),)
        if type(item) is np.ndarray and item.nbytes > _MOST_BYTES and not item.dtype.hasobject:
            some = item.flat[:: 1 + item.size * item.itemsize // _MOST_BYTES]
            return id, (item.shape, item.dtype.str, some.tobytes())
        return super().reducer_override(item)

    def _function_state(self, item: types.FunctionType) -> tuple[Any, ...]:
        """What a function of the project keeps, once: its closure may lead back to it."""
        if id(item) in self._functions or not is_project_file(item.__code__.co_filename):
            return (id(item),)
        self._functions.add(id(item))
        return id(item), item.__defaults__, item.__kwdefaults__, vars(item), item.__closure__


def _position(file: io.IOBase) -> int | None:
    with contextlib.suppress(OSError, ValueError):  # a pipe, or closed
        return os.lseek(file.fileno(), 0, os.SEEK_CUR)  # text that is iterated over has no tell()
    with contextlib.suppress(OSError, ValueError):
        return file.tell()
    return None


def _content(cell: types.CellType) -> Iterator[Any]:
    with contextlib.suppress(ValueError):
        yield cell.cell_contents


# ---- globals of modules


class Traces:
    """The globals of some modules, as they were.

    Parameters
    ----------
    modules : iterable of str
        Names of the modules.
    function : callable
        Of globals that belong to no such module, those that it names count too.
    """

    def __init__(self, modules: Iterable[str], function: Callable[..., Any]) -> None:
        self._modules = tuple(modules)
        self._function = innermost(function)
        self._n_looks, self._next = 0, 1
        self._before = self._look()

    def found(self) -> tuple[str, ...]:
        """Look after the first block, the second, the fourth, ..., and say what was changed."""
        self._n_looks += 1
        if self._n_looks < self._next:
            return ()
        self._next *= 2
        now = self._look()
        changed = (key[0] for key, own in now.items() if own != self._before.get(key, own))
        self._before = {**now, **self._before}
        return tuple(dict.fromkeys(changed))

    def _look(self) -> dict[tuple[str, int], bytes]:
        return {
            (f"{name} of {module}", number): _digest(part)
            for module, names in self._namespaces()
            for name, value in names.items()
            if not name.startswith("__") and not _is_ours(value)
            for number, part in [(0, value), *_cached(value)]
        }

    def _namespaces(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name in self._modules:
            if (module := sys.modules.get(name)) is not None:
                yield name, vars(module).copy()
        names = getattr(self._function, "__globals__", {}).copy()
        home = names.get("__name__", "")
        if names and home not in self._modules:
            used = _names(self._function.__code__)
            yield home, {name: names[name] for name in used & names.keys()}


def _names(code: types.CodeType) -> set[str]:
    inner = (own for own in code.co_consts if isinstance(own, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _is_ours(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == _OWN or isinstance(value, types.ModuleType)


def _cached(value: Any) -> Iterator[tuple[int, Any]]:
    """What `functools.lru_cache` has kept of a function and gives to all: a list, an array.

    A new one is nothing that a later point would see.
    """
    if isinstance(value, functools._lru_cache_wrapper):
        own = gc.get_referents(value)
        inner = (list(each.values()) for each in own if type(each) is dict)  # of other threads, too
        kept = itertools.chain((each for each in own if type(each) is not dict), *inner)
        for each in itertools.islice(kept, _MOST_CACHED):
            if type(each) not in PLAIN:
                yield id(each), each


def _digest(value: Any) -> bytes:
    if isinstance(value, type) and is_project_file(_file(value)):
        value = _held_by(value)
    elif isinstance(value, types.FunctionType):
        value = [value.__defaults__, value.__kwdefaults__, vars(value), value.__closure__]
    file = io.BytesIO()
    try:
        _Digester(file).dump(value)
    except Exception:  # any that another library raises
        return b""
    return hashlib.blake2b(file.getbuffer(), digest_size=16).digest()


def _held_by(kind: type) -> dict[str, Any]:
    """What a class, the classes within it and the members of an enum hold."""
    held = {
        name: _held_by(own)
        if isinstance(own, type) and own.__qualname__ == f"{kind.__qualname__}.{name}"
        else own
        for name, own in vars(kind).copy().items()
        if not name.startswith("__")
    }
    return {**held, "": [vars(member) for member in kind]} if issubclass(kind, Enum) else held


def _file(kind: type) -> str | None:
    return getattr(sys.modules.get(kind.__module__), "__file__", None)
