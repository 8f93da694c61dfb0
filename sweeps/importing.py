"""Importing: make a folder of experiments importable, the same way in the parent and the workers.

``experiments/pendulum.py`` is imported as ``experiments.pendulum``, whether or not the folder has
an ``__init__.py``; modules of the project root, the folder's parent, can be imported by name.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from sweeps.locating import ModuleLocation, locate, source_file

__all__ = [
    "ModuleLocation",
    "forget_changed_modules",
    "forget_project_modules",
    "import_location",
    "is_project_file",
    "locate",
]

_STAMP = "__sweeps_stamp__"
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
_CLOCK_TICK_NS = 10_000_000  # files get the time of the kernel's last tick, 1-10 ms apart
_OWN_FOLDER = os.path.dirname(__file__) + os.sep  # noqa: PTH120


def import_location(location: ModuleLocation) -> ModuleType:
    """Import a module, or get it if it is imported already.

    The project root is put first on ``sys.path``, where ``python -m`` and ``python script.py``
    have it too: so a script, a notebook and a worker find the same module, and an installed
    ``utils`` does not stand before the project's own.

    Modules of another project that bear the same names are dropped from ``sys.modules``. Whatever
    the module's code raises goes through.
    """
    _enter_root(location.root)
    loaded = set(sys.modules)
    started_ns = time.time_ns()
    try:
        if location.package:
            _enter_package(location.package, location.folder)
        if location.module not in sys.modules:
            _distrust_caches(location)
        return importlib.import_module(location.module)
    finally:
        _stamp(sys.modules.keys() - loaded, started_ns)


def forget_changed_modules() -> bool:
    """Make the next `import_location` load sources as they are now; say if any had changed.

    If one of the files that `import_location` loaded, directly or through imports in them, is not
    what it was, all of them are dropped from ``sys.modules``: any may have taken something from
    it. Modules that were imported otherwise stay.
    """
    stamps = {name: _variables(module).get(_STAMP) for name, module in list(sys.modules.items())}
    ours = {name: stamp for name, stamp in stamps.items() if stamp is not None}
    has_changed = any(_state(_file(sys.modules[name])) != stamp for name, stamp in ours.items())
    if has_changed:
        for name in ours:
            _drop(name)
    return has_changed


def forget_project_modules() -> None:
    """Make the next `import_location` load all of the user's code anew, whoever imported it.

    For workers, which may also hold modules that functions imported as they ran.
    """
    ours = [  # all of them first: a namespace package asks its parent for its own places
        name
        for name, module in list(sys.modules.items())
        if name != "__main__" and is_project_file(next(iter(_places(module)), None))
    ]
    for name in ours:
        _drop(name)


def is_project_file(filename: str | None) -> bool:
    """Whether a source file is the user's: not installed, not Python's and not of `sweeps`."""
    return (
        filename is not None
        and os.path.isabs(filename)  # noqa: PTH117 - asked for each loaded module
        and not f"{filename}{os.sep}".startswith((_STANDARD_LIBRARY, _OWN_FOLDER))
        and "site-packages" not in filename
        and "dist-packages" not in filename
    )


def _enter_root(root: str) -> None:
    """Put `root` first on ``sys.path``; drop modules that are now to be found elsewhere."""
    if sys.path[:1] == [root]:
        return
    before = {
        name: _places(module)
        for name, module in list(sys.modules.items())
        if "." not in name and is_project_file(next(iter(_places(module)), None))
    }
    sys.path[:] = [root, *(place for place in sys.path if place != root)]
    for name, places in before.items():
        spec = None if name == "__main__" else PathFinder.find_spec(name)
        if spec is not None and places != [
            *(spec.submodule_search_locations or [str(spec.origin)])
        ]:
            _drop_package(name)


def _enter_package(name: str, folder: str) -> None:
    """Make a folder a package of that name, even without ``__init__.py``."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        if _places(loaded)[:1] == [folder]:
            return
        _drop_package(name)
    init = Path(folder, "__init__.py")
    if init.is_file():
        spec = importlib.util.spec_from_file_location(
            name, init, submodule_search_locations=[folder]
        )
    else:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [folder]
    assert spec is not None  # a .py file always has one
    sys.modules[name] = package = importlib.util.module_from_spec(spec)
    try:
        if init.is_file() and spec.loader is not None:
            spec.loader.exec_module(package)
    except BaseException:
        _drop_package(name)
        raise


def _drop_package(name: str) -> None:
    for loaded in list(sys.modules):
        if loaded == name or loaded.startswith(name + "."):
            _drop(loaded)


def _drop(name: str) -> None:
    module = sys.modules.pop(name, None)
    parent, _, child = name.rpartition(".")
    attributes = _variables(sys.modules.get(parent))
    if module is not None and attributes.get(child) is module:  # or `from . import` would find it
        del attributes[child]


def _distrust_caches(location: ModuleLocation) -> None:
    """Have the folders of a module listed anew: files may be made faster than clocks tick."""
    source = source_file(location)
    for folder in {location.root, str(source.parent) if source else location.folder}:
        sys.path_importer_cache.pop(folder, None)
        for path in Path(folder).glob("*.py"):
            _remove_early_bytecode(path)


def _remove_early_bytecode(source: Path) -> None:
    """Remove bytecode that was written before the second was over in which its source changed.

    Python takes it as up to date for any source of the same length and the same second (PEP 3147
    keeps whole seconds), so that a constant edited right after a run would not be seen.
    """
    bytecode = Path(importlib.util.cache_from_source(str(source)))
    with contextlib.suppress(OSError):  # none there, gone meanwhile, or read-only
        if int(bytecode.stat().st_mtime) <= int(source.stat().st_mtime):
            bytecode.unlink()


def _stamp(names: Iterable[str], started_ns: int) -> None:
    """Note on the project's modules the state of their files when they were loaded."""
    for name in names:
        module = sys.modules.get(name)
        if module is None or not is_project_file(next(iter(_places(module)), None)):
            continue
        filename = _file(module)
        state = _state(filename)
        is_edited_meanwhile = state[0] > started_ns - _CLOCK_TICK_NS
        setattr(module, _STAMP, (-1, -1) if is_edited_meanwhile else state)
        if filename is not None and filename.endswith(".py"):
            _remove_early_bytecode(Path(filename))


def _state(filename: str | None) -> tuple[int, int]:
    """Time of change in nanoseconds and size in bytes; zeros for a package without a file."""
    if filename is None:
        return 0, 0
    try:
        status = os.stat(filename)  # noqa: PTH116
    except OSError:
        return -2, -2
    return status.st_mtime_ns, status.st_size


def _places(module: ModuleType | None) -> list[str]:
    """Folders of a package, or the file of a module; none if it is built in."""
    variables = _variables(module)
    if "__path__" in variables:
        return list(variables["__path__"])
    return [variables["__file__"]] if isinstance(variables.get("__file__"), str) else []


def _file(module: ModuleType | None) -> str | None:
    filename = _variables(module).get("__file__")
    return filename if isinstance(filename, str) else None


def _variables(module: object) -> dict[str, Any]:
    """Names in a module; asked for one by one, a lazy module would begin to import."""
    variables = getattr(module, "__dict__", {})
    return variables if isinstance(variables, dict) else {}
