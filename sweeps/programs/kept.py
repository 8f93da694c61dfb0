"""Files in a program's folder that are kept with the values of the point."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable
from typing import Any

from sweeps.errors import DeclarationError, ProgramError
from sweeps.outputs.file import File
from sweeps.programs.inputs import relative

NAME = "files"
"""Output with the kept files."""


def checked(given: Any, outputs: Collection[str]) -> tuple[str, ...]:
    """Check the argument `keep`: names of files, or patterns."""
    if isinstance(given, str):
        given = (given,)
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise DeclarationError(f"keep is {given!r}: give names or patterns, keep=['*.vtk']")
    patterns = tuple(relative(pattern, "keep") for pattern in given)
    if patterns and NAME in outputs:
        raise DeclarationError(f"read: {NAME!r} is the output of the files in keep: rename yours")
    return patterns


def files(folder: str, patterns: Iterable[str]) -> list[File]:
    """Take the files of a folder that match patterns, in the order of their names."""
    found: dict[str, None] = {}
    for pattern in patterns:
        names = glob.glob(pattern, root_dir=folder, recursive=True, include_hidden=True)  # noqa: PTH207
        own = [name for name in names if os.path.isfile(os.path.join(folder, name))]  # noqa: PTH113, PTH118
        if not own:
            raise ProgramError(f"it did not write any file like {pattern!r}, which is to be kept")
        found |= dict.fromkeys(os.path.normpath(name) for name in own)
    return [File(os.path.join(folder, name), name=name) for name in sorted(found)]  # noqa: PTH118
