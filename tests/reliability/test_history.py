"""A long history of tiny segments stays usable: read quickly, and merged to few.

python -m pytest -m campaign -s tests/reliability/test_history.py
"""

import dataclasses
import resource
import sys
import time

import numpy as np
import pytest

from sweeps import experiment, grid
from sweeps.code import provenance
from sweeps.execution.options import Options
from sweeps.memo import header, listing, segment
from sweeps.memo import index as memo
from sweeps.operations.run import execute
from sweeps.operations.status import status_of
from sweeps.outputs.types import Part, Variable
from sweeps.project.sweep import resolve
from sweeps.storage import hdf5_write
from sweeps.storage import seal as storage_seal
from sweeps.storage.dataset import load

_OLD_NS = 1_700_000_000 * 10**9
SENTINELS = (0x1122334455667788, 0x99AABBCCDDEEFF01, 0x3FF0123456789ABC)


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """Making the history is not what is looked at."""
    monkeypatch.setattr(provenance, "of_git", lambda _: {})


def history(n, results):
    """Give each of n points a segment of its own, of long ago.

    HDF5 makes one; the others differ by the bytes of key and value, which is ten times faster.
    """

    @experiment(grid(x=np.arange(float(n))))
    def cube(x):
        return x**3

    sweep = dataclasses.replace(resolve(cube), results=results)
    sweep.memo.mkdir(parents=True)
    keys = sweep.keys(np.arange(n))
    template = image(segment_of(np.array([SENTINELS[:2]], dtype=np.uint64), SENTINELS[2]))
    at = [template.index(np.uint64(each).tobytes()) for each in (SENTINELS[0], SENTINELS[2])]
    for i in range(n):
        value = float(i) ** 3
        content = bytearray(template)
        content[at[0] : at[0] + 16] = keys[i].tobytes()
        content[at[1] : at[1] + 8] = np.float64(value).tobytes()
        part = segment_of(keys[i : i + 1], np.float64(value).view(np.uint64))
        whole = bytes(content) + header.encode([part], [], _OLD_NS + i)
        digest, seal = storage_seal.sealed([whole], storage_seal.SEGMENT)
        (sweep.memo / f"{digest.hex()[:32]}.seg").write_bytes(whole + seal)
    return sweep


def segment_of(keys, bits):
    """One point, whose value has these bits."""
    variable = Variable("", np.array([bits], dtype=np.uint64).view(np.float64))
    return Part(keys, np.zeros(1, np.float32), (variable,))


def image(part):
    made = hdf5_write.image(lambda file, put: segment._build(file, put, [part], [], _OLD_NS))
    return b"".join(made)


def memory_bytes():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def timed(call):
    """Time of this process on a core, which others on the machine do not change much."""
    start = time.process_time()
    return call(), time.process_time() - start


def test_many_segments_become_few_and_say_the_same(tmp_path):
    sweep = history(100, tmp_path)
    assert status_of(sweep).done == 100
    assert execute(sweep, Options(engine="serial")).n_computed == 0
    assert len(listing.listing(sweep.memo)) == 1
    assert status_of(sweep).done == 100
    dataset = load(sweep.landed)
    assert bool((dataset.cube == dataset.x**3).all())


@pytest.mark.campaign
@pytest.mark.parametrize("n", [10**3, 10**4, 10**5])
def test_figures_of_a_long_history(n, tmp_path):
    sweep = history(n, tmp_path)
    before = memory_bytes()
    index, scan_s = timed(lambda: memo.scan(sweep.memo))
    scan_bytes = memory_bytes() - before
    assert len(index.segments) == n
    status, status_s = timed(lambda: status_of(sweep))
    assert status.done == n
    report, run_s = timed(lambda: execute(sweep, Options(engine="serial")))
    assert (report.n_computed, report.n_reused) == (0, n)
    n_left = len(listing.listing(sweep.memo))
    _, again_s = timed(lambda: status_of(sweep))
    dataset = load(sweep.landed)
    assert bool((dataset.cube == dataset.x**3).all())
    print(
        f"\n{n:7,} segments: scan {scan_s:.2f} s ({scan_s / n * 1e6:.0f} µs each), status "
        f"{status_s:.2f} s, run with merging {run_s:.2f} s, then {n_left} segments and status "
        f"{again_s:.3f} s; memory of the index {scan_bytes / n:.0f} bytes each"
    )
