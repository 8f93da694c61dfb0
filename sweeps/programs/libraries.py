"""A program of the project -> the shared libraries of the project that it is linked to."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ELF = b"\x7fELF"

_FOUND = re.compile(r"(?:=>\s+)?(/[^\n]*?) \(0x[0-9a-f]+\)")

_LOOK_S = 10.0


def libraries(program: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Find the libraries that a program loads as it starts; none for scripts.

    Which these are the system's own loader says (``ldd``): it knows what the program has in it of
    paths, and the environment. A library that the program opens later is not among them.
    """
    try:
        with program.open("rb") as file:
            if file.read(4) != _ELF:
                return ()
        told = program.stat()
    except OSError:
        return ()
    state = told.st_mtime_ns, told.st_ctime_ns, told.st_size
    return _loaded(str(program), state, environment.get("LD_LIBRARY_PATH", ""))


@functools.lru_cache(maxsize=256)
def _loaded(program: str, state: tuple[int, ...], path: str) -> tuple[Path, ...]:
    ldd = shutil.which("ldd")
    if ldd is None:
        return ()
    said = ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            [ldd, os.path.realpath(program)],
            env={**os.environ, "LD_LIBRARY_PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_LOOK_S,
            check=False,
        ).stdout
    return tuple(Path(found) for found in _FOUND.findall(said))
