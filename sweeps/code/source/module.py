"""A module of the project: its source, its names, and what its imports mean."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeps.code.source.files import Source, project_file, read_source
from sweeps.code.source.namespace import NOTHING, Namespace
from sweeps.code.source.scopes import Chain, ImportNode, bound_name


@dataclass(frozen=True, eq=False)
class Module:
    """A project module: of a file; or, without a source, as it lives in a notebook."""

    name: str
    package: str
    space: Namespace
    source: Source | None = None
    file: Path | None = None
    globals: Mapping[str, Any] = field(default_factory=dict)

    def provides(self, name: str) -> bool:
        """Say whether a statement of the module makes a name."""
        return name in self.space.statements or name in self.space.imports

    def exports(self, name: str) -> bool:
        """Say whether a ``from ... import *`` gets a name that a statement of the module makes."""
        if self.exported is None:
            return self.provides(name) and not name.startswith("_")
        return self.provides(name) and (name in self.exported or "*" in self.exported)

    @cached_property
    def exported(self) -> frozenset[str] | None:
        """The names of ``__all__``; with "*" if it is not written out, None if there is none."""
        match self.space.statements.get("__all__"):
            case None:
                return None
            case [ast.Assign(value=ast.List(elts=items) | ast.Tuple(elts=items))]:
                names = [item.value for item in items if isinstance(item, ast.Constant)]
                if len(names) == len(items):
                    return frozenset(map(str, names))
        return frozenset({"*"})

    def targets(self, chain: Chain, node: ImportNode) -> list[tuple[str, Chain]]:
        """Return (module, attributes) that a chain means through an import statement."""
        found: list[tuple[str, Chain]] = []
        for alias in node.names:
            if chain[0] != bound_name(node, alias):
                continue
            if isinstance(node, ast.ImportFrom):
                found.append((self.base(node), (alias.name, *chain[1:])))
            elif alias.asname:
                found.append((alias.name, chain[1:]))
            else:
                found.append((chain[0], chain[1:]))
                if alias.name.split(".")[: len(chain)] == list(chain):  # no more than a module
                    found.append((alias.name, ()))
        return found

    @cached_property
    def left_to_functions(self) -> frozenset[str]:
        """Names that functions of the module declare to be global."""
        if not self.source or "global " not in self.source.text:
            return frozenset()
        tree = self.source.tree
        return frozenset(n for g in ast.walk(tree) if isinstance(g, ast.Global) for n in g.names)

    def meanings(self, name: str) -> list[str]:
        """Return the qualified names that a global name is imported from."""
        nodes = self.space.imports.get(name, ())
        found = (target for node in nodes for target in self.targets((name,), node))
        return sorted({".".join((base, *attributes)) for base, attributes in found})

    def base(self, node: ast.ImportFrom) -> str:
        """Return the absolute name of the module that is imported from."""
        if not node.level:
            return node.module or ""
        parents = self.package.split(".")
        parents = parents[: len(parents) - node.level + 1]
        return ".".join([*parents, *([node.module] if node.module else [])])


def load(name: str) -> Module | None:
    """Read a module of the project; None if it is another's or not there.

    Raises
    ------
    SyntaxError
        If its file is not Python.
    """
    file = project_file(name)
    if file is None:
        return None
    living = sys.modules.get(name)
    spec = getattr(living, "__spec__", None)
    if name == "__main__" and spec:  # python -m
        name = spec.name
    source = read_source(file) if file.suffix == ".py" else None
    is_package = source is None or file.name == "__init__.py"
    return Module(
        name,
        package=name if is_package else name.rpartition(".")[0],
        space=source.space if source else NOTHING,
        source=source,
        file=file,
        globals=vars(living) if living else {},
    )
