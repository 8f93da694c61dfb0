"""Pins: the texts of the project's modules as they were when a run began.

While pins are in force, imports load these texts, and whoever asks for a module's source gets them,
even if the files have changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import importlib.util
import io
import linecache
import os
import sys
import threading
import time
import tokenize
import zipimport
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from sweeps.errors import SweepsError

Files = Mapping[str, tuple[Path, str]]
"""Names of modules -> their file and its text."""

_CHECKED_HASH = (3).to_bytes(4, "little")  # PEP 552: valid for one text, whatever clocks say

_HEADER_BYTES = 16

_CLOCK_REALTIME_COARSE = 5  # clock_gettime(2); the module time has no name for it

_TICK_NS = 20_000_000

_NUMBA_FOLDER = "NUMBA_CACHE_DIR"

_numba_folder: str | None = None  # as the user set it


class TextLoader(SourceFileLoader):
    """Loads a module from a given text, as if this text were in its file.

    Bytecode counts only if it contains the hash of the text (PEP 552). Bytecode with a time may be
    of another text that was written in the same second and has the same length.

    Attributes
    ----------
    scratch
        Folder for compiled code, if the text is not that of the file any more.
    began_ns
        When the module began to run, by the clock that files get their times from; None before.
    """

    def __init__(
        self,
        name: str,
        file: str | os.PathLike[str],
        text: str | bytes,
        scratch: Path | None = None,
    ) -> None:
        super().__init__(name, os.fspath(file))
        self.scratch = scratch
        self.began_ns: int | None = None
        self._raw = text if isinstance(text, bytes) else _encode(text)
        self._stamp = importlib.util.MAGIC_NUMBER + _CHECKED_HASH
        self._stamp += importlib.util.source_hash(self._raw)

    @functools.cached_property
    def text(self) -> str:
        """The source of the module; it never changes, unlike the file."""
        return importlib.util.decode_source(self._raw)

    def exec_module(self, module: ModuleType) -> None:
        """Run the text."""
        self.began_ns = file_clock_ns()
        if self.scratch is not None and current_text(self.path, on_disk=True) != self.text:
            _keep_compiled_code_in(str(self.scratch))
        super().exec_module(module)

    def get_source(self, fullname: str) -> str:
        """Return the text."""
        return self.text

    def get_resource_reader(self, name: str | None = None) -> Any:
        """Return a reader of the data files of a package, also in an archive."""
        if archive_of(self.path) is None:
            return super().get_resource_reader(name)
        folder = Path(self.path).parent.parent
        return zipimport.zipimporter(str(folder)).get_resource_reader(name or self.name)

    def get_data(self, path: str) -> bytes:
        """Return the text for the module's own file, and the bytes of any other file."""
        if path == self.path:
            return self._raw
        data = content(path)
        if path == _bytecode_of(self.path) and not data.startswith(self._stamp):
            raise OSError(f"{path} is of another text")
        return data

    def set_data(self, path: str, data: Any, **how: Any) -> None:
        """Store bytecode with the hash of the text."""
        super().set_data(path, self._stamp + bytes(data[_HEADER_BYTES:]), **how)

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Return no time of the file, which may be gone: bytecode is checked by its hash."""
        return {"mtime": 0, "size": len(self._raw)}


def _keep_compiled_code_in(folder: str | None) -> None:
    """Make numba store machine code in another folder.

    numba 0.68 finds stored code by the time of the source file. It would run the code of the file
    for the pinned text: it sees no difference between ``x * 1.0`` and ``x * 2.0``.
    """
    os.environ.pop(_NUMBA_FOLDER, None)
    if folder is not None:
        os.environ[_NUMBA_FOLDER] = folder
    if (config := sys.modules.get("numba.core.config")) is not None:
        config.reload_config()


def _bytecode_of(file: str) -> str | None:
    try:
        return importlib.util.cache_from_source(file)
    except NotImplementedError:  # an interpreter without bytecode
        return None


def _encode(text: str) -> bytes:
    """Encode a text with the encoding that its first lines declare."""
    raw = text.encode()
    if b"coding" not in b"".join(raw.split(b"\n", 2)[:2]):
        return raw
    encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    return text.encode(encoding)


def spec_of(
    name: str, file: str | os.PathLike[str], text: str | bytes, scratch: Path | None = None
) -> ModuleSpec:
    """Make the spec of a module with this text, like the spec that an import makes."""
    path = Path(file)
    spec = importlib.util.spec_from_file_location(
        name,
        path,
        loader=TextLoader(name, path, text, scratch),
        submodule_search_locations=[str(path.parent)] if path.name == "__init__.py" else None,
    )
    assert spec is not None  # a .py file always has one
    return spec


def text_of(module: ModuleType | None) -> str | None:
    """Return the text that a module in memory was made from; None if it is not known."""
    loader = _loader_of(module)
    return loader.text if loader is not None else None


def began_ns(module: ModuleType | None) -> int | None:
    """Return when a module in memory began to run, in ns since 1970; None if it is not known.

    What the module read when it was imported, it read at this time or later.
    """
    loader = _loader_of(module)
    return loader.began_ns if loader is not None else None


def _loader_of(module: ModuleType | None) -> TextLoader | None:
    spec = getattr(module, "__dict__", {}).get("__spec__")
    loader = getattr(spec, "loader", None)
    return loader if isinstance(loader, TextLoader) else None


def file_clock_ns() -> int:
    """Return a time that is not later than that of any file that is written from now on.

    Files get the time of the kernel's last tick, which is up to 10 ms before the clock's time.
    """
    if sys.platform == "linux":
        return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)
    return time.time_ns() - _TICK_NS


def current_text(file: str | os.PathLike[str], *, on_disk: bool = False) -> str | None:
    """Return the text that an import would find now; None if it cannot be read."""
    text = pinned_text(file)
    if text is not None and not on_disk:
        return text
    try:
        return importlib.util.decode_source(content(file))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


def content(file: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file, or of a member of a zip archive."""
    archive = archive_of(file)
    if archive is None:
        return Path(file).read_bytes()
    import zipfile

    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.read(Path(file).relative_to(archive).as_posix())
    except (KeyError, zipfile.BadZipFile) as error:
        raise FileNotFoundError(errno.ENOENT, f"not in {archive}", str(file)) from error


def archive_of(file: str | os.PathLike[str]) -> Path | None:
    """Return the zip archive that contains a path such as ``lib.zip/module.py``; else None."""
    if os.path.exists(file):  # noqa: PTH110 - called for each module
        return None
    found = next((parent for parent in Path(file).parents if parent.is_file()), None)
    if found is None:
        return None
    import zipfile

    return found if zipfile.is_zipfile(found) else None


@dataclasses.dataclass(frozen=True, eq=False)
class Pins:
    """The texts of modules at one time.

    Attributes
    ----------
    scratch
        Folder for compiled code of edited modules; it exists while the pins are in force.
    """

    files: Files
    scratch: Path | None = None

    @functools.cached_property
    def texts(self) -> dict[str, str]:
        """The text of each file."""
        return {str(file): text for file, text in self.files.values()}

    @functools.cached_property
    def lines(self) -> dict[str, tuple[int, None, list[str], str]]:
        """Entries of `linecache`; an entry without a time is never compared with the disk."""
        return {
            file: (len(text), None, text.splitlines(keepends=True), file)
            for file, text in self.texts.items()
        }

    @functools.cached_property
    def folders(self) -> dict[str, str]:
        """Packages without an ``__init__.py`` that contain pinned modules -> their folder."""
        found = {}
        for name, (file, _) in self.files.items():
            folder = file.parent.parent if file.name == "__init__.py" else file.parent
            while (name := name.rpartition(".")[0]) and name not in self.files:
                found[name] = str(folder)
                folder = folder.parent
        return found

    def find(self, name: str) -> ModuleSpec | None:
        """Find a module, also in a package whose folder has been deleted."""
        if name in self.files:
            return spec_of(name, *self.files[name], self.scratch)
        folder = self.folders.get(name)
        if folder is None or os.path.isdir(folder):  # noqa: PTH112 - called at every import
            return None
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [folder]
        return spec


_in_force: tuple[Pins, ...] = ()
"""The first ones count. The same pins are in it once for each thread that holds them."""

_CHANGING = threading.Lock()


class _Finder:
    """Finds pinned modules, before all other finders."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return find(name)


_FINDER: Any = _Finder()


def find(name: str) -> ModuleSpec | None:
    """Find a pinned module."""
    return next(filter(None, (pins.find(name) for pins in _in_force)), None)


def pinned_file(name: str) -> Path | None:
    """Return the file of a pinned module, or the folder of a package that has none."""
    for pins in _in_force:
        if name in pins.files:
            return pins.files[name][0]
        if name in pins.folders:
            return Path(pins.folders[name])
    return None


def pinned_text(file: str | os.PathLike[str]) -> str | None:
    """Return the text of a pinned file."""
    key = os.fspath(file)
    return next((pins.texts[key] for pins in _in_force if key in pins.texts), None)


def pin(pins: Pins | None) -> None:
    """Put these pins in force in this process, or none, instead of all that were before."""
    for before in _in_force:
        _release(before)
    if pins is not None:
        _enforce(pins)


@contextlib.contextmanager
def held(pins: Pins) -> Iterator[None]:
    """Put pins in force inside this context.

    Raises
    ------
    SweepsError
        If other pins are in force that have another text of the same module.
    """
    for other in {*_in_force} - {pins}:
        for name in pins.files.keys() & other.files.keys():
            if pins.files[name][1] != other.files[name][1]:
                raise SweepsError(
                    f"{pins.files[name][0]} was edited during another run in this process: "
                    "run it again when that run ends"
                )
    _enforce(pins)
    try:
        yield
    finally:
        _release(pins)


def _enforce(pins: Pins) -> None:
    global _in_force, _numba_folder
    with _CHANGING:
        if not _in_force:
            _numba_folder = os.environ.get(_NUMBA_FOLDER)
        _in_force = (pins, *_in_force)
        linecache.cache.update(pins.lines)  # so tracebacks and `inspect` show the code that runs
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)


def _release(pins: Pins) -> None:
    global _in_force
    with _CHANGING:
        at = _in_force.index(pins)
        _in_force = _in_force[:at] + _in_force[at + 1 :]
        if pins not in _in_force:
            for file, entry in pins.lines.items():
                if linecache.cache.get(file) is entry:
                    del linecache.cache[file]
        if not _in_force:
            sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not _FINDER]
            if os.environ.get(_NUMBA_FOLDER) != _numba_folder:
                _keep_compiled_code_in(_numba_folder)
