"""Expressions in source -> the texts and paths that they are made of, through names."""

from __future__ import annotations

import ast
import builtins
import functools
import itertools
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sweeps.code.source.module import Module
from sweeps.code.source.names import Resolver, called
from sweeps.code.source.normal_form import Reading
from sweeps.code.source.scopes import Chain, Function, ImportNode, bound_name

_FROM_OUTSIDE = ("os.environ", "os.getenv", "sys.argv", "builtins.input")

_JOINING = frozenset({
    "Path", "PurePath", "abspath", "absolute", "expanduser", "fspath", "join", "joinpath",
    "normpath", "realpath", "resolve", "str",
})  # fmt: skip

_DEEPEST, _MOST = 8, 64


class Given(NamedTuple):
    """What an expression says of a path: texts, whether that is all, and parameters in it."""

    texts: frozenset[str]
    is_whole: bool
    parameters: frozenset[str]


@dataclass(eq=False)
class Source:
    """Finds what names in pieces of source mean."""

    names: Resolver
    _bound: dict[ast.AST, dict[str, list[ast.expr]]] = field(default_factory=dict)
    _imported: dict[ast.AST, dict[str, list[ImportNode]]] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], tuple[str, ...]] = field(default_factory=dict)

    def meanings(self, module: Module, piece: ast.AST, chain: Chain) -> tuple[str, ...]:
        """Find the qualified names of something that is imported, there or in the module."""
        if piece not in self._imported:
            self._imported[piece] = _imports(piece)
        nodes = tuple(self._imported[piece].get(chain[0], (None,)))
        if (key := (module.name, nodes, chain)) not in self._known:
            places = (place for node in nodes for place in self.names.places(module, (node, chain)))
            self._known[key] = tuple(place.name for place in places if place.module is None)
        return self._known[key]

    # ---- what a path is made of

    def given(self, module: Module, piece: ast.AST, path: Iterable[ast.expr]) -> Given:
        """Collect all texts that a path may be made of, and paths that they make."""
        texts, parameters, seen = set[str](), set[str](), set[tuple[str, str]]()
        pending = [(module, piece, each, 0) for each in path]
        is_whole = bool(pending)
        while pending:
            module, piece, expression, depth = pending.pop()
            reading = Reading()
            reading.node(expression)
            texts |= reading.literals | self.paths(module, piece, expression)
            for _, chain in reading.references:
                if (name := (module.name, chain[0])) in seen:
                    continue
                seen.add(name)
                found = list(self._values(module, piece, chain[0]))
                is_known = bool(found) or self._is_fixed(module, piece, chain)
                is_parameter = chain[0] in _parameters(piece)
                parameters |= {chain[0]} if is_parameter else set()
                is_whole &= is_known and depth < _DEEPEST and not is_parameter
                if depth < _DEEPEST:
                    pending += [(*each, depth + 1) for each in found]
        return Given(frozenset(texts), is_whole, frozenset(parameters))

    def paths(self, module: Module, piece: ast.AST, path: ast.expr, depth: int = 0) -> set[str]:
        """Put paths together whose parts are written out; what they begin with may be unknown."""
        inner = functools.partial(self.paths, module, piece, depth=depth + 1)
        if depth > _DEEPEST:
            return set()
        match path:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return _joined(inner(left), inner(right))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return {a + b for a, b in itertools.product(inner(left), inner(right))}
            case ast.Call() if called(path) in _JOINING:
                parts = [*(receiver(path) if called(path) != "join" else ()), *path.args]
                return functools.reduce(_joined, map(inner, parts), set())
            case ast.Attribute(value=value, attr="parent"):
                return {posixpath.dirname(each) for each in inner(value)}
            case ast.List(elts=several) | ast.Tuple(elts=several) | ast.Set(elts=several):
                return set().union(*map(inner, several))
            case ast.IfExp(body=one, orelse=other):
                return inner(one) | inner(other)
            case ast.Name(id=name):
                found = itertools.islice(self._values(module, piece, name), _MOST)
                values = (self.paths(*each, depth=depth + 1) for each in found)
                return {*itertools.islice(itertools.chain.from_iterable(values), _MOST)}
        return set()

    def _is_fixed(self, module: Module, piece: ast.AST, chain: Chain) -> bool:
        """Whether a name that has no value in the source has none of a parameter's either."""
        meanings = self.meanings(module, piece, chain)
        if any(meaning.startswith(_FROM_OUTSIDE) for meaning in meanings):
            return False
        is_builtin = hasattr(builtins, chain[0]) or chain[0].startswith("__")
        return bool(meanings) or is_builtin or module.provides(chain[0])

    def _values(
        self, module: Module, piece: ast.AST, name: str
    ) -> Iterator[tuple[Module, ast.AST, ast.expr]]:
        """Find expressions that a name stands for: in the piece, or else in modules."""
        if local := self._bindings(piece).get(name):
            yield from ((module, piece, each) for each in local)
            return
        for place in self.names.places(module, (None, (name,))):
            if place.module is None:
                continue
            for statement in place.module.space.statements.get(place.name, ()):
                if isinstance(statement, Function | ast.ClassDef):
                    continue
                for value in self._bindings(statement).get(place.name, ()):
                    yield place.module, statement, value

    def _bindings(self, piece: ast.AST) -> dict[str, list[ast.expr]]:
        if piece not in self._bound:
            bound = self._bound[piece] = {}
            for target, value in _assigned(piece):
                for node in ast.walk(target):
                    if isinstance(node, ast.Name):
                        bound.setdefault(node.id, []).append(value)
        return self._bound[piece]


def _imports(piece: ast.AST) -> dict[str, list[ImportNode]]:
    found: dict[str, list[ImportNode]] = {}
    for node in ast.walk(piece):
        if isinstance(node, ImportNode):
            for alias in node.names:
                found.setdefault(bound_name(node, alias), []).append(node)
    return found


def _assigned(piece: ast.AST) -> Iterator[tuple[ast.AST, ast.expr]]:
    """Find what a piece of source binds -> what to."""
    for node in ast.walk(piece):
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value:
            yield node.target, node.value
        elif isinstance(node, ast.For | ast.comprehension):
            yield node.target, node.iter
        elif isinstance(node, ast.withitem) and node.optional_vars:
            yield node.optional_vars, node.context_expr
        elif isinstance(node, Function):
            yield from _defaults(node.args)


def _parameters(piece: ast.AST) -> set[str]:
    return {node.arg for node in ast.walk(piece) if isinstance(node, ast.arg)}


def _defaults(given: ast.arguments) -> Iterator[tuple[ast.AST, ast.expr]]:
    by_position = [*given.posonlyargs, *given.args]
    last = by_position[len(by_position) - len(given.defaults) :]
    pairs = [*zip(last, given.defaults, strict=True)]
    pairs += [
        (arg, own) for arg, own in zip(given.kwonlyargs, given.kw_defaults, strict=True) if own
    ]
    yield from ((ast.Name(arg.arg), default) for arg, default in pairs)


def _joined(before: set[str], after: set[str]) -> set[str]:
    """Join paths; where nothing is known of those before, they may be any folder."""
    pairs = itertools.islice(itertools.product(before or {""}, after), _MOST)
    return {posixpath.join(*pair) for pair in pairs} or before


def receiver(call: ast.Call) -> list[ast.expr]:
    """Return what a method is called of; nothing for a function."""
    return [call.func.value] if isinstance(call.func, ast.Attribute) else []
