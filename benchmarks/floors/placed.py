"""What it costs to write each value once, where it stays, by hand, for this one job.

Two processes write batches to their places in a contiguous dataset, make a CRC-32 of each array and
flush them. It plans nothing, says nowhere which values count, and cannot go on.
"""

from __future__ import annotations

import multiprocessing
import os
import zlib

import h5py
import numpy as np

from benchmarks import work
from benchmarks.floors.pool import N_WORKERS

BATCH_BYTES = 32 * 2**20


def arrays(n_arrays: int, n_bytes: int, n_more: int = 0) -> None:
    """Lay out a file, and have processes write to it."""
    n = n_arrays + n_more
    with h5py.File("results.h5", "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        dataset = file.create_dataset("value", (n, n_bytes // 8), "f8", dcpl=properties)
        offset = dataset.id.get_offset()
    n_batch = max(1, BATCH_BYTES // n_bytes)
    batches = [range(first, min(first + n_batch, n)) for first in range(0, n, n_batch)]
    context = multiprocessing.get_context("fork")
    given = [(batches[k::N_WORKERS], n_bytes, offset) for k in range(N_WORKERS)]
    processes = [context.Process(target=_write, args=each) for each in given]
    for each in processes:
        each.start()
    for each in processes:
        each.join()
    if any(each.exitcode for each in processes):
        raise OSError("a process failed")


def _write(batches: list[range], n_bytes: int, offset: int) -> None:
    values = np.empty((max(map(len, batches)), n_bytes // 8))
    descriptor = os.open("results.h5", os.O_RDWR)
    for batch in batches:
        own = values[: len(batch)]
        for row, number in enumerate(batch):
            own[row] = work.array(number, n_bytes)
        os.pwrite(descriptor, own.reshape(-1).view(np.uint8).data, offset + batch.start * n_bytes)
        for each in own:
            zlib.crc32(each.view(np.uint8).data)
        os.fdatasync(descriptor)
    os.close(descriptor)
