"""A module's name -> its parsed source, if it is the user's own and not an installed package."""

from __future__ import annotations

import ast
import importlib.machinery
import os
import sys
import types
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from sweeps.code import pins
from sweeps.code.source.namespace import Namespace, namespace
from sweeps.code.source.scopes import Definer
from sweeps.errors import SweepsError

_STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep  # noqa: PTH120

_NO_MODULES = frozenset({"__pycache__", "results", "tests", "test", "docs", "node_modules"})

_MOST_MODULES = 500

_INSTALLED_FOLDERS = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True)
class Source:
    """The text of a file or notebook cell, and its tree."""

    text: str
    tree: ast.Module

    @cached_property
    def space(self) -> Namespace:
        """What the text binds at its top level."""
        return namespace(self.tree)

    @cached_property
    def lines(self) -> list[str]:
        """The lines as `ast` counts them."""
        return self.text.split("\n")

    def segment(self, node: ast.stmt | ast.expr) -> str:
        """Return the lines that a node stands on, with its decorators."""
        return "\n".join(self.lines[_first_line(node) - 1 : node.end_lineno])


def project_file(name: str) -> Path | None:
    """Return the source file of a module of the project; None for all others.

    Installed packages, the standard library, modules without a Python source and `sweeps` itself
    are not project code. A folder without ``__init__.py`` gives the folder. Nothing gets imported.

    Examples
    --------
    >>> print(project_file("json"), project_file("sweeps.errors"))
    None None
    """
    if name.partition(".")[0] == "sweeps":
        return None
    if pinned := pins.pinned_file(name):
        return pinned
    if name in sys.modules:
        file, folders = _of_living(name, "__file__"), _of_living(name, "__path__")
    elif spec := _find_spec(name):
        file = spec.origin if spec.has_location else None
        folders = spec.submodule_search_locations
    else:
        return None
    path = file or next(iter(folders or ()), None)
    if path is None or _is_installed(path) or (file and not file.endswith(".py")):
        return None
    is_there = os.path.exists(path) or pins.archive_of(path) is not None  # noqa: PTH110
    return Path(path) if is_there else None


def siblings(file: Path | None, package: str) -> list[str]:
    """Return the names of the modules in a file's folder, which is that of a package."""
    if file is None:
        return []
    folder = file.parent
    found = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    found += [path.parent.name for path in folder.glob("*/__init__.py")]
    return sorted(f"{package}.{name}" if package else name for name in found)


def project_modules(file: Path | None, name: str) -> list[str]:
    """Return the names of the modules beside and below a module's project root.

    Of a folder with too many, as a home folder may be, only those in the module's own folder.
    """
    if file is None:
        return []
    is_package = file.stem == "__init__"
    root = [file.parent, *file.parents[1:]][name.count(".") + is_package]
    found: list[str] = []
    for folder, inner, files in os.walk(root):
        inner[:] = sorted(f for f in inner if f.isidentifier() and f not in _NO_MODULES)
        if "pyvenv.cfg" in files:
            inner.clear()
            continue
        own = Path(folder).relative_to(root).parts
        stems = (f.removesuffix(".py") for f in sorted(files) if f.endswith(".py"))
        found += [".".join((*own, s)) for s in stems if s.isidentifier() and s != "__init__"]
        found += [".".join(own)] if own and "__init__.py" in files else []
        if len(found) > _MOST_MODULES:
            return siblings(file, name.rpartition(".")[0])
    return found


@lru_cache(maxsize=256)  # a process that looks at many experiments of one project parses it once
def parse(text: str, file: str = "<source>") -> Source:
    """Parse a text, with the line ends that Python sees."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Source(text, ast.parse(text, file))


def read_source(path: Path) -> Source:
    """Read and parse a Python file, in the encoding that it declares; a pinned one as it was.

    Raises
    ------
    SyntaxError
        If it is not Python.
    SweepsError
        If it is no text in the encoding that it says, or else UTF-8.
    """
    try:
        return _read(path)
    except UnicodeDecodeError as error:
        raise SweepsError(
            f"{path} is not {error.encoding.upper()} at byte {error.start}: save it as UTF-8, or "
            "say its encoding in its first line, # coding: latin-1"
        ) from error


def _read(path: Path) -> Source:
    if (pinned := pins.pinned_text(path)) is not None:
        return parse(pinned, str(path))
    raw = pins.content(path)
    if b"coding" in b"".join(raw.split(b"\n", 2)[:2]):
        from importlib.util import decode_source

        return parse(decode_source(raw), str(path))
    return parse(raw.decode("utf-8-sig"), str(path))


def cell_source(file: str, module_globals: dict[str, Any]) -> Source | None:
    """Return the source that Python keeps of a notebook cell or a prompt; None if it keeps none."""
    import linecache

    lines = linecache.getlines(file, module_globals)
    try:
        return parse("".join(lines), file) if lines else None
    except SyntaxError:  # a cell with shell commands is kept as it was typed
        return None


def find_code(tree: ast.AST, code: types.CodeType) -> list[Definer]:
    """Return the node that a code object was compiled from, after all scopes that it stands in.

    Empty if there is none. Of several lambdas on a line it is the innermost that spans the code.
    """
    line = code.co_firstlineno
    found: list[list[Definer]] = []
    stack: list[tuple[ast.AST, list[Definer]]] = [(tree, [])]
    while stack:
        node, path = stack.pop()
        if isinstance(node, Definer):
            path = [*path, node]
            named = getattr(node, "name", "<lambda>") == code.co_name
            if named and _first_line(node) == line and not isinstance(node, ast.ClassDef):
                found.append(path)
        stack += (
            (child, path)
            for child in ast.iter_child_nodes(node)
            if _first_line(child) <= line <= (getattr(child, "end_lineno", None) or line)
        )
    if code.co_name == "<lambda>":
        found = [path for path in found if _spans(path[-1], code)]
    return max(found, key=lambda path: (path[-1].lineno, path[-1].col_offset), default=[])


def _first_line(node: ast.AST) -> int:
    nodes = [node, *getattr(node, "decorator_list", ())]
    return min(getattr(n, "lineno", 0) for n in nodes)


def _spans(node: Definer, code: types.CodeType) -> bool:
    """Say whether all expressions of a code object stand in the body of a lambda."""
    body = node.body
    if isinstance(body, list):
        return False
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        is_empty = column == end_column  # belongs to no expression
        if not is_empty and not (start <= (line, column) and (end_line, end_column) <= end):
            return False
    return True


def _is_installed(path: str) -> bool:
    if not _INSTALLED_FOLDERS.isdisjoint(Path(path).parts):
        return True
    return os.path.realpath(path).startswith(_STANDARD_LIBRARY)


def _of_living(name: str, attribute: str) -> Any:
    # Not by getattr: a module's own ``__getattr__`` may answer anything.
    return getattr(sys.modules.get(name), "__dict__", {}).get(attribute)


def _find_spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Do what `importlib.util.find_spec` does, without importing the parents."""
    parent, _, _ = name.rpartition(".")
    folders = None
    if parent in sys.modules:
        folders = _of_living(parent, "__path__")
    elif parent and (spec := _find_spec(parent)):
        folders = spec.submodule_search_locations
    if parent and not folders:
        return None
    folders = list(folders) if folders else None
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if find and (spec := find(name, folders)):
            return spec  # type: ignore[no-any-return]
    return None
