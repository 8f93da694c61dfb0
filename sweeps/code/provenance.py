"""Provenance: what a results file records about its origin."""

from __future__ import annotations

import base64
import contextlib
import datetime
import functools
import itertools
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeps.code.fingerprint import Fingerprint


MOST_PATCH_BYTES = 2**20

_GIT_TIMEOUT_S = 10.0

_AS_IF_NOTHING_WAS_SET_UP = (
    *("--no-ext-diff", "--no-textconv", "--no-color"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)

_TIME = "%Y-%m-%dT%H:%M:%SZ"

_NOTIFY = "--notify"

_VERSION = re.compile(r"^Version:\s*(.*\S)", re.MULTILINE)

_DATA = re.compile(r"data:|.*:@cached\(depends_on=")


def now(after: str = "") -> str:
    """Return the time in UTC, ISO 8601, in seconds; it is always later than `after`."""
    when = datetime.datetime.now(datetime.UTC).strftime(_TIME)
    if when <= after:
        with contextlib.suppress(ValueError):  # not a time that we wrote
            second = datetime.timedelta(seconds=1)
            return (datetime.datetime.fromisoformat(after) + second).strftime(_TIME)
    return when


def of_machine() -> dict[str, str]:
    """Return the host, the interpreter and the command line."""
    return {
        "host": platform.node(),
        "platform": _platform(),
        "python": platform.python_version(),
        "command": command(sys.argv),
        "working_directory": os.getcwd(),  # noqa: PTH109
    }


def _platform() -> str:
    """Return what `platform.platform()` does, which starts a program on Linux: `uname -p`."""
    if platform.system() != "Linux":
        return platform.platform()
    own, library = os.uname(), "".join(platform.libc_ver())
    return "-".join(
        [own.sysname, own.release, own.machine, *(["with", library] if library else [])]
    )


def command(arguments: list[str]) -> str:
    """Return the command line as it was typed, without the folder of the program.

    Whom `sweeps` notifies is left out: others read this, and the address is often a secret.

    Examples
    --------
    >>> command(["/env/sweeps/__main__.py", "run", "pendulum", "length=0.1, 0.2"])
    "python -m sweeps run pendulum 'length=0.1, 0.2'"
    >>> command(["/bin/sweeps", "run", "pendulum", "--notify", "https://example.org/secret"])
    'sweeps run pendulum'
    """
    program = Path(arguments[0] if arguments and arguments[0] else "python")
    is_module = program.name == "__main__.py"
    words = ["python", "-m", program.parent.name] if is_module else [program.name]
    is_ours = words[-1] == "sweeps"
    hidden = {_NOTIFY} if is_ours else set()
    said = [
        word
        for before, word in itertools.pairwise(["", *arguments[1:]])
        if not {before, word.partition("=")[0]} & hidden
    ]
    return shlex.join([*words, *said])


def of_packages() -> dict[str, str]:
    """Return the versions of the installed packages that are imported by now."""
    names = sorted({"sweeps", *(name.partition(".")[0] for name in list(sys.modules))})
    found = {name: version(name) for name in names if name.isidentifier()}
    return {name: text for name, text in found.items() if text}


@functools.cache
def version(name: str) -> str:
    """Return the version of an installed package; empty for modules of Python and of the project.

    ``importlib.metadata.packages_distributions`` knows that PIL is pillow, but takes 140 ms.
    """
    if name in sys.stdlib_module_names or name.startswith("_"):
        return ""
    if (told := _of_metadata(name)) is not None:
        return told
    # A lazy module would be loaded by getattr(), and None stands for one not to be imported.
    said = getattr(sys.modules.get(name), "__dict__", {}).get("__version__", "")
    return said if isinstance(said, str) else ""


def _of_metadata(name: str) -> str | None:
    """Return what the metadata of a package say, None if it has none.

    To import ``importlib.metadata`` takes 15 ms, so all that pip has installed is read here.
    """
    installed = _installed()
    if installed is not None:
        path = installed.get(_normalized(name))
        with contextlib.suppress(OSError, ValueError):
            found = path and _VERSION.search(Path(path).read_text("utf-8").partition("\n\n")[0])
            return found[1] if found else None
    import importlib.metadata

    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


@functools.cache
def _installed() -> dict[str, str] | None:
    """Return the metadata of packages, by their names; None if some are not as pip has them now."""
    found: dict[str, str] = {}
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208
        except NotADirectoryError:
            return None
        except OSError:
            continue
        for each in names:
            package, _, kind = each.rpartition(".")
            if kind in ("egg", "egg-info", "egg-link"):
                return None
            if kind == "dist-info":
                name = _normalized(package.partition("-")[0])
                found.setdefault(name, f"{place or '.'}/{each}/METADATA")
    return found


def _normalized(name: str) -> str:
    return re.sub("[-_.]+", "_", name).lower()


def of_git(folder: Path) -> dict[str, str]:
    """Return the commit, and how the work tree differs from it; empty outside a repository.

    The patch, of files that git tracks, leads from the commit to the work tree by ``git apply``. It
    is text, or "base64:" and what it is in base64, where some file is not UTF-8. What is longer
    than `MOST_PATCH_BYTES` is left out, and said to be.
    """
    commit = _git(folder, "rev-parse", "HEAD") if _may_be_below_git(folder) else None
    if not commit:
        return {}
    found = {"git_commit": commit.decode().strip()}
    # `git diff` writes the index, whatever its options, where a file was only touched: that locks
    # it, and a commit made meanwhile fails.
    patch = _git(folder, "diff-index", "-p", "--binary", *_AS_IF_NOTHING_WAS_SET_UP, "HEAD")
    if patch is None:  # it took too long
        return found
    return {**found, "git_dirty": "true" if patch else "false", "git_patch": _patch(patch)}


def _may_be_below_git(folder: Path) -> bool:
    """Whether it is worth to start git, in 5 ms: some folder above has its entry or is its own."""
    if "GIT_DIR" in os.environ:  # the one variable that names a repository elsewhere
        return True
    above = folder.resolve()
    return any(
        (each / ".git").exists() or (each / "HEAD").exists() for each in (above, *above.parents)
    )


def _patch(raw: bytes) -> str:
    if len(raw) > MOST_PATCH_BYTES:
        return f"(left out: {len(raw)} bytes)"
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(raw).decode()}"


def _git(folder: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def of_code(*found: Fingerprint) -> dict[str, str]:
    """Return the code and data that results depend on, in full.

    Returns
    -------
    dict of str to str
        ``source`` to read; ``source_files`` to build the project anew: JSON of the files, by their
        paths from its root; ``data_files``: JSON of the digests of data files, by their names;
        ``programs``: JSON of those of installed programs, by their paths, if any are started.
    """
    from sweeps.code.fingerprint import content

    sources = {part: text for each in found for part, text in each.sources.items()}
    data = {p: d for each in found for p, d in each.parts.items() if _DATA.match(p)}
    texts = {_path(name, file): text for each in found for name, (file, text) in each.files.items()}
    programs = {str(path): content(path) for each in found for path in each.programs.values()}
    return {
        "source": "\n".join(sources.values()),
        "source_files": json.dumps(dict(sorted(texts.items()))),
        "data_files": json.dumps({p.removeprefix("data:"): d for p, d in sorted(data.items())}),
        **({"programs": json.dumps(dict(sorted(programs.items())))} if programs else {}),
    }


def _path(module: str, file: Path) -> str:
    """Return the path of a module from the root of its project.

    Examples
    --------
    >>> _path("experiments.ising", Path("/a/ising.py")), _path("tools", Path("/b/__init__.py"))
    ('experiments/ising.py', 'tools/__init__.py')
    """
    place = module.replace(".", "/")
    return f"{place}/{file.name}" if file.stem == "__init__" else f"{place}{file.suffix}"
