"""What the promises of sweeps cost by hand, for this one job and nothing else.

Workers compute; each batch is a flushed file with a digest, so that a kill costs a batch; one
labelled file is made of checked batches, digested, flushed, and put in its place whole. It plans
nothing, knows nothing of keys, code or earlier runs, and cannot go on.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO

import h5py
import joblib
import numpy as np
import numpy.typing as npt

from benchmarks import work
from benchmarks.floors.pool import N_WORKERS

BATCH_BYTES = 16 * 2**20


def arrays(n_arrays: int, n_bytes: int, n_more: int = 0) -> None:
    """Keep each batch as it is finished, then make one file of all."""
    n = n_arrays + n_more
    n_batch = max(1, BATCH_BYTES // n_bytes)
    batches = [range(first, min(first + n_batch, n)) for first in range(0, n, n_batch)]
    Path("batches").mkdir()
    kept = joblib.Parallel(N_WORKERS)(joblib.delayed(_keep)(each, n_bytes) for each in batches)
    with h5py.File("new.h5", "w") as file:
        dataset = file.create_dataset("value", (n, n_bytes // 8), "f8")
        for batch, (name, digest) in zip(batches, kept, strict=True):
            values = np.fromfile(Path("batches", name)).reshape(len(batch), -1)
            if hashlib.sha256(_bytes(values)).digest() != digest:
                raise ValueError(f"{name} is not what was written")
            dataset[batch.start : batch.stop] = values
    with Path("new.h5").open("rb+") as content:
        content.write(hashlib.file_digest(content, "sha256").digest())
        _flush(content)
    Path("new.h5").replace("results.h5")
    _flush_folder(".")


def _keep(batch: range, n_bytes: int) -> tuple[str, bytes]:
    """Compute a batch and write it, flushed before it has its name."""
    values = np.stack([work.array(i, n_bytes) for i in batch])
    digest = hashlib.sha256(_bytes(values)).digest()
    name = digest.hex()[:32]
    with Path("batches", f"{name}.new").open("wb") as file:
        file.write(_bytes(values))
        _flush(file)
    Path("batches", f"{name}.new").replace(Path("batches", name))
    _flush_folder("batches")
    return name, digest


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _bytes(values: npt.NDArray[np.float64]) -> memoryview:
    return values.reshape(-1).view(np.uint8).data
