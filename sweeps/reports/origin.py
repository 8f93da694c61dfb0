"""Where results come from: the question behind them, the code, the machine, the packages."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

_MOST_CODE = 60_000
"""Characters of code that a report shows; the results file has all of it."""


_MOST_QUESTION = 10_000


@dataclasses.dataclass(frozen=True)
class File:
    """A file of code; `n_left_out` lines of it are not shown."""

    path: str
    text: str
    n_left_out: int = 0


@dataclasses.dataclass(frozen=True)
class Accepted:
    """Results of earlier code that were declared valid."""

    fingerprint: str
    n_points: int
    reasons: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where results come from.

    Attributes
    ----------
    question : tuple of str
        Paragraphs of the docstrings of the experiment's module and function.
    facts : dict of str to str
        What a reader needs to know to repeat it: command, commit, machine, times.
    patch : str
        What the working tree had beyond the commit.
    """

    question: tuple[str, ...]
    facts: dict[str, str]
    packages: dict[str, str]
    accepted: tuple[Accepted, ...]
    code: tuple[File, ...]
    patch: str


def origin(attributes: Mapping[str, Any], name: str) -> Origin:
    """Read what the attributes of a results file say of its origin."""
    told = {str(key): value for key, value in attributes.items()}
    sources = _texts(told.get("source_files"))
    question = _shortened(_question(sources, name) or str(told.get("summary", "")), _MOST_QUESTION)
    shown = sources or ({f"{name}.py": str(told["source"])} if told.get("source") else {})
    patch = str(told.get("git_patch", ""))
    return Origin(
        tuple(filter(None, question[0].split("\n\n"))),
        _facts(told),
        _texts(told.get("packages")),
        tuple(_accepted(told.get("accepted"))),
        tuple(_files(shown, name)),
        _shortened(patch)[0],
    )


def _facts(told: Mapping[str, Any]) -> dict[str, str]:
    commit = str(told.get("git_commit", ""))
    if commit and told.get("git_dirty") == "true":
        commit += " with uncommitted changes"
    machine = ", ".join(str(told[k]) for k in ("host", "platform") if told.get(k))
    found = {
        "Command": told.get("command"),
        "Started": _time(told.get("started")),
        "Results written": _time(told.get("ended")),
        "Commit": commit or "the code is not in a git repository",
        "Machine": machine,
        "Python": told.get("python"),
        "Working directory": told.get("working_directory"),
        "Fingerprint of the code": told.get("fingerprint"),
    }
    return {label: str(value) for label, value in found.items() if value}


def _time(said: Any) -> str:
    """Write a time of ours for people: 2026-11-29T20:05:04Z."""
    return str(said or "").replace("T", " ").replace("Z", " UTC")


def _texts(said: Any) -> dict[str, str]:
    """Read a JSON object of texts; anything else is nothing."""
    found: Any = None
    with contextlib.suppress(TypeError, ValueError, RecursionError):
        found = json.loads(said)
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _accepted(said: Any) -> list[Accepted]:
    found: Any = None
    with contextlib.suppress(TypeError, ValueError, RecursionError):
        found = json.loads(said)
    made = []
    for each in found if isinstance(found, list) else []:
        with contextlib.suppress(TypeError, KeyError, AttributeError, ValueError):
            reasons = tuple(str(one["reason"]) for one in each["accepted"])
            made.append(Accepted(str(each["fingerprint"]), int(each["n_points"]), reasons))
    return made


def _question(sources: Mapping[str, str], name: str) -> str:
    """Find the docstrings of the module and the function of an experiment; they may be empty."""
    for text in sources.values():
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            tree = ast.parse(text)
            for function in ast.walk(tree):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and (
                    function.name == name or _is_named(function, name)
                ):
                    own = ast.get_docstring(function) or ""
                    return "\n\n".join(filter(None, (ast.get_docstring(tree), own)))
    return ""


def _is_named(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    """Whether a decorator says ``name="…"``."""
    return any(
        keyword.arg == "name"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value == name
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
    )


def _files(sources: Mapping[str, str], name: str) -> list[File]:
    """Take as much code as a report shows, the file of the experiment first."""
    room, made = _MOST_CODE, []
    for path in sorted(sources, key=lambda path: (not path.endswith(f"{name}.py"), path)):
        text, n_left_out = _shortened(sources[path], room)
        room -= len(text)
        made.append(File(path, text, n_left_out))
    return made


def _shortened(text: str, longest: int = _MOST_CODE // 2) -> tuple[str, int]:
    """Cut a text between lines; return it and how many lines are left out."""
    if len(text) <= longest:
        return text, 0
    kept = text[: max(longest, 0)].rpartition("\n")[0]
    return kept, len(text.splitlines()) - len(kept.splitlines())
