"""A store of values on disk: one caller computes a value, and others wait for it.

joblib pickles the values, and says where `joblib.Memory` keeps them: earlier versions used it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import joblib

from sweeps.errors import OutputError, StorageError
from sweeps.storage import files, seal

_FOLDER, _VALUE = "sweeps/store/_entry", "output.pkl"

_OURS: ContextVar[frozenset[Path]] = ContextVar("ours", default=frozenset())
"""Turns that are taken further up the stack: to wait for one of these would be for ever."""


def value(folder: Path, key: str, compute: Callable[[], Any]) -> Any:
    """Get the value of a key; where there is none, one caller computes it and the others wait.

    Parameters
    ----------
    folder : Path
        What is in it is unpickled.
    compute : callable
        What it raises goes through, and the next caller computes.
    """
    path = Path(folder, _FOLDER, joblib.hash({"key": key}), _VALUE)
    with contextlib.suppress(Exception):
        return _read(path)
    with _turn(folder / f"{key}.lock"):
        try:
            return _read(path)  # it may have been computed meanwhile
        except (FileNotFoundError, NotADirectoryError):
            pass
        except Exception as error:
            warnings.warn(f"{path} cannot be read and is computed again: {error}", stacklevel=2)
        found = compute()
        try:
            _keep(path, found)
            _ignore(folder)
        except StorageError as error:
            _warn(folder, error)
        return found


def _read(path: Path) -> Any:
    told = seal.look(path, seal.VALUE)
    is_whole = told.is_whole(seal.VALUE)
    if not is_whole and told.behind.endswith(seal.VALUE):
        raise StorageError(f"{path} is damaged: its content does not match its digest")
    with path.open("rb") as file:
        found = joblib.load(file)
        if not is_whole and file.read(1):  # values of before have nothing behind their end
            raise StorageError(f"{path} is damaged: it does not end with its digest")
    return found


def _keep(path: Path, found: Any) -> None:
    """Write a value, whole and flushed, or not at all."""
    try:
        files.make_folder(path.parent)
        with files.replacing(path) as new:
            joblib.dump(found, new.path)
            seal.seal(new.descriptor, seal.VALUE)
    except StorageError:
        raise
    except Exception as error:
        raise OutputError(
            f"a {type(found).__name__} cannot be stored on disk: {type(error).__name__}: "
            f"{error}; let a cached function return arrays, numbers, or objects that can be "
            "pickled"
        ) from error


def _ignore(folder: Path) -> None:
    """Keep git away from a folder, as `joblib.Memory` does."""
    with contextlib.suppress(OSError), Path(folder, ".gitignore").open("x") as file:
        file.write("*\n")


def damaged(folder: Path) -> Iterator[Path]:
    """Find the files below a folder whose values are not what was kept."""
    for path in sorted(folder.rglob(_VALUE)):
        with contextlib.suppress(OSError):  # somebody else removed it
            told = seal.look(path, seal.VALUE)
            if told.behind.endswith(seal.VALUE) and not told.is_whole(seal.VALUE):
                yield path


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until no other thread or process has its turn.

    The kernel ends the turn of a process that dies. Filesystems without locks make no one wait.
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


def _warn(folder: Path, error: StorageError) -> None:
    said = getattr(error.__cause__, "strerror", None) or str(error)
    warnings.warn(
        f"cannot store values of {folder.parent.name} in {folder}: {said}; they are "
        "computed again at each call",
        stacklevel=2,
    )
