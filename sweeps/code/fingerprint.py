"""A function -> the identity of all the project code that its results depend on."""

from __future__ import annotations

import contextlib
import gc
import glob
import hashlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.code import naming, pins
from sweeps.code.canonical import OpaqueError
from sweeps.code.objects import Carried, innermost
from sweeps.code.reach import files
from sweeps.code.reach.follow import AnnotationsAskedError, Reach
from sweeps.code.reach.opened import openings
from sweeps.code.source.module import Module
from sweeps.code.source.names import is_library
from sweeps.code.source.normal_form import digest
from sweeps.code.source.scopes import OWN_NAME
from sweeps.errors import DeclarationError

_CLOCK_TICK_NS = 20_000_000  # it takes 1-10 ms

_MOST_WAITS = 100

_MAKES_PROGRAMS = "sweeps.programs.program"

State = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Fingerprint:
    """The identity of the code behind an experiment.

    Attributes
    ----------
    digest
        32 hexadecimal digits.
    parts
        What went into it, each with its own digest: ``experiments.helpers:decay``,
        ``data:table.csv``, ``version``. A module taken whole is ``experiments.helpers:*``.
    modules
        Names of the project modules that the function reaches, sorted.
    sources
        Part -> its source, as it was written.
    whole_modules
        Modules that count as a whole, because the source does not show which of their names are
        used -> why, and where.
    files
        Project modules that were read, even if the function does not reach them -> their file and
        its text.
    data
        Files and folders whose content counts, each with its `state` when it was read.
    code
        The digest of the code alone; `digest` also covers what was read of other results.
    files_named
        Texts in the code that end in ``.h5``: they may be paths of results files.
    unwatched
        Calls that start programs which nothing identifies -> where.
    unread
        Calls that read files which nothing identifies -> where.
    programs
        Installed programs that are started, which do not count -> their files.
    """

    digest: str
    parts: Mapping[str, str]
    modules: tuple[str, ...]
    sources: Mapping[str, str]
    whole_modules: Mapping[str, str]
    files: Mapping[str, tuple[Path, str]]
    data: Mapping[Path, State]
    code: str
    files_named: tuple[str, ...]
    unwatched: Mapping[str, str]
    unread: Mapping[str, str]
    programs: Mapping[str, Path]


def fingerprint(
    function: Callable[..., Any],
    *,
    version: str | int | None = None,
    depends_on: Sequence[str | os.PathLike[str]] = (),
    depends_on_env: Sequence[str] = (),
    keyed: Collection[str] = (),
    resources: Mapping[str, Callable[..., Any]] | None = None,
    scratch: Collection[str] = (),
) -> Fingerprint:
    """Identify the code behind a function: its own, and all project code that it reaches.

    Comments, docstrings, formatting, annotations and code that is not reached do not count. The
    name of the function itself counts only if some code asks for it. Of installed packages, only
    the names that the code uses count.

    Parameters
    ----------
    function
        A function, a method, a `functools.partial` or a callable object.
    version
        Anything else that should count.
    depends_on
        Files and folders that count by content, or patterns of them, as `glob.glob` has them.
        Relative paths start at the folder of the function's module.
    depends_on_env
        Environment variables that count by value.
    keyed
        Arguments of the function whose defaults do not count, because their values are part of
        each point's key.
    resources
        Functions whose code counts too, by the name of the argument that gets what they make.
    scratch
        Arguments that get a folder of the point's own: what is read there is not told of.

    Raises
    ------
    DeclarationError
        If a path of `depends_on` does not exist, if the function carries a value without a stable
        identity (such as a lock), or if a reached file is not valid Python.

    Examples
    --------
    >>> fingerprint(len).digest == fingerprint(len).digest
    True
    >>> fingerprint(len).digest == fingerprint(len, version=2).digest
    False
    """
    try:
        with _no_collecting():
            try:
                carried = _followed(function, keyed, resources or {})
            except AnnotationsAskedError:
                carried = _followed(function, keyed, resources or {}, counts_annotations=True)
    except OpaqueError as error:
        raise DeclarationError(
            f"{getattr(function, '__qualname__', 'the function')!r} uses {error}: it has no "
            "stable identity, so a change of it would go unnoticed. Create it inside the "
            "function, or at the top level of a module."
        ) from error
    except SyntaxError as error:
        raise DeclarationError(f"{error.filename}, line {error.lineno}: {error.msg}") from error
    reach, home = carried.reach, carried.home
    found = reach.parts
    looked_at = [module for module in reach.names.known.values() if module]
    if version is not None:
        found.add("version", f"{type(version).__name__}:{version!r}", str(version))
    for name in depends_on_env:
        # Only the digest is kept: it may be a password.
        found.add(f"environment:{name}", repr(os.environ.get(name)), "")
    parts = {part: digest(*sorted(texts)) for part, texts in found.texts.items()}
    made = _that_name_files(carried, function)
    around = home
    if home is None and naming.names_files(function):
        around = reach.names.home(getattr(function, "__module__", ""))
    named = _named(reach, looked_at, around, depends_on, made, scratch, has_version=bool(version))
    data = {path: _settled(path) for path in named.files.values()}
    parts |= {part: content(path) for part, path in named.files.items()}
    # The function's own module goes by many names, as `__main__`: they do not count. Nor does the
    # function's own, unless something may look for it.
    own = f"{home.name}:" if home else " "
    own_part = None
    if reach.own and home and home.name not in found.whole:
        own_part = f"{reach.own[0].name}:{reach.own[1]}"
    lines = [f"{':' if part.startswith(own) else ''}{part.removeprefix(own)} {own_digest}"
             for part, own_digest in parts.items() if part != own_part]  # fmt: skip
    if own_part in parts:
        name = own_part.removeprefix(own) if reach.is_by_name else OWN_NAME
        lines.append(f":{name} {parts[own_part]}")
    whole = digest("sweeps fingerprint 2", *sorted(lines))
    return Fingerprint(
        digest=whole,
        parts=dict(sorted(parts.items())),
        modules=tuple(sorted(found.modules)),
        sources=dict(sorted(found.sources.items())),
        whole_modules=dict(sorted(found.whole.items())),
        files={m.name: (m.file, m.source.text) for m in looked_at if m.file and m.source},
        data=data,
        code=whole,
        unwatched=named.unwatched,
        unread=named.unread,
        programs=named.programs,
        files_named=tuple(sorted(text for text in found.literals if text.endswith(".h5"))),
    )


def identity(thing: Any) -> str:
    """Digest of the code of a function or class, or of the content of an object; empty if none."""
    try:
        return fingerprint(thing).digest
    except (DeclarationError, RecursionError):
        return ""


class _Named(NamedTuple):
    """Files that count, by the names of their parts; and what cannot be found, as `Fingerprint`."""

    files: dict[str, Path]
    unwatched: Mapping[str, str]
    unread: Mapping[str, str]
    programs: Mapping[str, Path]


def _named(
    reach: Reach,
    modules: Sequence[Module],
    home: Module | None,
    depends_on: Sequence[str | os.PathLike[str]],
    made: Sequence[naming.Naming],
    scratch: Collection[str],
    *,
    has_version: bool,
) -> _Named:
    """Find the files that code depends on: those that the user names, or its source."""
    found, has_seen_to_it = reach.parts, bool(depends_on or has_version)
    named = {f"data:{Path(path).as_posix()}": _folder(home) / path for path in depends_on}
    for module, path in found.data:
        named[f"{module.name}:@cached(depends_on={path!r})"] = _folder(module) / path
    installed: dict[str, Path] = {}
    for each in made:
        named |= each.files_counted
        installed |= each.installed
    if not (reach.calls or found.programs):
        return _Named(named, {}, {}, installed)
    opened = openings(reach.names, reach.calls, reach.pieces)
    texts = found.literals | opened.paths
    unwatched: Mapping[str, str] = {}
    # Those that say their files themselves are not looked for in texts.
    programs = {n: at for n, at in found.programs.items() if not (made and n in naming.MAKERS)}
    if programs:
        started = files.programs(texts, modules)
        named |= {f"program:{text}": path for text, path in started.items()}
        if not (started or has_seen_to_it or files.are_installed(found.literals)):
            unwatched = programs
    writes = not all(map(is_library, programs.keys() - naming.MAKERS))
    read, unread = files.read(
        opened, texts, modules, has_seen_to_it=has_seen_to_it, has_programs=writes, scratch=scratch
    )
    counted = {path.absolute() for path in named.values()}
    named |= {f"data:{t}": path for t, path in read.items() if path.absolute() not in counted}
    installed |= files.installed(opened.started)
    return _Named(named, unwatched, unread, installed)


def _that_name_files(carried: Carried, function: Any) -> list[naming.Naming]:
    """Find the values that the function carries or reaches, and that say their files themselves."""
    found = carried.naming
    if _MAKES_PROGRAMS not in sys.modules:  # nothing has made one
        return found
    own = innermost(function)
    by_name = getattr(own, "__kwdefaults__", None) or {}
    defaults = [*(getattr(own, "__defaults__", None) or ()), *by_name.values()]
    reach = carried.reach
    reached = naming.reached(reach.parts.texts, reach.names.known)
    return [*found, *reached, *naming.within(defaults)]


class Behind:
    """The code behind values of parameters, each read once.

    All readings see a file as the first of them, that of the experiment's own code, saw it.

    Attributes
    ----------
    pins : Pins
        The text of every module that was looked at.
    found : dict of int to tuple
        By its `id`: what is behind a value, and its fingerprint; None if it has none.
    """

    def __init__(self, own: Fingerprint) -> None:
        self.pins = pins.Pins(own.files)
        self.found: dict[int, tuple[Any, Fingerprint | None]] = {}

    def identify(self, thing: Any) -> str:
        """Return the digest of what is behind a value; empty if it has none."""
        if id(thing) not in self.found:
            self.found[id(thing)] = thing, self._read(thing)
        code = self.found[id(thing)][1]
        return code.digest if code is not None else ""

    def _read(self, thing: Any) -> Fingerprint | None:
        try:
            with pins.held(self.pins):
                code = fingerprint(thing)
        except (DeclarationError, RecursionError):
            return None
        if code.files.keys() - self.pins.files.keys():
            self.pins = pins.Pins({**code.files, **self.pins.files})
        return code


def _followed(
    function: Callable[..., Any],
    keyed: Collection[str],
    resources: Mapping[str, Callable[..., Any]],
    *,
    counts_annotations: bool = False,
) -> Carried:
    """Follow a function to all that it reaches."""
    carried = Carried(innermost(function), keyed, counts_annotations=counts_annotations)
    carried.take(function)
    for name, opener in resources.items():
        text = carried.named_value(name, opener)
        carried.reach.parts.add(f"resource:{name}", text, text)
    carried.reach.follow_all()
    return carried


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """Turn the garbage collector off: it would visit all nodes of the trees for nothing."""
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_collecting:
            gc.enable()


def _folder(module: Module | None) -> Path:
    return module.file.parent if module and module.file else Path()


def state(path: Path) -> State:
    """Return times and size of a file, or of each one that is meant; () if there is none."""
    try:
        named = [path] if path.exists() else _matches(path)
        found = [each for one in named for each in (one, *_within(one))]
        stats = [each.stat() for each in found]
    except OSError:
        return ()
    return tuple((each.st_mtime_ns, each.st_ctime_ns, each.st_size) for each in stats)


def _settled(path: Path) -> State:
    """Return the state of a file, once whatever is written to it later would be another one.

    Times of files are those of the kernel's last tick, so that two writes may have the same.
    """
    for _ in range(_MOST_WAITS):
        found = state(path)
        age_ns = time.time_ns() - max((max(own[:2]) for own in found), default=0)
        if not 0 <= age_ns < _CLOCK_TICK_NS:
            return found
        time.sleep((_CLOCK_TICK_NS - age_ns) / 1e9)
    raise DeclarationError(
        f"depends_on names {str(path)!r}, which keeps changing: wait until it is "
        "written, or name a copy"
    )


def _within(path: Path) -> list[Path]:
    return sorted(path.rglob("*")) if path.is_dir() else []


def _matches(path: Path) -> list[Path]:
    """List what matches a pattern, such as ``data/*.csv``."""
    if not glob.has_magic(str(path)):
        return []
    return sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207 - has a folder


def content(path: Path) -> str:
    """Return the digest of a file, or of all files of a folder or pattern with their names."""
    if not path.exists() and (matches := _matches(path)):
        folder = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        own = (f"{each.relative_to(folder).as_posix()} {content(each)}" for each in matches)
        return digest(*own)
    if path.is_dir():
        files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*"))
        return digest(*(f"{name} {content(file)}" for name, file in files if file.is_file()))
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise DeclarationError(
            f"depends_on names {str(path)!r}, which cannot be read ({error.strerror}). Paths and "
            "patterns are relative to the folder of the function's module."
        ) from error


def changed(files: Mapping[Path, State]) -> str:
    """Say which file that results depend on was changed during a run; empty if none was."""
    if (path := next((p for p, known in files.items() if state(p) != known), None)) is None:
        return ""
    return (
        f"{path} was changed during the run: run it again; if points write it, have them "
        "write to a temporary folder"
    )
