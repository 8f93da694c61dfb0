"""What a program is given: the files in its folder, and which parameters they need."""

from __future__ import annotations

import inspect
import keyword
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sweeps.errors import DeclarationError, ProgramError
from sweeps.programs import placeholders, templates
from sweeps.programs.places import Places
from sweeps.programs.templates import Template

PRINTED = ("stdout", "stderr")
"""Files in the program's folder that it prints to."""

Source = str | bytes | Path | Template | Callable[..., Any]
"""Text with placeholders, bytes, a file or folder of the project, a template, or a function."""


def checked(given: Any) -> tuple[tuple[str, Source], ...]:
    """Check the argument `files`: the names of files -> what they are made of."""
    if not isinstance(given, Mapping):
        raise DeclarationError(
            f"files is {given!r}: give names of files in the program's folder, and what is in "
            "them, files={'input.toml': template('input.toml.j2')}"
        )
    for name, source in given.items():
        if relative(name, "files").removeprefix("./") in PRINTED:
            raise DeclarationError(f"files: {name!r} is what the program prints: name it otherwise")
        if not isinstance(source, (str, bytes, Path, Template)) and not callable(source):
            raise DeclarationError(
                f"files: {name!r} is {source!r}: give text with {{name}} for parameters, "
                "template(...), the Path of a file or folder of the project, bytes, or a function "
                "of the parameters"
            )
    # The folder itself comes first, and what is in it may then be replaced.
    return tuple(sorted(given.items(), key=lambda pair: len(PurePosixPath(pair[0]).parts)))


def relative(name: Any, option: str) -> str:
    """Check the name of a file in the program's folder."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise DeclarationError(f"{option}: {name!r} is no name of a file")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise DeclarationError(
            f"{option}: {name!r} is outside of the program's folder: give a path within it"
        )
    return name


def arguments(source: Source, places: Places) -> Iterator[inspect.Parameter]:
    """Yield the parameters that an input file needs."""
    if isinstance(source, str):
        yield from map(required, placeholders.names(source))
    elif isinstance(source, Template):
        yield from map(required, sorted(templates.names(source, places)))
    elif callable(source):
        for each in inspect.signature(source).parameters.values():
            if each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL, each.POSITIONAL_ONLY):
                raise DeclarationError(
                    f"files: {each} of {source!r}: name all arguments of the function, so that it "
                    "is known which parameters it takes"
                )
            yield each.replace(kind=each.KEYWORD_ONLY)


def required(name: str) -> inspect.Parameter:
    """Make a parameter that has no default."""
    if keyword.iskeyword(name):
        raise DeclarationError(f"program(): {name!r} cannot name a parameter")
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)


def counted(source: Source, places: Places) -> Any:
    """Return what an input file is, without where the project stands."""
    return ("file", places.label(_path(source, places))) if isinstance(source, Path) else source


def files(source: Source, places: Places) -> dict[str, Path]:
    """Return the files of the project that an input file is made of, by their names."""
    if isinstance(source, Path):
        path = _path(source, places)
        return {places.label(path): path}
    return templates.files(source, places) if isinstance(source, Template) else {}


def write(
    folder: str, name: str, source: Source, places: Places, values: Mapping[str, Any]
) -> None:
    """Write an input file of a point."""
    path = os.path.join(folder, name)  # noqa: PTH118 - for each point; Path takes 5 us more
    if "/" in name:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    if isinstance(source, Path):
        own = _path(source, places)
        if own.is_dir():
            shutil.copytree(own, path, dirs_exist_ok=True)
        else:
            shutil.copy(own, path)
        return
    content: Any = source
    if isinstance(source, str):
        content = placeholders.fill(source, values)
    elif isinstance(source, Template):
        content = templates.render(source, places, values)
    elif callable(source):
        names = inspect.signature(source).parameters
        content = source(**{each: values[each] for each in names if each in values})
    if not isinstance(content, (str, bytes)):
        raise ProgramError(
            f"files: the function for {name!r} gave {type(content).__name__}: give text or bytes"
        )
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(content.encode() if isinstance(content, str) else content)


def _path(source: Path, places: Places) -> Path:
    path = places.find(source)
    if path is None:
        raise DeclarationError(
            f"there is no {str(source)!r} in {places.folder} or {places.root}: paths are relative "
            "to the module's folder, or to the project's root"
        )
    return path
