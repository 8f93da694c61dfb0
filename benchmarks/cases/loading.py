"""B9: results into xarray."""

from __future__ import annotations

import sys

from benchmarks import measuring
from benchmarks.contenders import SWEEPS
from benchmarks.measuring import Run
from benchmarks.rows import Case, Options, Row, rows_of

TIMED = (
    "import time; {imports}; start = time.perf_counter(); "
    "{code}; print(time.perf_counter() - start)"
)
READERS = {
    "sweeps.load": ("import sweeps, xarray, h5netcdf", "sweeps.load('{name}').load()"),
    "h5py": ("import h5py", "h5py.File('results/{name}.h5')['{value}'][...]"),
    "xarray.open_dataset": (
        "import xarray, h5netcdf",
        "xarray.open_dataset('results/{name}.h5', engine='h5netcdf').load()",
    ),
}
FORMS = (
    ("scalar", {"n_points": 100_000}),
    ("scalar", {"n_points": 1_000_000}),
    ("scalar", {"n_points": 10_000_000}),
    ("arrays", {"n_arrays": 300, "n_bytes": 2**20}),
)


def _measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    asked = [("scalar", {"n_points": size}) for size in options.sizes]
    for job, arguments in asked or FORMS:
        n_bytes = 8 * arguments.get("n_points", 0) or arguments["n_arrays"] * arguments["n_bytes"]
        found: dict[str, list[Run]] = {name: [] for name in READERS}
        with measuring.fresh_folder() as folder:
            measuring.run(SWEEPS.command(folder, job, arguments), folder)
            for _ in range(options.rounds):
                for name, (imports, code) in READERS.items():
                    timed = TIMED.format(imports=imports, code=code.format(name=job, value=job))
                    command = [sys.executable, "-c", timed]
                    found[name].append(measuring.run(command, folder))
        for name, runs in found.items():
            within_s = sorted(float(run.said) for run in runs)[len(runs) // 2]
            for row in rows_of(name, n_bytes, runs):
                numbers = {
                    "wall_s": within_s,
                    "with_imports_s": row.numbers["wall_s"],
                    "peak_bytes": row.numbers["peak_bytes"],
                }
                rows.append(Row(name, n_bytes, numbers))
    return rows


CASES = (
    Case(
        "B9",
        "Loading into xarray",
        "bytes",
        "The whole file is read into memory, imports not included. h5py reads only the values.",
        _measure,
    ),
)
