"""What goes into a fingerprint, found so far: parts, by name, with their texts and sources."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from sweeps.source.module import Module


@dataclass
class Parts:
    """The parts of a project reached so far.

    Attributes
    ----------
    texts, sources
        Part -> what it is, in normal form; and as it was written.
    modules
        Names of the modules with parts.
    whole
        Names of the modules taken whole -> why.
    data
        Files that cached functions depend on, relative to the folder of their module.
    literals
        Texts that may be paths of files.
    programs
        What starts programs -> where it is asked to.
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
        written = "\n".join(source.segment(node) for node in nodes) if source else text
        self.add(f"{module.name}:{name}", text, written)
