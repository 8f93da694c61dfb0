"""joblib, without what sweeps does not need of it.

``import joblib`` takes twice as long as the parts that carry blocks: it imports asyncio and ssl for
`joblib.Memory`. So these parts are imported alone; whoever imports joblib gets all of it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

_PACKAGE = "joblib"

_PARTS = ("joblib.parallel", "joblib.executor", "joblib.externals.loky.backend.synchronize")


class _Loader(SourceFileLoader):
    """Gives a package its modules that were imported before it."""

    def exec_module(self, module: ModuleType) -> None:
        for name, part in [*sys.modules.items()]:
            package, _, last = name.rpartition(".")
            if package == module.__name__:
                setattr(module, last, part)
        super().exec_module(module)


class _Finder:
    """Finds the package when somebody imports it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != _PACKAGE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


def load() -> None:
    """Import the parts of joblib that carry blocks, unless joblib is imported already."""
    if {_PACKAGE, *_PARTS} & sys.modules.keys():
        return
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        return  # whoever imports it finds out, or gets all of it
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    try:
        for each in _PARTS:
            importlib.import_module(each)
    finally:
        del sys.modules[_PACKAGE]
        sys.meta_path.insert(0, _Finder())
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
