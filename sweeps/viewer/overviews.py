"""Views of all points of a space at once: what became of them, and what time they took."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.storage.hdf5 import STATUS
from sweeps.viewer.sheet import Sheet

MOST_COLUMNS, MOST_ROWS = 240, 120

_N_SLOWEST = 10

_N_BINS = 32


@dataclasses.dataclass(frozen=True)
class Overview:
    """What became of the points, in cells.

    Attributes
    ----------
    x, y : str
        Dimensions across and up, the longest across; `y` is empty where one dimension is wrapped
        into lines, from the top down.
    shares : ndarray of uint8, shape (rows, columns, states)
        Share of the points of a cell in each state of `STATUS`, of 255; a state that has any
        point has 1 at least.
    """

    x: str
    y: str
    shares: npt.NDArray[np.uint8]


def overview(sheet: Sheet) -> Overview:
    """Sum up what became of all points over the two longest dimensions of a space."""
    longest = sorted(sheet.sizes, key=lambda dim: -sheet.sizes[dim])[:2]
    dims = [dim for dim in longest if sheet.sizes[dim] > 1]
    if len(dims) < 2:
        return Overview(dims[0] if dims else "", "", _shares(_wrapped(sheet.status)))
    shaped = sheet.status.reshape(tuple(sheet.sizes.values()))
    axes = [list(sheet.sizes).index(dim) for dim in dims]
    others = tuple(n for n in range(shaped.ndim) if n not in axes)
    counts = np.stack(
        [np.sum(shaped == code, axis=others, dtype=np.int64) for code in STATUS.values()], axis=-1
    )
    across, down = dims
    if axes[0] < axes[1]:
        counts = counts.swapaxes(0, 1)
    return Overview(across, down, _shares(_binned(_binned(counts, 0, MOST_ROWS), 1, MOST_COLUMNS)))


def _wrapped(status: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Count the states of one line of points, wrapped into lines of a few cells each."""
    n = len(status)
    n_cells = min(n, MOST_COLUMNS * MOST_ROWS)
    n_columns = max(1, min(MOST_COLUMNS, round((2.5 * n_cells) ** 0.5)))
    n_rows = -(-n_cells // n_columns)
    cells = np.arange(n) * n_cells // max(n, 1)
    codes = cells * len(STATUS) + status
    found = np.bincount(codes, minlength=n_rows * n_columns * len(STATUS))
    return found.reshape(n_rows, n_columns, len(STATUS))


def _binned(counts: npt.NDArray[np.int64], axis: int, most: int) -> npt.NDArray[np.int64]:
    """Sum neighbours along an axis, so that no more than so many cells are left."""
    n = counts.shape[axis]
    if n <= most:
        return counts
    starts = np.unique(np.arange(most) * n // most)
    return np.asarray(np.add.reduceat(counts, starts, axis=axis))


def _shares(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return np.where(counts > 0, np.maximum(counts * 255 // total, 1), 0).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Slow:
    """One of the slowest points."""

    position: int
    seconds: float
    params: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Timing:
    """What time points took.

    Attributes
    ----------
    edges_s : tuple of float
        Of the bins of a histogram, which are of one width in the logarithm.
    counts : tuple of int
    slowest : tuple of Slow
    """

    n: int
    total_s: float
    median_s: float
    edges_s: tuple[float, ...]
    counts: tuple[int, ...]
    slowest: tuple[Slow, ...]

    def data(self) -> dict[str, Any]:
        """What the page gets of it."""
        return dataclasses.asdict(self)


def timing(sheet: Sheet) -> Timing:
    """Sum up the times of all points that are done."""
    elapsed = sheet.elapsed
    at = np.flatnonzero(np.isfinite(elapsed) & (elapsed >= 0))
    if not len(at):
        return Timing(0, 0.0, 0.0, (), (), ())
    own = elapsed[at].astype(np.float64)
    low, high = max(own.min(), 1e-9), max(own.max(), 1e-9)
    edges = np.geomspace(low, high * (1 + 1e-9) if high > low else low * 1.01, _N_BINS + 1)
    counts, _ = np.histogram(np.clip(own, low, high), edges)
    n_slow = min(_N_SLOWEST, len(own))
    slow = np.argpartition(own, -n_slow)[-n_slow:]
    slow = slow[np.argsort(-own[slow], kind="stable")]
    return Timing(
        len(own),
        float(own.sum()),
        float(np.median(own)),
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        tuple(Slow(int(at[n]), float(own[n]), sheet.parameters(int(at[n]))) for n in slow.tolist()),
    )
