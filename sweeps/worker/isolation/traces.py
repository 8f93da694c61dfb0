"""Traces: what points leave behind in the globals of a project's modules.

Whether a value depends on it is another question: a cache of a module's own changes, too.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import gc
import hashlib
import io
import itertools
import os
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import numpy as np

from sweeps.code.objects import innermost
from sweeps.project.imports import is_project_file
from sweeps.worker.isolation.copies import CONSTANT_BY_NAME, Pickler, Same, can_change

_MOST_BYTES = 2**16  # of an array; of larger ones some elements are looked at

_MOST_CACHED = 1000  # values of a cache

_BY_IDENTITY = (*CONSTANT_BY_NAME, types.BuiltinFunctionType)

_OWN = __name__.partition(".")[0]


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
            if can_change(each):
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
