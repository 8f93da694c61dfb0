"""Statements and places -> a few words, and what can be told of them at a glance."""

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


def changes_nothing(statement: ast.stmt) -> bool:
    """Say whether a statement is sure to change nothing but the name that it binds."""
    match statement:
        case ast.FunctionDef(decorator_list=[], args=arguments):
            defaults = [*arguments.defaults, *arguments.kw_defaults]
            return all(d is None or isinstance(d, ast.Constant | ast.Name) for d in defaults)
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name()], value=ast.Constant() | ast.Name()):
            return True
    return False


def written_out(node: ast.expr) -> list[str] | None:
    """Return the paths of a text or of several; None for what must be run to be known."""
    match node:
        case ast.Constant(value=str(path)):
            return [path]
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            found = [written_out(item) for item in items]
            return None if None in found else [path for each in found for path in each or ()]
    return None
