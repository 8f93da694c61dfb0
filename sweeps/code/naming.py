"""Values that say themselves which files they stand for: those that `sweeps.program` makes.

The source shows where such a value is made, but not which files its words lead to.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from sweeps.code.source.module import Module

_MARK = "files_counted"

_DEEPEST = 4

MAKERS = frozenset({"sweeps.program", "sweeps.programs.program.program"})


class Naming(Protocol):
    """Something that names files."""

    @property
    def counted(self) -> Any:
        """What it is, but for those files."""

    @property
    def files_counted(self) -> Mapping[str, Path]:
        """Part of the fingerprint -> a file that counts by content."""

    @property
    def installed(self) -> Mapping[str, Path]:
        """Installed programs that it starts, which do not count -> their files."""


def names_files(value: Any) -> bool:
    """Say whether a value says itself which files it stands for."""
    kind = type(value)
    return kind.__module__.startswith("sweeps.") and hasattr(kind, _MARK)


def reached(parts: Iterable[str], modules: Mapping[str, Module | None]) -> Iterator[Naming]:
    """Yield what names files of the globals of modules that code reaches.

    Parameters
    ----------
    parts : iterable of str
        Names of the parts of a fingerprint, as ``experiments.flow:solver`` and ``helpers:*``.
    modules : mapping of str to Module or None
    """
    for part in parts:
        name, _, own = part.partition(":")
        module = modules.get(name)
        if module is None:
            continue
        space = module.globals
        for value in [*space.values()] if own == "*" else [space.get(own)]:
            yield from within(value)


def within(value: Any, depth: int = 0) -> Iterator[Naming]:
    """Yield what names files of a value, what it wraps and what it contains."""
    if names_files(value):
        yield value
    elif depth < _DEEPEST and type(value) in (list, tuple, dict):
        for each in list(value.values() if type(value) is dict else value):
            yield from within(each, depth + 1)
    elif depth < _DEEPEST and isinstance(value, functools.partial):
        for each in (value.func, *value.args, *value.keywords.values()):
            yield from within(each, depth + 1)
    elif _wraps_function(type(value)):
        yield from within(value.function, depth + 1)


def _wraps_function(kind: type) -> bool:
    """Say whether it is a kind of ours that holds a function.

    The value itself is not asked: results that code holds note that as reading all of them.
    """
    fields = getattr(kind, "__dataclass_fields__", ())
    return kind.__module__.startswith("sweeps.") and "function" in fields
