"""B4: how fast arrays reach the disk."""

from __future__ import annotations

from pathlib import Path

from benchmarks import measuring
from benchmarks.contenders import (
    FSYNCED,
    IMPORTS,
    PLACED,
    PLAIN,
    PROMISED,
    STARTED,
    SWEEPS,
    UNFLUSHED,
    UNPROMISED,
    Contender,
)
from benchmarks.rows import Case, Options, Row, in_turn, rows_of

MIB = 2**20
FORMS = ((MIB, 300), (8 * MIB, 100))
SMALL = {"n_arrays": 300, "n_bytes": 8}
TOUCHED = 4
"""Times the data: two copies on the way to the disk, and what processes need."""

MOST_TOUCHED_BYTES = 4 * 2**30


def _measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    floors = [PLACED, PROMISED, UNPROMISED, FSYNCED, PLAIN]
    contenders = [SWEEPS, STARTED, UNFLUSHED, IMPORTS, *floors, *options.peers]
    for n_bytes, n_default in FORMS:
        n_arrays = options.sizes[0] if options.sizes else n_default
        size, data_bytes = n_bytes // MIB, n_arrays * n_bytes

        def measure(
            contender: Contender,
            folder: Path,
            n_arrays: int = n_arrays,
            n_bytes: int = n_bytes,
            data_bytes: int = data_bytes,
        ) -> measuring.Run:
            is_start = contender == STARTED
            job = {"n_arrays": n_arrays, "n_bytes": n_bytes} if not is_start else SMALL
            command = contender.command(folder, "arrays", job)
            fsync = contender not in (UNFLUSHED, UNPROMISED)
            return measuring.run(
                command,
                folder,
                fsync=fsync,
                limit_s=10 * options.limit_s,
                touched_bytes=min(TOUCHED * data_bytes, MOST_TOUCHED_BYTES),
            )

        turns = in_turn(contenders, "arrays", options.rounds, measure)
        for name, runs in turns.runs.items():
            run = measuring.median(runs)
            more = {
                "mb_per_s": data_bytes / run.wall_s / 1e6,
                "disk_over_data": run.disk_bytes / data_bytes,
            }
            more = {} if name in (STARTED.name, IMPORTS.name) else more
            rows += rows_of(name, size, runs, **more)
        rows += turns.noted(size)
    return rows


CASES = (
    Case(
        "B4",
        "Arrays",
        "MiB an array",
        "There are 300 random arrays of 1 MiB and 100 of 8 MiB, made at the speed of memory. "
        "sweeps flushes everything that it commits; none of the peers does, so sweeps is measured "
        "with and without flushing. By hand means a program for this job alone, with joblib, "
        "numpy and h5py, that stores batches safely, checks them and writes one file; in place, "
        "one that writes each value once, and promises nothing. The wall time includes the start "
        "of Python and of workers; what these take is measured, too. Memory is touched before "
        "each run, so that no run waits for memory that the host of a virtual machine took back.",
        _measure,
    ),
)
