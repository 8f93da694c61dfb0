"""How long the rest of a run takes, from what points took in each piece of the space."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sweeps.spaces.product import Places

_GOLDEN = 0.6180339887498949
_LATE = 4  # pieces, by which the time of those that come after all known ones is guessed
_MOST = 4  # times what the slowest piece so far took


def cut_at(pieces: Iterable[Places], starts: Sequence[int]) -> Iterator[list[Places]]:
    """Cut pieces that follow each other anew, so that one begins at each of some points."""
    n_before, ends = 0, [*starts[1:], sum(map(len, pieces))]
    own: list[Places] = []
    for each in pieces:
        while len(each):
            part = each[: ends[0] - n_before]
            own.append(part)
            each, n_before = each[len(part) :], n_before + len(part)
            if n_before == ends[0]:
                yield own
                own = []
                ends.pop(0)


def starts(n_points: int, n_pieces: int) -> list[int]:
    """Where to cut points into pieces of about the same size.

    Not evenly: cuts that are a multiple of the length of an axis apart would all be at the same
    value of it.
    """
    jitter = (np.arange(n_pieces) * _GOLDEN) % 1.0
    at = (np.arange(n_pieces) + 0.5 * jitter) * n_points / max(1, n_pieces)
    # They ascend. `numpy.unique` would import numpy.ma, 10 ms, while the workers wait.
    return list(dict.fromkeys(at.astype(np.int64).tolist()))


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
    """What points took in each piece of a space, and what those that are left will take."""

    def __init__(self, pieces: Sequence[Sequence[Places]], n_workers: int) -> None:
        lasts = np.array([own[-1][-1] for own in pieces], dtype=np.int64)
        self._firsts = np.array([own[0][0] for own in pieces], dtype=np.int64)
        self._n_left = np.array([sum(map(len, own)) for own in pieces], dtype=float)
        self._left_at = self._n_left * (lasts - self._firsts) / 2
        self._n_over, self._over_at, self._busy_s = np.zeros((3, len(pieces)))
        self._n_workers = n_workers
        self._n_blocks = 0
        self._began = 0.0

    def note(self, positions: Places, busy_s: float) -> None:
        """Take in a block of finished points, ascending, and the time that they took."""
        if not self._n_blocks:
            self._began = time.perf_counter() - busy_s  # until then the workers started
        self._n_blocks += 1
        n_over, at = self.drop(positions)
        self._n_over += n_over
        self._over_at += at
        self._busy_s += n_over * (busy_s / len(positions))

    def drop(self, positions: Places) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Leave out points; return how many of each piece they are, and the sum of where in it."""
        n = len(positions)
        if isinstance(positions, range):
            edges = np.append(np.clip(self._firsts - positions.start, 0, n), n)
            ends = positions.start + np.minimum(edges[:-1], n - 1), positions.start + edges[1:] - 1
        else:
            edges = np.append(np.searchsorted(positions, self._firsts), n)
            ends = positions[np.minimum(edges[:-1], n - 1)], positions[edges[1:] - 1]
        counts = np.diff(edges)
        # Halfway between the first and the last: they are in a row, more or less.
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
