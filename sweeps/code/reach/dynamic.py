"""Names by which code reaches what its source does not show, and what that may be."""

from __future__ import annotations

from collections.abc import Collection

from sweeps.code.source.module import Module, project_modules, siblings
from sweeps.code.source.names import Resolver

DYNAMIC_BUILTINS = frozenset({"globals", "vars", "eval", "exec", "__import__"})

_DYNAMIC = ("importlib", "builtins.eval", "builtins.exec", "sys.modules", "runpy", "pkgutil",
            "pydoc", "numexpr")  # fmt: skip

_NOT_DYNAMIC = ("importlib.resources", "importlib.metadata")

_NOT_BY_NAME = (*_NOT_DYNAMIC, "importlib.reload", "importlib.invalidate_caches")

_IMPORTS_BY_NAME = ("importlib", "builtins.__import__", "pkgutil", "pydoc", "runpy")


def is_dynamic(name: str) -> bool:
    """Say whether something of another package, by its qualified name, may reach any global."""
    return _begins(name, _DYNAMIC) and not _begins(name, _NOT_DYNAMIC)


def imports_by_name(name: str) -> bool:
    """Say whether something of another package may import modules whose name it is given."""
    return _begins(name, _IMPORTS_BY_NAME) and not _begins(name, _NOT_BY_NAME)


def neighbours(names: Resolver, module: Module) -> list[Module]:
    """Return the modules in the folder of a module: most often these are imported by name."""
    return [m for m in map(names.module, siblings(module.file, module.package)) if m]


def modules_beginning(names: Resolver, module: Module, beginning: str) -> list[Module]:
    """Return all modules that an import in a module may mean by a name that begins so."""
    if not beginning:
        return [m for m in map(names.module, project_modules(module.file, module.name)) if m]
    package, _, start = beginning.rpartition(".")
    package = package.lstrip(".") if not beginning.startswith(".") else module.package
    named = names.module(package) if package else None
    if named is None or named.file is None:
        return neighbours(names, module)
    folder = named.file if named.file.is_dir() else named.file.parent
    found = map(names.module, siblings(folder / "__init__.py", package))
    return [m for m in found if m and m.name.rpartition(".")[2].startswith(start)]


def _begins(name: str, beginnings: Collection[str]) -> bool:
    return any(f"{name}.".startswith(f"{beginning}.") for beginning in beginnings)
