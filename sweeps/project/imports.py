"""Make a folder of experiments importable, the same way in the parent and the workers.

``experiments/pendulum.py`` is imported as ``experiments.pendulum``, whether or not the folder has
an ``__init__.py``; modules of the project root, the folder's parent, can be imported by name.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import threading
import zipimport
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps.code import pins
from sweeps.errors import DeclarationError

if TYPE_CHECKING:
    from sweeps.project.discovery import ModuleLocation

_IMPORTING = "SWEEPS_IMPORTING"
"""Environment variable: files that this process or those above it import at present."""

_imported_above = frozenset(os.environ.get(_IMPORTING, "").splitlines())

_noting = threading.Lock()

_loading = threading.RLock()

_LONGEST_TURN_S = 10.0  # a module may wait for a thread, as of a pool, that waits for its turn


class _Import(NamedTuple):
    """An import of a module of experiments: in a thread, within an outer one."""

    location: ModuleLocation
    thread: int
    outer: _Import | None
    is_over: threading.Event


_importing: ContextVar[_Import | None] = ContextVar("importing", default=None)

_STAMP = "__sweeps_stamp__"

_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120

_OWN_FOLDER = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """Drop modules and import them again while no other thread does so, or it would miss some."""
    is_within = next(_imports_under_way(), None) is not None  # that import has its turn
    has_turn = not is_within and _loading.acquire(timeout=_LONGEST_TURN_S)
    try:
        yield
    finally:
        if has_turn:
            _loading.release()


def import_location(location: ModuleLocation) -> ModuleType:
    """Import a module, or get it if it is imported already.

    The project root is put first on ``sys.path``, where ``python -m`` and ``python script.py``
    have it too: so a script, a notebook and a worker find the same module, and an installed
    ``utils`` does not stand before the project's own.

    Modules of another project that bear the same names are dropped from ``sys.modules``. Whatever
    the module's code raises goes through.
    """
    for each in _imports_under_way():
        if each.location == location and each.thread != threading.get_ident():
            raise _unguarded(f"a thread that needs {location.module}", location)  # it would wait
    _enter_root(location.root)
    loaded = set(sys.modules)
    own = _Import(location, threading.get_ident(), _importing.get(), threading.Event())
    outer = _importing.set(own)
    try:
        with _texts_kept(), _threads_told(), _children_told(location):
            if location.package:
                _enter_package(location.package, location.folder)
            if location.module not in sys.modules:
                _distrust_listings(location)
            return importlib.import_module(location.module)
    finally:
        own.is_over.set()
        _importing.reset(outer)
        _stamp(sys.modules.keys() - loaded)


def refuse_while_importing(call: str) -> None:
    """Refuse to compute while a module of experiments is imported, by any thread it has started.

    Each worker imports the module too, and would compute in its turn, without end.
    """
    innermost = next(_imports_under_way(), None)
    if innermost is not None:
        raise _unguarded(call, innermost.location)


def refuse_imported_above(location: ModuleLocation) -> None:
    """Refuse a module whose import has started this process: it would start another one."""
    if _imported_above and _real_file(location) in _imported_above:
        raise _unguarded("python -m sweeps", location)


def _unguarded(call: str, location: ModuleLocation) -> DeclarationError:
    return DeclarationError(
        f"{call} runs whenever {location.module} is imported, by each command and each "
        'worker: put the call under `if __name__ == "__main__":`, or load existing '
        "results with sweeps.load()"
    )


def _imports_under_way() -> Iterator[_Import]:
    """Imports that wait for the caller, the innermost first."""
    each = _importing.get()
    while each is not None:
        if not each.is_over.is_set():
            yield each
        each = each.outer


@contextlib.contextmanager
def _threads_told() -> Iterator[None]:
    """Tell threads within which import they were started; they do not inherit context variables."""
    plain = threading.Thread.start
    if plain.__module__ == __name__:  # an import around this one tells them
        yield
        return

    def start(thread: threading.Thread) -> None:
        importing, run = _importing.get(), thread.run

        def run_within() -> None:
            _importing.set(importing)
            run()

        if importing is not None:
            thread.run = run_within  # type: ignore[method-assign]
        plain(thread)

    threading.Thread.start = start  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        if threading.Thread.start is start:
            threading.Thread.start = plain  # type: ignore[method-assign]


@contextlib.contextmanager
def _children_told(location: ModuleLocation) -> Iterator[None]:
    """Tell processes, by their environment, which file is imported as they are started."""
    file = _real_file(location) if location.module not in sys.modules else ""
    if not file:
        yield
        return
    with _noting:
        os.environ[_IMPORTING] = os.environ.get(_IMPORTING, "") + file + "\n"
    try:
        yield
    finally:
        with _noting:
            others = os.environ.pop(_IMPORTING, "").replace(f"{file}\n", "", 1)
            if others:
                os.environ[_IMPORTING] = others


def _real_file(location: ModuleLocation) -> str:
    source = location.source_file()
    return os.path.realpath(source) if source is not None else ""


def forget_changed_modules() -> bool:
    """Make the next `import_location` load sources as they are now; say if any had changed.

    If one of the files that `import_location` or pins loaded, directly or through imports in
    them, is not what it was, all of them are dropped from ``sys.modules``: any may have taken
    something from it. Modules that were imported otherwise stay.
    """
    has_changed = any(map(_has_changed, _loaded().values()))
    if has_changed:
        forget_loaded_modules()
    return has_changed


def forget_loaded_modules() -> None:
    """Make the next `import_location` load again everything that it or pins loaded."""
    importlib.invalidate_caches()  # of archives, whose listings Python keeps
    for name in _loaded():
        _drop(name)


def _loaded() -> dict[str, ModuleType]:
    return {
        name: module
        for name, module in _modules().items()
        if _STAMP in _variables(module) or pins.text_of(module) is not None
    }


def _modules() -> dict[str, ModuleType]:
    """Modules as they are now, to go through while other threads import.

    `copy` is done at once. `list` of its items may collect garbage amid them, which runs code.
    """
    return sys.modules.copy()


def forget_project_modules() -> None:
    """Make the next `import_location` load all code of the user again, whoever imported it.

    For workers, which may also hold modules that functions imported as they ran.
    """
    ours = [  # all of them first: a namespace package asks its parent for its own places
        name
        for name, module in _modules().items()
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
        for name, module in _modules().items()
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
    spec = pins.find(name) or (
        pins.spec_of(name, init, init.read_bytes()) if init.is_file() else None
    )
    if spec is None:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [folder]
    sys.modules[name] = package = importlib.util.module_from_spec(spec)
    try:
        if spec.loader is not None:
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


def _distrust_listings(location: ModuleLocation) -> None:
    """Have Python list the folders of a module again: files may appear faster than clocks tick."""
    source = location.source_file()
    for folder in {location.root, str(source.parent) if source else location.folder}:
        sys.path_importer_cache.pop(folder, None)


class _TextKeeper:
    """Finds what the other finders find, and makes the project's modules keep their text.

    Whether a file was edited since is then a matter of comparing texts: times of files are those
    of ticks, 1-10 ms apart, and can be set back.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        finders = (each for each in list(sys.meta_path) if type(each) is not _TextKeeper)
        asked = (getattr(finder, "find_spec", None) for finder in finders)
        found = (find(name, path, target) for find in asked if find)
        spec: ModuleSpec | None = next(filter(None, found), None)
        if spec is None or type(spec.loader) not in (SourceFileLoader, zipimport.zipimporter):
            return spec
        file = str(spec.origin)
        if not (is_project_file(file) and file.endswith(".py")):
            return spec
        return pins.spec_of(name, file, pins.content(file))


@contextlib.contextmanager
def _texts_kept() -> Iterator[None]:
    keeper: Any = _TextKeeper()
    sys.meta_path.insert(0, keeper)
    try:
        yield
    finally:
        sys.meta_path.remove(keeper)


def _stamp(names: Iterable[str]) -> None:
    """Mark the project's modules as loaded here, with the state of their files."""
    for name in names:
        module = sys.modules.get(name)
        if module is not None and is_project_file(next(iter(_places(module)), None)):
            setattr(module, _STAMP, _state(_file(module)))


def _has_changed(module: ModuleType) -> bool:
    """Whether a module's file, or what is pinned in its place, is not what it was made of."""
    text, filename = pins.text_of(module), _file(module)
    if text is None or filename is None:
        return bool(_state(filename) != _variables(module).get(_STAMP))
    return pins.current_text(filename) != text


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
