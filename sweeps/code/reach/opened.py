"""Calls that read or write files or start programs -> the texts that the source gives them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sweeps.code.reach.paths import Source, receiver
from sweeps.code.source.module import Module
from sweeps.code.source.names import (
    Resolver,
    called,
    is_method_of_paths,
    reads_files,
    starts_programs,
    writes_files,
)
from sweeps.code.source.scopes import chain_of

_OPENERS = frozenset({"Dataset", "File", "ZipFile", "fdopen", "memmap", "open", "open_memmap"})
"""Calls that may write too, as their mode says."""


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
    parameters : frozenset of str
        Names of parameters, of whatever function, whose values do.
    """

    reader: str
    place: str
    texts: frozenset[str]
    is_whole: bool
    parameters: frozenset[str]


@dataclass(frozen=True, eq=False)
class Openings:
    """What code opens, as far as its source says so.

    Attributes
    ----------
    paths : set of str
        That parts which are written out make.
    read : list of Opened
    written, started : set of str
        Texts that calls get which write files, and which start programs.
    """

    paths: set[str] = field(default_factory=set)
    read: list[Opened] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)


def openings(
    names: Resolver,
    calls: Iterable[tuple[Module, ast.AST, ast.Call]],
    pieces: Iterable[tuple[Module, ast.AST]],
) -> Openings:
    """Find what calls open, each in a piece of a module's source, and paths in other pieces.

    A path may be written in the call, or be a name that the function or a module gives a value
    that is written out.
    """
    found, source = Openings(), Source(names)
    for module, piece in pieces:
        for node in ast.walk(piece):
            if isinstance(node, ast.BinOp | ast.Call):
                found.paths.update(source.paths(module, piece, node))
    for module, piece, call in calls:
        name = called(call)
        if writes_files(name) or (name in _OPENERS and _writes(call)):
            found.written.update(source.given(module, piece, [*receiver(call), *call.args]).texts)
        elif _starts(source, module, piece, call):
            found.started.update(source.given(module, piece, call.args).texts)
        elif said := _reader(source, module, piece, call, name):
            path = receiver(call) if said.startswith(".") else _first(call)
            given = source.given(module, piece, path)
            found.read.append(Opened(said, module.place(call.lineno), *given))
    return found


def _starts(source: Source, module: Module, piece: ast.AST, call: ast.Call) -> bool:
    """Whether a call starts a program."""
    chain = chain_of(call.func)
    return bool(chain) and any(map(starts_programs, source.meanings(module, piece, chain)))


def _reader(source: Source, module: Module, piece: ast.AST, call: ast.Call, name: str) -> str:
    """Name what reads a file by its qualified name, or as ``.read_text``; empty if none."""
    chain = chain_of(call.func)
    if chain == ("open",):
        return "" if module.provides("open") else "open"
    found = source.meanings(module, piece, chain) if chain else ()
    if reader := next(filter(reads_files, found), None):
        return reader
    is_method = isinstance(call.func, ast.Attribute) and is_method_of_paths(name) and not found
    return f".{name}" if is_method else ""


def _first(call: ast.Call) -> list[ast.expr]:
    return [*call.args[:1]] or [keyword.value for keyword in call.keywords][:1]


def _writes(call: ast.Call) -> bool:
    """Whether the mode of a call that opens a file lets it write."""
    is_method = isinstance(call.func, ast.Attribute) and not call.args[1:]
    by_position = call.args[0:1] if is_method else call.args[1:2]
    modes = [*by_position, *(each.value for each in call.keywords if each.arg == "mode")]
    texts = (each.value for each in modes if isinstance(each, ast.Constant))
    return any(isinstance(text, str) and len(text) < 5 and {*text} & {*"wax+"} for text in texts)
