"""References -> all project code that they reach, across modules, until nothing new comes."""

from __future__ import annotations

import ast
import builtins
import functools
import types
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps.errors import DeclarationError
from sweeps.source.annotating import looks_at_annotations
from sweeps.source.changes import Changes
from sweeps.source.module import Module
from sweeps.source.project import siblings
from sweeps.source.reader import OWN_NAME
from sweeps.source.resolving import ALL, Resolver
from sweeps.source.scopes import (
    Chain,
    Function,
    ImportNode,
    Reference,
    chain_of,
    is_summary_of,
)
from sweeps.source.syntax import Reading, read
from sweeps.source.wording import changes_nothing, label, place, written_out

# With these, code reaches names that cannot be seen in the source.
_DYNAMIC_BUILTINS = frozenset({"globals", "vars", "eval", "exec", "__import__"})
_DYNAMIC = ("importlib", "builtins.eval", "builtins.exec", "sys.modules", "runpy", "pkgutil",
            "numexpr")  # fmt: skip
_NOT_DYNAMIC = ("importlib.resources", "importlib.metadata")
_IMPORTS_BY_NAME = ("importlib", "builtins.__import__", "pkgutil", "runpy")

# A top-level ``jax.config.update(...)`` or ``mpmath.mp.dps = 50`` changes results from afar, so it
# counts if its module is imported; what is done to these packages changes no result.
_NO_EFFECT_ON_RESULTS = frozenset({"sys", "logging", "warnings", "matplotlib", "sweeps"})

_Changers = dict[Module, list[ast.stmt]]


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
    own
        Module and name of the experiment's function, whose name does not count.
    is_by_name
        Whether something asks for the names of functions, so that the own one counts.
    """

    write_value: Callable[[str, Any], str]
    texts: dict[str, set[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    whole: dict[str, str] = field(default_factory=dict)
    data: set[tuple[Module, str]] = field(default_factory=set)
    own: tuple[Module, str] | None = None
    own_defaults: frozenset[ast.expr] = frozenset()
    is_by_name: bool = False
    _names: Resolver = field(default_factory=Resolver)
    _readings: dict[tuple[ast.AST, frozenset[ast.expr]], Reading] = field(default_factory=dict)
    _done: set[tuple[Any, ...]] = field(default_factory=set)
    _pending: list[tuple[Module, Reference, int]] = field(default_factory=list)
    _defined: list[tuple[Module, str]] = field(default_factory=list)
    _changers: dict[Module, dict[str, _Changers]] = field(default_factory=dict)
    _deriving: dict[Module, dict[str, _Changers]] = field(default_factory=dict)
    _asks_for_subclasses: bool = False

    def __post_init__(self) -> None:
        self._changes = Changes(self._names, self._references)

    def add(self, part: str, text: str, source: str) -> None:
        """Add a part; of several with one name all count."""
        self.texts.setdefault(part, set()).add(text)
        self.sources.setdefault(part, source)

    def follow_all(self) -> None:
        """Take in all that was referred to, and what that refers to."""
        while self._pending:
            module, (node, chain), line = self._pending.pop()
            if node:
                self._follow_import(module, node, chain, line)
            else:
                self._reach(module, chain, line)

    # ---- modules

    def module(self, name: str) -> Module | None:
        """Return a module of the project; None if it is another's or not there."""
        return self._names.module(name)

    @property
    def own_part(self) -> str | None:
        """The part that is the experiment's own function."""
        return f"{self.own[0].name}:{self.own[1]}" if self.own else None

    @property
    def files(self) -> dict[str, tuple[Path, str]]:
        """Modules that were looked at -> their file and its text."""
        known = (module for module in self._names.known.values() if module)
        return {m.name: (m.file, m.source.text) for m in known if m.file and m.source}

    def _enter(self, module: Module) -> None:
        """Take in what a module, and those that it imports, change when imported."""
        pending, entered = [module], []
        while pending:
            module = pending.pop()
            if self._once("enter", module):
                entered.append(module)
                imports = [node for nodes in module.space.imports.values() for node in nodes]
                pending += self._imported(module, [*imports, *module.space.stars])
                pending += self._note_changes(module)
        if entered:
            for owner, name in [*self._defined]:
                self._take_changes(owner, name)

    def _imported(self, module: Module, nodes: Iterable[ImportNode]) -> list[Module]:
        """Return the project's modules that import statements bring in, with a module's own."""
        meanings = {module.name} if module.file else set()  # else there are several of the name
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                base = module.base(node)
                meanings |= {f"{base}.{alias.name}" for alias in node.names}
            else:
                meanings |= {alias.name for alias in node.names}
        found = []
        for meaning in sorted(meanings):
            names = meaning.split(".")
            for length in range(1, len(names) + 1):
                if (parent := self.module(".".join(names[:length]))) is None:
                    break
                found.append(parent)
        return found

    def _note_changes(self, module: Module) -> list[Module]:
        """Note what the statements of a module change; return modules that they import by name."""
        brought: list[Module] = []
        for statement in module.space.body:
            if changes_nothing(statement):
                continue
            changed, effects = self._changes.of(module, statement)
            brought += self._imported(module, effects.imports)
            for owner, node in changed.imports:
                brought += self._imported(owner, [node])
            for places, noted in (
                (changed.places, self._changers),
                (changed.derived, self._deriving),
            ):
                for owner, name in places:
                    if owner is module and statement in module.space.statements.get(name, ()):
                        continue
                    by = noted.setdefault(owner, {}).setdefault(name, {})
                    by.setdefault(module, []).append(statement)
            if any(_root(name) not in _NO_EFFECT_ON_RESULTS for name in changed.outside):
                self._take_statements(module, [statement])
            if any(
                _begins(place.name, _IMPORTS_BY_NAME) and not _begins(place.name, _NOT_DYNAMIC)
                for reference in effects.called
                for place in self._names.places(module, reference)
                if place.module is None
            ):
                brought += filter(None, map(self.module, siblings(module.file, module.package)))
        return brought

    # ---- references

    def refer(self, module: Module, *references: Reference, line: int = 0) -> None:
        """Queue references made in a module."""
        new = [r for r in references if self._once("refer", module, r)]
        self._pending += [(module, reference, line) for reference in new]

    def _reach(self, module: Module, chain: Chain, line: int) -> None:
        name = chain[0]
        if name in _DYNAMIC_BUILTINS and not module.provides(name):
            self.take_whole(module, f"{name}() at {place(module, line)}")
        self._enter(module)
        if module.provides(name):
            self._define(module, name)
            for node in module.space.imports.get(name, ()):
                self._follow_import(module, node, chain, line)
        elif star := self._names.star(module, name):
            self.take(module, name, f"import {star}.{name}")
            starred = self.module(star)
            if starred and "*" in (starred.exported or ()):
                self.refer(starred, (None, ("__all__",)), line=line)
            self._follow(module, star, chain, line)
        elif self._take_changes(module, name) or name in module.left_to_functions:
            self._defined.append((module, name))
            self.modules.add(module.name)
        elif name.startswith("__") or self._take_living(module, chain) or hasattr(builtins, name):
            pass
        else:
            self.add(f"unresolved:{name}", "", "")

    def _follow_import(self, module: Module, node: ImportNode, chain: Chain, line: int) -> None:
        for name, attributes in module.targets(chain, node):
            submodule = ".".join((name, *attributes[:1]))
            if name == module.name and attributes and self.module(submodule):
                name, attributes = submodule, attributes[1:]  # ``from . import x`` in __init__
            self._follow(module, name, attributes, line)

    def _follow(self, asking: Module, name: str, attributes: Chain, line: int) -> None:
        """Take in ``name.attributes`` of a module `name`, for a module that asks for it."""
        module = self.module(name)
        said = ".".join((name, *attributes))
        if module is None:
            if _is_dynamic(said):
                self.take_whole(asking, f"{said} at {place(asking, line)}")
        elif attributes[:1] in ((), ("__dict__",)):
            at = place(asking, line)
            self.take_whole(module, f"{name} is passed on as a value at {at}")
        elif module.provides(attributes[0]) or self._names.star(module, attributes[0]):
            self.refer(module, (None, attributes), line=line)
        elif self.module(submodule := f"{name}.{attributes[0]}"):
            self._follow(asking, submodule, attributes[1:], line)
        else:
            hook = "__getattr__" if module.provides("__getattr__") else attributes[0]
            self.refer(module, (None, (hook,)), line=line)

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
            self._follow(module, value.__name__, chain[1:], 0)
        return True

    # ---- parts

    def take(self, module: Module, name: str, text: str, *nodes: ast.stmt | ast.expr) -> None:
        """Add a part that belongs to a module."""
        self.modules.add(module.name)
        source = module.source
        written = "\n".join(source.segment(node) for node in nodes) if source else text
        self.add(f"{module.name}:{name}", text, written)
        self._enter(module)

    def read(
        self,
        module: Module,
        node: ast.stmt | ast.expr,
        *,
        without: frozenset[ast.expr] = frozenset(),
        local: Collection[str] = (),
    ) -> str:
        """Return the normal form of a piece of a module's source and queue what it reaches."""
        reading = self._reading(module, node, without)
        if self._once("read", reading.text, node, without, frozenset(local)):
            references = reading.references.items()
            for reference, line in references:
                if reference[0] or reference[1][0] not in local:
                    self.refer(module, reference, line=line)
            for imported in self._imported(module, reading.imports) if reading.imports else ():
                self._enter(imported)
            for beginning, line in reading.unknown_imports.items():
                self._take_unknown(module, beginning, line)
            self.is_by_name |= reading.is_by_name
            if "__subclasses__" in reading.text and not self._asks_for_subclasses:
                self._asks_for_subclasses = True
                for owner, name in [*self._defined]:
                    self._take_changes(owner, name)
        return reading.text

    def _reading(
        self, module: Module, node: ast.AST, without: frozenset[ast.expr] = frozenset()
    ) -> Reading:
        if (node, without) not in self._readings:
            ignored = functools.partial(self._is_left_out, module)
            own_name = self.own[1] if self.own and self.own[0] is module else None
            self._readings[node, without] = read(
                node,
                ignores_decorator=ignored,
                looks_at_annotations=lambda d: looks_at_annotations(
                    self._names, module, chain_of(d)
                ),
                without=without,
                own_name=own_name,
                has_walrus=module.source is None or ":=" in module.source.text,
            )
        return self._readings[node, without]

    def _references(self, module: Module, statement: ast.stmt) -> Iterable[Reference]:
        return self._reading(module, statement).references

    def take_own(self, module: Module, name: str) -> None:
        """Take in the experiment's function, without those defaults that are parameters."""
        nodes = module.space.statements[name]
        texts = [self.read(module, node, without=self.own_defaults) for node in nodes]
        self.take(module, name, "\n".join(texts), *nodes)

    def _define(self, module: Module, name: str) -> None:
        """Take in all statements that make a global name, and those that change it."""
        if self._once("define", module, name):
            self._defined.append((module, name))
            statements = module.space.statements.get(name, [])
            texts = [self._dated(module, statement) for statement in statements]
            texts += [f"import {meaning}" for meaning in module.meanings(name)]
            imports = module.space.imports.get(name, [])
            self.take(module, name, "\n".join(texts), *statements, *imports)
            self._take_changes(module, name)

    def _take_changes(self, module: Module, name: str) -> bool:
        """Take in the statements that change a name from elsewhere; say whether there are any."""
        noted = [self._changers, *([self._deriving] if self._asks_for_subclasses else ())]
        found = False
        for each in noted:
            by_name = each.get(module, {})
            for key in (name, ALL):
                for changer, statements in by_name.get(key, {}).items():
                    found = True
                    if self._once("changes", module, key, changer, len(statements), id(each)):
                        self._take_statements(changer, statements)
        return found

    def _take_statements(self, module: Module, statements: list[ast.stmt]) -> None:
        labels = ", ".join(dict.fromkeys(map(label, statements)))
        texts = [self._dated(module, statement) for statement in statements]
        self.take(module, labels, "\n".join(texts), *statements)

    def _dated(self, module: Module, statement: ast.stmt) -> str:
        """Return the text of a statement, and when it runs where names change their meaning.

        ``X = 1; Y = X; X = 2`` makes another ``Y`` than ``X = 1; X = 2; Y = X``.
        """
        text = self.read(module, statement)
        if isinstance(statement, Function) and not statement.decorator_list:
            return text
        own_name = self.own[1] if self.own and self.own[0] is module else None
        for node, chain in self._reading(module, statement).references:
            name = chain[0]
            changers = self._changers.get(module, {}).get(name, {}).get(module, [])
            makers = {*module.space.statements.get(name, ()), *changers}
            if node is None and len(makers) > 1:
                n_before = sum(each.lineno < statement.lineno for each in makers)
                said = OWN_NAME if name == own_name else name
                text += f"\nafter {n_before} of {said}"
        return text

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
            self._follow(module, module.base(node), (), node.lineno)
        for name in sorted({*self._changers.get(module, ()), *self._deriving.get(module, ())}):
            self.refer(module, (None, (name,)))

    def _take_unknown(self, module: Module, beginning: str, line: int) -> None:
        """Take in all modules that an import by a made-up name may mean."""
        package, _, start = beginning.rpartition(".")
        package = package.lstrip(".") if not beginning.startswith(".") else module.package
        named = self.module(package) if package else None
        if named and named.file:
            folder = named.file if named.file.is_dir() else named.file.parent
            names = siblings(folder / "__init__.py", package)
        else:
            names = siblings(module.file, module.package)
        for name in names:
            other = self.module(name)
            if other and name.rpartition(".")[2].startswith(start if named else ""):
                self.take_whole(other, f"imported by a name made up at {place(module, line)}")

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
        places = self._names.places(module, (None, chain)) if chain else ()
        names = [place.name for place in places if place.module is None]
        ours = [n for n in names or _living_name(module, chain) if _root(n) == "sweeps"]
        is_cached = any(name.endswith(".cached") for name in ours)
        if is_cached and isinstance(decorator, ast.Call):
            self._take_declared(module, definition.name, decorator.keywords)
        return bool(ours)

    def _take_declared(self, module: Module, name: str, keywords: list[ast.keyword]) -> None:
        for keyword in keywords:
            if keyword.arg in ("version", None):  # None for **options, which may have one
                text = self.read(module, keyword.value)
                self.take(module, f"{name}@version", text, keyword.value)
            elif keyword.arg == "depends_on":
                paths = written_out(keyword.value)
                if paths is None:
                    raise DeclarationError(
                        f"{module.file or module.name}, line {keyword.value.lineno}: depends_on of "
                        "@cached must be written out, as it is read without running the code: "
                        "'table.csv' or ['a.csv', 'b.csv'], relative to the module's folder"
                    )
                self.data |= {(module, path) for path in paths}


def _is_dynamic(name: str) -> bool:
    return _begins(name, _DYNAMIC) and not _begins(name, _NOT_DYNAMIC)


def _root(name: str) -> str:
    return name.partition(".")[0]


def _begins(name: str, beginnings: Collection[str]) -> bool:
    return any(f"{name}.".startswith(f"{beginning}.") for beginning in beginnings)


def _living_name(module: Module, chain: Chain) -> list[str]:
    """Return where that was defined which a name stands for in a notebook; nothing elsewhere."""
    if module.file or not chain or chain[0] not in module.globals:
        return []
    value = module.globals[chain[0]]
    if isinstance(value, types.ModuleType):
        return [".".join((value.__name__, *chain[1:]))]
    return [f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"]
