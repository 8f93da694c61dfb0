"""Statements and places -> a few words."""

from __future__ import annotations

import ast

from sweeps.source.module import Module


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
