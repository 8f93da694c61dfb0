"""Names inside functions -> what of the module around them they may stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from sweeps.code.source.scopes import (
    Chain,
    Function,
    Reference,
    Scope,
    function_scope,
    parameters,
    scope_of,
)


@dataclass
class Local(Scope):
    """A scope that knows what its names may stand for."""

    aliases: dict[str, list[tuple[ast.expr, bool]]] = field(default_factory=dict)
    passed: frozenset[str] = frozenset()

    def add_aliases(self, target: ast.AST, value: ast.expr, *, deep: bool) -> None:
        """Note that the names in a target stand for a value, or with `deep` for what is in it."""
        for name in ast.walk(target):
            if isinstance(name, ast.Name) and not isinstance(name.ctx, ast.Load):
                is_part = deep or name is not target
                self.aliases.setdefault(name.id, []).append((value, is_part))


Scopes = tuple[Local, ...]


def local_scope(node: Function | ast.Lambda, *, is_method: bool = False) -> Local:
    """Return what is local to a function, and what its names may stand for."""
    plain = function_scope(node)
    passed = [argument.arg for _, argument, _ in parameters(node.args)]
    own = {passed[0]} if is_method and passed else set()  # ``self`` is not passed by who calls
    scope = Local(names=plain.names, globals=plain.globals, passed=frozenset(passed) - own)
    scope.aliases |= {name: [] for name in own}
    for inner in ast.walk(node) if not isinstance(node, ast.Lambda) else ():
        for target, value, deep in bindings(inner):
            scope.add_aliases(target, value, deep=deep)
    return scope


def bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.expr, bool]]:
    """Return (target, value, whether the target is only a part of the value)."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value, False) for target in targets)
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.NamedExpr(target=target, value=value)
        ):
            yield target, value, False
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            yield target, value, True
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            yield target, value, True


def alias_chains(value: ast.expr, *, deep: bool) -> Iterator[Chain]:
    """Return the chains that a value may be, or with `deep` that may be in it.

    Of a call it is what is called: a method may return a part of its object, and what a function
    returns can be looked at.

    Examples
    --------
    >>> value = ast.parse("registry.TABLE if big else {'a': other}", mode="eval").body
    >>> [*alias_chains(value, deep=False)], [*alias_chains(value, deep=True)]
    ([('registry', 'TABLE')], [('registry', 'TABLE'), ('other',)])
    """
    match value:
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Starred() | ast.Await():
            if chain := place_of(value)[0]:
                yield chain
        case ast.Call():
            if chain := place_of(value)[0]:
                yield chain
            given = [*value.args, *(keyword.value for keyword in value.keywords)] if deep else []
            for each in given:
                yield from alias_chains(each, deep=deep)
        case ast.IfExp():
            yield from alias_chains(value.body, deep=deep)
            yield from alias_chains(value.orelse, deep=deep)
        case ast.BoolOp():
            for each in value.values:
                yield from alias_chains(each, deep=deep)
        case ast.NamedExpr():
            yield from alias_chains(value.value, deep=deep)
        case ast.Tuple() | ast.List() | ast.Set() if deep:
            for each in value.elts:
                yield from alias_chains(each, deep=deep)
        case ast.Dict() if deep:
            for each in value.values:
                yield from alias_chains(each, deep=deep)


def place_of(node: ast.AST) -> tuple[Chain, int]:
    """Return the chain that ``a.b["x"].c()[0]`` starts with, and how many steps lead on from it."""
    steps: list[str] = []
    n_steps = 0
    while True:
        match node:
            case ast.Attribute(value=inner, attr=name):
                steps.append(name)
            case ast.Call(func=ast.Name(id="vars"), args=[inner]):  # of a module it is all
                steps = []
            case ast.Subscript(value=inner) | ast.Call(func=inner):
                n_steps += len(steps) + 1
                steps = []
            case ast.Starred(value=inner) | ast.Await(value=inner):
                pass
            case ast.Name(id=name):
                return (name, *reversed(steps)), n_steps
            case _:
                return (), 0
        node = inner


def is_local(name: str, scopes: Scopes) -> bool:
    """Say whether a name is a local one, and not that of a local import."""
    scope = scope_of(name, scopes)
    return scope is not None and not scope.names[name]


def in_module(chain: Chain, scopes: Scopes) -> list[Reference]:
    """Return a chain as a name of the module or of an import; nothing where it is local."""
    scope = scope_of(chain[0], scopes)
    return [(None, chain)] if scope is None else [(node, chain) for node in scope.names[chain[0]]]


def outside(chain: Chain, scopes: Scopes) -> tuple[list[Reference], bool]:
    """Return the names of the module, or imports, that a chain may stand for.

    Also whether it may be something that was passed to a function.
    """
    found: list[Reference] = []
    is_parameter = False
    pending, seen = [chain], {chain}
    while pending:
        chain = pending.pop()
        found += in_module(chain, scopes)
        scope = scope_of(chain[0], scopes)
        if scope is None or scope.names[chain[0]]:
            continue
        is_parameter |= chain[0] in scope.passed
        for value, deep in scope.aliases.get(chain[0], ()):
            new = {*alias_chains(value, deep=deep)} - seen
            seen |= new
            pending += new
    return found, is_parameter
