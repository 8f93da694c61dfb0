"""References -> all project code that they reach, across modules, until nothing new comes."""

from __future__ import annotations

import ast
import builtins
import functools
import sys
import types
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps.errors import DeclarationError
from sweeps.source.module import Chain, Module, load
from sweeps.source.namespace import is_summary_of
from sweeps.source.scopes import Function, ImportNode, chain_of
from sweeps.source.syntax import Reading, Reference, read

# With these, code reaches names that cannot be seen in the source.
_DYNAMIC_BUILTINS = frozenset({"globals", "vars", "eval", "exec", "__import__"})
_DYNAMIC = ("importlib", "builtins.eval", "builtins.exec", "sys.modules", "runpy", "pkgutil",
            "numexpr")  # fmt: skip
_NOT_DYNAMIC = ("importlib.resources", "importlib.metadata")

# A top-level ``jax.config.update(...)`` or ``mpmath.mp.dps = 50`` changes results from afar, so it
# counts if its module is imported; what is done to these packages changes no result.
_NO_EFFECT_ON_RESULTS = frozenset({"sys", "logging", "warnings", "matplotlib"})


@dataclass
class Reach:
    """The parts of a project reached so far.

    Attributes
    ----------
    write_value
        Value -> text, for names that only exist in a living module.
    texts, sources
        Part -> what it is, in normal form; and as it was written.
    modules
        Names of the modules with parts.
    whole
        Names of the modules taken whole -> why.
    data
        Files that cached functions depend on, relative to the folder of their module.
    """

    write_value: Callable[[str, Any], str]
    texts: dict[str, set[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    whole: dict[str, str] = field(default_factory=dict)
    data: set[tuple[Module, str]] = field(default_factory=set)
    own_defaults: frozenset[ast.expr] = frozenset()
    _known: dict[str, Module | None] = field(default_factory=dict)
    _readings: dict[tuple[ast.AST, frozenset[ast.expr]], Reading] = field(default_factory=dict)
    _done: set[tuple[Any, ...]] = field(default_factory=set)
    _pending: list[tuple[Module, Reference]] = field(default_factory=list)

    def add(self, part: str, text: str, source: str) -> None:
        """Add a part; of several with one name all count."""
        self.texts.setdefault(part, set()).add(text)
        self.sources.setdefault(part, source)

    def follow_all(self) -> None:
        """Take in all that was referred to, and what that refers to."""
        while self._pending:
            module, (node, chain) = self._pending.pop()
            if node:
                self._follow_import(module, node, chain)
            else:
                self._reach(module, chain)

    # ---- modules

    def module(self, name: str) -> Module | None:
        """Return a module of the project; None if it is another's or not there."""
        if name not in self._known:
            self._known[name] = load(name)
        return self._known[name]

    @property
    def files(self) -> dict[str, tuple[Path, str]]:
        """Modules that were looked at -> their file and its text."""
        known = (module for module in self._known.values() if module)
        return {m.name: (m.file, m.source.text) for m in known if m.file and m.source}

    def _enter(self, module: Module) -> None:
        """Take in what a module, and those that it imports, change in others when imported."""
        if not self._once("enter", module):
            return
        for name in sorted(module.space.patches):
            if not _NO_EFFECT_ON_RESULTS.issuperset(_root(m) for m in module.meanings(name)):
                self._define(module, name)
        imported = {meaning for name in module.space.imports for meaning in module.meanings(name)}
        imported |= {module.base(node) for node in module.space.stars}
        for meaning in sorted({*imported, module.name}):
            names = meaning.split(".")
            for length in range(1, len(names) + 1):
                if (parent := self.module(".".join(names[:length]))) is None:
                    break
                self._enter(parent)

    # ---- references

    def refer(self, module: Module, *references: Reference) -> None:
        """Queue references made in a module."""
        self._pending += [(module, r) for r in references if self._once("refer", module, r)]

    def _reach(self, module: Module, chain: Chain) -> None:
        name = chain[0]
        if name in _DYNAMIC_BUILTINS and not module.provides(name):
            self.take_whole(module, f"{name}() is used in it")
        if module.provides(name):
            self._define(module, name)
            for node in module.space.imports.get(name, ()):
                self._follow_import(module, node, chain)
        elif star := self._star(module, name):
            self.take(module, name, f"import {star}.{name}")
            self._follow(module, star, chain)
        elif name.startswith("__") or self._take_living(module, chain) or hasattr(builtins, name):
            pass
        else:
            self.add(f"unresolved:{name}", "", "")

    def _follow_import(self, module: Module, node: ImportNode, chain: Chain) -> None:
        for name, attributes in module.targets(chain, node):
            submodule = ".".join((name, *attributes[:1]))
            if name == module.name and attributes and self.module(submodule):
                self._follow(module, submodule, attributes[1:])  # ``from . import x`` in __init__
            else:
                self._follow(module, name, attributes)

    def _follow(self, asking: Module, name: str, attributes: Chain) -> None:
        """Take in ``name.attributes`` of a module `name`, for a module that asks for it."""
        module = self.module(name)
        if module is None:
            if _is_dynamic(".".join((name, *attributes))):
                self.take_whole(asking, f"{'.'.join((name, *attributes))} is used in it")
        elif not attributes:
            self.take_whole(module, f"{asking.name} uses it as a value")
        elif module.provides(attributes[0]) or self._star(module, attributes[0]):
            self.refer(module, (None, attributes))
        elif self.module(submodule := f"{name}.{attributes[0]}"):
            self._follow(asking, submodule, attributes[1:])
        else:
            hook = "__getattr__" if module.provides("__getattr__") else attributes[0]
            self.refer(module, (None, (hook,)))

    def _take_living(self, module: Module, chain: Chain) -> bool:
        """Take in a name that no statement makes but that is there, as in a notebook."""
        name = chain[0]
        if name not in module.globals:
            return False
        value = module.globals[name]
        if not isinstance(value, types.ModuleType):
            self.take(module, name, self.write_value(name, value))
        elif self._once("living", module, name):
            self.take(module, name, f"import {value.__name__}")
        if isinstance(value, types.ModuleType):
            self._follow(module, value.__name__, chain[1:])
        return True

    def _star(self, module: Module, name: str, seen: Collection[str] = ()) -> str | None:
        """Return the module that a ``from x import *`` gets a name from."""
        for node in module.space.stars:
            base = module.base(node)
            starred = self.module(base)
            if starred is None:
                living = sys.modules.get(base)
                if living is None or hasattr(living, name):
                    return base
            elif base not in seen and (
                starred.provides(name) or self._star(starred, name, (*seen, base))
            ):
                return base
        return None

    # ---- parts

    def take(self, module: Module, name: str, text: str, *nodes: ast.stmt | ast.expr) -> None:
        """Add a part that belongs to a module."""
        self.modules.add(module.name)
        self._enter(module)
        segments = [module.source.segment(node) for node in nodes] if module.source else []
        self.add(f"{module.name}:{name}", text, "\n".join(segments) or text)

    def read(
        self,
        module: Module,
        node: ast.AST,
        *,
        without: frozenset[ast.expr] = frozenset(),
        local: Collection[str] = (),
    ) -> str:
        """Return the normal form of a piece of a module's source and queue what it reaches."""
        if (node, without) not in self._readings:
            ignored = functools.partial(self._is_left_out, module)
            self._readings[node, without] = read(node, ignores_decorator=ignored, without=without)
        reading = self._readings[node, without]
        self.refer(module, *(r for r in reading.references if r[0] or r[1][0] not in local))
        return reading.text

    def take_own(self, module: Module, name: str) -> None:
        """Take in the experiment's function, without those defaults that are parameters."""
        nodes = module.space.statements[name]
        texts = (self.read(module, node, without=self.own_defaults) for node in nodes)
        self.take(module, name, "\n".join(texts), *nodes)

    def _define(self, module: Module, name: str) -> None:
        """Take in all statements that make a global name."""
        if self._once("define", module, name):
            statements = module.space.statements.get(name, [])
            texts = [self.read(module, statement) for statement in statements]
            texts += [f"import {meaning}" for meaning in module.meanings(name)]
            imports = module.space.imports.get(name, [])
            self.take(module, name, "\n".join(texts), *statements, *imports)

    def take_whole(self, module: Module, why: str) -> None:
        """Take in all that a module says; what it imports too, as it can be reached through it."""
        if not self._once("whole", module):
            return
        self.whole[module.name] = why
        own = self.own_defaults
        texts = [self.read(module, statement, without=own) for statement in module.space.body]
        self.take(module, "*", "\n".join(texts), *module.space.body)
        self.refer(module, *((None, (name,)) for name in sorted(module.space.imports)))
        for node in module.space.stars:
            self._follow(module, module.base(node), ())

    # ---- questions

    def _once(self, *step: Any) -> bool:
        new = step not in self._done
        self._done.add(step)
        return new

    def _is_left_out(
        self, module: Module, definition: Function | ast.ClassDef, decorator: ast.expr
    ) -> bool:
        """Leave out decorators of sweeps, but not what ``@cached`` says of versions and data."""
        if is_summary_of(decorator, module.space.experiments):
            return True
        chain = chain_of(decorator)
        origins = self._origins(module, chain) if chain else set()
        ours = [origin for origin in origins if _root(origin) == "sweeps"]
        is_cached = any(origin.endswith(".cached") for origin in ours)
        if is_cached and isinstance(decorator, ast.Call):
            self._take_declared(module, definition.name, decorator.keywords)
        return bool(ours)

    def _take_declared(self, module: Module, name: str, keywords: list[ast.keyword]) -> None:
        for keyword in keywords:
            if keyword.arg in ("version", None):  # None for **options, which may have one
                text = self.read(module, keyword.value)
                self.take(module, f"{name}@version", text, keyword.value)
            elif keyword.arg == "depends_on":
                paths = _written_out(keyword.value)
                if paths is None:
                    raise DeclarationError(
                        f"{module.file or module.name}, line {keyword.value.lineno}: depends_on of "
                        "@cached must be written out, as it is read without running the code: "
                        "'table.csv' or ['a.csv', 'b.csv'], relative to the module's folder"
                    )
                self.data |= {(module, path) for path in paths}

    def _origins(self, module: Module, chain: Chain) -> set[str]:
        """Return the qualified names outside of the project that a chain leads to."""
        found: set[str] = set()
        pending, seen = [(module, chain)], set[tuple[Module, Chain]]()
        while pending:
            module, chain = here = pending.pop()
            if here in seen:
                continue
            seen.add(here)
            for node in module.space.imports.get(chain[0], ()):
                for name, attributes in module.targets(chain, node):
                    if (other := self.module(name)) is None:
                        found.add(".".join((name, *attributes)))
                    elif attributes:
                        pending.append((other, attributes))
            if star := self._star(module, chain[0]):
                other = self.module(star)
                if other is None:
                    found.add(".".join((star, *chain)))
                else:
                    pending.append((other, chain))
        return found


def _written_out(node: ast.expr) -> list[str] | None:
    """Return the paths of a text or of several; None for what must be run to be known."""
    match node:
        case ast.Constant(value=str(path)):
            return [path]
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            found = [_written_out(item) for item in items]
            return None if None in found else [path for each in found for path in each or ()]
    return None


def _is_dynamic(name: str) -> bool:
    return _begins(name, _DYNAMIC) and not _begins(name, _NOT_DYNAMIC)


def _root(name: str) -> str:
    return name.partition(".")[0]


def _begins(name: str, beginnings: Collection[str]) -> bool:
    return any(f"{name}.".startswith(f"{beginning}.") for beginning in beginnings)
