"""Decorators and base classes -> whether annotations of what stands under them may act."""

from __future__ import annotations

import ast

from sweeps.source.module import Module
from sweeps.source.resolving import Resolver
from sweeps.source.scopes import Chain, chain_of

# Whoever uses one of these may look at annotations.
_LOOKS = frozenset({
    "__annotations__", "__annotate__", "__signature__", "get_annotations", "get_type_hints",
    "getfullargspec", "inspect", "signature", "singledispatch", "singledispatchmethod", "register",
    "getattr", "vars", "__dict__", "eval", "exec", "__import__",
})  # fmt: skip
_BLIND_PACKAGES = frozenset({
    "abc", "collections", "contextlib", "copy", "dataclasses", "enum", "functools", "itertools",
    "logging", "math", "numpy", "operator", "random", "scipy", "time", "typing", "warnings",
})  # fmt: skip


def looks_at_annotations(names: Resolver, module: Module, node: ast.expr) -> bool:
    """Say whether a decorator or a base class may look at annotations.

    Only of one that the project defines can it be seen that it does not, with all that it uses.
    """
    chain = chain_of(node)
    if not chain or not [*names.places(module, (None, chain))]:
        return True
    pending: list[tuple[Module, Chain]] = [(module, chain)]
    seen = set(pending)
    while pending:
        owner, chain = pending.pop()
        for place in names.places(owner, (None, chain)):
            if place.module is None:
                if place.name.partition(".")[0] not in _BLIND_PACKAGES:
                    return True
                continue
            statements = place.module.space.statements.get(place.name)
            if not statements:
                return True
            for part in (n for statement in statements for n in ast.walk(statement)):
                if not _LOOKS.isdisjoint(_words(part)):
                    return True
                inner = chain_of(part) if isinstance(part, ast.Name | ast.Attribute) else ()
                if inner and (new := (place.module, inner)) not in seen:
                    seen.add(new)
                    pending.append(new)
    return False


def _words(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word):
            return (word,)
        case ast.Constant(value=str(word)):
            return (word,)
    return ()
