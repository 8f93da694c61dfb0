"""What a point changed of its process is as it was, before the next point begins.

A setting is looked at in less than a microsecond. Which points are looked after is up to the
caller; one that finds something changed computes again what may have seen it.
"""

from __future__ import annotations

import builtins
import ctypes
import gc
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

_STREAMS_NAME = "standard streams"

_STREAMS = ("stdin", "stdout", "stderr", "excepthook", "displayhook", "unraisablehook")


class Setting(Protocol):
    """Something of a process that can be looked at and set.

    Attributes
    ----------
    name : str
        As it is called in messages.
    is_told : bool
        Whether worker processes are to start with what it is in the parent.
    """

    name: str
    is_told: bool

    def save(self) -> Any:
        """Return what it is now."""

    def is_same(self, saved: Any) -> bool:
        """Whether it is what it was."""

    def restore(self, saved: Any) -> None:
        """Make it what it was."""


class _Value:
    """A setting that one function gets and another one sets."""

    def __init__(
        self,
        name: str,
        get: Callable[[], Any],
        set_: Callable[[Any], object],
        *,
        is_told: bool = True,
    ) -> None:
        self.name, self.is_told = name, is_told
        self.save, self._set = get, set_

    def is_same(self, saved: Any) -> bool:
        return bool(self.save() == saved)

    def restore(self, saved: Any) -> None:
        self._set(saved)


class _Environment:
    """``os.environ``, and what C code sees of it."""

    name, is_told = "os.environ", False

    def __init__(self) -> None:
        try:
            self._pointer = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ")
        except (OSError, ValueError):  # macOS: C code sees what Python sets, and may set its own
            self._pointer = ctypes.c_void_p(None)

    def save(self) -> Any:
        seen = self._seen_by_c()
        data = dict(_held(os.environ))
        return [os.environ, data, seen, self._strings(len(seen))]

    def is_same(self, saved: Any) -> bool:
        return (
            os.environ is saved[0]
            and _held(os.environ) == saved[1]
            and self._strings(len(saved[2])) == saved[3]
        )

    def restore(self, saved: Any) -> None:
        os.environ, before, seen = saved[:3]
        data = _held(os.environ)
        if data != before:
            data.clear()
            data.update(before)
        _set_environment(self._seen_by_c() if seen else data, seen or before)
        saved[3] = self._strings(len(seen))

    def _strings(self, n: int) -> bytes:
        """Where the strings are: to set a variable makes another string."""
        start = self._pointer.value
        size = ctypes.sizeof(ctypes.c_void_p)
        return ctypes.string_at(start, size * (n + 1)) if start else b""

    def _seen_by_c(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        if self._pointer.value:
            strings = ctypes.cast(self._pointer, ctypes.POINTER(ctypes.c_char_p))
            for i in range(sys.maxsize):
                string = strings[i]
                if string is None:
                    break
                name, _, value = string.partition(b"=")
                found[name] = value
        return found


def environment() -> dict[str, str]:
    """Copy what ``os.environ`` holds; safe while other threads change it."""
    return {os.fsdecode(name): os.fsdecode(v) for name, v in _held(os.environ).copy().items()}


def _held(environment: Any) -> dict[bytes, bytes]:
    """What ``os.environ`` holds, which can be compared in 0.5 us: itself it decodes all of it."""
    held: dict[bytes, bytes] = environment._data
    return held


def _set_environment(now: Mapping[bytes, bytes], wanted: Mapping[bytes, bytes]) -> None:
    for name in now.keys() - wanted.keys():
        os.unsetenv(name)
    for name, value in wanted.items():
        if now.get(name) != value:
            os.putenv(name, value)


class _Warnings:
    """Filters of `warnings`."""

    name, is_told = "warnings filters", False

    def save(self) -> Any:
        return warnings.filters, list(warnings.filters)

    def is_same(self, saved: Any) -> bool:
        filters, held = saved
        return warnings.filters is filters and bool(filters == held)

    def restore(self, saved: Any) -> None:
        filters, held = saved
        warnings.filters = filters
        filter_warnings(held)


def filter_warnings(filters: Iterable[Any]) -> None:
    """Replace the filters of `warnings`, and have it forget what it decided by others."""
    warnings.filters[:] = filters  # type: ignore[index]
    with warnings.catch_warnings():  # which says that they were changed
        pass


class _Names:
    """The names of a namespace, as `builtins`."""

    is_told = False

    def __init__(self, name: str, names: dict[str, Any]) -> None:
        self.name, self._names = name, names

    def save(self) -> Any:
        return dict(self._names)

    def is_same(self, saved: Any) -> bool:
        return dict.__eq__(self._names, saved) is True

    def restore(self, saved: Any) -> None:
        for name in self._names.keys() - saved.keys():
            dict.__delitem__(self._names, name)
        dict.update(self._names, saved)


class _Logging:
    """Level and handlers of the root logger."""

    name, is_told = "logging", False

    def save(self) -> Any:
        import logging

        root = logging.root
        return root.level, list(root.handlers), list(root.filters), root.manager.disable

    def is_same(self, saved: Any) -> bool:
        return bool(self.save() == saved)

    def restore(self, saved: Any) -> None:
        import logging

        level, logging.root.handlers[:], logging.root.filters[:], disabled = saved
        logging.root.setLevel(level)
        logging.disable(disabled)


OF_THREADS = frozenset({"decimal context", "numpy.seterr", "numpy.seterrcall", "numpy.setbufsize"})
"""Settings that each thread has for itself: points that are under way beside others share none."""


class _Decimal:
    """The context of `decimal`, with its flags."""

    name, is_told = "decimal context", True

    def save(self) -> Any:
        import decimal

        return decimal.getcontext().__reduce__()

    def is_same(self, saved: Any) -> bool:
        return bool(self.save() == saved)

    def restore(self, saved: Any) -> None:
        import decimal

        make, arguments = saved
        decimal.setcontext(make(*arguments))


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:  # it was removed
        return None


def _set_path(path: Iterable[str]) -> None:
    sys.path[:] = path


def _set_streams(streams: Iterable[Any]) -> None:
    *own, warnings.showwarning = streams
    for name, stream in zip(_STREAMS, own, strict=True):
        setattr(sys, name, stream)


def _streams() -> list[Any]:
    return [*(getattr(sys, name) for name in _STREAMS), warnings.showwarning]


def _set_collecting(how: tuple[bool, tuple[int, int, int]]) -> None:
    is_enabled, threshold = how
    gc.set_threshold(*threshold)
    (gc.enable if is_enabled else gc.disable)()


def _set_thread_hook(hook: Any) -> None:
    threading.excepthook = hook


def _set_temporary(folder: str | None) -> None:
    tempfile.tempdir = folder


def _always() -> list[Setting]:
    return [
        _Value("working directory", _folder, os.chdir, is_told=False),
        _Value("sys.path", lambda: list(sys.path), _set_path, is_told=False),
        _Value("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
        _Value("umask", _umask, os.umask),
        _Environment(),
        _Value("time zone", lambda: (time.tzname, time.timezone), lambda _: time.tzset(),
               is_told=False),
        _Warnings(),
        _Value("switch interval", sys.getswitchinterval, sys.setswitchinterval),
        _Value("digits of integers", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
        _Value(_STREAMS_NAME, _streams, _set_streams, is_told=False),
        _Value("garbage collection", lambda: (gc.isenabled(), gc.get_threshold()), _set_collecting,
               is_told=False),
        _Names("builtins", vars(builtins)),
        _Value("threading.excepthook", lambda: threading.excepthook, _set_thread_hook,
               is_told=False),
        _Value("tempfile.tempdir", lambda: tempfile.tempdir, _set_temporary, is_told=False),
        _Value("numpy.seterr", np.geterr, lambda how: np.seterr(**how)),
        _Value("numpy.setbufsize", np.getbufsize, np.setbufsize),
        _Value("numpy.seterrcall", np.geterrcall, np.seterrcall, is_told=False),
        _Value("numpy.set_printoptions", np.get_printoptions, _set_print_options),
    ]  # fmt: skip


def _set_print_options(options: Mapping[str, Any]) -> None:
    np.set_printoptions(**{k: v for k, v in options.items() if k != "override_repr" or v})


def _locale() -> Setting:
    import locale

    def get() -> str:
        return locale.setlocale(locale.LC_ALL)

    return _Value("locale", get, lambda how: locale.setlocale(locale.LC_ALL, how))


def _socket() -> Setting:
    import socket

    return _Value("socket timeout", socket.getdefaulttimeout, socket.setdefaulttimeout)


def _settings() -> list[Setting]:
    return [*_always(), _Decimal(), _Logging(), _locale(), _socket()]


class State:
    """The settings of this process, as they were, and which of them points were found to change.

    Parameters
    ----------
    *more : Setting
        Settings beside those that are always looked at.

    Attributes
    ----------
    restless : set of str
        Names of settings that were found changed.
    """

    def __init__(self, *more: Setting) -> None:
        self.restless: set[str] = set()
        self._saved = [(setting, setting.save()) for setting in (*more, *_settings())]

    def save_streams(self) -> None:
        """Take the standard streams, and what shows warnings, for those that there are to be."""
        names = _STREAMS_NAME, _Warnings.name
        self._saved = [
            (setting, setting.save() if setting.name in names else saved)
            for setting, saved in self._saved
        ]

    def restore(self, *, is_quick: bool = False, with_streams: bool = True) -> set[str]:
        """Undo what was changed, and return its names.

        Raises
        ------
        OSError, ValueError
            Where something cannot be undone; all else is.
        """
        changed = set()
        failed: Exception | None = None
        for setting, saved in self._saved:
            if is_quick and setting.name not in self.restless:
                continue
            if not with_streams and setting.name == _STREAMS_NAME:
                continue
            try:
                if not setting.is_same(saved):
                    changed.add(setting.name)
                    setting.restore(saved)
            except (OSError, ValueError) as error:
                failed = error
        self.restless |= changed
        if failed is not None:
            raise failed
        return changed


def told() -> dict[str, Any]:
    """What worker processes are to start with, of this process."""
    saved = {setting.name: setting.save() for setting in _settings() if setting.is_told}
    return {**saved, _Warnings.name: list(warnings.filters)}


def adopt(told: Mapping[str, Any]) -> None:
    """Take over what the parent told."""
    for setting in _settings():
        if setting.is_told and setting.name in told and not setting.is_same(told[setting.name]):
            setting.restore(told[setting.name])
    if _Warnings.name in told:
        filter_warnings(told[_Warnings.name])
