"""Laws of aging: code in memory that is not what its file says is known for it."""

import importlib
import os
import py_compile
import sys
import time
from pathlib import Path

import pytest

from sweeps.code import loaded as code_loaded

TEXT = """
import functools
FACTOR = 2.0
SHAPE = (1, -2)
CACHE = None

def kept(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

@kept
def scaled(x):
    return 3 * x

class Method:
    @property
    def rate(self):
        return 4

    @staticmethod
    def exact():
        return [5 for _ in range(2)]

class Other:
    pass

Method.other, Other.other = Other, Method

def fill():
    global CACHE
    CACHE = 1

fill()
"""
EDITS = [("2.0", "2.5"), ("-2", "-3"), ("3 * x", "4 * x"), ("return 4", "return 6"), ("[5", "[7")]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that was imported as all are, of which nobody has kept the text."""
    (tmp_path / "aged.py").write_text(TEXT)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("aged")
    del sys.modules["aged"]


def edit(module, text, changed_ns):
    Path(module.__file__).write_text(text)
    os.utime(module.__file__, ns=(changed_ns, changed_ns))


def test_code_is_as_new_as_its_file(module):
    assert not code_loaded.is_older(module, time.time_ns())


@pytest.mark.parametrize(("old", "new"), EDITS)
@pytest.mark.parametrize("ago_s", [0, 3600])
def test_an_edit_from_before_the_code_was_asked_for_is_seen(module, old, new, ago_s):
    """Where a module was there before the experiment that uses it; also if times are set back."""
    edit(module, TEXT.replace(old, new), time.time_ns() - ago_s * 10**9)
    assert code_loaded.is_older(module, time.time_ns())
    edit(module, TEXT, time.time_ns())
    assert not code_loaded.is_older(module, time.time_ns())


def test_an_edit_from_after_that_is_seen_by_its_time(module):
    since_ns = time.time_ns()
    edit(module, TEXT + "\nTABLE = [1] * 3", since_ns + 1)
    assert code_loaded.is_older(module, since_ns)


def test_a_file_that_is_put_in_its_place_is_seen_though_it_is_older(module, tmp_path):
    since_ns = time.time_ns()
    Path(tmp_path / "new").write_text(TEXT + "\nTABLE = [1] * 3")
    os.utime(tmp_path / "new", (0, 0))
    time.sleep(0.02)  # times of files are those of ticks
    Path(tmp_path / "new").replace(module.__file__)
    assert code_loaded.is_older(module, since_ns)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import a module with bytecode on disk, which Python takes for that of the given text."""
    monkeypatch.syspath_prepend(tmp_path)

    def loaded(of, text, mode=py_compile.PycInvalidationMode.TIMESTAMP):
        file = tmp_path / "compiled_before.py"
        for each in (of, text):
            file.write_text(each)
            os.utime(file, (10**9, 10**9))
            if each is of:
                py_compile.compile(str(file), invalidation_mode=mode)
        importlib.invalidate_caches()
        return importlib.import_module("compiled_before")

    yield loaded
    sys.modules.pop("compiled_before", None)


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("def f(x): return x * 2", "def f(x): return x * 5"),
        ("TABLE = [1]", "TABLE = [2]"),
        ("def f(x, k=1): return x + k", "def f(x, k=3): return x + k"),
        ("from math import sin as f", "from math import cos as f"),
    ],
)
@pytest.mark.parametrize("mode", ["TIMESTAMP", "UNCHECKED_HASH", "CHECKED_HASH"])
def test_bytecode_of_another_text_of_the_same_second_and_length_is_seen(
    load, monkeypatch, of, text, mode
):
    monkeypatch.setattr(
        code_loaded, "began_ns", time.time_ns
    )  # all was there when the process began
    module = load(of, text, py_compile.PycInvalidationMode[mode])
    is_stale = mode != "CHECKED_HASH"
    assert code_loaded.is_older(module, time.time_ns()) is is_stale
    assert (code_loaded.stale_bytecode(module) is not None) is is_stale


def test_bytecode_of_the_text_is_not_stale(load, monkeypatch):
    monkeypatch.setattr(code_loaded, "began_ns", time.time_ns)
    assert not code_loaded.is_older(load("TABLE = [1]", "TABLE = [1]"), time.time_ns())


def test_a_table_of_an_older_file_is_seen_where_python_wrote_bytecode(load, tmp_path, monkeypatch):
    """Put in its place after the import, and before the experiment that uses it is declared."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    module = load("TABLE = [1]", "TABLE = [1]")
    Path(module.__file__).write_text("TABLE = [2, 3]")
    os.utime(module.__file__, (0, 0))
    assert code_loaded.is_older(module, time.time_ns() + 1)


def test_a_file_that_is_gone_is_not_newer(module):
    Path(module.__file__).unlink()
    assert not code_loaded.is_older(module, 0)
