"""pipefunc with a mapspec and its file storage, which keeps each point as it is computed.

Run folder, storage and chunks by https://pipefunc.readthedocs.io/en/latest/concepts/mapspec/ and
https://pipefunc.readthedocs.io/en/latest/concepts/execution-and-parallelism/; ``resume=True`` and
``return_results=False`` by the reference of ``Pipeline.map``, which has it for large results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipefunc import PipeFunc, Pipeline

from benchmarks import work


def scalar(n_points: int) -> None:
    """Map over the three axes."""
    _map(work.scalar, "a[i], b[j], c[k] -> value[i, j, k]", dict(work.axes(n_points)))


def arrays(n_arrays: int, n_bytes: int) -> None:
    """Map over the index, the size being the same for all."""
    inputs = {"i": list(range(n_arrays)), "n_bytes": n_bytes}
    _map(work.array, "i[k] -> value[k]", inputs, chunksizes=1)


def uneven(n_tasks: int, total_s: float) -> None:
    """Map over the durations, one task at a time."""
    inputs = {"duration_s": work.durations(n_tasks, total_s)}
    _map(work.uneven, "duration_s[k] -> value[k]", inputs, chunksizes=1)


def _map(
    function: Callable[..., object],
    mapspec: str,
    inputs: dict[str, Any],
    chunksizes: int | None = None,
) -> None:
    pipeline = Pipeline([PipeFunc(function, output_name="value", mapspec=mapspec)])
    pipeline.map(
        inputs,
        run_folder="run",
        storage="file_array",
        parallel=True,
        chunksizes=chunksizes,
        resume=True,
        return_results=False,
    )
