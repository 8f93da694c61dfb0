"""What points print and warn of, told apart by point, on its way out of workers.

A worker process writes all of it to a file of its own in the run's folder, where its death cannot
take it along, and beside it says up to where the text is of which point. So does what C code and
programs that a point starts write to stdout and stderr. Points that print nothing pay nothing.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import io
import os
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.worker import scratch
from sweeps.worker.scratch import Recorder

TEXT, WARNING = 0, 1

MARK = struct.Struct("=qqqqq")
"""End of a text, which begins where the one before ends; its kind; block, point, n_points."""

MOST_WARNINGS = 1000
"""Points of a worker that the same warning is noted of; those after them are not looked at."""

_MOST_IN_A_POINT = 50

_LONGEST_PART = 8192

_LINE_BUFFERED = 1  # _IOLBF of <stdio.h>

RECORD: contextvars.ContextVar[Recorder | None] = contextvars.ContextVar("record", default=None)
"""Says which points this thread, or task, is at."""

ONE: contextvars.ContextVar[int | None] = contextvars.ContextVar("one", default=None)
"""Which of several points that are under way at once this task is of."""


class Point(NamedTuple):
    """Points of a block that are under way together; mostly one."""

    block: int
    first: int
    n_points: int


Take = Callable[[int, Point, str], None]
"""Takes the kind of a text, whose it is, and the text."""


@contextlib.contextmanager
def at(record: Recorder) -> Iterator[None]:
    """Within the context, what this thread prints belongs to the point that a record names."""
    token = RECORD.set(record)
    try:
        yield
    finally:
        RECORD.reset(token)


def point_under_way(fallback: Recorder | None = None) -> Point | None:
    """Which point the caller is of, if any."""
    record = RECORD.get() or fallback
    now = None if record is None else record.under_way()
    if now is None:
        return None
    one = ONE.get()
    return Point(*now) if one is None else Point(now[0], one, 1)


class Stream(io.TextIOBase):
    """A stdout or stderr that tells texts apart by point; lines go out whole and at once.

    Parameters
    ----------
    beneath : text stream
        The stream that it stands for: it gets text of no point, and answers all other questions.
    take : Take, optional
        Of a worker process, which needs no other stream; else it is that of the record.
    fallback : Recorder, optional
        Of a worker process: threads that a function starts know of no other.
    """

    def __init__(
        self, beneath: Any, take: Take | None = None, fallback: Recorder | None = None
    ) -> None:
        self._beneath, self._own, self._fallback = beneath, take, fallback
        self._parts = _Parts()

    def write(self, text: str) -> int:
        """Take a text of the point that is under way."""
        point = point_under_way(self._fallback)
        if self._own is None and (point is None or _untaken()):
            written: int = self._beneath.write(text)
            return written
        parts = self._parts
        if parts.point != point:
            self._give()
            parts.point = point
        parts.texts.append(text)
        parts.length += len(text)
        if "\n" in text or parts.length > _LONGEST_PART:
            self._give()
        return len(text)

    def flush(self) -> None:
        """Give away the beginning of a line, too."""
        self._give()
        if self._fallback is None:
            self._beneath.flush()

    def _give(self) -> None:
        parts = self._parts
        if parts.texts:
            text, parts.texts, parts.length = "".join(parts.texts), [], 0
            self._take(TEXT, parts.point or Point(-1, -1, 1), text)

    def _take(self, kind: int, point: Point, text: str) -> None:
        record = RECORD.get()
        take = self._own or (record.take if record is not None else None)
        if take is not None:
            take(kind, point, text)

    def warn(self, point: Point, text: str) -> None:
        """Take a warning."""
        self._give()
        self._take(WARNING, point, text)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._beneath, name)
        if name == "buffer" and self._own is not None:
            # Bytes go out at once: a later point that ends the worker would take them along.
            return getattr(found, "raw", found)  # which is raw already with `python -u`
        return found

    def writable(self) -> bool:
        """Whether it can be written to."""
        return True

    def isatty(self) -> bool:
        """Whether cursors can be moved: not by points, whose lines are kept."""
        is_told = self._fallback is not None or point_under_way() is not None
        return not is_told and bool(self._beneath.isatty())

    def fileno(self) -> int:
        """File descriptor beneath, which programs are given."""
        number: int = self._beneath.fileno()
        return number

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the stream beneath."""
        return getattr(self._beneath, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What is done with characters that the encoding lacks."""
        return "backslashreplace"


def _untaken() -> bool:
    record = RECORD.get()
    return record is None or record.take is None


class _Parts(threading.local):
    """The beginning of a line that a thread prints; no lock, which a fork could inherit."""

    def __init__(self) -> None:
        self.point: Point | None = None
        self.texts: list[str] = []
        self.length = 0


class _File:
    """Where a worker process writes."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"{os.getpid()}{scratch.PRINTED}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._marks = os.open(path.with_suffix(scratch.MARKS), flags, 0o600)
        self.text = os.open(path, flags, 0o600)
        self._end = 0

    def take(self, kind: int, point: Point, text: str) -> None:
        """Write a text and note its point; text before it without a point belongs to it too."""
        if kind != TEXT:
            self.claim(point)
        with contextlib.suppress(OSError):  # a full disk costs the text, not the point
            os.write(self.text, text.encode("utf-8", "backslashreplace"))
            self.claim(point, kind)

    def has_more(self) -> bool:
        """Whether there is text that belongs to no point yet."""
        return os.lseek(self.text, 0, os.SEEK_END) != self._end

    def claim(self, point: Point, kind: int = TEXT) -> None:
        """Note the point of all text that was written since, also by C code and other programs."""
        end = os.lseek(self.text, 0, os.SEEK_END)
        if end != self._end:
            self._end = end
            with contextlib.suppress(OSError):
                os.write(self._marks, MARK.pack(end, kind, *point))

    def close(self) -> None:
        """Write no more."""
        os.close(self._marks)
        os.close(self.text)


_OWN: list[_File] = []
"""The file of this worker process, which all its threads print to."""


def redirect(folder: Path, record: Recorder) -> None:
    """Have all that this worker process prints from now on go to a file in the run's folder."""
    file = _File(folder)
    _flush()
    for number in (1, 2):
        os.dup2(file.text, number)
    _buffer_lines_of_c()
    for name in ("stdout", "stderr"):
        beneath = getattr(sys, f"__{name}__")
        setattr(sys, name, Stream(beneath, file.take, record))
    before, _OWN[:] = _OWN[:], [file]
    for each in before:  # of the run before
        each.close()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _buffer_lines_of_c() -> None:
    """Have C code print line by line, since the end of a worker flushes nothing."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError, ValueError):
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf(stdout, None, _LINE_BUFFERED, ctypes.c_size_t(0))


@dataclasses.dataclass
class _Installed:
    """Streams of this process that tell points apart, and how many runs need them."""

    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    n_runs: int = 0
    before: tuple[Any, ...] = ()
    ours: tuple[Any, ...] = ()


_HERE = _Installed()


@contextlib.contextmanager
def captured() -> Iterator[None]:
    """Have what points print in this process go to what their records say; all else as ever.

    Several runs may do so at once, from threads and within each other.
    """
    with _HERE.lock:
        _HERE.n_runs += 1
        if _HERE.n_runs == 1:
            _HERE.before = sys.stdout, sys.stderr, warnings.showwarning
            sys.stdout, sys.stderr = Stream(sys.stdout), Stream(sys.stderr)
            hear_warnings()
            _HERE.ours = sys.stdout, sys.stderr, warnings.showwarning
    try:
        yield
    finally:
        with _HERE.lock:
            _HERE.n_runs -= 1
            if not _HERE.n_runs:  # what others have replaced meanwhile stays
                now: tuple[Any, ...] = sys.stdout, sys.stderr, warnings.showwarning
                own = zip(now, _HERE.ours, _HERE.before, strict=True)
                kept = [old if new is our else new for new, our, old in own]
                sys.stdout, sys.stderr, warnings.showwarning = kept
                _HERE.before = _HERE.ours = ()


def over() -> None:
    """Note that all text until now belongs to the point that is under way."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Stream):
            stream._give()
    hear = warnings.showwarning
    if isinstance(hear, _Hearer) and hear.is_deaf:
        hear.is_deaf = False
        _forget_warnings()
    for file in _OWN:
        with contextlib.suppress(OSError):  # the function may have closed it
            if file.has_more() and (point := point_under_way()) is not None:
                file.claim(point)


class _Never(Warning):
    """Nothing warns of it."""


def _forget_warnings() -> None:
    """Have Python show warnings anew that it showed before: it forgets whenever filters change."""
    warnings.simplefilter("default", _Never, append=True)


def hear_warnings() -> None:
    """Have warnings of points noted, under the filters that there are now."""
    if not isinstance(warnings.showwarning, _Hearer):
        warnings.showwarning = _Hearer(warnings.showwarning)
    _forget_warnings()


def _short(filename: str) -> str:
    here = os.getcwd()  # noqa: PTH109
    return os.path.relpath(filename, here) if filename.startswith(here + os.sep) else filename


class _Hearer:
    """Notes which points warn; Python alone would show a warning once a process.

    It says each warning once for each point, and goes deaf in a point that warns again and again.
    """

    def __init__(self, beneath: Callable[..., Any]) -> None:
        self._beneath = beneath
        self._n_points: dict[tuple[str, int, str], int] = {}
        self._point: Point | None = None
        self._said: set[str] = set()
        self._n_heard = 0
        self.is_deaf = False

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        """Show a warning, as `warnings.showwarning` does."""
        stream = sys.stderr
        fallback = stream._fallback if isinstance(stream, Stream) else None
        point = point_under_way(fallback)
        if point is None or not isinstance(stream, Stream) or file is not None:
            self._beneath(message, category, filename, lineno, file, line)
            return
        if point != self._point:
            self._point, self._said, self._n_heard = point, set(), 0
        self._n_heard += 1
        where = (filename, lineno, category.__name__)
        n_points = self._n_points.get(where, 0)
        text = f"{category.__name__}: {message}\n{_short(filename)}:{lineno}"
        if text not in self._said and n_points < MOST_WARNINGS:
            self._said.add(text)
            self._n_points[where] = n_points + 1
            stream.warn(point, text)
        if self._n_heard < _MOST_IN_A_POINT:
            if n_points < MOST_WARNINGS:
                _forget_warnings()
        else:
            self.is_deaf = True  # until `over`: so many took long enough for it to be called
