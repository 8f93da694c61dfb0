"""Calls that read or write files or start programs -> the texts that the source gives them."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sweeps.code.source.module import Module
from sweeps.code.source.names import (
    Resolver,
    called,
    is_method_of_paths,
    reads_files,
    starts_programs,
    writes_files,
)
from sweeps.code.source.normal_form import Reading
from sweeps.code.source.scopes import Chain, Function, ImportNode, bound_name, chain_of

_OPENERS = frozenset({"Dataset", "File", "ZipFile", "fdopen", "memmap", "open", "open_memmap"})
"""Calls that may write too, as their mode says."""

_MODES = frozenset({"mode"})

_FROM_OUTSIDE = ("os.environ", "os.getenv", "sys.argv", "builtins.input")

_DEEPEST = 8


class Opened(NamedTuple):
    """A call that reads a file or a folder.

    Attributes
    ----------
    reader, place : str
        What is called, and where.
    texts : frozenset of str
        What its path is made of.
    is_whole : bool
        Whether that is all: no value of a parameter goes into it.
    """

    reader: str
    place: str
    texts: frozenset[str]
    is_whole: bool


class _Given(NamedTuple):
    """What an expression says of a path: texts in it, and whether nothing else is in it."""

    texts: frozenset[str]
    is_whole: bool


@dataclass(frozen=True, eq=False)
class Openings:
    """What code opens, as far as its source says so.

    Attributes
    ----------
    read : list of Opened
    written, started : set of str
        Texts that calls get which write files, and which start programs.
    """

    read: list[Opened] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)


def openings(names: Resolver, calls: Iterable[tuple[Module, ast.AST, ast.Call]]) -> Openings:
    """Find what calls open, each in a piece of a module's source.

    A path may be written in the call, or be a name that the function or a module gives a value
    that is written out.
    """
    found, source = Openings(), _Source(names)
    for module, piece, call in calls:
        name = called(call)
        if writes_files(name) or (name in _OPENERS and _writes(call)):
            found.written.update(source.given(module, piece, [*_object(call), *call.args]).texts)
        elif source.starts(module, piece, call):
            found.started.update(source.given(module, piece, call.args).texts)
        elif said := source.reader(module, piece, call, name):
            path = _object(call) if said.startswith(".") else _first(call)
            given = source.given(module, piece, path)
            found.read.append(Opened(said, module.place(call.lineno), *given))
    return found


@dataclass(eq=False)
class _Source:
    """Finds what names in pieces of source mean."""

    names: Resolver
    _bound: dict[ast.AST, dict[str, list[ast.expr]]] = field(default_factory=dict)
    _imported: dict[ast.AST, dict[str, list[ImportNode]]] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], tuple[str, ...]] = field(default_factory=dict)

    def starts(self, module: Module, piece: ast.AST, call: ast.Call) -> bool:
        """Whether a call starts a program."""
        chain = chain_of(call.func)
        return bool(chain) and any(map(starts_programs, self._meanings(module, piece, chain)))

    def reader(self, module: Module, piece: ast.AST, call: ast.Call, name: str) -> str:
        """Name what reads a file by its qualified name, or as ``.read_text``; empty if none."""
        chain = chain_of(call.func)
        if chain == ("open",):
            return "" if module.provides("open") else "open"
        found = self._meanings(module, piece, chain) if chain else ()
        if reader := next(filter(reads_files, found), None):
            return reader
        is_method = isinstance(call.func, ast.Attribute) and is_method_of_paths(name) and not found
        return f".{name}" if is_method else ""

    def _meanings(self, module: Module, piece: ast.AST, chain: Chain) -> tuple[str, ...]:
        """Find the qualified names of something that is imported, there or in the module."""
        if piece not in self._imported:
            self._imported[piece] = _imports(piece)
        nodes = tuple(self._imported[piece].get(chain[0], (None,)))
        if (key := (module.name, nodes, chain)) not in self._known:
            places = (place for node in nodes for place in self.names.places(module, (node, chain)))
            self._known[key] = tuple(place.name for place in places if place.module is None)
        return self._known[key]

    # ---- what a path is made of

    def given(self, module: Module, piece: ast.AST, path: Iterable[ast.expr]) -> _Given:
        texts, is_whole = set[str](), True
        seen = set[tuple[str, str]]()
        pending = [(module, piece, each, 0) for each in path]
        is_whole = bool(pending)
        while pending:
            module, piece, expression, depth = pending.pop()
            reading = Reading()
            reading.node(expression)
            texts |= reading.literals
            for _, chain in reading.references:
                if (name := (module.name, chain[0])) in seen:
                    continue
                seen.add(name)
                found = list(self._values(module, piece, chain[0]))
                is_known = bool(found) or self._is_fixed(module, piece, chain)
                is_whole &= is_known and depth < _DEEPEST and chain[0] not in _parameters(piece)
                if depth < _DEEPEST:
                    pending += [(*each, depth + 1) for each in found]
        return _Given(frozenset(texts), is_whole)

    def _is_fixed(self, module: Module, piece: ast.AST, chain: Chain) -> bool:
        """Whether a name that has no value in the source has none of a parameter's either."""
        meanings = self._meanings(module, piece, chain)
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


def _object(call: ast.Call) -> list[ast.expr]:
    return [call.func.value] if isinstance(call.func, ast.Attribute) else []


def _first(call: ast.Call) -> list[ast.expr]:
    return [*call.args[:1]] or [keyword.value for keyword in call.keywords][:1]


def _writes(call: ast.Call) -> bool:
    """Whether the mode of a call that opens a file lets it write."""
    is_method = isinstance(call.func, ast.Attribute) and not call.args[1:]
    by_position = call.args[0:1] if is_method else call.args[1:2]
    modes = [*by_position, *(each.value for each in call.keywords if each.arg in _MODES)]
    texts = (each.value for each in modes if isinstance(each, ast.Constant))
    return any(isinstance(text, str) and len(text) < 5 and {*text} & {*"wax+"} for text in texts)
