"""Modules that are imported -> which of their statements change what, in them and elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator, Iterable, Iterator

from sweeps.code.reach.changes import Changes
from sweeps.code.reach.dynamic import imports_by_name, neighbours
from sweeps.code.source.module import Module
from sweeps.code.source.names import ALL, Resolver
from sweeps.code.source.scopes import Reference

# A top-level ``jax.config.update(...)`` or ``mpmath.mp.dps = 50`` changes results from afar, so it
# counts if its module is imported; what is done to these packages changes no result.
_NO_EFFECT_ON_RESULTS = frozenset({"sys", "logging", "warnings", "matplotlib", "sweeps"})

_Noted = dict[Module, dict[str, dict[Module, list[ast.stmt]]]]
"""Module -> its name -> module -> statements there that change it."""


class Changers:
    """Knows what the statements of all entered modules change.

    Attributes
    ----------
    entered
        Modules that are sure to be imported.
    counts_subclasses
        Whether making a subclass changes a class, as something asks for these.
    """

    def __init__(
        self,
        names: Resolver,
        references: Callable[[Module, ast.stmt], Iterable[Reference]],
    ) -> None:
        self.entered: set[Module] = set()
        self.counts_subclasses = False
        self._names = names
        self._changes = Changes(names, references)
        self._changing: _Noted = {}
        self._deriving: _Noted = {}

    def enter(self, module: Module) -> Iterator[tuple[Module, ast.stmt]]:
        """Note what a module, and those that it imports, change when imported.

        Return statements that change something outside of the project, each before the next is
        looked at: what is read of it may enter more modules.
        """
        pending = [module]
        while pending:
            module = pending.pop()
            if module not in self.entered:
                self.entered.add(module)
                imports = [node for nodes in module.space.imports.values() for node in nodes]
                pending += self._names.imported(module, [*imports, *module.space.stars])
                for statement in module.space.body:
                    if not _changes_nothing(statement):
                        pending += yield from self._note(module, statement)

    def of(self, module: Module, name: str) -> Iterator[tuple[Module, list[ast.stmt]]]:
        """Return the statements that change a name from elsewhere, by their modules."""
        for noted in (self._changing, *([self._deriving] if self.counts_subclasses else ())):
            by_name = noted.get(module, {})
            for key in (name, ALL):
                # A copy: what is read of a statement may enter modules that change the name too.
                yield from [*by_name.get(key, {}).items()]

    def makers(self, module: Module, name: str) -> set[ast.stmt]:
        """Return the statements of a module that make or change a name of its own."""
        changers = self._changing.get(module, {}).get(name, {}).get(module, ())
        return {*module.space.statements.get(name, ()), *changers}

    def names(self, module: Module) -> list[str]:
        """Return the names of a module that anything changes or derives from."""
        return sorted({*self._changing.get(module, ()), *self._deriving.get(module, ())})

    def _note(
        self, module: Module, statement: ast.stmt
    ) -> Generator[tuple[Module, ast.stmt], None, list[Module]]:
        """Note what a statement changes; return the modules that running it imports."""
        changed, effects = self._changes.of(module, statement)
        brought = self._names.imported(module, effects.imports)
        for owner, node in changed.imports:
            brought += self._names.imported(owner, [node])
        for places, noted in (
            (changed.places, self._changing),
            (changed.derived, self._deriving),
        ):
            for owner, name in places:
                if owner is module and statement in module.space.statements.get(name, ()):
                    continue
                by = noted.setdefault(owner, {}).setdefault(name, {})
                by.setdefault(module, []).append(statement)
        if any(name.partition(".")[0] not in _NO_EFFECT_ON_RESULTS for name in changed.outside):
            yield module, statement
        if any(
            imports_by_name(place.name)
            for reference in effects.called
            for place in self._names.places(module, reference)
            if place.module is None
        ):
            brought += neighbours(self._names, module)
        return brought


def _changes_nothing(statement: ast.stmt) -> bool:
    """Say whether a statement is sure to change nothing but the name that it binds."""
    match statement:
        case ast.FunctionDef(decorator_list=[], args=arguments):
            defaults = [*arguments.defaults, *arguments.kw_defaults]
            return all(d is None or isinstance(d, ast.Constant | ast.Name) for d in defaults)
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name()], value=ast.Constant() | ast.Name()):
            return True
    return False
