"""Laws of aging: code in memory that is not what its file says is known for it."""

import importlib
import os
import sys
import time
from pathlib import Path

import pytest

from sweeps import aging

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
    assert not aging.is_older(module, time.time_ns())


@pytest.mark.parametrize(("old", "new"), EDITS)
@pytest.mark.parametrize("ago_s", [0, 3600])
def test_an_edit_from_before_the_code_was_asked_for_is_seen(module, old, new, ago_s):
    """Where a module was there before the experiment that uses it; also if times are set back."""
    edit(module, TEXT.replace(old, new), time.time_ns() - ago_s * 10**9)
    assert aging.is_older(module, time.time_ns())
    edit(module, TEXT, time.time_ns())
    assert not aging.is_older(module, time.time_ns())


def test_an_edit_from_after_that_is_seen_by_its_time(module):
    since_ns = time.time_ns()
    edit(module, TEXT + "\nTABLE = [1] * 3", since_ns + 1)
    assert aging.is_older(module, since_ns)


def test_a_file_that_is_gone_is_not_newer(module):
    Path(module.__file__).unlink()
    assert not aging.is_older(module, 0)
