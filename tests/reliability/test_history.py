"""A long history of tiny segments stays usable: read quickly, and merged to few.

python -m pytest -m campaign -s tests/reliability/test_history.py
"""

import dataclasses
import resource
import sys
import time

import numpy as np
import pytest

from sweeps import disk, experiment, grid, memo, provenance
from sweeps.block import Part, Variable
from sweeps.invocation import Options
from sweeps.loading import load
from sweeps.reporting import status_of
from sweeps.running import execute
from sweeps.subject import resolve

_OLD_NS = 1_700_000_000 * 10**9


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """Making the history is not what is looked at."""
    monkeypatch.setattr(provenance, "of_git", lambda _: {})


def history(n, results, monkeypatch):
    """Give each of n points a segment of its own, of long ago."""

    @experiment(grid(x=np.arange(float(n))))
    def cube(x):
        return x**3

    subject = dataclasses.replace(resolve(cube), results=results)
    keys = subject.keys(np.arange(n))
    with monkeypatch.context() as patch:
        patch.setattr(disk, "flush", lambda _: None)
        patch.setattr(disk, "flush_folder", lambda _: None)
        for i in range(n):
            variable = Variable("", np.array([float(i) ** 3]))
            part = Part(keys[i : i + 1], np.zeros(1, np.float32), (variable,))
            memo.commit(subject.memo, [part], created_ns=_OLD_NS + i)
    return subject


def memory_bytes():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def timed(call):
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def test_many_segments_become_few_and_say_the_same(tmp_path, monkeypatch):
    subject = history(100, tmp_path, monkeypatch)
    assert status_of(subject).done == 100
    assert execute(subject, Options(engine="serial")).n_computed == 0
    assert len(memo.listing(subject.memo)) == 1
    assert status_of(subject).done == 100
    dataset = load(subject.landed)
    assert bool((dataset.cube == dataset.x**3).all())


@pytest.mark.campaign
@pytest.mark.parametrize("n", [10**3, 10**4, 10**5])
def test_figures_of_a_long_history(n, tmp_path, monkeypatch):
    subject = history(n, tmp_path, monkeypatch)
    before = memory_bytes()
    index, scan_s = timed(lambda: memo.scan(subject.memo))
    scan_bytes = memory_bytes() - before
    assert len(index.segments) == n
    status, status_s = timed(lambda: status_of(subject))
    assert status.done == n
    report, run_s = timed(lambda: execute(subject, Options(engine="serial")))
    assert (report.n_computed, report.n_reused) == (0, n)
    n_left = len(memo.listing(subject.memo))
    _, again_s = timed(lambda: status_of(subject))
    dataset = load(subject.landed)
    assert bool((dataset.cube == dataset.x**3).all())
    print(
        f"\n{n:7,} segments: scan {scan_s:.2f} s ({scan_s / n * 1e6:.0f} µs each), status "
        f"{status_s:.2f} s, run with merging {run_s:.2f} s, then {n_left} segments and status "
        f"{again_s:.3f} s; memory of the index {scan_bytes / n:.0f} bytes each"
    )
