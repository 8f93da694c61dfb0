"""One walk down a piece of source: what is written of it so far, and which names were met."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sweeps.code.source.scopes import Chain, Function, ImportNode, Reference, Scope

# Cosmetic, or the same thing said in another way.
_LEFT_OUT_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_params"})

_BODIES = frozenset({"body", "orelse", "finalbody"})

OWN_NAME = "<own>"
"""Stands for the name of the experiment's function: a function may be renamed."""

Scopes = tuple[Scope, ...]

Ignores = Callable[[Function | ast.ClassDef, ast.expr], bool]


class Reader:
    """Writes a tree as it goes down; what is special about a kind of node is said by its writer."""

    def __init__(
        self,
        writers: Mapping[type, Writer],
        *,
        ignores_decorator: Ignores,
        looks_at_annotations: Callable[[ast.expr], bool],
        without: Collection[ast.expr],
        own_name: str | None,
        has_walrus: bool,
        counts_annotations: bool,
    ) -> None:
        self.writers = writers
        self.ignores_decorator = ignores_decorator
        self.looks_at_annotations = looks_at_annotations
        self.without = set(without)
        self.own_name = own_name
        self.has_walrus = has_walrus
        self.counts_annotations = counts_annotations
        self.written: list[str] = []
        self.references: dict[Reference, int] = {}
        self.imports: list[ImportNode] = []
        self.unknown_imports: dict[str, int] = {}
        self.literal_imports: set[Chain] = set()
        self.is_by_name = False
        self.reads_annotations = False
        self.literals: set[str] = set()

    def node(self, node: ast.AST, scopes: Scopes) -> None:
        """Write a node."""
        self.writers.get(node.__class__, Reader.fields)(self, node, scopes)

    def fields(self, node: ast.AST, scopes: Scopes) -> None:
        """Write a node as most are: all fields that say something."""
        write, writers = self.written.append, self.writers.get
        opening, names = _form(node.__class__)  # type: ignore[arg-type]
        write(opening)
        for name, said in names:
            value = getattr(node, name, None)
            if value is None:
                continue
            writer = writers(value.__class__)
            if writer is None:
                self.item(name, value, scopes)
            else:
                write(said)
                writer(self, value, scopes)
                write(",")
        write(")")

    def item(self, name: str, value: Any, scopes: Scopes) -> None:
        """Write one field, unless it is empty: versions of Python differ in the empty ones."""
        if value is None:
            return
        if value.__class__ is not list:
            value = [value]
        elif name in _BODIES:
            value = [item for item in value if not says_nothing(item)]
        if not value:
            return
        write, writers = self.written.append, self.writers.get
        write(name + "=")
        for item in value:
            writer = writers(item.__class__)
            if writer is not None:
                writer(self, item, scopes)
            elif isinstance(item, ast.AST):
                self.fields(item, scopes)
            else:
                write(repr(item))
            write(",")

    def refer(self, chain: Chain, scopes: Scopes, line: int) -> None:
        """Note a name that is used, unless it is local."""
        for scope in reversed(scopes):
            if chain[0] in scope.globals:
                break
            if chain[0] in scope.names:
                for node in scope.names[chain[0]]:
                    self.references.setdefault((node, chain), line)
                return
        self.references.setdefault((None, chain), line)


Writer = Callable[[Reader, Any, Scopes], None]


@functools.cache
def _form(kind: type[ast.AST]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return how nodes of a kind are written, and the fields that count."""
    names = (name for name in kind._fields if name not in _LEFT_OUT_FIELDS)
    return f"{kind.__name__}(", tuple((name, f"{name}=") for name in names)


def says_nothing(node: object) -> bool:
    """Say whether a statement does nothing: docstrings, ``pass``, ``x: int``."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.AnnAssign(value=None):
            return True
    return False
