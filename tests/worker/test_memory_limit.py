"""Laws of the memory limit: who exceeds it fails, and nobody else; what cannot be meant is said."""

import subprocess
import sys

import pytest

from sweeps import engines, experiment, grid
from sweeps.errors import SweepsError
from sweeps.execution import leaks
from sweeps.execution.options import Options
from sweeps.operations import failures, run
from sweeps.project.sweep import resolve
from sweeps.worker import memory_limit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such limits")

LEAKY = """
import numpy as np
from sweeps import experiment, grid
kept = []

@experiment(grid(i=range(4)))
def leaky(i):
    kept.append(np.ones(8 * 2**20))  # 64 MB
    return float(i)

@experiment(grid(n=[1, 10, 10**9, 100, 10**4]), vectorized=True)
def wide(n):
    return n * 2.0 + np.ones(n.max()).sum() * 0

@experiment(grid(i=range(6)))
def hidden(i):
    try:
        return float(bytearray(10**10 if i == 3 else 10)[0])
    except MemoryError as error:
        raise ValueError("cannot compute") from error
"""


@pytest.fixture
def leaky(project):
    (project / "experiments" / "leaky.py").write_text(LEAKY)


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [(1, 1), ("1000", 1000), ("2K", 2048), ("2 kb", 2048), ("1.5GiB", 3 * 2**29), ("1t", 2**40)],
)
def test_sizes(size, n_bytes):
    assert memory_limit.parse(size) == n_bytes
    assert memory_limit.parse(memory_limit.show(n_bytes)) == n_bytes


@pytest.mark.parametrize("size", ["", "x", "-1", 0, -1, 1.5, True, "1e9", "2X", "M", "9" * 40, "٣"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(SweepsError, match="give bytes, or a size such as 512M or 2G"):
        Options(memory_limit=size)


def test_a_limit_below_what_a_worker_needs_is_refused(leaky):
    with pytest.raises(SweepsError, match=r"limit of 20M is too small: a worker needs \d+"):
        run.execute(resolve("leaky"), Options(memory_limit="20M"))


def test_a_leak_of_earlier_points_is_the_fault_of_none(leaky, monkeypatch):
    monkeypatch.setattr(leaks, "warning", lambda *_: "")  # it computes points in new processes
    report = run.execute(resolve("leaky"), Options(n_workers=1, memory_limit="320M"))
    assert (report.n_computed, report.n_failed) == (4, 0)


@pytest.mark.parametrize(
    ("name", "at"),
    [("wide", {"n": 10**9}), pytest.param("hidden", {"i": 3}, marks=pytest.mark.campaign)],
)
def test_the_point_that_takes_too_much_is_named(leaky, name, at):
    sweep = resolve(name)
    run.execute(sweep, Options(n_workers=1, memory_limit="512M"))
    (failure,) = failures.failures_of(sweep)
    assert (failure.kind, failure.params) == ("died", at)
    assert failure.message == "the worker died: beyond the memory limit of 512M"
    assert f"in {name}" in failure.traceback


def test_an_error_for_want_of_memory_counts_whatever_it_is_raised_as():
    want, other, hidden, handled = MemoryError(), ValueError("x"), ValueError("y"), KeyError("z")
    other.__context__ = other.__cause__ = KeyError("no memory")
    hidden.__cause__, handled.__context__ = want, hidden
    assert [*map(memory_limit.is_exceeded, (want, hidden, handled))] == [True] * 3
    assert not memory_limit.is_exceeded(other)


@pytest.mark.parametrize("name", [n for n in engines.LOCAL if not engines.get(n).isolates])
def test_engines_that_cannot_enforce_it_say_so(project, name):
    made = experiment(grid(i=[1]), name="made")(lambda i: i)
    (warning,) = run.execute(resolve(made), Options(name, memory_limit="4G")).warnings
    assert "the memory limit of 4G was not enforced" in warning


def test_a_limit_is_lifted():
    code = (
        "from sweeps.worker import memory_limit\n"
        "memory_limit.impose(64 * 2**20)\n"
        "try: bytearray(2**27)\nexcept MemoryError: print('too much')\n"
        "memory_limit.impose(None)\nbytearray(2**27)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "too much\n"
