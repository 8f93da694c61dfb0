"""joblib, without what sweeps does not need of it.

``import joblib`` takes twice as long as the parts that carry blocks: it imports asyncio and ssl for
`joblib.Memory`. So these parts are imported alone; whoever wants more of joblib gets all of it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGE = "joblib"

_PARTS = ("joblib.parallel", "joblib.executor", "joblib.externals.loky.backend.synchronize")

_lock = threading.Lock()


class _Package(ModuleType):
    """A package of which some modules are imported; its own code runs when a name is wanted."""

    def __getattr__(self, name: str) -> Any:
        _make_whole(self)
        try:
            return vars(self)[name]
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None


def _make_whole(package: ModuleType) -> None:
    """Import a package, once; threads that want it meanwhile wait as for any import."""
    with _lock:
        if "_is_begun" not in vars(package):
            vars(package)["_is_begun"] = True
            del sys.modules[_PACKAGE]
    importlib.import_module(_PACKAGE)


class _Loader(SourceFileLoader):
    """Runs the code of a package in the module that is there for it."""

    def __init__(self, name: str, path: str, package: ModuleType) -> None:
        super().__init__(name, path)
        self._package = package

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._package

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        module.__class__ = ModuleType


class _Given:
    """Loads a module that has been imported meanwhile."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Finder:
    """Finds a package that is begun, and begins it before another of its modules is imported."""

    def __init__(self, package: ModuleType, path: str) -> None:
        self._package, self._path = package, path

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if type(self._package) is not _Package:  # it is whole
            return None
        if name == _PACKAGE:
            loader = _Loader(name, self._path, self._package)
            return importlib.util.spec_from_file_location(name, self._path, loader=loader)
        if name.rpartition(".")[0] != _PACKAGE or "_is_begun" in vars(self._package):
            return None
        _make_whole(self._package)
        module = sys.modules.get(name)
        if module is not None:  # Python goes by the spec of a module that came up meanwhile
            module.__spec__ = ModuleSpec(name, _Given(module))  # type: ignore[arg-type]
        return None if module is None else module.__spec__


def load() -> None:
    """Import the parts of joblib that carry blocks, unless joblib is imported already."""
    if _PACKAGE in sys.modules:
        return
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
        return  # whoever imports it finds out, or gets all of it
    package = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = package
    try:
        for each in _PARTS:
            importlib.import_module(each)
    except BaseException:
        del sys.modules[_PACKAGE]
        raise
    package.__class__ = _Package
    sys.meta_path.insert(0, _Finder(package, spec.origin))
    os.environ.setdefault("KMP_INIT_AT_FORK", "FALSE")  # as joblib does, so that no point does


# ---- a process that cleans up behind workers

_BARE = """
import sys, types
for name, path in {packages!r}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = path
"""
"""Packages whose modules can be imported, and nothing else of them."""


@contextlib.contextmanager
def trackers(module: ModuleType) -> Iterator[None]:
    """Have trackers that a module of loky starts import that module alone, and not all of joblib.

    joblib and numpy would take 0.15 s of a core, while workers start.
    """
    start = module.spawnv_passfds
    names = module.__name__.split(".")[:-1]
    folders = reversed(Path(module.__file__ or "").parents[: len(names)])
    packages = [(".".join(names[: n + 1]), [str(each)]) for n, each in enumerate(folders)]
    bare = _BARE.format(packages=packages)

    def start_bare(python: Any, words: Any, files: Any) -> Any:
        return start(python, [*words[:-1], f"{bare}{words[-1]}"], files)

    module.spawnv_passfds = start_bare  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.spawnv_passfds = start  # type: ignore[attr-defined]
