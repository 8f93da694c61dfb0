"""A module's source -> which of its top-level statements bind each of its global names."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass

from sweeps.code.source.scopes import (
    Function,
    ImportNode,
    Scope,
    bound_name,
    chain_of,
    imported_names,
)


@dataclass(frozen=True)
class Namespace:
    """What a module binds at its top level.

    Attributes
    ----------
    statements
        Name -> the top-level statements that bind it, in order; without plain imports.
    imports
        Name -> the import statements that bind it, at the top level or under ``if``, ``try``...
    stars
        The ``from x import *``.
    experiments
        Names of the functions that `sweeps` decorates. Registering a summary with one does not
        change it.
    body
        All top-level statements but plain imports, docstrings and the
        ``if __name__ == "__main__"`` block.
    """

    statements: dict[str, list[ast.stmt]]
    imports: dict[str, list[ImportNode]]
    stars: list[ast.ImportFrom]
    experiments: frozenset[str]
    body: list[ast.stmt]


NOTHING = Namespace({}, {}, [], frozenset(), [])


def namespace(tree: ast.Module) -> Namespace:
    r"""Find what binds each global name of a module.

    Examples
    --------
    >>> made = namespace(ast.parse("T = {}\nfor k in 'ab': T[k] = 1\nimport a.b"))
    >>> {name: [node.lineno for node in nodes] for name, nodes in made.statements.items()}
    {'T': [1], 'k': [2]}
    >>> [*made.imports]
    ['a']
    """
    statements: dict[str, list[ast.stmt]] = defaultdict(list)
    imports: dict[str, list[ImportNode]] = defaultdict(list)
    stars: list[ast.ImportFrom] = []
    body: list[ast.stmt] = []
    for statement in tree.body:
        if _is_main_block(statement) or _says_nothing(statement):
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found = [statement]
        else:
            body.append(statement)
            bound = Scope()
            bound.bind_all_in([statement])
            for name in bound.names:
                statements[name].append(statement)
            found = bound.imports
        for node in found:
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                stars.append(node)
            for name in dict.fromkeys(imported_names(node)):
                imports[name].append(node)
    experiments = _experiments(tree)
    return Namespace(dict(statements), dict(imports), stars, experiments, body)


def _experiments(tree: ast.Module) -> frozenset[str]:
    """Find the functions whose outermost decorator is of `sweeps`."""
    of_sweeps = {
        bound_name(node, alias)
        for node in tree.body
        if isinstance(node, ImportNode)
        for alias in node.names
        if _is_of_sweeps(node, alias)
    }
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, Function)
        and node.decorator_list
        and not of_sweeps.isdisjoint(chain_of(node.decorator_list[0])[:1])
    )


def _is_of_sweeps(node: ImportNode, alias: ast.alias) -> bool:
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
    return module.partition(".")[0] == "sweeps" and not getattr(node, "level", 0)


def _says_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _is_main_block(node: ast.stmt) -> bool:
    match node:
        case ast.If(
            test=ast.Compare(
                left=ast.Name(id="__name__"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value="__main__")],
            ),
            orelse=[],
        ):
            return True
    return False
