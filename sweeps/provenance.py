"""Provenance: what a results file says of where it came from."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

_PACKAGES = ("numpy", "scipy", "h5py", "joblib", "xarray")


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
    """Versions of the packages that results depend on, and of those that the user imported."""
    imported = {name.partition(".")[0] for name in sys.modules}
    owners = importlib.metadata.packages_distributions()
    names = {owner for name in imported for owner in owners.get(name, ())}
    versions = {}
    for name in sorted({"sweeps", *_PACKAGES, *names}):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


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
