"""The ledger of claims: one file that all runs append rows to, a turn each.

The ledger itself is what gets locked. On NFS, locking a file discards what the machine remembers
of it, and unlocking flushes it. So the next run reads what this one wrote, whichever machine it is
on; with a lock beside the file it would see it seconds later, or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import stat
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.spaces.keys import Factors
from sweeps.spaces.product import Places

_PATIENCE_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.1

_MOST_BYTES = 2**29

_MOST_SUMS = 2**16
_MOST_DIMENSIONS = 64

Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[Any]
Spans = npt.NDArray[np.int64]
"""Shape (n, 2): where points in a row begin and end."""

ROW = np.dtype(
    [("kind", "<u4"), ("slot", "<u4"), ("first", "<u8"), ("stop", "<u8"), ("check", "<u8")]
)

HEAD, RUN, SPACE, SPAN, LISTED = range(1, 6)
"""Kinds of rows, which are all of one size, so that many are read at once.

HEAD: a ledger begins, in this form;
SPACE: a product of dimensions; its number of dimensions, their sizes, and the sums of hashes along
each, which make keys, follow in `stop` words; its name is their digest;
RUN: the run `first` claims points of the space `stop` (0: only lists keys), from now on by the
number of this row among those of its kind, its slot. What it had claimed does not count any more;
SPAN: a run claims the points from position `first` to `stop` of its space;
LISTED: a run claims the points whose keys follow in `stop` words.
"""

NO_WORDS: Words = np.empty(0, dtype=np.uint64)

_MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


class RefusedError(Exception):
    """What stands in the place of the folder or the ledger, and was not written by a run."""


class NoLocksError(OSError):
    """A filesystem that cannot lock files."""


# ---- rows


def rows(
    kind: int,
    slot: int,
    first: npt.ArrayLike = 0,
    stop: npt.ArrayLike = 0,
    words: Words = NO_WORDS,
) -> bytes:
    """Write rows of one kind, and the words that follow the last one."""
    made = np.zeros(np.broadcast(first, stop).size, dtype=ROW)
    made["kind"], made["slot"], made["first"], made["stop"] = kind, slot, first, stop
    content = words.astype("<u8").tobytes()
    made["check"] = _checks(made) + np.uint64(zlib.crc32(content))
    return made.tobytes() + content + bytes(-len(content) % ROW.itemsize)


def _checks(made: Rows) -> Words:
    """Digest each row: what no run wrote is told from what one did, zeros too."""
    tag = made["kind"].astype(np.uint64) << np.uint64(32) | made["slot"]
    one, two, three = _MIXERS
    mixed: Words = tag * one + two ^ (made["first"] + two) * three ^ (made["stop"] + three) * one
    return mixed ^ mixed >> np.uint64(29)


_HEAD = rows(HEAD, 0)


def spans(positions: Places) -> Spans:
    """Put together points that follow each other."""
    if isinstance(positions, range):
        ends = [(positions.start, positions.stop)] if positions else []
        return np.array(ends, dtype=np.int64).reshape(-1, 2)
    after = positions[:-1] + 1
    edges = np.flatnonzero(positions[1:] != after)
    firsts = np.append(positions[:1], positions[1:][edges])
    return np.stack([firsts, np.append(after[edges], positions[-1:] + 1)], axis=1)


def listed(spans: Spans) -> npt.NDArray[np.int64]:
    """List the points that spans put together: undo `spans`."""
    return np.concatenate([np.arange(first, stop) for first, stop in spans.tolist()])


def split(content: bytes) -> tuple[list[tuple[Rows, Words]], int]:
    """Cut content into rows that follow each other, and rows with the words that follow them.

    Returns
    -------
    parts : list
    n_bytes : int
        How many of the bytes are whole rows of runs.
    """
    every = np.frombuffer(content, ROW, len(content) // ROW.itemsize)
    checks, has_words = _checks(every), (every["kind"] == SPACE) | (every["kind"] == LISTED)
    is_plain = (every["check"] == checks) & ~has_words
    parts: list[tuple[Rows, Words]] = []
    at = 0
    while at < len(every):
        if is_plain[at]:
            end = at + (int(np.argmin(is_plain[at:])) or len(every) - at)
            parts.append((every[at:end], NO_WORDS))
        else:
            row = every[at]
            n_bytes = 8 * int(row["stop"]) if has_words[at] else 0
            start, end = (at + 1) * ROW.itemsize, at + 1 - -n_bytes // ROW.itemsize
            words = content[start : start + n_bytes] if end <= len(every) else b""
            crc = np.uint64(zlib.crc32(words))
            if end > len(every) or row["check"] != (checks[at : at + 1] + crc)[0]:
                break
            parts.append((every[at : at + 1], np.frombuffer(words, "<u8").astype(np.uint64)))
        at = end
    return parts, at * ROW.itemsize


def space(factors: Factors) -> Words:
    """Write what makes the keys of a product; nothing for a long axis, of as many sums as keys."""
    sums = [own[:, 0] for own in factors.sums]
    sizes = np.array([len(sums), *map(len, sums)], dtype=np.uint64)
    return np.concatenate([sizes, *sums]) if sizes[1:].sum() <= _MOST_SUMS else NO_WORDS


def factors(words: Words) -> Factors | None:
    """Read what `space` wrote; None if it is nonsense."""
    n = int(words[0]) if len(words) else 0
    sizes = words[1 : 1 + n].tolist() if n <= _MOST_DIMENSIONS else []
    edges = [1 + n, *(1 + n + end for end in itertools.accumulate(sizes))]
    if not sizes or not all(sizes) or edges[-1] != len(words):
        return None
    lanes = [words[start:end] for start, end in itertools.pairwise(edges)]
    return Factors(("",) * n, tuple(np.stack([own, own], axis=1) for own in lanes))


def digest(words: Words) -> int:
    """Name a space; 0 where there is none."""
    content = words.astype("<u8").tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()) if content else 0


# ---- the ledger


class Ledger:
    """One file, of which only what others appended since is read. No descriptor stays open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self.forget()

    def forget(self) -> None:
        """Read it from its beginning next time."""
        self._end, self._mark = 0, b""

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only run that reads and appends."""
        self._descriptor = locked(self.path)
        try:
            yield
        finally:
            try:
                # Others may have inherited the descriptor: closing it would not unlock the file.
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            finally:
                os.close(self._descriptor)
                self._descriptor = -1

    def news(self) -> tuple[bool, list[tuple[Rows, Words]]]:
        """Read what was appended since; within a turn, or at any time.

        Returns
        -------
        is_other : bool
            Whether the file is another one than last time: somebody removed or emptied it.
        parts : list
            Rows and the words that follow them.

        Raises
        ------
        RefusedError
            If no run has written the file.
        """
        if self._descriptor >= 0:
            return self._read(self._descriptor)
        descriptor = open_file(self.path, os.O_RDONLY)
        try:
            return self._read(descriptor)
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int) -> tuple[bool, list[tuple[Rows, Words]]]:
        n_bytes = os.fstat(descriptor).st_size
        if n_bytes > _MOST_BYTES:
            raise RefusedError(f"{self.path} is no ledger of claims: it is too large")
        start = self._end - len(self._mark)
        content = _pread(descriptor, n_bytes - start, start)
        if not content.startswith(self._mark):
            self.forget()
            content = _pread(descriptor, n_bytes, 0)
        is_other = not self._end
        new = content[len(self._mark) :]
        if is_other and not _HEAD.startswith(new[: len(_HEAD)]) and new.strip(b"\0"):
            raise RefusedError(f"{self.path} is no ledger of claims: no run has written it")
        parts, n_whole = split(new)
        if n_whole < len(new) and self._descriptor >= 0:
            # Nobody else is writing now: this is what a kill, a crash or a full disk tore.
            os.ftruncate(descriptor, self._end + n_whole)
        if n_whole:
            self._end += n_whole
            self._mark = new[:n_whole][-ROW.itemsize :]
        return is_other, parts

    def append(self, content: bytes) -> None:
        """Append rows in a turn, after what others wrote was read: all of them or none."""
        content = content if self._end else _HEAD + content
        n_written = 0
        try:
            while n_written < len(content):
                rest = content[n_written:]
                n_written += os.pwrite(self._descriptor, rest, self._end + n_written)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            raise
        if content:
            self._end += len(content)
            self._mark = content[-ROW.itemsize :]

    def clear(self) -> None:
        """Empty it in a turn."""
        os.ftruncate(self._descriptor, 0)
        self.forget()

    def remove(self) -> None:
        """Remove it in a turn; who waits for a turn finds that out, and makes a new one."""
        self.path.unlink(missing_ok=True)


def open_file(path: Path, flags: int) -> int:
    """Open a regular file; do not wait for a pipe, and do not follow a link."""
    flags |= os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise RefusedError(f"{path} is no file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RefusedError(f"{path} is no file")
    return descriptor


def _pread(descriptor: int, n_bytes: int, start: int) -> bytes:
    pieces = []
    while n_bytes > 0 and (piece := os.pread(descriptor, n_bytes, start)):
        pieces.append(piece)
        n_bytes, start = n_bytes - len(piece), start + len(piece)
    return b"".join(pieces)


def is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def locked(path: Path) -> int:
    """Open the file of a name and lock it; one that was removed meanwhile is another file."""
    while True:
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
        try:
            _lock(descriptor)
            if is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Wait for a lock, asking ever less often; give up on a run that was stopped in its turn."""
    pause_s, n_bytes, deadline = _FIRST_PAUSE_S, 0, 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now, size = time.monotonic(), os.fstat(descriptor).st_size
            if size != n_bytes or not deadline:  # others have turns, so ours will come
                n_bytes, deadline = size, now + _PATIENCE_S
            if now > deadline:
                raise TimeoutError("a run that was stopped keeps the ledger locked") from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        except OSError as error:
            raise NoLocksError(error.errno, f"no locks: {error.strerror}") from error
        else:
            return
