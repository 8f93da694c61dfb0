"""Profiles of clusters: what the jobs of a site need, written once.

A profile is a table ``[tool.sweeps.cluster.NAME]`` in pyproject.toml, ``[sweeps.cluster.NAME]`` in
setup.cfg, or ``[cluster.NAME]`` in the user's own ``~/.config/sweeps.toml``. Tables of one name add
up; a later one of this list wins: the user's, setup.cfg, pyproject.toml, the command line.
"""

from __future__ import annotations

import configparser
import dataclasses
import datetime
import os
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.errors import SweepsError, nearest, unknown

_FILES = ("pyproject.toml", "setup.cfg")

_SECTION = "sweeps.cluster."

_TRUTHS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclasses.dataclass(frozen=True)
class Profile:
    """What the jobs of a site get; what is empty is left to the site.

    Attributes
    ----------
    partition, account, time, cpus_per_task, mem, gpus : str
        As for the options of sbatch that have these names.
    prologue : tuple of str
        Lines of shell that come before the command.
    extra : tuple of str
        More options of sbatch, in words.
    requeue : bool
        Whether a task whose time is over goes back into the queue.
    """

    partition: str = ""
    account: str = ""
    time: str = ""
    cpus_per_task: str = ""
    mem: str = ""
    gpus: str = ""
    prologue: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    requeue: bool = True


KEYS = tuple(field.name for field in dataclasses.fields(Profile))


class _Table(NamedTuple):
    """A profile as a file has it."""

    name: str
    place: str
    content: Mapping[str, Any]


def profile(
    folder: Path, name: str | None = None, settings: Iterable[str] = (), words: Iterable[str] = ()
) -> Profile:
    """Return a profile with the settings of a command line.

    Parameters
    ----------
    folder : Path
        The project's, or one within it.
    name : str, optional
        Of the profile; by default the only one, if there is one.
    settings : iterable of str
        ``"KEY=VALUE"``, which replace those of the profile.
    words : iterable of str
        More options of sbatch.

    Raises
    ------
    SweepsError
        If there is no such profile, or several and none is named; for what cannot be read.
    """
    tables = list(_tables(folder))
    names = dict.fromkeys(table.name for table in tables)
    if name is None and len(names) > 1:
        raise SweepsError(
            f"there are {len(names)} profiles of clusters: choose one of {', '.join(names)} with "
            "--profile NAME"
        )
    if name is not None and name not in names:
        said = unknown("profile of a cluster", name, names)
        raise SweepsError(f"{said} Write [tool.sweeps.cluster.{name}] into pyproject.toml")
    given: dict[str, Any] = {}
    for table in tables:
        if name in (None, table.name):
            given |= {key: _read(table.place, key, each) for key, each in table.content.items()}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise SweepsError(f"--set {text}: write --set KEY=VALUE, such as --set time=2:00:00")
        given[key] = _read(f"--set {text}", key, value)
    more = tuple(words)
    if more:
        _check_options("options behind --", more)
    return Profile(**{**given, "extra": (*given.get("extra", ()), *more)})


# ---- where profiles are


def _tables(folder: Path) -> Iterator[_Table]:
    """Return the tables of all files, those that win last."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    yield from _of_toml(Path(home, "sweeps.toml"), "cluster")
    places = (folder, *folder.parents)
    project = next((p for p in places if any((p / n).is_file() for n in _FILES)), folder)
    yield from _of_setup_cfg(project / "setup.cfg")
    yield from _of_toml(project / "pyproject.toml", "tool", "sweeps", "cluster")


def _of_toml(path: Path, *keys: str) -> Iterator[_Table]:
    try:
        found: Any = tomllib.loads(_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SweepsError(f"{path} cannot be read: {error}") from error
    for n, key in enumerate(keys):
        found = _mapping(path, found, keys[:n]).get(key, {})
    for name, content in _mapping(path, found, keys).items():
        place = f"{path}, [{'.'.join((*keys, name))}]"
        yield _Table(name, place, _mapping(path, content, (*keys, name)))


def _of_setup_cfg(path: Path) -> Iterator[_Table]:
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(_text(path), str(path))
    except configparser.Error as error:
        raise SweepsError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    for section in parser.sections():
        if section.startswith(_SECTION):
            name = section.removeprefix(_SECTION)
            yield _Table(name, f"{path}, [{section}]", dict(parser.items(section)))


def _text(path: Path) -> str:
    """Return the content of a file; nothing if it is not there."""
    try:
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SweepsError(f"{path} cannot be read: {error}") from error


def _mapping(path: Path, found: Any, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        where = ".".join(keys)
        raise SweepsError(f"{path}: {where!r} is not a table: write profiles as [{where}.NAME]")
    return found


# ---- what stands in them


def _read(place: str, key: str, value: Any) -> Any:
    """Check a value; setup.cfg and the command line have text, TOML has types."""
    if key not in KEYS:
        raise SweepsError(
            f"{place}: there is no key {key!r}; keys are {', '.join(KEYS)}.{nearest(key, KEYS)}"
        )
    if key == "requeue":
        truth = value if isinstance(value, bool) else _TRUTHS.get(str(value).strip().lower())
        if truth is None:
            raise SweepsError(f"{place}: requeue is yes or no, and not {value!r}")
        return truth
    if key in ("prologue", "extra"):
        lines = _lines(place, key, value)
        return lines if key == "prologue" else _options(place, lines)
    if isinstance(value, datetime.time):  # as TOML reads 02:00:00 without quotes
        value = value.isoformat()
    text = "" if isinstance(value, bool) or not isinstance(value, (str, int)) else str(value)
    if not text.strip() or not text.strip().isprintable():
        raise SweepsError(f"{place}: {key} is one line of text, and not {value!r}")
    return text.strip()


def _lines(place: str, key: str, value: Any) -> tuple[str, ...]:
    pieces = [value] if isinstance(value, str) else value
    if not isinstance(pieces, list) or not all(isinstance(each, str) for each in pieces):
        raise SweepsError(f"{place}: {key} is a list of lines of text, and not {value!r}")
    lines = (line.rstrip() for each in pieces for line in each.split("\n"))
    return tuple(line for line in lines if line)


def _options(place: str, lines: Iterable[str]) -> tuple[str, ...]:
    words: list[str] = []
    for line in lines:
        try:
            own = shlex.split(line)
        except ValueError as error:
            raise SweepsError(f"{place}: {line!r} cannot be read: {error}") from error
        _check_options(place, own)
        words += own
    return tuple(words)


def _check_options(place: str, words: Iterable[str]) -> None:
    """Refuse what is no option of sbatch, and what the tasks depend on."""
    first, *_ = words = list(words)
    if not first.startswith("-"):
        raise SweepsError(f"{place}: {first!r} is no option of sbatch: write --NAME=VALUE")
    for word in words:
        if not word.isprintable():
            raise SweepsError(f"{place}: {word!r} has characters that a job script cannot hold")
        head = word.partition("=")[0]
        is_array = len(head) > len("--a") and "--array".startswith(head)
        if is_array or (word.startswith("-a") and not word.startswith("--")):
            raise SweepsError(f"{place}: {word!r}: give --tasks N and --at-most N instead")
