"""Who is there: each run has a file beside the ledger, locked while it lives and touched at times.

On one machine the lock tells at once which runs have died. Locks of another machine may be lost or
unknown here, and clocks of machines differ; so its runs count until they are silent, by the clock
of the run that waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import resource
import secrets
import socket
import threading
import time
from pathlib import Path

from sweeps.memo.ledger import NoLocksError, RefusedError, is_at, locked, open_file
from sweeps.storage import files

FOLDER = ".claims"
_SUFFIX = ".run"

_BEAT_S = 5.0
SILENT_S = 30.0
"""A run that was silent for so long is stopped, or its machine is gone; half of it is enough if its
file is not locked."""

_FORGOTTEN_NS = 86_400 * 10**9  # no clocks differ by a day

_SPARE_FILES = 64  # descriptors that runs leave to others in their process

_MOUNTS = Path("/proc/self/mountinfo")
_LOCAL = {"nolock", "local_lock=all", "local_lock=flock", "localflock"}
"""Options of mounts, NFS and Lustre, whose locks other machines do not see."""


@functools.cache
def machine() -> int:
    """Return a number of 32 bits for this machine since it was started, 1 or more."""
    started = b""
    with contextlib.suppress(OSError):  # no Linux
        started = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    digest = hashlib.blake2b(started + socket.gethostname().encode(), digest_size=4)
    return int.from_bytes(digest.digest()) or 1


class Claimant:
    """The file of a run, and what the run sees of the files of others.

    Attributes
    ----------
    run : int
        The number of the run: that of its machine, or 0 where its file is not locked, and 32 random
        bits.
    has_strangers : bool
        Whether files of other machines were seen.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[int, tuple[int | None, float]] = {}
        self._guard = threading.Lock()
        self._is_over = threading.Event()
        self.has_strangers = False
        self.run = machine() << 32 | secrets.randbits(32)
        self._descriptor = self._appear()
        if self._descriptor < 0:
            self._path.unlink(missing_ok=True)
            self.run &= 2**32 - 1
            self._path.touch()
        threading.Thread(target=self._beat, daemon=True, name="sweeps-claims").start()

    @property
    def _path(self) -> Path:
        return self._folder / _name(self.run)

    def _appear(self) -> int:
        """Make the file and lock it; return its descriptor, or -1 where that is not possible."""
        try:
            descriptor = locked(self._path)
        except NoLocksError:
            return -1
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptor + _SPARE_FILES < most:
            return descriptor
        os.close(descriptor)
        return -1

    def _beat(self) -> None:
        while not self._is_over.wait(_BEAT_S):
            self.show()

    def show(self) -> None:
        """Show that this run lives, also while a point takes long; make a removed file anew."""
        with self._guard, contextlib.suppress(OSError, RefusedError):
            if self._is_over.is_set():
                return
            if not self._folder.exists():
                self._folder.mkdir()
            if self._descriptor >= 0 and not is_at(self._path, self._descriptor):
                before, self._descriptor = self._descriptor, -1
                os.close(before)
                self._descriptor = self._appear()
            self._path.touch()

    def close(self) -> None:
        """Remove the file."""
        with self._guard, contextlib.suppress(OSError):
            self._is_over.set()
            self._path.unlink(missing_ok=True)
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def is_alone(self) -> bool:
        """Whether no other run is there; remove the files of those that certainly are not."""
        now_ns = self._path.stat().st_mtime_ns  # by the same clock as the other files
        others = [run for run in _runs(self._folder) if run != self.run]
        self.has_strangers |= any(run >> 32 not in {0, machine()} for run in others)
        for run in others:
            beat_ns, is_locked = _look(self._folder, run)
            is_old = beat_ns is not None and now_ns - beat_ns > _FORGOTTEN_NS
            if is_locked or not (run >> 32 == machine() or is_old):
                return False
            (self._folder / _name(run)).unlink(missing_ok=True)
        return True

    def is_gone(self, run: int) -> bool:
        """Whether nobody need wait for another run."""
        now = time.monotonic()
        beat_ns, is_locked = _look(self._folder, run)
        before_ns, heard_s = self._seen.get(run, (-1, now))
        if beat_ns != before_ns:  # clocks of machines differ, so only a change counts
            heard_s = now
        self._seen[run] = beat_ns, heard_s
        if beat_ns is not None and not is_locked and run >> 32 == machine():
            return True
        return now - heard_s > (SILENT_S if is_locked else SILENT_S / 2)


def _name(run: int) -> str:
    return f"{run:016x}{_SUFFIX}"


def _runs(folder: Path) -> list[int]:
    """List the numbers of the runs that have files."""
    found = []
    for name in os.listdir(folder):  # noqa: PTH208 - there may be thousands
        with contextlib.suppress(ValueError):
            run = int(name.removesuffix(_SUFFIX), 16)
            found += [run] if name == _name(run) else []
    return found


def _look(folder: Path, run: int) -> tuple[int | None, bool]:
    """When the file of a run was touched last, None if there is none; and whether it is locked."""
    path = folder / _name(run)
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except (FileNotFoundError, RefusedError):
        return None, False
    except PermissionError:  # of another user
        return path.stat().st_mtime_ns, run >> 32 != 0
    try:
        beat_ns = os.fstat(descriptor).st_mtime_ns
        if run >> 32:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # it is locked, or nobody knows
        return beat_ns, True
    else:
        return beat_ns, False
    finally:
        os.close(descriptor)


def are_live(memo: Path) -> bool:
    """Whether a run that writes to a memo folder goes on, as far as locks and clocks tell."""
    folder = memo / FOLDER
    try:
        return any(_is_live(folder, run) for run in _runs(folder))
    except OSError:
        return False


def _is_live(folder: Path, run: int) -> bool:
    beat_ns, is_locked = _look(folder, run)
    if is_locked or beat_ns is None or run >> 32 == machine():
        return is_locked
    return not files.is_abandoned(folder / _name(run))


def are_locks_local(folder: Path) -> bool:
    """Whether a folder is mounted so that other machines do not see which files are locked."""
    place, mounted, options = f"{os.path.realpath(folder)}/", "", [""]
    with contextlib.suppress(OSError, IndexError):  # no Linux
        for line in _MOUNTS.read_text().splitlines():
            head, _, tail = line.partition(" - ")
            where = head.split()[4].replace("\\040", " ").rstrip("/")
            if place.startswith(f"{where}/") and len(where) >= len(mounted):
                mounted, options = where, [tail.split()[0], *tail.split()[2].split(",")]
    return bool(_LOCAL & {*options}) or options[0] == "fuse.sshfs"
