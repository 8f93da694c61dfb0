"""Texts in code -> files of the project that they name: programs that it starts, data it reads."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from sweeps.code.reach.opened import Openings
from sweeps.code.source.module import Module
from sweeps.storage.seal import RESULTS, held

SUFFIXES = frozenset({
    "", ".awk", ".bash", ".csh", ".dll", ".dylib", ".exe", ".gp", ".jl", ".js", ".ksh", ".lua",
    ".m", ".pl", ".py", ".r", ".rb", ".sed", ".sh", ".so", ".tcl", ".zsh",
})  # fmt: skip

# They start what they are told to.
LAUNCHERS = frozenset({
    "bash", "csh", "dash", "env", "julia", "ksh", "mpiexec", "mpirun", "nice", "node", "octave",
    "perl", "python", "python3", "rscript", "ruby", "sh", "srun", "taskset", "time", "timeout",
    "zsh",
})  # fmt: skip

_SYSTEM = (
    *("/bin/", "/lib", "/nix/", "/opt/", "/sbin/", "/snap/", "/usr/"),
    *(f"{sys.prefix}{os.sep}", f"{sys.base_prefix}{os.sep}"),
)

_LONGEST = 1000

_SOURCES = (".py", ".pyc")

_OF_FOLDERS = frozenset({
    ".glob", ".iterdir", ".rglob", "glob.glob", "glob.iglob", "os.listdir", "os.scandir", "os.walk",
})  # fmt: skip

# They are read for each command, at about 1 GB a second.
_MOST_BYTES, _MOST_FILES = 2**28, 1000


def programs(literals: Iterable[str], modules: Iterable[Module]) -> dict[str, Path]:
    """Find the programs of the project that texts name -> their files.

    As paths from the folder of a module, from the project's root, or from the current folder.
    """
    words = {word for text in literals for word in _words(text)}
    return _found(words, modules, is_program)


def read(
    opened: Openings,
    literals: Collection[str],
    modules: Collection[Module],
    *,
    has_seen_to_it: bool,
    has_programs: bool,
    scratch: Collection[str] = (),
) -> tuple[dict[str, Path], dict[str, str]]:
    """Find the files that code reads; and calls that read what the source does not name -> where.

    A call that is handed a path may read every file that any text names. With `has_programs`, a
    file may be what a program writes, so none counts, and the calls that name one are told of.
    Nothing is told where the user `has_seen_to_it`, who then names what else counts, nor of paths
    that begin with parameters of the names `scratch`, which are folders of points.
    """
    found: dict[str, Path] = {}
    untold, told = dict[str, str](), dict[str, str]()
    for each in opened.read:
        texts = _within(each.texts.difference(opened.written), modules)
        own = _found(texts, modules, _is_folder if each.reader in _OF_FOLDERS else _is_data)
        if own if has_programs else not (own or each.is_whole):
            untold.setdefault(each.reader, each.place)
            if not each.parameters.intersection(scratch):
                told.setdefault(each.reader, each.place)
        found |= {} if has_programs else own
    if has_seen_to_it or has_programs or not untold:
        return found, {} if has_seen_to_it else told
    # Each text costs a look into each folder, which takes 0.5 ms on NFS.
    likely = {text for text in literals if "." in text or "/" in text}
    guessed = _found(_within(likely.difference(opened.written), modules), modules, _is_data)
    return found | guessed, {} if guessed.keys() - found.keys() else told


def _within(texts: Iterable[str], modules: Collection[Module]) -> Iterator[str]:
    """Leave out paths from the root that lead out of the project, as to ``/proc/cpuinfo``."""
    folders = {folder.absolute() for module in modules for folder in _folders(module)}
    for text in texts:
        if not text.startswith("/") or any(Path(text).is_relative_to(each) for each in folders):
            yield text


def _found(
    words: Iterable[str], modules: Iterable[Module], is_wanted: Callable[[Path], bool]
) -> dict[str, Path]:
    words = (word for word in words if 0 < len(word) < _LONGEST and word.isprintable())
    folders = dict.fromkeys(folder for module in modules for folder in _folders(module))
    found = {}
    for word in sorted(word for word in words if not word.startswith(_SYSTEM)):
        for folder in (*folders, Path()):
            path = folder / word
            if is_wanted(path):
                found[word] = path
                break
    return found


def installed(texts: Iterable[str]) -> dict[str, Path]:
    """Find the installed programs that texts begin with -> their files."""
    words = {word for text in texts for word in _words(text)[:1]}
    named = (word for word in sorted(words) if "/" not in word or word.startswith(_SYSTEM))
    return {word: Path(path) for word in named if (path := shutil.which(word))}


def are_installed(literals: Iterable[str]) -> bool:
    """Say whether texts name a program that is installed, and does not just start another one."""
    return any(Path(word).name.lower() not in LAUNCHERS for word in installed(literals))


def _words(text: str) -> list[str]:
    return text.replace("'", " ").replace('"', " ").split() if len(text) < _LONGEST else []


def _folders(module: Module) -> Iterator[Path]:
    if module.file is not None:
        n_up = module.name.count(".") + (module.file.name == "__init__.py")
        yield from dict.fromkeys((module.file.parent, [*module.file.parents][n_up]))


def _is_data(path: Path) -> bool:
    """Say whether a path is a file that counts by content.

    Source files count by what they say, and results files by the values that are read.
    """
    try:
        if path.suffix in _SOURCES or "site-packages" in path.parts or not path.is_file():
            return False
        return path.stat().st_size <= _MOST_BYTES and held(path, RESULTS) is None
    except (OSError, ValueError):  # no text that can be a path
        return False


def _is_folder(path: Path) -> bool:
    """Say whether a path is a folder of data, and no large one."""
    try:
        if path.is_file():
            return _is_data(path)
        within = list(itertools.islice(path.rglob("*"), _MOST_FILES + 1)) if path.is_dir() else []
        sizes = [each.stat().st_size for each in within if each.is_file()]
        is_small = len(within) <= _MOST_FILES and sum(sizes) <= _MOST_BYTES
        return bool(sizes) and is_small and not any(each.suffix in _SOURCES for each in within)
    except (OSError, ValueError):
        return False


def is_program(path: Path) -> bool:
    """Say whether a file is a program, by its permission or by its name."""
    try:
        is_named = path.suffix.lower() in SUFFIXES or os.access(path, os.X_OK)
        return is_named and path.is_file() and "site-packages" not in path.parts
    except (OSError, ValueError):  # no text that can be a path
        return False
