"""The words of a command: which of them are programs of the project, and which are installed."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.code.reach.files import LAUNCHERS, SUFFIXES
from sweeps.errors import DeclarationError
from sweeps.programs import failed, placeholders
from sweeps.programs.places import Places

Word = str | Path

_SCRIPTS = SUFFIXES - {""}

_NO_NAME = re.compile(r"\W+")


def filled(
    i: int, word: Word, places: Places, given: Collection[str], values: Mapping[str, Any]
) -> str:
    """Make a word of a command at a point; a file of the project is said by its path.

    Parameters
    ----------
    i : int
        Its place in the command.
    given : collection of str
        Names of the input files, which are the point's own.
    """
    if isinstance(word, Path):
        path = places.find(word)
        if path is None:
            raise failed.missing(word, places)
        return str(path.absolute())
    text = placeholders.fill(word, values)
    if i and "/" not in text and "." not in text:
        return text  # as numbers are
    if _may_be_own(i, text, given):
        with contextlib.suppress(LookupError):
            return _path(places, text)
    if i == 0 and "/" not in text:
        return installed(text) or text
    if i == 0 and _is_of_project(text, given):
        raise failed.missing(text, places)
    return text


def programs(i: int, word: Word, places: Places, given: Collection[str]) -> dict[str, Path]:
    """Find the files of the project that a word means, at any point -> by their names.

    Raises
    ------
    DeclarationError
        If the word is a program of the project, and is not there.
    """
    if isinstance(word, Path):
        path = places.find(word)
        if path is None:
            raise DeclarationError(str(failed.missing(word, places)))
        return {places.label(path): path}
    pattern = placeholders.pattern(word)
    if any(placeholders.names(word)):
        return places.programs(pattern)
    text = placeholders.fill(word, {})
    own = places.program(text) if _may_be_own(i, text, given) else None
    if own is not None:
        return {places.label(own): own}
    if i == 0 and _is_of_project(text, given):
        raise DeclarationError(str(failed.missing(text, places)))
    return {}


def _is_of_project(text: str, given: Collection[str]) -> bool:
    return "/" in text and not text.startswith("/") and text.removeprefix("./") not in given


def _may_be_own(i: int, word: str, given: Collection[str]) -> bool:
    """Say whether a word may name a program of the project.

    Words behind the first one do if they look like one: ``sh run.sh``, ``mpirun ./solver``. They
    may as well be names of files that the program is to write.
    """
    if word.removeprefix("./") in given:
        return False
    if i == 0:
        return "/" in word or not installed(word)
    return "/" in word or os.path.splitext(word)[1].lower() in _SCRIPTS  # noqa: PTH122


@functools.lru_cache(maxsize=1024)
def _path(places: Places, word: str) -> str:
    own = places.program(word)
    if own is None:
        raise LookupError(word)
    return str(own.absolute())


@functools.lru_cache(maxsize=64)
def installed(word: str) -> str | None:
    """Return the path of an installed program."""
    return shutil.which(word) if "/" not in word or word.startswith("/") else None


def name(words: Sequence[Word]) -> str:
    """Name a program: after a script, where the first word only starts that.

    Examples
    --------
    >>> name(["bin/flow", "in"]), name(["python3", "model.py"]), name(["sh", "-c", "true"])
    ('flow', 'model', 'sh')
    """
    first, *others = words
    scripts = (word for word in others if Path(word).suffix in _SCRIPTS or str(word)[:2] == "./")
    word = next(scripts, first) if Path(first).name in LAUNCHERS else first
    return _NO_NAME.sub("_", Path(word).stem).strip("_")
