"""A sibling is what a child would be, to itself, and it is a child of the same process."""

import os
import subprocess
import sys

import pytest

from sweeps import siblings

pytestmark = pytest.mark.skipif(
    not siblings._is_known(), reason="elsewhere no process has siblings"
)

MAKE = """
import ctypes, os, random, sys, threading
from sweeps import siblings
assert siblings.can_be_made()
import numpy
numpy.random.seed(1)
random.seed(1)
if os.fork() == 0:
    maker, parent = os.getpid(), os.getppid()
    for _ in range({n}):
        pid = siblings.make()
        if pid == 0:
            address = siblings._thread_number()
            assert ctypes.c_int.from_address(address).value == os.getpid() != maker
            assert os.getppid() == parent
            thread = threading.Thread(target=os.write, args=(1, b"thread\\n"))
            thread.start()
            thread.join()
            if os.fork() == 0:
                os._exit(0)
            os.wait()
            os.write(1, f"drawn {{random.random()}} {{numpy.random.random()}}\\n".encode())
            os._exit(3)
        assert pid > 0
    os._exit(4)
codes = []
try:
    while True:
        codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
except ChildProcessError:
    print("codes", *sorted(codes))
"""


def test_siblings_are_children_of_the_same_process_and_draw_other_numbers():
    said = run(MAKE.format(n=5)).splitlines()
    assert said.count("thread") == 5
    assert [line for line in said if line.startswith("codes")] == ["codes 3 3 3 3 3 4"]
    drawn = [line.split()[1:] for line in said if line.startswith("drawn")]
    assert len({each for two in drawn for each in two}) == 10


def test_a_process_of_more_threads_makes_none():
    code = """
import threading
from sweeps import siblings
end = threading.Event()
threading.Thread(target=end.wait).start()
print(siblings.can_be_made())
end.set()
"""
    assert run(code) == "False\n"


@pytest.mark.parametrize(("said", "is_known"), [("glibc 2.17", False), ("glibc 2.25", True)])
def test_a_library_that_remembers_the_number_of_a_process_gets_no_copies(
    monkeypatch, said, is_known
):
    monkeypatch.setattr(os, "confstr", {"CS_GNU_LIBC_VERSION": said}.get)
    assert siblings._is_known() is is_known


def run(code):
    """Run code in a new interpreter, in which numpy has one thread; what it says."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert done.stderr == ""
    return done.stdout
