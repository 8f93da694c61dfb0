"""Readers of what programs write as text: a pattern in a file, csv, JSON."""

from __future__ import annotations

import csv as tables
import dataclasses
import functools
import json as documents
import mmap
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sweeps.errors import DeclarationError, ProgramError
from sweeps.programs.inputs import relative

_PICKS = (None, "first", "last", "all")

_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d)")

_SHOWN = 60

_AT_ONCE_BYTES = 2**16


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads a value from a file of a program's folder: a function of the folder.

    Attributes
    ----------
    read : callable
        Takes the path of the file, and the options.
    file : str
        Within the folder.
    options : tuple
    """

    read: Callable[..., Any]
    file: str
    options: tuple[Any, ...] = ()

    def __call__(self, folder: str | Path) -> Any:
        """Read the value.

        Raises
        ------
        ProgramError
            If the file is missing, or not as it should be.
        """
        path = f"{folder}/{self.file}"
        try:
            return self.read(path, *self.options)
        except ProgramError as error:
            raise ProgramError(f"{self.file!r} {error}") from None
        except Exception as error:  # of the library that reads it
            if not os.path.exists(path):  # noqa: PTH110
                raise ProgramError(f"it did not write {self.file!r}") from None
            raise ProgramError(
                f"{self.file!r} ({Path(path).stat().st_size:,} bytes) cannot be read, it may be "
                f"half-written: {type(error).__name__}: {error}"
            ) from None


def regex(
    file: str,
    pattern: str,
    which: Literal["first", "last", "all"] | None = None,
    type: Callable[[str], Any] = float,
) -> Reader:
    r"""Read what a pattern finds in a text, as a number.

    Parameters
    ----------
    file : str
        In the program's folder; "stdout" and "stderr" are what the program prints.
    pattern : str
        A regular expression. What is in its parentheses is the value; without parentheses, all
        that it finds. Several parentheses give an array.
    which : {"first", "last", "all"}, optional
        Of several places where it is found; "all" gives an array. Without it, several are an error.
    type : callable, optional
        What to make of the text: `float`, which takes Fortran's ``1.5D-3`` as well, `int` or `str`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "log").write_text("step 1: E = -1.5\nstep 2: E = -0.25D+01\n")
    >>> regex("log", r"E = (\S+)", which="last")(folder)
    -2.5
    """
    relative(file, "regex")
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        raise DeclarationError(f"regex: {pattern!r} is no regular expression: {error}") from None
    if which not in _PICKS:
        raise DeclarationError(
            f"regex: which is {which!r}: give 'first', 'last' or 'all', or leave it out if the "
            "pattern is found once"
        )
    return Reader(_regex, file, (pattern, which, type))


def _regex(path: str, pattern: str, which: str | None, type: Callable[[str], Any]) -> Any:
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # which does not wait at a pipe
    try:
        text = os.read(file, _AT_ONCE_BYTES)
        if len(text) < _AT_ONCE_BYTES:
            found, n_found = _matches(text, pattern, which)
        else:  # mapped, since a log may be larger than the memory
            with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as mapped:
                found, n_found = _matches(mapped, pattern, which)
    finally:
        os.close(file)
    if not found:
        raise ProgramError(f"has nothing like {pattern!r}")
    if which is None and n_found > 1:
        raise ProgramError(
            f"has {n_found:,} places like {pattern!r}: say which, with which='first', 'last' or "
            "'all'"
        )
    values = [[_made(each, type, pattern) for each in groups] for groups in found]
    made = [own[0] if len(own) == 1 else own for own in values]
    if which == "all" or isinstance(made[0], list):
        return np.array(made if which == "all" else made[0])
    return made[0]


def _matches(
    text: bytes | mmap.mmap, pattern: str, which: str | None
) -> tuple[list[tuple[bytes | None, ...]], int]:
    """Return what is wanted of what a pattern finds, and in how many places it finds something."""
    found: list[tuple[bytes | None, ...]] = []
    n_found = 0
    for match in _compiled(pattern).finditer(text):
        if not match[0]:
            continue  # as the end of each line is for ``(.*)``
        n_found += 1
        if which != "all":
            found.clear()
        found.append(match.groups() or (match[0],))
        if which == "first":
            break
    return found, n_found


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.MULTILINE)


def _made(found: bytes | None, type: Callable[[str], Any], pattern: str) -> Any:
    text = (found or b"").decode(errors="replace")
    try:
        try:
            return type(text)
        except ValueError:
            if type not in (float, complex):
                raise
            return type(_FORTRAN.sub("e", text))
    except (ValueError, TypeError):
        name = getattr(type, "__name__", "value")
        raise ProgramError(
            f"has {text[:_SHOWN]!r} for {pattern!r}, which is no {name}: give another type, or "
            "put parentheses around the number"
        ) from None


def json(file: str, *keys: str | int) -> Reader:
    """Read a JSON file: all of it, or what stands below some keys.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "out.json").write_text('{"energy": {"total": [1.5, 2.5]}}')
    >>> json("out.json", "energy", "total")(folder), json("out.json", "energy", "total", 0)(folder)
    ([1.5, 2.5], 1.5)
    """
    return Reader(_json, relative(file, "json"), keys)


def _json(path: str, *keys: str | int) -> Any:
    value = documents.loads(Path(path).read_bytes())
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            raise ProgramError(f"has no {key!r}, of {list(keys)}") from None
    return value


def csv(
    file: str,
    column: str | int | None = None,
    *,
    delimiter: str | None = ",",
    comment: str = "#",
    complete: bool = True,
) -> Reader:
    r"""Read a table of numbers: an array of shape (rows, columns), or a column of it.

    A first line that has no numbers holds the names of the columns.

    Parameters
    ----------
    file : str
    column : str or int, optional
        Name or number of the column to read, as an array of shape (rows,).
    delimiter : str or None, optional
        What stands between values; None for spaces and tabs.
    comment : str, optional
        What lines begin with that are left out.
    complete : bool, optional
        Refuse a file whose last line does not end, as half-written. Some programs never end it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "t.csv").write_text("t,height\n0,1.5\n1,0.5\n")
    >>> csv("t.csv", "height")(folder), csv("t.csv")(folder).shape
    (array([1.5, 0.5]), (2, 2))
    """
    options = column, delimiter, comment, bool(complete)
    return Reader(_csv, relative(file, "csv"), options)


def _csv(
    path: str, column: str | int | None, delimiter: str | None, comment: str, complete: bool
) -> Any:
    text = Path(path).read_text()
    if complete and not text.endswith("\n"):
        raise ProgramError(
            "is half-written: its last line does not end. If the program never ends it, give "
            "csv(..., complete=False)"
        )
    kept = (line for line in text.splitlines() if line.strip())
    lines = [line for line in kept if not (comment and line.lstrip().startswith(comment))]
    if delimiter is None:
        rows = [line.split() for line in lines]
    else:
        rows = list(tables.reader(lines, delimiter=delimiter, skipinitialspace=True))
    if not rows:
        raise ProgramError("has no rows")
    names = None if any(map(_is_number, rows[0])) else [name.strip() for name in rows.pop(0)]
    width = len(names or rows[0])
    for i, row in enumerate(rows, 1):
        if len(row) != width:
            raise ProgramError(
                f"has {len(row)} values in row {i}, and {width} elsewhere: it may be half-written"
            )
        for value in row:
            if not _is_number(value):
                raise ProgramError(f"has {value[:_SHOWN]!r} in row {i}, which is no number")
    table = np.array([[_number(v) for v in row] for row in rows]).reshape(len(rows), width)
    if column is None:
        return table
    if isinstance(column, int) and not -width <= column < width:
        raise ProgramError(f"has no column {column}, it has {width}")
    if isinstance(column, str) and column not in (names or ()):
        raise ProgramError(f"has no column {column!r}, it has {names or 'no names'}")
    return table[:, column if isinstance(column, int) else (names or []).index(column)]


def _number(text: str) -> float:
    return float(_FORTRAN.sub("e", text))


def _is_number(text: str) -> bool:
    try:
        _number(text)
    except ValueError:
        return False
    return True


def checked(given: Any) -> tuple[tuple[str, Callable[[Path], Any]], ...]:
    """Check the argument `read`: the names of outputs -> what reads them from the folder."""
    if not isinstance(given, dict) or not given:
        raise DeclarationError(
            f"read is {given!r}: give the outputs and what reads each of them, "
            "read={'energy': regex('stdout', r'E = (\\S+)')}"
        )
    for name, reader in given.items():
        if not isinstance(name, str) or not callable(reader):
            raise DeclarationError(
                f"read: {name!r} is {reader!r}: give a reader such as regex(...), or a function "
                "of the program's folder, a pathlib.Path"
            )
    return tuple(given.items())


def read(name: str, reader: Callable[[Path], Any], folder: str | Path) -> Any:
    """Read an output of a program."""
    try:
        return reader(folder) if isinstance(reader, Reader) else reader(Path(folder))
    except ProgramError as error:
        raise ProgramError(f"{name!r} cannot be read: {error}") from None
    except FileNotFoundError as error:
        said = f"{name!r} cannot be read: it did not write {error.filename}"
        raise ProgramError(said) from None
