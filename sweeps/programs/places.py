"""The words of a command -> files of the project, wherever the project stands."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Iterator
from pathlib import Path

from sweeps.code.reach.files import is_program


@dataclasses.dataclass(frozen=True)
class Places:
    """Where names of files start: the folder of the module, the project's root, the current folder.

    Attributes
    ----------
    folder, root : str
        Of the module that declares the program, and of its project.
    """

    folder: str
    root: str

    def find(self, name: str | Path) -> Path | None:
        """Return the file or folder that a name means; None if there is none."""
        return next((path for path in self._meant(name) if path.exists()), None)

    def program(self, word: str) -> Path | None:
        """Return the program or script of the project that a word of a command names, if any."""
        if not word or len(word) > os.pathconf("/", "PC_NAME_MAX") or "\0" in word:
            return None
        return next((path for path in self._meant(word) if self._is_own(path)), None)

    def programs(self, pattern: str) -> dict[str, Path]:
        """Return all programs of the project that match a pattern, by their names."""
        if not pattern.strip("*./"):  # it says nothing
            return {}
        found: dict[str, Path] = {}
        for place in self._meant(pattern):
            for each in sorted(glob.glob(str(place))):  # noqa: PTH207 - has a folder
                if self._is_own(Path(each)):
                    found.setdefault(self.label(Path(each)), Path(each))
        return found

    def label(self, path: Path) -> str:
        """Name a file by its path from the project's root, which is the same on all machines."""
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links keep their names
        if absolute.is_relative_to(self.root):
            return absolute.relative_to(self.root).as_posix()
        return absolute.as_posix()

    def own_label(self, path: Path) -> str | None:
        """Name a file of the project, without links on the way to it; None for any other file."""
        root, real = Path(self.root).resolve(), path.resolve()
        return real.relative_to(root).as_posix() if real.is_relative_to(root) else None

    def _meant(self, name: str | Path) -> Iterator[Path]:
        yield from dict.fromkeys((Path(self.folder) / name, Path(self.root) / name, Path() / name))

    def _is_own(self, path: Path) -> bool:
        is_within = Path(os.path.abspath(path)).is_relative_to(self.root)  # noqa: PTH100
        return is_within and is_program(path)
