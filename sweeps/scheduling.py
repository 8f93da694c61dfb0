"""Scheduling: how many points to send to a worker next, from what the earlier ones took."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from sweeps.block import Block, Receipt
from sweeps.space import Positions

BLOCK_S = 0.5
"""Work in a block: the cost of sending one, about 1 ms, vanishes, and little is lost in a kill."""

MAX_BLOCK = 2**18
_FIRST_BLOCK = 8
_MAX_COLUMNS = 2**21  # where the function takes columns, and stops in time by itself
_FINEST = 20  # towards the end, blocks get no smaller than this part of a full one
_GROWTH = 16  # a first guess may be wrong by far: the first points of a function warm it up


class Scheduler:
    """Cuts positions into blocks; an engine may ask from any thread.

    Blocks aim at `BLOCK_S` of work, by the time that points took lately, and get smaller towards
    the end so that no worker idles. What a worker left of a block comes back in.
    """

    def __init__(
        self,
        todo: Iterable[Positions],
        cut: Callable[[Positions, int], Iterable[Block]],
        n_workers: int,
        *,
        is_vectorized: bool = False,
    ) -> None:
        self._pending = collections.deque(todo)
        self._n_pending = sum(map(len, self._pending))
        self._cut = cut
        self._n_workers = n_workers
        self._most = _MAX_COLUMNS if is_vectorized else MAX_BLOCK
        first = self._most if is_vectorized else _FIRST_BLOCK
        self._size = max(1, min(first, self._n_pending // (4 * n_workers)))
        self._lock = threading.Lock()
        self._ready: collections.deque[tuple[Block, Positions]] = collections.deque()
        self._number = 0
        self._flying: dict[int, Positions] = {}
        self._round = 0
        self.is_stopped = False

    def stop(self) -> None:
        """Give out no more blocks."""
        self.is_stopped = True

    @property
    def n_left(self) -> int:
        """Points that are not finished."""
        with self._lock:
            flying = sum(map(len, self._flying.values()))
            ready = sum(len(positions) for _, positions in self._ready)
            return self._n_pending + flying + ready

    def blocks(self) -> Iterator[Block]:
        """Give out blocks until none is left now; those that come back later need another call."""
        return self._give_out(self._round)

    def _give_out(self, round_: int) -> Iterator[Block]:
        while True:
            with self._lock:
                is_over = self.is_stopped or self._round != round_
                block = None if is_over else self._next()
            if block is None:
                return
            yield block

    def _next(self) -> Block | None:
        if not self._ready:
            if not self._pending:
                return None
            positions = self._take()
            for block, part in self._cut_up(positions):
                self._ready.append((block, part))
        block, positions = self._ready.popleft()
        self._flying[block.number] = positions
        return block

    def _cut_up(self, positions: Positions) -> Iterator[tuple[Block, Positions]]:
        start = 0
        for block in self._cut(positions, self._number):
            self._number += 1
            yield block, positions[start : start + len(block)]
            start += len(block)

    def _take(self) -> Positions:
        fair = max(-(-self._n_pending // (3 * self._n_workers)), self._size // _FINEST)
        n = max(1, min(self._size, fair, self._most))
        taken: list[Positions] = []
        while n and self._pending:
            first = self._pending.popleft()
            taken.append(first[:n])
            if len(first) > n:
                self._pending.appendleft(first[n:])
            n -= len(taken[-1])
        positions = np.concatenate(taken)
        self._n_pending -= len(positions)
        return positions

    def settle(self, receipt: Receipt) -> None:
        """Take note of what a worker did, and take back what it left."""
        with self._lock:
            positions = self._flying.pop(receipt.number)
            if receipt.n_left:
                self._put_back(positions[-receipt.n_left :])
            n_begun = len(positions) - receipt.n_left
            if n_begun:
                point_s = max(receipt.busy_s / n_begun, 1e-9)
                self._size = max(1, min(int(BLOCK_S / point_s), self._size * _GROWTH))

    def recall(self) -> dict[int, Positions]:
        """Say which blocks are out, by number, and forget them; the iterators so far end.

        A broken engine may go on asking from one of its threads: it gets nothing more.
        """
        with self._lock:
            self._round += 1
            flying, self._flying = self._flying, {}
        return flying

    def give_back(self, positions: Positions) -> None:
        """Take back what is not finished."""
        with self._lock:
            self._put_back(positions)

    def pending(self) -> list[Positions]:
        """Positions that nobody has been given."""
        with self._lock:
            return [*self._pending, *(positions for _, positions in self._ready)]

    def _put_back(self, positions: Positions) -> None:
        if len(positions):
            self._pending.appendleft(positions)
            self._n_pending += len(positions)
