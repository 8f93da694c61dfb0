"""Provenance: what a results file says of where it came from."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

_GIT_TIMEOUT_S = 10.0


def now() -> str:
    """Time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def of_machine() -> dict[str, str]:
    """Host, interpreter and command line."""
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "command": _command(sys.argv),
        "working_directory": os.getcwd(),  # noqa: PTH109
    }


def _command(arguments: list[str]) -> str:
    """Command line as it was typed, but for the folder of the program.

    Examples
    --------
    >>> _command(["/env/sweeps/__main__.py", "run", "pendulum", "length=0.1, 0.2"])
    "python -m sweeps run pendulum 'length=0.1, 0.2'"
    """
    program = Path(arguments[0] if arguments and arguments[0] else "python")
    is_module = program.name == "__main__.py"
    words = ["python", "-m", program.parent.name] if is_module else [program.name]
    return shlex.join([*words, *arguments[1:]])


def of_packages() -> dict[str, str]:
    """Versions of the installed packages that are imported by now."""
    names = sorted({name for name in list(sys.modules) if name.isidentifier()} | {"sweeps"})
    versions = ((name, _version(name)) for name in names)
    return {name: version for name, version in versions if version}


@functools.cache
def _version(name: str) -> str:
    """Version of an installed package; empty for modules of Python and of the project.

    ``importlib.metadata.packages_distributions`` knows that PIL is pillow, but takes 140 ms.
    """
    if name in sys.stdlib_module_names or name.startswith("_"):
        return ""
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        # A lazy module would be loaded by getattr(), and None stands for one not to be imported.
        version = getattr(sys.modules.get(name), "__dict__", {}).get("__version__", "")
        return version if isinstance(version, str) else ""


def of_git(folder: Path) -> dict[str, str]:
    """Commit and whether the work tree differs from it; empty outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": "true" if changed else "false"}


def _git(folder: Path, *arguments: str) -> str:
    # Without the option, `git status` locks the index, and a commit made meanwhile fails.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_GIT_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
