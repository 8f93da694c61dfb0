"""What a living module has under a name, where that is not what its source says: it was patched.

A notebook sets ``helpers.SCALE = 2``, a script a constant of its own by what it was called with.
"""

from __future__ import annotations

import ast
import sys
import types
from typing import Any

from sweeps.code import loaded
from sweeps.code.source.module import Module

IN_MEMORY = " in memory"
"""Ends the names of such parts."""

NOTHING = object()

_FIXED = (int, float, complex, str, bytes, tuple, type(None))


def patched(module: Module, name: str) -> Any:
    """Return what a name stands for in memory, if it is sure to be other than in the source.

    Looked at are functions, and numbers and texts that are written out. What functions may set, by
    ``global``, is state, and does not count.
    """
    statements = module.space.statements.get(name, [])
    if len(statements) != 1 or name not in module.globals or name in module.left_to_functions:
        return NOTHING
    value = module.globals[name]
    if _is_as_written(statements[0], value) or _is_older(module):
        return NOTHING
    return value


def _is_as_written(statement: ast.stmt, value: Any) -> bool:
    """Say whether a value may be what a statement made; in doubt it may."""
    match statement:
        case ast.FunctionDef(decorator_list=[], name=name, lineno=line):
            if not isinstance(value, types.FunctionType):
                return False
            return (value.__code__.co_name, value.__code__.co_firstlineno) == (name, line)
        case (
            ast.Assign(targets=[ast.Name()], value=written)
            | ast.AnnAssign(target=ast.Name(), value=ast.expr() as written)
        ):
            try:
                given = ast.literal_eval(written)
            except (ValueError, TypeError, RecursionError):
                return True
            return not isinstance(given, _FIXED) or repr(given) == repr(value)
    return True


def _is_older(module: Module) -> bool:
    """Say whether the file is not that which was imported, so that nothing can be told."""
    living = sys.modules.get(module.name) or sys.modules.get("__main__")
    if module.file is None or living is None or vars(living) is not module.globals:
        return True
    return loaded.is_older(living, loaded.began_ns())
