"""Provenance: what a results file says of where it came from."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path


def now() -> str:
    """Time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def of_machine() -> dict[str, str]:
    """Host, interpreter and command line."""
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "command": shlex.join([Path(sys.argv[0] or "python").name, *sys.argv[1:]]),
        "working_directory": os.getcwd(),  # noqa: PTH109
    }


def of_packages() -> dict[str, str]:
    """Versions of the installed packages that are imported by now."""
    names = sorted({name for name in sys.modules if name.isidentifier()} | {"sweeps"})
    versions = ((name, _version(name)) for name in names)
    return {name: version for name, version in versions if version}


@functools.cache
def _version(name: str) -> str:
    """Version of an installed package; empty for modules of Python and of the project.

    ``importlib.metadata.packages_distributions`` knows that PIL is pillow, but takes 140 ms.
    """
    if name in sys.stdlib_module_names or name.startswith("_"):
        return ""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = vars(sys.modules[name]).get("__version__", "") if name in sys.modules else ""
        return version if isinstance(version, str) else ""


def of_git(folder: Path) -> dict[str, str]:
    """Commit and whether the work tree differs from it; empty outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": "true" if changed else "false"}


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
