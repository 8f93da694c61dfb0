"""What a point changed of its process is as it was, before the next point begins.

A setting is looked at in less than a microsecond. Which points are looked after is up to the
caller; one that finds something changed computes again what may have seen it.
"""

from __future__ import annotations

import builtins
import ctypes
import functools
import gc
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

_STREAMS_NAME, _FILTERS_NAME = "standard streams", "warnings filters"

_STREAMS = ("stdin", "stdout", "stderr", "excepthook", "displayhook", "unraisablehook")


class Setting:
    """Something of a process that one function gets and another one sets.

    Parameters
    ----------
    name : str
        As it is called in messages.
    save, restore : callable
        Return what it is now; make it what it was.
    is_told : bool
        Whether worker processes are to start with what it is in the parent.
    """

    def __init__(
        self,
        name: str,
        save: Callable[[], Any],
        restore: Callable[[Any], object],
        *,
        is_told: bool = False,
    ) -> None:
        self.name, self.is_told = name, is_told
        self.save, self.restore = save, restore

    def is_same(self, saved: Any) -> bool:
        """Whether it is what it was."""
        return bool(self.save() == saved)


class _Environment(Setting):
    """``os.environ``, and what C code sees of it."""

    def __init__(self) -> None:
        super().__init__("os.environ", self._save, self._restore)
        try:
            self._pointer = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ")
        except (OSError, ValueError):  # macOS: C code sees what Python sets, and may set its own
            self._pointer = ctypes.c_void_p(None)

    def _save(self) -> Any:
        seen = self._seen_by_c()
        data = dict(_held(os.environ))
        return [os.environ, data, seen, self._strings(len(seen))]

    def is_same(self, saved: Any) -> bool:
        return (
            os.environ is saved[0]
            and _held(os.environ) == saved[1]
            and self._strings(len(saved[2])) == saved[3]
        )

    def _restore(self, saved: Any) -> None:
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


def _set_filters(saved: Any) -> None:
    warnings.filters, held = saved
    filter_warnings(held)


def filter_warnings(filters: Iterable[Any]) -> None:
    """Replace the filters of `warnings`, and have it forget what it decided by others."""
    warnings.filters[:] = filters  # type: ignore[index]
    with warnings.catch_warnings():  # which says that they were changed
        pass


_BUILTINS = vars(builtins)


def _set_builtins(names: Mapping[str, Any]) -> None:
    for name in _BUILTINS.keys() - names.keys():
        del _BUILTINS[name]
    _BUILTINS.update(names)


def _logging() -> Setting:
    import logging

    root = logging.root

    def get() -> Any:
        return root.level, list(root.handlers), list(root.filters), root.manager.disable

    def set_(how: Any) -> None:
        level, root.handlers[:], root.filters[:], disabled = how
        root.setLevel(level)
        logging.disable(disabled)

    return Setting("logging", get, set_)


OF_THREADS = frozenset({"decimal context", "numpy.seterr", "numpy.seterrcall", "numpy.setbufsize"})
"""Settings that each thread has for itself: points that are under way beside others share none."""

OF_READING = frozenset({"garbage collection"})
"""Settings that reading code changes for a while, as a run does that another thread begins."""


def _decimal() -> Setting:
    import decimal

    def set_(how: Any) -> None:
        make, arguments = how
        decimal.setcontext(make(*arguments))

    def get() -> Any:
        return decimal.getcontext().__reduce__()

    return Setting("decimal context", get, set_, is_told=True)


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


def _always() -> list[Setting]:
    return [
        Setting("working directory", _folder, os.chdir),
        Setting("sys.path", lambda: list(sys.path), _set_path),
        Setting("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit, is_told=True),
        Setting("umask", _umask, os.umask, is_told=True),
        _Environment(),
        Setting("time zone", lambda: (time.tzname, time.timezone), lambda _: time.tzset()),
        Setting(_FILTERS_NAME, lambda: (warnings.filters, [*warnings.filters]), _set_filters),
        Setting("switch interval", sys.getswitchinterval, sys.setswitchinterval, is_told=True),
        Setting("digits of integers", sys.get_int_max_str_digits, sys.set_int_max_str_digits,
                is_told=True),
        Setting(_STREAMS_NAME, _streams, _set_streams),
        Setting("garbage collection", lambda: (gc.isenabled(), gc.get_threshold()),
                _set_collecting),
        Setting("builtins", _BUILTINS.copy, _set_builtins),
        Setting("threading.excepthook", *_attribute(threading, "excepthook")),
        Setting("tempfile.tempdir", *_attribute(tempfile, "tempdir")),
        Setting("numpy.seterr", np.geterr, lambda how: np.seterr(**how), is_told=True),
        Setting("numpy.setbufsize", np.getbufsize, np.setbufsize, is_told=True),
        Setting("numpy.seterrcall", np.geterrcall, np.seterrcall),
        Setting("numpy.set_printoptions", np.get_printoptions, _set_print_options, is_told=True),
    ]  # fmt: skip


def _attribute(module: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    return functools.partial(getattr, module, name), functools.partial(setattr, module, name)


def _set_print_options(options: Mapping[str, Any]) -> None:
    np.set_printoptions(**{k: v for k, v in options.items() if k != "override_repr" or v})


def _locale() -> Setting:
    import locale

    get = functools.partial(locale.setlocale, locale.LC_ALL)
    return Setting("locale", get, get, is_told=True)


def _socket() -> Setting:
    import socket

    how = socket.getdefaulttimeout, socket.setdefaulttimeout
    return Setting("socket timeout", *how, is_told=True)


def _settings() -> list[Setting]:
    return [*_always(), _decimal(), _logging(), _locale(), _socket()]


class State:
    """The settings of this process, as they were, and which of them points were found to change.

    Settings beside those that are always looked at are `more`; `restless` are the names of those
    that were found changed.
    """

    def __init__(self, *more: Setting) -> None:
        self.restless: set[str] = set()
        self._saved = [(setting, setting.save()) for setting in (*more, *_settings())]

    def save_streams(self) -> None:
        """Take the standard streams, and what shows warnings, for those that there are to be."""
        names = _STREAMS_NAME, _FILTERS_NAME
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
    return {**saved, _FILTERS_NAME: list(warnings.filters)}


def adopt(told: Mapping[str, Any]) -> None:
    """Take over what the parent told."""
    for setting in _settings():
        if setting.is_told and setting.name in told and not setting.is_same(told[setting.name]):
            setting.restore(told[setting.name])
    if _FILTERS_NAME in told:
        filter_warnings(told[_FILTERS_NAME])
