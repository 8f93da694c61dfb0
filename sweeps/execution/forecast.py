"""Forecast how long the rest of a run takes, if points in parts of the space take longer."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from sweeps.spaces.product import Positions

_GOLDEN = 0.6180339887498949

_LATE = 4  # pieces

_MOST = 4  # times what the slowest piece so far took


def starts(n_points: int, n_pieces: int) -> list[int]:
    """Where to cut points into pieces of about the same size.

    Not evenly: cuts that are a multiple of the length of an axis apart would all be at the same
    value of it.
    """
    jitter = (np.arange(n_pieces) * _GOLDEN) % 1.0
    at = (np.arange(n_pieces) + 0.5 * jitter) * n_points / max(1, n_pieces)
    return np.unique(at.astype(np.int64)).tolist() if n_pieces else []


def spread(n_pieces: int) -> list[int]:
    """Order pieces so that the first few are far apart, however many they are.

    Examples
    --------
    >>> spread(8)
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    n_bits = max(1, (n_pieces - 1).bit_length())
    return sorted(range(n_pieces), key=lambda i: int(f"{i:0{n_bits}b}"[::-1], 2))


class Forecast:
    """What points took in each piece of a space, and what those that are left will take.

    Parameters
    ----------
    firsts, lasts : list of int
        Positions of the first and the last point of each piece, ascending.
    sizes : list of int
        Points of each piece.
    n_workers : int
    """

    def __init__(
        self, firsts: list[int], lasts: list[int], sizes: list[int], n_workers: int
    ) -> None:
        self._firsts = np.array(firsts, dtype=np.int64)
        self._n_left = np.array(sizes, dtype=float)
        self._left_at = self._n_left * (np.array(lasts) - self._firsts) / 2
        self._n_over = np.zeros(len(sizes))
        self._over_at = np.zeros(len(sizes))
        self._busy_s = np.zeros(len(sizes))
        self._n_workers = n_workers
        self._n_blocks = 0
        self._began = 0.0

    def note(self, positions: Positions, busy_s: float) -> None:
        """Take in a block of finished points, ascending, and the time that they took."""
        if not self._n_blocks:
            self._began = time.perf_counter() - busy_s  # until then the workers started
        self._n_blocks += 1
        n_over, at = self._drop(positions)
        self._n_over += n_over
        self._over_at += at
        self._busy_s += n_over * (busy_s / len(positions))

    def drop(self, positions: Positions) -> None:
        """Leave out points that another run computes."""
        if len(positions):
            self._drop(positions)

    def _drop(self, positions: Positions) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """How many points of each piece are among some, and the sum of where they are in it."""
        edges = np.append(np.searchsorted(positions, self._firsts), len(positions))
        counts = np.diff(edges)
        # Halfway between the first and the last: they are in a row, more or less.
        ends = positions[np.minimum(edges[:-1], len(positions) - 1)], positions[edges[1:] - 1]
        at = np.where(counts > 0, counts * ((ends[0] + ends[1]) / 2 - self._firsts), 0.0)
        self._n_left -= counts
        self._left_at -= at
        return counts, at

    def left_s(self) -> float | None:
        """Seconds until the run ends; None if unknown.

        On average, half of what is under way is over.
        """
        known = np.flatnonzero(self._n_over)
        if not len(known):
            return None
        n_over, n_left = self._n_over[known], np.maximum(self._n_left, 1)
        # Where those that are over and those that are left are, on average.
        over_at = self._firsts[known] + self._over_at[known] / n_over
        left_at = self._firsts + self._left_at / n_left
        took = self._busy_s[known] / n_over
        each = np.interp(left_at, over_at, took)
        if len(known) > 2 and known[-1] + 1 < len(left_at):  # in order: it goes on as of late
            slope, start = np.polyfit(over_at[-_LATE:], took[-_LATE:], 1)
            beyond = left_at > over_at[-1]
            each[beyond] = np.clip(start + slope * left_at[beyond], 0, _MOST * took.max())
        busy_s, left_s = float(self._busy_s.sum()), float(np.maximum(self._n_left, 0) @ each)
        under_way_s = min(left_s, self._n_workers * busy_s / self._n_blocks) / 2
        passed_s = time.perf_counter() - self._began
        # Workers wait for each other at the end, and for blocks where points take no time.
        slowdown = max(1 / self._n_workers, passed_s / max(busy_s + under_way_s, 1e-9))
        return (left_s - under_way_s) * slowdown
