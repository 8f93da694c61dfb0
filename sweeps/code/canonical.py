"""A value that a function carries with it -> a text that says what it is, in every process."""

from __future__ import annotations

import copyreg
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

_SAID_BY_REPR = frozenset({"datetime", "decimal", "fractions", "pathlib", "uuid", "zoneinfo"})

# Attributes of a class that do not belong to its meaning.
_OF_NO_MEANING = frozenset({
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__",
    "__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__",
    "__annotations_cache__", "_abc_impl", "__slotnames__",
})  # fmt: skip

Definition = types.FunctionType | type | types.ModuleType

# Definitions of ours that functions may carry, by the modules that fingerprints name for them,
# wherever they stand now: results stay valid when our own modules change their places.
_HOMES = {
    "algebra": "Space",
    "axes": "Column Dimension",
    "benchmark": "Benchmark Timing Variant",
    "benchmarking": "bench",
    "caching": "Cached cached",
    "comparing": "Compared diff",
    "declaring": "Experiment Registered experiment",
    "evaluating": "Evaluation",
    "exporting": "Exported export",
    "explaining": "Change Since Why why",
    "file": "File",
    "picturing": "plot",
    "programs": "Program Reader Template program template",
    "predicate": "Derivation Predicate",
    "product": "Deferred Derived Product",
    "quantities": "Unit",
    "reductions": "mean over_replicates quantiles standard_error",
    "relanding": "Landed land",
    "reporting": "FailedPoint Listed Planned PrintedPoint Status failures files load plan printed "
    "report status table",
    "running": "run",
    "sample": "Sampling halton latin_hypercube saltelli sobol uniform",
    "sensitivity": "sobol_indices",
    "space": "grid points replicates zipped",
    "subject": "Counts",
    "values": "Labelled Values",
    "vouching": "Vouched accept",
    "work": "work",
}

# Arguments that our functions got since; without them, who carries a function counts as before.
_LATER = {"experiment": ("long_name", "attrs", "depends_on_env"), "load": ("chunks",)}


class OpaqueError(TypeError):
    """A value without a canonical form; its text names where it was found."""


class Canonical:
    """Writes values as texts; `define` writes functions, classes and modules.

    Attributes
    ----------
    naming : list
        Values met that name files, which count beside their texts.

    Examples
    --------
    >>> write = Canonical(lambda definition: definition.__name__)
    >>> write({"b": {2.5, 1}, "a": (True, len)})
    "dict{str:'a'=tuple[bool:True,builtins.len,],str:'b'=set{float:2.5,int:1,},}"
    """

    def __init__(self, define: Callable[[Definition], str]) -> None:
        self.define = define
        self.naming: list[Any] = []
        self._inside: list[Any] = []

    def __call__(self, value: Any) -> str:
        """Return the text of a value.

        Raises
        ------
        OpaqueError
            If the value, or something in it, cannot be told from others of its kind:
            a lock, an open file, a running generator.
        """
        for depth, outer in enumerate(reversed(self._inside)):
            if outer is value:
                return f"outer:{depth}"
        self._inside.append(value)
        try:
            return self._plain(value)
        finally:
            self._inside.pop()

    def _plain(self, value: Any) -> str:
        kind = type(value)
        if kind is str:
            return f"str:{value!r}"
        if kind is int:
            return f"int:{value:x}"
        if value is None or kind in (bool, float, complex, bytes, range, slice, type(...)):
            return f"{kind.__name__}:{value!r}"
        if kind in (tuple, list):
            return f"{kind.__name__}[{self._joined(map(self, value))}]"
        if kind in (set, frozenset):
            return f"{kind.__name__}{{{self._joined(sorted(map(self, value)))}}}"
        if kind in (dict, types.MappingProxyType):
            pairs = sorted(f"{self(name)}={self(item)}" for name, item in value.items())
            return f"dict{{{self._joined(pairs)}}}"
        if isinstance(value, type | types.FunctionType | types.ModuleType):
            return self.define(value)
        if kind.__module__ in _SAID_BY_REPR:
            return f"{kind.__module__}:{value!r}"
        return self._array(value) or self._callable(value) or self._object(value)

    @staticmethod
    def _joined(texts: Iterable[str]) -> str:
        return "".join(f"{text}," for text in texts)

    def _array(self, value: Any) -> str | None:
        numpy = sys.modules.get("numpy")
        kind = type(value).__name__
        if numpy is None or not (type(value) is numpy.ndarray or isinstance(value, numpy.generic)):
            return None
        if value.dtype.hasobject:
            return f"{kind}:{value.shape}:{self(value.tolist())}"
        content = hashlib.blake2b(numpy.ascontiguousarray(value).tobytes()).hexdigest()
        return f"{kind}:{value.dtype.descr}:{value.shape}:{content}"

    def _callable(self, value: Any) -> str | None:
        """Write what wraps a function, by the function."""
        match value:
            case types.BuiltinFunctionType(__self__=owner) if not isinstance(
                owner, types.ModuleType | None
            ):
                return f"{value.__name__} of {self(owner)}"
            case types.BuiltinFunctionType():
                return f"{value.__module__}.{value.__qualname__}"
            case types.MethodType():
                return f"method {self(value.__func__)} of {self(value.__self__)}"
            case functools.partial():
                return f"partial {self((value.func, value.args, value.keywords))}"
            case property():
                return f"property {self((value.fget, value.fset, value.fdel))}"
            case staticmethod() | classmethod():
                return f"{type(value).__name__} {self(value.__func__)}"
            case functools.cached_property():  # has a lock up to Python 3.11
                return f"cached_property {self(value.func)}"
            case types.MemberDescriptorType() | types.GetSetDescriptorType():
                return f"slot {value.__name__}"
            case types.CodeType():
                return self.code(value)
            case Enum():
                return f"{self(type(value))}.{value.name}"
        if _is_ours(type(value).__module__) and hasattr(type(value), "files_counted"):
            self.naming.append(value)
            return f"{_name(type(value))} {self(value.counted)}"
        wrapped = getattr(value, "__wrapped__", None)
        data = ""
        if _is_ours(type(value).__module__):
            wrapped = wrapped or getattr(value, "function", None)
            depends_on = getattr(value, "data", None)  # of what is cached
            data = f" with {self(depends_on)}" if depends_on else ""
        return None if wrapped is None else f"{_name(type(value))} of {self(wrapped)}{data}"

    def _object(self, value: Any) -> str:
        """Write an object as pickle would take it apart, without pickling."""
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            parts = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:
            raise OpaqueError(f"a {_name(type(value))}") from error
        if isinstance(parts, str):  # the name of a global, as of numpy's ufuncs
            return f"{getattr(value, '__module__', None) or type(value).__module__}.{parts}"
        make, arguments, *more = parts
        state, items, pairs = (*more, None, None, None)[:3]
        if items is not None:
            items = list(items)
        if pairs is not None:
            pairs = list(pairs)
        return f"{_name(type(value))} {self((make, arguments, state, items, pairs))}"

    def class_body(self, owner: type) -> str:
        """Write a class of which there is no source, by all that it holds."""
        body = {
            name: item for name, item in vars(owner).copy().items() if name not in _OF_NO_MEANING
        }
        fields = [*getattr(owner, "__annotations__", ())]
        return f"class {owner.__qualname__} {self((owner.__bases__, fields, body))}"

    def code(self, code: types.CodeType) -> str:
        """Write a function of which there is no source, by what Python compiled."""
        shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars)
        return f"code {self((code.co_code, shape, names, code.co_consts))}"


def _name(kind: type) -> str:
    return address(kind.__module__, kind.__qualname__)


def address(module: str, name: str) -> str:
    """Return the text of where a definition is; of one of ours, it tells nothing of its place.

    Examples
    --------
    >>> address("scipy.stats", "norm"), address("sweeps.anywhere", "Cached")
    ('scipy.stats.norm', 'sweeps.caching.Cached')
    """
    own = name.partition(".")[0]
    homes = (home for home, names in _HOMES.items() if _is_ours(module) and own in names.split())
    return f"{next((f'sweeps.{home}' for home in homes), module_name(module))}.{name}"


def later_arguments(function: types.FunctionType) -> tuple[str, ...]:
    """Return the arguments of a function of ours that make no other function of it."""
    return _LATER.get(function.__qualname__, ()) if _is_ours(function.__module__ or "") else ()


def module_name(module: str) -> str:
    """Return the name of a module; of one of ours, without the packages that it is in."""
    return f"sweeps.{module.rpartition('.')[2]}" if module.startswith("sweeps.") else module


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "sweeps"
