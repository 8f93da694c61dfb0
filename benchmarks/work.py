"""What all contenders are asked to compute: the same functions, spaces and tasks."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

# Random and multiplied, so that no two arrays share bytes: a peer that compresses by default would
# gain what real results would not give.
BASE = np.random.default_rng(0).random(2**20)

SPREAD = 1.0  # of the logarithm of the duration of uneven tasks


def scalar(a: float, b: float, c: float) -> float:
    """Cost next to nothing, so that what is measured is everything else."""
    return a * math.sin(b) + c


def axes(n_points: int, n_more: int = 0) -> dict[str, list[float]]:
    """Axes of a grid of `n_points`, a power of ten from 1,000 on; `n_more` further values of a."""
    n_c = 10 if n_points < 10_000 else 100
    n_b = 10 if n_points < 100_000 else 100
    n_a = n_points // (n_b * n_c) + n_more
    return {"a": list(range(n_a)), "b": [i / 100 for i in range(n_b)], "c": list(range(n_c))}


def points(n_points: int, n_more: int = 0) -> Iterator[tuple[float, ...]]:
    """Every point of the grid, in its order."""
    return itertools.product(*axes(n_points, n_more).values())


def array(i: int, n_bytes: int) -> npt.NDArray[np.float64]:
    """Floats of `n_bytes` in all, at most 8 MiB, made at the speed of memory."""
    return BASE[: n_bytes // 8] * (i + 0.7)


def durations(n_tasks: int, total_s: float) -> list[float]:
    """Lognormal durations that add up to `total_s`, the same ones at every call."""
    drawn = np.random.default_rng(1).lognormal(0.0, SPREAD, n_tasks)
    return [float(duration) for duration in drawn * (total_s / drawn.sum())]


def uneven(duration_s: float) -> float:
    """Sleep, and note from when to when, on the clock that all processes share."""
    start = time.monotonic()
    time.sleep(duration_s)
    with Path(os.environ["BENCHMARK_ACCOUNT"], str(os.getpid())).open("a") as account:
        account.write(f"{start} {time.monotonic()}\n")
    return duration_s
