"""Where the results in a file come from: code, commit, packages, command, time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.storage import dataset

_UNKNOWN = "not recorded"


@dataclasses.dataclass(frozen=True)
class Accepted:
    """Points of earlier code that were declared valid, and each time the reason.

    Attributes
    ----------
    n_points : int
        In this file.
    """

    fingerprint: str
    n_points: int
    reasons: tuple[str, ...]
    accepted: str


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a results file says of its origin; text is empty and numbers are None if it does not.

    Attributes
    ----------
    started, ended : str
        Of the last run, in UTC, ISO 8601.
    is_dirty : bool or None
        Whether files differed from the commit; `patch_bytes` is the length of the difference.
    source_files, data_files : tuple of str
        Names of the files that the results depend on.
    packages : mapping of str to str
        Versions of what was imported.
    other_versions : tuple
        With which versions points were computed, where these differ.
    """

    experiment: str
    about: str
    n_points: int | None
    n_done: int | None
    n_failed: int | None
    n_excluded: int | None
    started: str
    ended: str
    command: str
    working_directory: str
    host: str
    platform: str
    python: str
    commit: str
    is_dirty: bool | None
    patch_bytes: int
    fingerprint: str
    source_files: tuple[str, ...]
    data_files: tuple[str, ...]
    packages: Mapping[str, str]
    accepted: tuple[Accepted, ...]
    other_versions: tuple[Any, ...]


def read(path: Path) -> Origin:
    """Read the origin of a results file.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    """
    held = dataset.attributes(path)

    def text(name: str) -> str:
        return str(held.get(name, ""))

    def number(name: str) -> int | None:
        found = held.get(name)
        return found if type(found) is int else None

    return Origin(
        experiment=text("experiment") or path.stem,
        about=text("summary"),
        n_points=number("n_points"),
        n_done=number("n_done"),
        n_failed=number("n_failed"),
        n_excluded=number("n_excluded"),
        started=text("started"),
        ended=text("ended"),
        command=text("command"),
        working_directory=text("working_directory"),
        host=text("host"),
        platform=text("platform"),
        python=text("python"),
        commit=text("git_commit"),
        is_dirty={"true": True, "false": False}.get(text("git_dirty")),
        patch_bytes=len(text("git_patch").encode()),
        fingerprint=text("fingerprint"),
        source_files=tuple(map(str, _json(text("source_files"), dict))),
        data_files=tuple(map(str, _json(text("data_files"), dict))),
        packages={str(n): str(v) for n, v in _json(text("packages"), dict).items()},
        accepted=tuple(map(_accepted, _json(text("accepted"), list))),
        other_versions=tuple(_json(text("computed_with"), list)),
    )


def _json(text: str, kind: type[Any]) -> Any:
    """Read JSON of a kind; an empty one if it is something else, as in files of other programs."""
    try:
        found = json.loads(text)
    except ValueError:
        return kind()
    return found if isinstance(found, kind) else kind()


def _accepted(one: Any) -> Accepted:
    held = one if isinstance(one, dict) else {}
    chain = [each for each in held.get("accepted", ()) if isinstance(each, dict)]
    reasons = tuple(str(each.get("reason", "")) for each in chain)
    when = max((str(each.get("accepted", "")) for each in chain), default="")
    n_points = held.get("n_points")
    return Accepted(
        str(held.get("fingerprint", "")), n_points if type(n_points) is int else 0, reasons, when
    )


def lines(origin: Origin) -> list[tuple[str, str]]:
    """Tell an origin in ten lines: what each is about, and what there is to say."""
    return [
        ("experiment", ": ".join(filter(None, (origin.experiment, origin.about)))),
        ("points", _points(origin)),
        ("when", " to ".join(filter(None, (origin.started, origin.ended))) or _UNKNOWN),
        ("command", origin.command or _UNKNOWN),
        ("where", ":".join(filter(None, (origin.host, origin.working_directory))) or _UNKNOWN),
        ("system", _system(origin)),
        ("commit", _commit(origin)),
        ("code", _code(origin)),
        ("packages", _listed(f"{n} {v}" for n, v in origin.packages.items()) or _UNKNOWN),
        ("accepted", "; ".join(map(_said, origin.accepted)) or "none: all of the present code"),
    ]


def _listed(texts: Any) -> str:
    return ", ".join(texts)


def _points(origin: Origin) -> str:
    counts = {"done": origin.n_done, "failed": origin.n_failed}
    if origin.n_points is None:
        return _UNKNOWN
    said = _listed(f"{n:,} {name}" for name, n in counts.items() if n)
    more = f"; {origin.n_excluded:,} more are excluded" if origin.n_excluded else ""
    return f"{origin.n_points:,}: {said or 'none done'}{more}"


def _system(origin: Origin) -> str:
    python = f"Python {origin.python}" if origin.python else ""
    said = _listed(filter(None, (python, origin.platform))) or _UNKNOWN
    n_others = len(origin.other_versions)
    return f"{said}; points were computed with {n_others} sets of versions" if n_others else said


def _commit(origin: Origin) -> str:
    if not origin.commit:
        return "none: the code was in no git repository"
    if origin.is_dirty is None:
        return f"{origin.commit}; whether files differed is not recorded"
    if not origin.is_dirty:
        return f"{origin.commit}, without uncommitted changes"
    return f"{origin.commit}, with uncommitted changes (a patch of {origin.patch_bytes:,} bytes)"


def _code(origin: Origin) -> str:
    if not origin.fingerprint:
        return _UNKNOWN
    files = (*origin.source_files, *origin.data_files)
    return _listed((f"fingerprint {origin.fingerprint}", *files))


def _said(accepted: Accepted) -> str:
    code, reasons = accepted.fingerprint[:8], " / ".join(accepted.reasons)
    return f"{accepted.n_points:,} points of {code}, {accepted.accepted}: {reasons}"
