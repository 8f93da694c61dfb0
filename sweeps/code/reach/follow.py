"""References -> all project code that they reach, across modules, until nothing new comes."""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sweeps.code import loaded
from sweeps.code.canonical import module_name
from sweeps.code.reach.changes import Changes
from sweeps.code.reach.decorators import declared, looks_at_annotations
from sweeps.code.source.module import Module, label
from sweeps.code.source.names import (
    DYNAMIC_BUILTINS,
    Resolver,
    called,
    imports_by_name,
    is_dynamic,
    may_open,
    starts_programs,
)
from sweeps.code.source.normal_form import Reading
from sweeps.code.source.scopes import (
    OWN_NAME,
    Chain,
    Function,
    ImportNode,
    Reference,
    is_summary_of,
)

IN_MEMORY = " in memory"
"""Ends the names of parts that were set in memory."""


class AnnotationsAskedError(Exception):
    """Something asks for annotations: begin anew, and count them."""


@dataclass
class Parts:
    """The parts of a project reached so far.

    Attributes
    ----------
    texts, sources
        Part -> what it is, in normal form; and as it was written.
    modules
        Names of the modules with parts.
    whole, programs
        Modules taken whole -> why; what starts programs -> where.
    data
        Files that cached functions depend on, relative to the folder of their module.
    literals
        Texts that may be paths of files.
    """

    texts: dict[str, set[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    whole: dict[str, str] = field(default_factory=dict)
    data: set[tuple[Module, str]] = field(default_factory=set)
    literals: set[str] = field(default_factory=set)
    programs: dict[str, str] = field(default_factory=dict)

    def add(self, part: str, text: str, source: str) -> None:
        """Add a part; of several with one name all count."""
        self.texts.setdefault(part, set()).add(text)
        self.sources.setdefault(part, source)

    def add_of(self, module: Module, name: str, text: str, *nodes: ast.stmt | ast.expr) -> None:
        """Add a part that belongs to a module, and stands in these nodes of its source."""
        self.modules.add(module.name)
        source = module.source
        written = "\n".join(map(source.segment, nodes)) if source else text
        self.add(f"{module.name}:{name}", text, written)


@dataclass
class Reach:
    """Follows references to the parts of a project.

    Attributes
    ----------
    write_value
        Value -> text, for names that only exist in a living module.
    own
        Module and name of the experiment's function, whose name does not count.
    counts_annotations
        Whether something asks for annotations, so that all count.
    is_by_name
        Whether something asks for the names of functions, so that the own one counts.
    calls, pieces
        Calls that may open files or start programs; all pieces of source that were read.
    """

    write_value: Callable[[str, Any], str]
    parts: Parts = field(default_factory=Parts)
    own: tuple[Module, str] | None = None
    own_defaults: frozenset[ast.expr] = frozenset()
    counts_annotations: bool = False
    is_by_name: bool = False
    calls: list[tuple[Module, ast.AST, ast.Call]] = field(default_factory=list)
    pieces: list[tuple[Module, ast.AST]] = field(default_factory=list)
    names: Resolver = field(default_factory=Resolver)
    _readings: dict[tuple[ast.AST, frozenset[ast.expr]], Reading] = field(default_factory=dict)
    _done: set[tuple[Any, ...]] = field(default_factory=set)
    _pending: list[tuple[Module, Reference, int]] = field(default_factory=list)
    _defined: list[tuple[Module, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changes = Changes(self.names, lambda m, node: self._reading(m, node).references)

    def follow_all(self) -> None:
        """Take in all that was referred to, and what that refers to."""
        self._follow_pending()
        while self._take_patched():
            self._follow_pending()

    def _take_patched(self) -> bool:
        """Take in what was set in memory, and not by what importing does; say if anything was."""
        found = [(m, n) for m, n in self._defined if self._once("patched", m, n)]
        for module, name in found:
            is_changed = next(iter(self._changes.of(module, name)), None) is not None
            if is_changed or name in module.space.imports or self.names.stars(module, name):
                continue
            if not module.is_as_written(name) and loaded.is_as_imported(
                module.name, module.file, module.globals
            ):
                text = self.write_value(name, module.globals[name])
                self.take(module, f"{name}{IN_MEMORY}", text)
        return bool(found)

    def _follow_pending(self) -> None:
        while self._pending:
            module, (node, chain), line = self._pending.pop()
            if node is None:
                self._reach(module, chain, line)
            else:
                self._follow_import(module, node, chain, line)

    # ---- modules

    def _enter(self, module: Module) -> None:
        """Take in what a module, and those that it imports, change when imported."""
        if module not in self._changes.entered:
            for owner, statement in self._changes.enter(module):
                self._take_statements(owner, [statement])
            self._take_all_changes()

    # ---- references

    def refer(self, module: Module, *references: Reference, line: int = 0) -> None:
        """Queue references made in a module."""
        new = [r for r in references if self._once("refer", module, r)]
        self._pending += [(module, reference, line) for reference in new]

    def _reach(self, module: Module, chain: Chain, line: int) -> None:
        name = chain[0]
        if name in DYNAMIC_BUILTINS and not module.provides(name):
            self.take_whole(module, f"{name}() at {module.place(line)}")
        self._enter(module)
        if module.provides(name):
            self._define(module, name)
            for node in module.space.imports.get(name, ()):
                self._follow_import(module, node, chain, line)
        if stars := self.names.stars(module, name):
            self._follow_stars(module, chain, stars, line)
        elif module.provides(name):
            pass
        elif self._take_changes(module, name) or name in module.left_to_functions:
            self._defined.append((module, name))
            self.parts.modules.add(module.name)
        elif name.startswith("__") or self._take_living(module, chain) or hasattr(builtins, name):
            pass
        else:
            self.parts.add(f"unresolved:{name}", "", "")

    def _follow_import(self, module: Module, node: ImportNode, chain: Chain, line: int) -> None:
        if "__dict__" in chain[1:]:
            chain = chain[: chain.index("__dict__", 1)]  # which is all of a module
        for name, attributes in module.targets(chain, node):
            submodule = ".".join((name, *attributes[:1]))
            if name == module.name and attributes and self.names.module(submodule):
                name, attributes = submodule, attributes[1:]  # ``from . import x`` in __init__
            self._follow(module, name, attributes, line)

    def _follow_stars(
        self, module: Module, chain: Chain, stars: list[tuple[str, ast.ImportFrom]], line: int
    ) -> None:
        """Take in what each ``from x import *`` gives; which one is the last counts too."""
        name = chain[0]
        own = [*module.space.statements.get(name, ()), *module.space.imports.get(name, ())]
        bindings = [(node.lineno, f"import {star}.{name}") for star, node in stars]
        bindings += [(node.lineno, f"{name} here") for node in own]
        texts = [text for _, text in sorted(bindings)]
        self.take(module, f"{name} by *" if own else name, "\n".join(texts))
        for star, _ in stars:
            starred = self.names.module(star)
            if starred and "*" in (starred.exported or ()):
                self.refer(starred, (None, ("__all__",)), line=line)
            self._follow(module, star, chain, line)

    def _follow(self, asking: Module, name: str, attributes: Chain, line: int) -> None:
        """Take in ``name.attributes`` of a module `name`, for a module that asks for it."""
        module = self.names.module(name)
        said = ".".join((name, *attributes))
        if module is None:
            if is_dynamic(said):
                self.take_whole(asking, f"{said} at {asking.place(line)}")
            if starts_programs(said):
                self.parts.programs.setdefault(said, asking.place(line))
        elif attributes[:1] in ((), ("__dict__",)):
            at = asking.place(line)
            self.take_whole(module, f"{name} is passed on as a value at {at}")
        elif module.provides(attributes[0]) or self.names.stars(module, attributes[0]):
            self.refer(module, (None, attributes), line=line)
        elif self.names.module(submodule := f"{name}.{attributes[0]}"):
            self._follow(asking, submodule, attributes[1:], line)
        else:
            hook = "__getattr__" if module.provides("__getattr__") else attributes[0]
            self.refer(module, (None, (hook,)), line=line)

    def _is_import_by_name(self, module: Module, reference: Reference, reading: Reading) -> bool:
        """Say whether something may import whatever is asked for, and it is not known what."""
        node, chain = reference
        if chain in reading.literal_imports:
            return False
        nodes = [node] if node else module.space.imports.get(chain[0], ())
        targets = (target for each in nodes for target in module.targets(chain, each))
        return any(imports_by_name(".".join((name, *more))) for name, more in targets)

    def _take_unknown(self, module: Module, beginning: str, line: int) -> None:
        """Take in all modules that an import by a made-up name may mean."""
        for other in self.names.beginning(module, beginning):
            self.take_whole(other, f"imported by a name made up at {module.place(line)}")

    def _take_living(self, module: Module, chain: Chain) -> bool:
        """Take in a name that no statement makes but that is there, as in a notebook."""
        name = chain[0]
        if name not in module.globals:
            return False
        value = module.globals[name]
        if not isinstance(value, types.ModuleType):
            self.take(module, name, self.write_value(name, value))
        elif self._once("living", module, name):
            self.take(module, name, f"import {module_name(value.__name__)}")
        if isinstance(value, types.ModuleType):
            self._follow(module, value.__name__, chain[1:], 0)
        return True

    # ---- parts

    def take(self, module: Module, name: str, text: str, *nodes: ast.stmt | ast.expr) -> None:
        """Add a part that belongs to a module."""
        self.parts.add_of(module, name, text, *nodes)
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
        if reading.reads_annotations and not self.counts_annotations:
            raise AnnotationsAskedError
        if self._once("read", reading.text, node, without, frozenset(local)):
            for reference, line in reading.references.items():
                if reference[0] or reference[1][0] not in local:
                    self.refer(module, reference, line=line)
                    if self._is_import_by_name(module, reference, reading):
                        self._take_unknown(module, "", line)
            if reading.imports:
                for imported in self.names.imported(module, reading.imports):
                    self._enter(imported)
            for beginning, line in reading.unknown_imports.items():
                self._take_unknown(module, beginning, line)
            self.is_by_name |= reading.is_by_name
            self.parts.literals |= reading.literals
            self.pieces.append((module, node))
            for call in reading.calls:
                if may_open(call, (*module.space.imports.get(called(call), ()), *reading.imports)):
                    self.calls.append((module, node, call))
            if "__subclasses__" in reading.text and not self._changes.counts_subclasses:
                self._changes.counts_subclasses = True
                self._take_all_changes()
        return reading.text

    def _reading(
        self, module: Module, node: ast.AST, without: frozenset[ast.expr] = frozenset()
    ) -> Reading:
        if (node, without) not in self._readings:
            self._readings[node, without] = reading = Reading(
                ignores_decorator=partial(self._is_left_out, module),
                looks_at_annotations=partial(looks_at_annotations, self.names, module),
                without=without,
                own_name=self._own_name(module),
                has_walrus=module.source is None or ":=" in module.source.text,
                counts_annotations=self.counts_annotations,
            )
            reading.node(node)
        return self._readings[node, without]

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
        found = False
        for changer, statements in self._changes.of(module, name):
            found = True
            if self._once("changes", id(statements), len(statements)):
                self._take_statements(changer, statements)
        return found

    def _take_all_changes(self) -> None:
        for module, name in [*self._defined]:
            self._take_changes(module, name)

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
        for node, (name, *_) in self._reading(module, statement).references:
            if node is None and len(makers := self._changes.makers(module, name)) > 1:
                n_before = sum(each.lineno < statement.lineno for each in makers)
                said = OWN_NAME if name == self._own_name(module) else name
                text += f"\nafter {n_before} of {said}"
        return text

    def take_whole(self, module: Module, why: str) -> None:
        """Take in all that a module says; what it imports too, as it can be reached through it."""
        if not self._once("whole", module):
            return
        self.parts.whole[module.name] = why
        own = self.own_defaults
        texts = [self.read(module, statement, without=own) for statement in module.space.body]
        self.take(module, "*", "\n".join(texts), *module.space.body)
        self.refer(module, *((None, (name,)) for name in sorted(module.space.imports)))
        for node in module.space.stars:
            self._follow(module, module.base(node), (), node.lineno)
        for name in self._changes.names(module):
            self.refer(module, (None, (name,)))

    # ---- questions

    def _once(self, *step: Any) -> bool:
        n_before = len(self._done)
        self._done.add(step)
        return len(self._done) > n_before

    def _own_name(self, module: Module) -> str | None:
        return self.own[1] if self.own and self.own[0] is module else None

    def _is_left_out(
        self, module: Module, definition: Function | ast.ClassDef, decorator: ast.expr
    ) -> bool:
        """Leave out decorators of sweeps, but not what ``@cached`` says of versions and data."""
        if is_summary_of(decorator, module.space.experiments):
            return True
        ours = self.names.in_sweeps(module, decorator)
        if isinstance(decorator, ast.Call) and any(name.endswith(".cached") for name in ours):
            versions, paths = declared(module, decorator)
            for version in versions:
                text = self.read(module, version)
                self.take(module, f"{definition.name}@version", text, version)
            self.parts.data |= {(module, path) for path in paths}
        return bool(ours)
