"""What goes into a fingerprint, found so far: parts, by name, with their texts and sources."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from sweeps.code.source.module import Module


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


def label(statement: ast.stmt) -> str:
    """Return a few words that name a statement."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Expr(value=ast.Call(func=func)):
            return f"{ast.unparse(func)}(...)"
        case ast.Assign(targets=[target, *_]) | ast.AugAssign(target=target):
            return ast.unparse(target)
    return type(statement).__name__.lower()


def place(module: Module, line: int) -> str:
    """Return "experiments/x.py:12"."""
    if module.file is None:
        return f"{module.name}:{line}" if line else module.name
    n_parts = module.name.count(".") + 1 + (module.file.name == "__init__.py")
    where = "/".join(module.file.parts[-n_parts:])
    return f"{where}:{line}" if line else where
