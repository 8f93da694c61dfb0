"""Claims: simultaneous runs of one experiment tell each other which points they compute.

Each run appends the points that it takes to a file of its own, which it keeps locked; the kernel
unlocks it when the run dies in whatever way. Claims only save work: if they cannot be written or
locked, some points may be computed twice, and the results are right.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import itertools
import math
import os
import stat
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sweeps.errors import StorageError
from sweeps.spaces import keys
from sweeps.spaces.keys import KeyMaker
from sweeps.spaces.product import Positions
from sweeps.storage import files

FOLDER = ".claims"
_SUFFIX = ".claims"
_LOCK = "lock"

_BEAT_S = 5.0
_SILENT_S = 30.0
"""A run that was silent for so long is stopped, or its machine is gone."""

_PATIENCE_S = 10.0
_TURN_CHECK_S = 0.001

_SUMS, _RUN, _LISTED = 0, 1, 2
"""Kinds of records. A record is words of 8 bytes: its kind, then

_SUMS: the number of dimensions, their sizes, and the sums of hashes along each, which make keys;
_RUN: the first of a run of positions in that product, and its end;
_LISTED: the number of keys, and the keys.
"""

_MOST_SUMS = 2**16
_MOST_HEARD = 2**25  # points; 8 bytes each are kept
_MOST_BYTES = 16 * _MOST_HEARD
_MOST_DIMENSIONS = 64

_TROUBLE = (OSError, ValueError, IndexError)
"""Errors that end the sharing: no locks, a full disk, something else in place of the lock."""

Lanes = npt.NDArray[np.uint64]
"""First halves of keys: if two are equal by chance (1 in 2^64), a run only waits for nothing."""


class Claims:
    """The claims of one run, and those of others; for use by one thread at a time.

    Parameters
    ----------
    memo : Path
        Folder of the segments.
    make_keys : KeyMaker
        Of the run's points.
    """

    def __init__(self, memo: Path, make_keys: KeyMaker) -> None:
        self._keys = make_keys
        self._factors = make_keys.factors
        if self._factors is None or sum(map(len, self._factors.sums)) > _MOST_SUMS:
            self._factors = None  # the sums of a long axis are as many as all keys
        self._folder = memo / FOLDER
        self._others: dict[str, _Other] = {}
        self._settled: set[str] = set()
        self._refused: dict[str, str] = {}
        self._own: io.FileIO | None = None
        self._lock: io.FileIO | None = None
        self._is_over = threading.Event()
        try:
            self._lock = self._open_lock()
            if self._lock is None:
                return
            with self._turn():  # or another run finds the file unlocked, as of a dead run
                self._begin()
                self._listen()
                self._settle()
        except (StorageError, *_TROUBLE):
            self._give_up()
        else:
            threading.Thread(target=self._beat, daemon=True, name="sweeps-claims").start()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of other files in the place of claims."""
        return tuple(
            f"{self._folder / name} is {reason}: it is ignored; remove it"
            for name, reason in sorted(self._refused.items())
        )

    def take(self, positions: Positions, n: int) -> tuple[Positions, Positions, Positions]:
        """Claim the first `n` of some points that no other run has claimed.

        Returns
        -------
        taken, left, held : numpy.ndarray
            Claimed now; free, but more than asked for; claimed by other runs, which may have ended.
        """
        if self._own is None:
            return positions[:n], positions[n:], positions[:0]
        try:
            with self._turn():
                self._listen()
                is_held = self._are_of(positions, self._others.values())
                free = positions[~is_held]
                self._write(self._record(free[:n]))
        except _TROUBLE:
            self._give_up()
            return positions[:n], positions[n:], positions[:0]
        return free[:n], free[n:], positions[is_held]

    def held(self, positions: Positions) -> npt.NDArray[np.bool_]:
        """Which of some points running runs have claimed, shape (n,).

        Look up all others in the memo: from now on, the claims of ended runs count as free.
        """
        if self._own is not None:
            try:
                with self._turn():
                    self._listen()
                    self._settle()
                    return self._are_of(positions, self._others.values())
            except _TROUBLE:
                self._give_up()
        return np.zeros(len(positions), dtype=bool)

    def withdraw(self) -> None:
        """Withdraw all claims so far: their points are finished.

        Otherwise two runs would wait for each other's points for ever if finished points of both
        were removed or damaged.
        """
        if self._own is not None:
            try:
                with self._turn():
                    before = self._own
                    self._settled.add(self._path.name)
                    self._begin()
                    before.close()
            except _TROUBLE:
                self._give_up()

    def close(self) -> None:
        """Withdraw all claims, and end.

        If others go on, they may not have read the file yet; the last run removes all files.
        """
        if self._own is not None:
            with contextlib.suppress(*_TROUBLE), self._turn():
                self._listen()
                if all(other.has_ended for other in self._others.values()):
                    for name in (self._path.name, *self._others, *self._settled):
                        (self._folder / name).unlink(missing_ok=True)
        self._give_up()

    def _open_lock(self) -> io.FileIO | None:
        """Open the lock of all runs; None if something else is in its place."""
        if self._folder.is_symlink():
            self._refused[""] = "a link, and links are not followed"
            return None
        files.make_folder(self._folder)
        with self._refusing(_LOCK):
            return _open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT)
        return None

    def _begin(self) -> None:
        self._path = self._folder / f"{uuid.uuid4().hex}{_SUFFIX}"
        self._own = io.FileIO(self._path, "a")
        fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if self._factors is not None:
            self._write(_sums(self._factors))

    def _give_up(self) -> None:
        self._is_over.set()
        for file in (self._own, self._lock):
            if file is not None:
                file.close()
        self._own = None

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only run that claims; give up waiting for a run that was stopped."""
        assert self._lock is not None
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_TURN_CHECK_S)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _beat(self) -> None:
        """Show from time to time that this run lives, also while a point takes long."""
        while not self._is_over.wait(_BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def _record(self, positions: Positions) -> bytes:
        if not len(positions):
            return b""
        first, last = int(positions[0]), int(positions[-1])
        if self._factors is not None and last - first == len(positions) - 1:
            return np.array([_RUN, first, last + 1], dtype="<u8").tobytes()
        lanes = self._keys(positions)[:, 0].astype("<u8")
        return np.array([_LISTED, len(lanes)], dtype="<u8").tobytes() + lanes.tobytes()

    def _write(self, record: bytes) -> None:
        if self._own is not None and self._own.write(record) != len(record):
            raise OSError("the disk is full")

    def _are_of(self, positions: Positions, others: Iterable[_Other]) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(positions), dtype=bool)
        heard = [other for other in others if not other.is_silent]
        lanes = self._keys(positions)[:, 0] if heard else np.empty(0, dtype=np.uint64)
        for other in heard:
            found |= other.has(lanes)
        return found

    def _listen(self) -> None:
        """Read what other runs claimed since, and which have ended."""
        with os.scandir(self._folder) as entries:
            names = {e.name for e in entries if e.name.endswith(_SUFFIX)}
        known = {self._path.name, *self._others, *self._settled, *self._refused}
        for name in sorted(names - known):
            with contextlib.suppress(FileNotFoundError), self._refusing(name):
                self._others[name] = _Other(self._folder / name)
        for name, other in list(self._others.items()):
            with self._refusing(name):
                other.listen()

    @contextlib.contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        """Ignore a file from now on if it is not that of a run."""
        try:
            yield
        except _RefusedError as error:
            self._refused[name] = str(error)
            if (other := self._others.pop(name, None)) is not None:
                other.file.close()

    def _settle(self) -> None:
        """Forget the claims of ended runs, before the caller looks into the memo."""
        for name in [name for name, other in self._others.items() if other.has_ended]:
            del self._others[name]
            self._settled.add(name)


def _sums(factors: keys.Factors) -> bytes:
    sums = [own[:, 0] for own in factors.sums]
    head = np.array([_SUMS, len(sums), *map(len, sums)], dtype=np.uint64)
    return np.concatenate([head, *sums]).astype("<u8").tobytes()


class _RefusedError(Exception):
    """What stands in the place of claims."""


def _open(path: Path, flags: int) -> io.FileIO:
    """Open a regular file; do not wait for a pipe, and do not follow a link."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _RefusedError("no file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _RefusedError("no file")
    return io.FileIO(descriptor)


def are_live(memo: Path) -> bool:
    """Whether a run that writes to a memo folder goes on, as far as locks tell."""
    try:
        names = [n for n in os.listdir(memo / FOLDER) if n.endswith(_SUFFIX)]  # noqa: PTH208
    except OSError:
        return False
    return any(_is_live(memo / FOLDER / name) for name in names)


def _is_live(path: Path) -> bool:
    with contextlib.suppress(_RefusedError, OSError), _open(path, os.O_RDONLY) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no locks here
            return time.time() - os.fstat(file.fileno()).st_mtime < _SILENT_S
    return False


class _Other:
    """Another run, known from its file."""

    def __init__(self, path: Path) -> None:
        self.file = _open(path, os.O_RDONLY)
        self._factors: keys.Factors | None = None
        self._sorted: list[Lanes] = []
        self._beat_ns = 0
        self._heard_s = 0.0
        self.is_silent = False
        self.has_ended = False

    def has(self, lanes: Lanes) -> npt.NDArray[np.bool_]:
        """Which of some points it has claimed, shape (n,)."""
        found = np.zeros(len(lanes), dtype=bool)
        for known in self._sorted:
            at = np.minimum(np.searchsorted(known, lanes), len(known) - 1)
            found |= known[at] == lanes
        return found

    def listen(self) -> None:
        """Read the records that were appended since, and whether the run goes on."""
        if self.has_ended:
            return
        now, found = time.monotonic(), os.fstat(self.file.fileno())
        beat_ns = found.st_mtime_ns
        if found.st_size > _MOST_BYTES:
            raise _RefusedError("not a file of claims: it is too large")
        if beat_ns != self._beat_ns:  # clocks of machines differ, so only a change counts
            self._beat_ns, self._heard_s = beat_ns, now
        self.is_silent = now - self._heard_s > _SILENT_S
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self.file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self.has_ended = True
        try:
            words = np.frombuffer(self.file.read(), dtype="<u8").astype(np.uint64)
            while len(words):
                words = words[self._read(words) :]
        except (ValueError, IndexError):
            if not self.has_ended:  # otherwise a power cut tore it: claims are not flushed
                raise _RefusedError("not a file of claims: it is cut off") from None
        if self.has_ended:
            self.file.close()

    def _read(self, words: Lanes) -> int:
        """Read one record; return its length."""
        kind, n = int(words[0]), int(words[1])
        if kind == _SUMS:
            if n > _MOST_DIMENSIONS or words[2 : 2 + n].max(initial=0) > _MOST_SUMS:
                raise _RefusedError("not a file of claims: it has impossible sizes of dimensions")
            if not words[2 : 2 + n].all():
                raise _RefusedError("not a file of claims: it has dimensions without values")
            edges = np.cumsum([2 + n, *words[2 : 2 + n].tolist()]).astype(np.int64)
            if edges[-1] > len(words):
                raise ValueError("torn")
            lanes = [words[a:b] for a, b in itertools.pairwise(edges.tolist())]
            sums = tuple(np.stack([own, own], axis=1) for own in lanes)
            self._factors = keys.Factors(("",) * n, sums)
            return int(edges[-1])
        if kind == _LISTED:
            self._add(words[2 : 2 + n])
            return 2 + n
        if kind != _RUN or self._factors is None:
            raise _RefusedError(f"not a file of claims: no record begins with {kind}")
        sizes, stop = tuple(map(len, self._factors.sums)), int(words[2])
        if not n <= stop <= math.prod(sizes):
            raise _RefusedError("not a file of claims: it claims points that do not exist")
        self._check(stop - n)
        for box in keys.boxes(sizes, n, stop):
            self._add(self._factors.part(box).keys()[:, 0])
        return 3

    def _check(self, n_more: int) -> None:
        if sum(map(len, self._sorted)) + n_more > _MOST_HEARD:
            raise _RefusedError("not a file of claims, or one with too many points")

    def _add(self, lanes: Lanes) -> None:
        """Keep sorted arrays of falling sizes, so that each claim is sorted again only rarely."""
        self._check(len(lanes))
        own = np.sort(lanes)
        while self._sorted and len(self._sorted[-1]) < 2 * len(own):
            own = np.sort(np.concatenate([self._sorted.pop(), own]))
        if len(own):
            self._sorted.append(own)
