"""A module of the project: its file, its source, its names, and what its imports mean."""

from __future__ import annotations

import ast
import importlib.machinery
import os
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from sweeps.code import pins
from sweeps.code.source.scopes import NOTHING, Chain, ImportNode, Namespace, bound_name, namespace
from sweeps.errors import SweepsError

_STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep  # noqa: PTH120

_NO_MODULES = frozenset({"__pycache__", "results", "tests", "test", "docs", "node_modules"})

_MOST_MODULES = 500

_FIXED = (int, float, complex, str, bytes, tuple, type(None))

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
        return "\n".join(self.lines[first_line(node) - 1 : node.end_lineno])


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

    def place(self, line: int) -> str:
        """Return "experiments/x.py:12"."""
        where = self.name
        if self.file is not None:
            n_parts = self.name.count(".") + 1 + (self.file.name == "__init__.py")
            where = "/".join(self.file.parts[-n_parts:])
        return f"{where}:{line}" if line else where

    def is_as_written(self, name: str) -> bool:
        """Say whether memory may have under a name what the source says.

        It may differ: a notebook sets ``helpers.SCALE = 2``. Only functions, and numbers and texts
        that are written out, are compared. What functions set by ``global`` is state and does not
        count.
        """
        statements = self.space.statements.get(name, [])
        if len(statements) != 1 or name not in self.globals or name in self.left_to_functions:
            return True
        value = self.globals[name]
        match statements[0]:
            case ast.FunctionDef(decorator_list=[], name=own, lineno=line):
                code = value.__code__ if isinstance(value, types.FunctionType) else None
                return code is not None and (code.co_name, code.co_firstlineno) == (own, line)
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


# ---- files


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
            f"{path} is not {error.encoding.upper()} at byte {error.start}: save it as "
            "UTF-8, or declare its encoding in its first line, # coding: latin-1"
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


def first_line(node: ast.AST) -> int:
    """Return the line where a node begins, with its decorators."""
    nodes = [node, *getattr(node, "decorator_list", ())]
    return min(getattr(n, "lineno", 0) for n in nodes)


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
