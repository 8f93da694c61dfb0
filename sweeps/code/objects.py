"""A function object -> where its source is, and the values that it holds."""

from __future__ import annotations

import ast
import functools
import os
import re
import sys
import types
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sweeps.code.canonical import (
    Canonical,
    Definition,
    OpaqueError,
    address,
    later_arguments,
    module_name,
)
from sweeps.code.reach.follow import Reach
from sweeps.code.source.module import Module, cell_source, first_line
from sweeps.code.source.normal_form import digest
from sweeps.code.source.scopes import (
    NOTHING,
    OWN_NAME,
    Definer,
    Function,
    function_scope,
    parameters,
)

_COMPREHENSION = re.compile(r"<(list|dict|set)comp>\.(<locals>\.)?")


class Carried:
    """A function object: where its source is, and which values it holds."""

    def __init__(
        self, own: Any, keyed: Collection[str] = (), *, counts_annotations: bool = False
    ) -> None:
        self.own = own if isinstance(own, types.FunctionType) else None
        self._keyed = keyed
        self.reach = Reach(self.named_value, counts_annotations=counts_annotations)
        self._living: dict[tuple[int, str], Module] = {}
        self.home = self._module_of(self.own) if self.own else None

    def take(self, function: Callable[..., Any]) -> None:
        """Add the experiment's function itself."""
        unwrapped = _unwrapped(function)
        if isinstance(unwrapped, types.FunctionType):
            *_, node = [None, *self._locate(unwrapped)]
            if isinstance(node, Function) and node.decorator_list:
                function = unwrapped  # its decorators are read from the source
        if isinstance(function, types.FunctionType) and self._defined(function):
            return  # it holds no values: they are in the module
        text = self._write(function)
        if not text.startswith("defined "):
            self.reach.parts.add("function", text, text)

    @property
    def naming(self) -> list[Any]:
        """Values met that name files."""
        return self._write.naming if "_write" in vars(self) else []

    @functools.cached_property
    def _write(self) -> Canonical:
        return Canonical(self._definition)

    def named_value(self, name: str, value: Any) -> str:
        """Return the text of a value; the name is for the error message."""
        try:
            return self._write(value)
        except OpaqueError as error:
            raise OpaqueError(f"{name!r}, {error}") from error

    # ---- definitions

    def _definition(self, item: Definition) -> str:
        if isinstance(item, types.FunctionType):
            return self._function(item)
        if isinstance(item, type):
            return self._class_(item)
        if module := self.reach.names.module(item.__name__):
            self.reach.take_whole(module, f"{item.__name__} is carried along as a value")
        return f"module {module_name(item.__name__)}"

    def _class_(self, item: type) -> str:
        if self._is_installed(item.__module__):
            return address(item.__module__, item.__qualname__)
        module = self.reach.names.home(item.__module__)
        name, *inner = item.__qualname__.split(".")
        if module and "<locals>" not in inner and module.provides(name):
            self.reach.refer(module, (None, (name,)))
            return f"defined {self._said(module)}:{item.__qualname__}"
        return self._write.class_body(item)

    def _defined(self, item: types.FunctionType) -> str | None:
        """Add a function that a module defines at its top level; None for any other function."""
        module, path = self._module_of(item), self._locate(item)
        top = getattr(path[0], "name", "") if path else ""
        if module is None or _functions(path[:-1]) or not module.provides(top):
            return None
        if item is self.own:
            self.reach.own = module, top
            self.reach.own_defaults = _without(path[-1], self._keyed)
            self.reach.take_own(module, top)
        else:
            self.reach.refer(module, (None, (top,)))
        return f"defined {self._said(module)}:{self._name(item)}"

    def _function(self, item: types.FunctionType) -> str:
        if defined := self._defined(item):
            return defined
        module = self._module_of(item)
        name = item.__code__.co_qualname
        if module is None:
            wrapped = getattr(item, "__wrapped__", None)
            inside = self._write(wrapped) if wrapped else self._values(item)
            return f"{address(item.__globals__['__name__'], name)} {inside}"
        path = self._locate(item)
        if not path:
            return f"{self._compiled(module, item)} {self._values(item)}"
        nested = self._nested(module, item, path[-1], _functions(path[:-1]))
        return f"{nested} {self._values(item)}"

    def _name(self, item: types.FunctionType) -> str:
        """Return the name of a function for a text; the experiment's own function has none."""
        if item is self.own:
            return OWN_NAME
        # Since Python 3.12, comprehensions are not functions any more.
        return _COMPREHENSION.sub("", item.__code__.co_qualname)

    def _nested(
        self, module: Module, item: types.FunctionType, node: Definer, outer: Sequence[Definer]
    ) -> str:
        """Add an inner function, a lambda or a function of a notebook, without its values."""
        local = set(item.__code__.co_freevars)
        for scope in outer:
            if isinstance(scope, Function | ast.Lambda):
                local |= function_scope(scope).names.keys()
        if item is self.own:
            self.reach.own = module, item.__code__.co_name
        defaults = _without(node, _defaults(item))
        text = self.reach.read(module, node, without=defaults, local=local)
        name = _COMPREHENSION.sub("", item.__code__.co_qualname)
        self.reach.take(module, name, text, node)
        return f"function {self._said(module)}:{self._name(item)} {digest(text)}"

    def _compiled(self, module: Module, item: types.FunctionType) -> str:
        """Add a function that has no source."""
        text = self._write.code(item.__code__)
        names = _global_names(item.__code__) & module.globals.keys()
        self.reach.refer(module, *((None, (name,)) for name in sorted(names)))
        self.reach.take(module, item.__code__.co_qualname, text)
        return f"compiled {self._said(module)}:{item.__code__.co_qualname} {digest(text)}"

    def _values(self, item: types.FunctionType) -> str:
        """Return the text of the values in a function's closure and of its defaults."""
        carried: dict[str, Any] = {}
        for name, cell in zip(item.__code__.co_freevars, item.__closure__ or (), strict=True):
            try:
                carried[name] = cell.cell_contents
            except ValueError:  # it has no value yet
                carried[name] = None
        left_out = self._keyed if item is self.own else later_arguments(item)
        carried |= {n: value for n, value in _defaults(item).items() if n not in left_out}
        pairs = (f"{name}={self.named_value(name, value)}" for name, value in carried.items())
        return f"({', '.join(pairs)})"

    # ---- places

    def _said(self, module: Module) -> str:
        """Return the name of a module for a text; the function's own module has none."""
        return "" if self.home and module.name == self.home.name else module.name

    def _is_installed(self, name: str) -> bool:
        living = sys.modules.get(name)
        if living is None or name == "__main__" or self.reach.names.module(name):
            return False
        return bool(getattr(living, "__spec__", None) or getattr(living, "__file__", None))

    def _module_of(self, item: types.FunctionType) -> Module | None:
        """Return the module whose globals a function uses; None if the module is installed."""
        name = item.__globals__.get("__name__") or "<no module>"
        file = _file_of(item)
        module = self.reach.names.home(name)
        if module and module.file and os.path.realpath(file) == os.path.realpath(module.file):
            return module
        if self._is_installed(name) and vars(sys.modules[name]) is item.__globals__:
            return None
        key = (id(item.__globals__), file)
        if key not in self._living:
            self._living[key] = Module(
                name,
                package=item.__globals__.get("__package__") or "",
                space=NOTHING,
                source=cell_source(file, item.__globals__),
                globals=item.__globals__,
            )
        return self._living[key]

    def _locate(self, item: types.FunctionType) -> list[Definer]:
        """Return the nodes of the scopes around a function, and then its own node."""
        module = self._module_of(item)
        if module is None or module.source is None:
            return []
        return _find_code(module.source.tree, item.__code__)


def _unwrapped(function: Any) -> Any:
    while (inside := getattr(function, "__wrapped__", None)) is not None:
        function = inside
    return function


def innermost(function: Any) -> Any:
    """Return the function inside of partials, methods and wrappers."""
    while True:
        inside = getattr(function, "__wrapped__", None)
        if inside is None and not isinstance(function, types.FunctionType):
            inside = getattr(function, "__func__", None) or getattr(function, "func", None)
        if inside is None:
            return function
        function = inside


def _functions(scopes: Sequence[Definer]) -> list[Definer]:
    return [scope for scope in scopes if not isinstance(scope, ast.ClassDef)]


def _file_of(item: types.FunctionType) -> str:
    """Return the file of a function, also of one from cloudpickle, which drops the file."""
    file = item.__code__.co_filename
    return item.__globals__.get("__file__") or file if file == "<dynamic-code>" else file


def _defaults(item: types.FunctionType) -> dict[str, Any]:
    given = item.__defaults__ or ()
    positional = item.__code__.co_varnames[: item.__code__.co_argcount]
    last = positional[len(positional) - len(given) :]
    return {**dict(zip(last, given, strict=True)), **(item.__kwdefaults__ or {})}


def _without(node: Definer, names: Collection[str]) -> frozenset[ast.expr]:
    """Return the nodes of the default values of these arguments."""
    if isinstance(node, ast.ClassDef):
        return frozenset()
    pairs = ((argument.arg, default) for _, argument, default in parameters(node.args))
    return frozenset(default for name, default in pairs if default and name in names)


def _global_names(code: types.CodeType) -> set[str]:
    inner = (item for item in code.co_consts if isinstance(item, types.CodeType))
    return set(code.co_names).union(*map(_global_names, inner))


def _find_code(tree: ast.AST, code: types.CodeType) -> list[Definer]:
    """Return the nodes of the scopes around a code object, and then the node it comes from.

    The list is empty if there is no such node. If a line has several lambdas, the innermost one
    that spans the code is meant.
    """
    line = code.co_firstlineno
    found: list[list[Definer]] = []
    stack: list[tuple[ast.AST, list[Definer]]] = [(tree, [])]
    while stack:
        node, path = stack.pop()
        if isinstance(node, Definer):
            path = [*path, node]
            named = getattr(node, "name", "<lambda>") == code.co_name
            if named and first_line(node) == line and not isinstance(node, ast.ClassDef):
                found.append(path)
        stack += (
            (child, path)
            for child in ast.iter_child_nodes(node)
            if first_line(child) <= line <= (getattr(child, "end_lineno", None) or line)
        )
    if code.co_name == "<lambda>":
        found = [path for path in found if _spans(path[-1], code)]
    return max(found, key=lambda path: (path[-1].lineno, path[-1].col_offset), default=[])


def _spans(node: Definer, code: types.CodeType) -> bool:
    """Say whether all expressions of a code object are in the body of a lambda."""
    body = node.body
    if isinstance(body, list):
        return False
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        is_empty = column == end_column  # it belongs to no expression
        if not is_empty and not (start <= (line, column) and (end_line, end_column) <= end):
            return False
    return True
