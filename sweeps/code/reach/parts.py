"""The parts of a project that were reached, and what is known of each."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import NamedTuple

from sweeps.code.source.module import Module


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
    literals, files_written, started
        Texts that may be paths of files; those that calls get which write files, and which start
        programs.
    opened
        Calls that read files.
    """

    texts: dict[str, set[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    whole: dict[str, str] = field(default_factory=dict)
    data: set[tuple[Module, str]] = field(default_factory=set)
    literals: set[str] = field(default_factory=set)
    programs: dict[str, str] = field(default_factory=dict)
    files_written: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    opened: list[Opened] = field(default_factory=list)

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
