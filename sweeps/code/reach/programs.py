"""The programs that code starts: which files of the project they may be."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sweeps.code.source.module import Module

_SUFFIXES = frozenset({
    "", ".awk", ".bash", ".csh", ".dll", ".dylib", ".exe", ".gp", ".jl", ".js", ".ksh", ".lua",
    ".m", ".pl", ".py", ".r", ".rb", ".sed", ".sh", ".so", ".tcl", ".zsh",
})  # fmt: skip

# They start what they are told to.
_LAUNCHERS = frozenset({
    "bash", "csh", "dash", "env", "julia", "ksh", "mpiexec", "mpirun", "nice", "node", "octave",
    "perl", "python", "python3", "rscript", "ruby", "sh", "srun", "taskset", "time", "timeout",
    "zsh",
})  # fmt: skip

_SYSTEM = (
    *("/bin/", "/lib", "/nix/", "/opt/", "/sbin/", "/snap/", "/usr/"),
    *(f"{sys.prefix}{os.sep}", f"{sys.base_prefix}{os.sep}"),
)

_LONGEST = 1000


def files(literals: Iterable[str], modules: Iterable[Module]) -> dict[str, Path]:
    """Find the programs of the project that texts name -> their files.

    As paths from the folder of a module, from the project's root, or from the current folder.
    """
    folders = dict.fromkeys(folder for module in modules for folder in _folders(module))
    found = {}
    words = {word for text in literals for word in _words(text)}
    for word in sorted(word for word in words if not word.startswith(_SYSTEM)):
        for folder in (*folders, Path()):
            path = folder / word
            if _is_program(path):
                found[word] = path
                break
    return found


def are_installed(literals: Iterable[str]) -> bool:
    """Say whether texts name a program that is installed, and does not just start another one."""
    words = {word for text in literals for word in _words(text)[:1]}
    named = (word for word in words if "/" not in word or word.startswith(_SYSTEM))
    return any(Path(w).name.lower() not in _LAUNCHERS and shutil.which(w) for w in named)


def _words(text: str) -> list[str]:
    return text.replace("'", " ").replace('"', " ").split() if len(text) < _LONGEST else []


def _folders(module: Module) -> Iterator[Path]:
    if module.file is not None:
        n_up = module.name.count(".") + (module.file.name == "__init__.py")
        yield from dict.fromkeys((module.file.parent, [*module.file.parents][n_up]))


def _is_program(path: Path) -> bool:
    try:
        is_named = path.suffix.lower() in _SUFFIXES or os.access(path, os.X_OK)
        return is_named and path.is_file() and "site-packages" not in path.parts
    except (OSError, ValueError):  # no text that can be a path
        return False
