"""What points read of other experiments' results, and whether it is still the same.

Each read is stored beside the points that used it, with a digest of the values that were read. So
these points stay valid as long as the values do, whatever else changes in the file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sweeps.code.fingerprint import Fingerprint
from sweeps.code.source.normal_form import digest
from sweeps.storage import disk, files
from sweeps.storage.seal import RESULTS, held

FOLDER = ".reads"

_DEFINITIONS = ("def ", "async def ", "class ")

_LOADED = "__sweeps_loaded__"

_AT_IMPORT = "__sweeps_reads__"

Identify = Callable[[str, bool], str]
"""Name of an experiment, and whether its space counts -> what a run of it gives; "" if unknown."""


@dataclasses.dataclass(frozen=True)
class Read:
    """A piece of results that was read, or a run that gave them.

    Attributes
    ----------
    kind : {"file", "run", "unknown"}
        It is unknown if the note of it cannot be read.
    name : str
        Path of the results file, from the folder of results on where it is there; the name of the
        experiment that was run; or the path of the note.
    group, variable : str
        Empty for the root, and for all variables.
    labels : str
        JSON: the labels that were selected, by dimension. Of all other dimensions it is all.
    digest : str
        Of what was read; empty where there was no such thing.
    seal : str
        Of the file: while it is the same, so is the content.
    """

    kind: str
    name: str
    group: str
    variable: str
    labels: str
    digest: str
    seal: str = dataclasses.field(default="", compare=False)

    @property
    def said(self) -> str:
        """What was read, in a few words."""
        if self.kind == "run":
            return f"run of {self.name}"
        if self.kind == "unknown":
            return f"what {self.name} notes, which cannot be read"
        selected = json.loads(self.labels)
        at = f" at {', '.join(f'{n}={v}' for n, v in selected.items())}" if selected else ""
        what = "/".join(filter(None, (self.group, self.variable)))
        return f"results {self.name}{f': {what}' if what else ''}{at}"


class Recorder:
    """Collects what the threads of a block read, for all blocks of a task."""

    def __init__(self, reads: Iterable[Read] = ()) -> None:
        self.reads = dict.fromkeys(reads)
        self._kept: set[tuple[Path, Read]] = set()

    def keep(self, folder: Path) -> None:
        """Write what was read to a memo folder, before the points that it went into."""
        new = [each for each in list(self.reads) if (folder, each) not in self._kept]
        if not new:
            return
        text = json.dumps([dataclasses.asdict(each) for each in new])
        files.make_folder(folder / FOLDER)
        files.commit(folder / FOLDER / f"{digest(text)}.json", [text.encode()])
        self._kept.update((folder, each) for each in new)


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)

_recorders: list[Recorder] = []

_CHANGING = threading.Lock()


@contextlib.contextmanager
def recorded(recorder: Recorder) -> Iterator[None]:
    """Collect what is read inside this context, also by threads that points start."""
    outer = _recorder.set(recorder)
    with _CHANGING:
        _recorders.append(recorder)
    try:
        yield
    finally:
        _recorder.reset(outer)
        with _CHANGING:
            _recorders.remove(recorder)


def is_of_use() -> bool:
    """Say whether a read counts now: a point does it, or a module that is being imported."""
    return bool(_recorders) or next(_importing(), None) is not None


def is_of_script() -> bool:
    """Say whether a statement of the script itself reads now, for what it may hand to points."""
    return not is_of_use() and next(_of_script(), None) is not None


def note(read: Read) -> None:
    """Note a read for the points that use it, or for the module that is being imported."""
    own = _recorder.get()
    for recorder in [own] if own is not None else list(_recorders):
        recorder.reads[read] = None
    if not _recorders:
        for variables, line in (*_importing(), *_of_script()):
            variables.setdefault(_AT_IMPORT, {})[read, line] = ""


def _importing() -> Iterator[tuple[dict[str, Any], str]]:
    """Find the modules that are being imported, and the lines of them that do what is done now."""
    for variables, line in _statements():
        if getattr(variables.get("__spec__"), "_initializing", False):
            yield variables, line


def _of_script() -> Iterator[tuple[dict[str, Any], str]]:
    """Find the script, and the line of it; what a notebook holds counts by its value."""
    for variables, line in _statements():
        if variables.get("__name__") == "__main__" and "__file__" in variables:
            yield variables, line


def _statements() -> Iterator[tuple[dict[str, Any], str]]:
    import linecache

    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            yield frame.f_globals, line.strip()
        frame = frame.f_back


def note_loaded(name: str, seal: str) -> None:
    """Note on modules that are being imported which file they have loaded."""
    for variables, line in _importing():
        variables.setdefault(_LOADED, {})[name, line] = seal


def outdated(
    code: Fingerprint, results: Path, *, is_counting: bool = False
) -> tuple[str, Path] | None:
    """Find a module in memory that has loaded results which are others by now, and their file.

    With `is_counting`, only statements that count for the code: a space is none of it.
    """
    for module in code.modules:
        for (name, line), seal in _noted(module, _LOADED).items():
            counts = not is_counting or _counts(code, module, line)
            if counts and seal_of(results / name) != seal:
                return module, results / name
    return None


def at_import(code: Fingerprint, results: Path) -> list[Read]:
    """Return what statements that count for some code read when they were imported."""
    noted = [(module, *each) for module in code.modules for each in _noted(module, _AT_IMPORT)]
    found = dict.fromkeys(read for module, read, line in noted if _counts(code, module, line))
    looks = Looks(results, lambda *_: "")
    return [looks.completed(read) for read in found]


def _noted(module: str, attribute: str) -> dict[tuple[Any, str], str]:
    """Return what is noted on a module, by the line of it that did so."""
    noted: dict[tuple[Any, str], str] = getattr(sys.modules.get(module), "__dict__", {}).get(
        attribute, {}
    )
    return noted


def _counts(code: Fingerprint, module: str, line: str) -> bool:
    """Say whether a line of a module is one of those that count, and no decorator."""
    own = (text for part, text in code.sources.items() if part.startswith(f"{module}:"))
    return any(line in _undecorated(text) for text in own)


def _undecorated(text: str) -> str:
    lines = text.split("\n")
    if not lines[0].lstrip().startswith("@"):
        return text
    starts = (i for i, each in enumerate(lines) if each.lstrip().startswith(_DEFINITIONS))
    return "\n".join(lines[next(starts, 0) :])


def named(code: Fingerprint, results: Path, own: str) -> list[Read]:
    """Return the results files that code names by their paths; it may read all of each."""
    found = dict[Path, None]()
    for text in code.files_named:
        for path in (Path(text), results / Path(text).name):
            with contextlib.suppress(OSError, ValueError):
                if path.name != f"{own}.h5" and held(path, RESULTS) is not None:
                    found[path.absolute()] = None
    looks = Looks(results, lambda *_: "")
    names = [place(path, results) for path in found]
    return [looks.completed(Read("file", n, "", "", "{}", "", seal_of(results / n))) for n in names]


def place(path: Path, results: Path | None = None) -> str:
    """Name a results file so that it is found again where the project is moved."""
    path, folder = path.absolute(), files.results_folder(results)
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def kept(folder: Path) -> list[Read]:
    """Return what the points in a memo folder have read."""
    try:
        names = disk.names(folder / FOLDER)
    except OSError:
        return []
    found = dict[Read, None]()
    for name in sorted(names):
        if not name.endswith(".json"):
            continue
        try:
            said = json.loads(disk.content(folder / FOLDER / name))
            found |= {Read(**each): None for each in said}
        except (OSError, ValueError, TypeError, RecursionError):
            path = folder / FOLDER / name
            warnings.warn(
                f"cannot read {path}, which lists the results that points read, so these points "
                "count as stale; remove the file only if you know that their values are right",
                stacklevel=1,
            )
            found[Read("unknown", str(path), "", "", "{}", "unknown")] = None
    return list(found)


class Looks:
    """Looks at what was read as it is now; each file is opened once."""

    def __init__(self, results: Path, identify: Identify) -> None:
        self.results = results
        self.identify = identify
        self._contents: dict[tuple[str, str], Any] = {}
        self._seals: dict[str, str] = {}

    def holds(self, read: Read) -> bool:
        """Say whether reading it again gives the same values."""
        if read.kind == "unknown":
            return False
        if read.kind == "file" and read.seal and self.seal(read) == read.seal:
            return True
        return self.now(read) == read.digest

    def completed(self, read: Read) -> Read:
        """Look up the digest of a read of which only the file is noted."""
        if read.digest or not read.seal:
            return read
        is_as_then = self.seal(read) == read.seal
        return dataclasses.replace(read, digest=self.now(read) if is_as_then else "changed since")

    def seal(self, read: Read) -> str:
        """Return what tells a file from all others; empty where nothing does."""
        if read.name not in self._seals:
            self._seals[read.name] = seal_of(self.results / read.name)
        return self._seals[read.name]

    def now(self, read: Read) -> str:
        """Return the digest of what would be read now."""
        if read.kind == "run":
            return self.identify(read.name, bool(read.labels))
        from sweeps.storage import digests

        key = read.name, read.group
        if key not in self._contents:
            path, seal = self.results / read.name, self.seal(read)
            self._contents[key] = digests.opened(path, read.group, seal)
        content = self._contents[key]
        return "" if content is None else content.digest(read.variable, json.loads(read.labels))


def seal_of(path: Path) -> str:
    """Return the digest behind a results file; empty where there is none."""
    try:
        return (held(path, RESULTS) or b"").hex()
    except OSError:
        return ""


def settled(code: str, folder: Path, looks: Looks) -> str:
    """Find the identity of the results of some code, with what this code would read now.

    It stays the same as long as what was read stays the same. If nothing was read, it is the
    identity of the code.

    Parameters
    ----------
    code : str
        Identity of the code.
    folder : Path
        In which each identity has a folder.
    """
    try:
        there = {*disk.names(folder)}
    except OSError:
        return code
    free = None
    for number in range(len(there) + 1):
        name = digest(code, f"reads {number}") if number else code
        if name not in there:
            free = free or name
        elif all(map(looks.holds, kept(folder / name))):
            return name
    assert free is not None  # of n + 1 names one is not there
    return free


def changes(folder: Path, looks: Looks) -> dict[str, str]:
    """Return what the points in a folder have read and is different now -> its file.

    Of several selections of one variable, the first is named and the others are counted.
    """
    found: dict[tuple[str, ...], list[Read]] = {}
    for each in sorted(kept(folder), key=lambda read: read.said):
        if not looks.holds(each):
            found.setdefault((each.kind, each.name, each.group, each.variable), []).append(each)
    more = {own[0]: f" and {len(own) - 1} more" if len(own) > 1 else "" for own in found.values()}
    return {f"{r.said}{n}": r.name if r.kind == "file" else "" for r, n in more.items()}
