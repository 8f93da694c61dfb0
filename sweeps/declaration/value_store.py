"""A store of values on disk: joblib's, where one asks at a time, written as all of our files are.

joblib's own way of writing leaves part of a file behind where a disk is full, and gives a name to
what could only be pickled in part.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import joblib
from joblib.memory import FileSystemStoreBackend

from sweeps.errors import OutputError, StorageError
from sweeps.storage import files
from sweeps.storage import seal as storage_seal

_VALUE = "output.pkl"  # as joblib names it

_OURS: ContextVar[frozenset[Path]] = ContextVar("ours", default=frozenset())
"""Turns that are taken further up the stack: to wait for one of these would be for ever."""


class _Files(FileSystemStoreBackend):  # type: ignore[misc]
    """The files of a store, each whole and flushed, or not there at all."""

    def dump_item(self, call_id: tuple[str, ...], item: Any, verbose: int = 1) -> None:
        """Keep a value; a disk that does not take it costs no more than to compute it again."""
        path = Path(self.location, *call_id, _VALUE)
        try:
            files.make_folder(path.parent)
            with files.replacing(path) as new:
                joblib.dump(item, new.path)
                storage_seal.seal(new.descriptor, storage_seal.VALUE)
        except StorageError as error:
            _warn(Path(self.location), error)
        except Exception as error:
            raise OutputError(
                f"a {type(item).__name__} cannot be stored on disk: {type(error).__name__}: "
                f"{error}; let a cached function return arrays, numbers, or objects that can be "
                "pickled"
            ) from error

    def load_item(self, call_id: tuple[str, ...], *_: Any, **__: Any) -> Any:
        """Read a value; joblib computes it again where this raises."""
        path = Path(self.location, *call_id, _VALUE)
        seal = storage_seal.look(path, storage_seal.VALUE)
        is_whole = seal.is_whole(storage_seal.VALUE)
        if not is_whole and seal.behind.endswith(storage_seal.VALUE):
            raise StorageError(f"{path} is damaged: its content does not match its digest")
        with path.open("rb") as file:
            item = joblib.load(file)
            if not is_whole and file.read(1):  # values of before have nothing behind their end
                raise StorageError(f"{path} is damaged: it does not end with its digest")
        return item

    def store_metadata(self, call_id: tuple[str, ...], metadata: Any) -> None:
        """Write none: nobody reads them."""

    def store_cached_func_code(self, call_id: list[str], func_code: str | None = None) -> None:
        """Write none: the folder is named after the code. joblib would empty it for another."""

    def get_cached_func_code(self, call_id: list[str]) -> str:
        """Say that none was written, which joblib asks once in a process."""
        raise FileNotFoundError


def damaged(folder: Path) -> Iterator[Path]:
    """Find the files below a folder whose values are not what was kept."""
    for path in sorted(folder.rglob(_VALUE)):
        with contextlib.suppress(OSError):  # somebody else removed it
            seal = storage_seal.look(path, storage_seal.VALUE)
            if seal.behind.endswith(storage_seal.VALUE) and not seal.is_whole(storage_seal.VALUE):
                yield path


def value(folder: Path, key: str, compute: Callable[[], Any]) -> Any:
    """Get the value of a key; where there is none, one caller computes it and the others wait.

    Parameters
    ----------
    folder : Path
        What is in it is unpickled.
    compute : callable
        What it raises goes through, and the next caller computes.

    Raises
    ------
    OutputError
        For a value that cannot be pickled.
    """
    try:
        entry = _open(folder)
        is_known = entry.check_call_in_cache(key, compute)
    except (OSError, StorageError) as error:
        _warn(folder, error)
        return compute()
    if is_known:
        return entry(key, compute)  # which computes where the file is damaged
    with _turn(folder / f"{key}.lock"):
        return entry(key, compute)  # which looks again: it may have been computed meanwhile


@functools.cache
def _open(folder: Path) -> Any:
    joblib.register_store_backend("sweeps", _Files)
    return joblib.Memory(folder, backend="sweeps", verbose=0).cache(_entry, ignore=["compute"])


def _entry(key: str, compute: Callable[[], Any]) -> Any:
    """What joblib memoizes: it knows calls by their key alone."""
    return compute()


_entry.__module__ = "sweeps.store"  # joblib's path to the values, wherever this module stands


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until no other thread or process has its turn.

    The kernel ends the turn of a process that dies. On filesystems that know no locks nobody waits.
    """
    ours = _OURS.get()
    if path in ours:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield
        return
    outer = _OURS.set(ours | {path})
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        with contextlib.suppress(OSError):
            path.unlink()  # who waits for it still gets it, and who comes later finds the value
    finally:
        _OURS.reset(outer)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a forked process may have it open still
        os.close(descriptor)


def _warn(folder: Path, error: Exception) -> None:
    reason = error.__cause__ if isinstance(error, StorageError) else error
    said = getattr(reason, "strerror", None) or str(error)
    warnings.warn(
        f"cannot store values of {folder.parent.name} in {folder}: {said}; they are "
        "computed again at each call",
        stacklevel=2,
    )
