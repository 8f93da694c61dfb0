"""How many points to send to a worker next, and how long the rest takes, from what earlier took."""

from __future__ import annotations

import collections
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.engines import Block, Receipt
from sweeps.errors import SweepsError
from sweeps.progress import forecast
from sweeps.spaces.product import Places, Positions, joined, written

if TYPE_CHECKING:
    from sweeps.costs.course import Course

BLOCK_S = 0.5
"""Work in a block: the cost of sending one, about 1 ms, vanishes, and little is lost in a kill."""

_CONCURRENT_BLOCK_S = 2.0
"""The same where points overlap: at the end of a block a worker waits for the last of them alone.

With points of 0.2 to 0.8 s, ten at once, blocks of 0.5 s leave a third of the places empty.
"""

_FAR_BLOCKS = 4  # so many times longer where sending one costs 10 ms: 0.5 % of 2 s
MAX_BLOCK = 2**20
_FIRST_BLOCK, _FIRST_SHARES = 8, 40  # of few points, a twentieth should tell of all others
_SHARES = 3  # a block is no more than this part of what is left for a worker
_DEAR_SHARES = 10  # where points take long: some take longer, and others must not wait behind
_CONCURRENT_SHARES = 2
_MAX_COLUMNS = 2**21  # where the function takes columns, and stops in time by itself
_ROUNDS = 3  # of concurrent points, at least: between blocks a worker has none under way
_FINEST = 20  # towards the end, blocks get no smaller than this part of a full one
_MOST_PIECES = 16  # of a space, from each of which one of the first blocks comes
_LEAST_S = 0.005  # of work in a block: it takes as long to commit one
_GROWTH = 16  # a first guess may be wrong by far: the first points of a function warm it up

_DEAR_S = 0.02  # points that take longer are worth to be looked at: a look takes some of 0.1 s
_WORTH_S = 3.0  # and only if so much time is left: the first call of a function warms it up
_MOST_NOTED = 256  # blocks, and points of each, before points are known to take long


def block_s(concurrency: int) -> float:
    """Seconds of work in a block of points so many of which are under way at once."""
    return BLOCK_S if concurrency == 1 else _CONCURRENT_BLOCK_S


Left = tuple[float, tuple[float, float] | None]
"""Seconds, and between which they likely are, if that is known."""

BeginCourse = Callable[[int], "Course"]  # given how many points there are

Claim = Callable[[Places, int], tuple[Places, Places, Places]]


def _ascending(positions: Places) -> Places:
    is_row = isinstance(positions, range) or not (positions[1:] < positions[:-1]).any()
    return positions if is_row else np.sort(positions)


def claim_all(positions: Places, n: int) -> tuple[Places, Places, Places]:
    """Claim points where no other run is."""
    return positions[:n], positions[n:], positions[:0]


class Scheduler:
    """Cuts positions into blocks; an engine may ask from any thread.

    Blocks aim at `block_s` of work, by the time that points took lately, and get smaller to the end
    so that no worker idles. What a worker left of a block comes back in.

    Parameters
    ----------
    cut : callable
        Makes blocks of positions, numbered from a number on.
    concurrency : int
        Points that a worker has under way at once; blocks are multiples of some times as many.
    is_cut : bool
        Whether `todo` is cut already, into what is to be given out together.
    is_in_order : bool
        Whether points are to be begun in the order of `todo`, from the first block on.
    is_far : bool
        Whether a block costs 10 ms and more to send, as to another machine.
    claim : callable
        Takes the first so many of some points that other runs leave free, and says which it took,
        which others are free, and which are not; as `sweeps.memo.claims.Claims.take` does.
    claim_s : callable
        Seconds of work that are worth a claim.
    begin_course : callable, optional
        It is called once points take long; others come in rows, at no cost.
    before_s : float
        Seconds that points took before, on average; 0 if unknown.
    """

    def __init__(
        self,
        todo: Iterable[Places],
        cut: Callable[[Places, int], Iterable[Block]],
        n_workers: int,
        *,
        concurrency: int = 1,
        is_vectorized: bool = False,
        is_cut: bool = False,
        is_in_order: bool = False,
        is_far: bool = False,
        claim: Claim = claim_all,
        claim_s: Callable[[], float] = lambda: 0.0,
        begin_course: BeginCourse | None = None,
        before_s: float = 0.0,
    ) -> None:
        self._pending = collections.deque[Places](todo)
        self._n_pending = sum(map(len, self._pending))
        self._cut = cut
        self._claim, self._claim_s = claim, claim_s
        self._held: list[Positions] = []
        self._n_workers = n_workers
        self._is_cut = is_cut
        self._block_s = block_s(concurrency) * (_FAR_BLOCKS if is_far else 1)
        n_rounds = 1 if concurrency == 1 else _ROUNDS
        self._step = max(1, min(n_rounds * concurrency, -(-self._n_pending // n_workers)))
        self._most = _MAX_COLUMNS if is_vectorized else MAX_BLOCK
        first = _FIRST_BLOCK if concurrency == 1 and not is_vectorized else self._most
        self._shares = _SHARES if concurrency == 1 else _CONCURRENT_SHARES
        n_shares = self._shares + 1 if first > _FIRST_BLOCK else _FIRST_SHARES
        self._size = min(first, self._n_pending // (n_shares * n_workers))
        self._point_s = math.inf  # as lately; unknown at first
        self._n_probes = 0
        self._forecast = None
        if self._n_pending and not is_cut:
            # Concurrent points come in blocks as long as can be, or few are under way at once.
            is_probed = concurrency == 1 and not is_in_order
            self._forecast = self._cut_in_pieces(is_probed=is_probed)
        self._begin_course = begin_course
        self._course: Course | None = None
        self._noted: collections.deque[Any] = collections.deque(maxlen=_MOST_NOTED)
        self._lock = threading.Lock()
        self._ready: collections.deque[tuple[Block, Places]] = collections.deque()
        self._number = 0
        self._flying: dict[int, Places] = {}
        self._round = 0
        self.is_stopped = False
        self._look_ahead(before_s)

    def _cut_in_pieces(self, is_probed: bool) -> forecast.Forecast:
        """Have one of the first blocks come from each piece, since they tell how long it takes."""
        n_pieces = max(1, min(_MOST_PIECES, self._n_pending // max(1, self._size)))
        ascending = sorted(filter(len, self._pending), key=lambda places: int(places[0]))
        pieces = list(forecast.cut_at(ascending, forecast.starts(self._n_pending, n_pieces)))
        if is_probed:
            probes = [pieces[i][0] for i in forecast.spread(len(pieces))]
            rest = [part for own in pieces for part in own[1:]]
            self._pending = collections.deque([*probes, *rest])
            self._n_probes = len(probes)
        return forecast.Forecast(pieces, self._n_workers)

    def _go_on_in_order(self) -> None:
        """Put together what lies together."""
        self._n_probes = 0
        joined: list[Places] = []
        for each in sorted(self._pending, key=lambda places: int(places[0])):
            last = joined[-1] if joined else None
            if isinstance(each, range) and isinstance(last, range) and last.stop == each.start:
                joined[-1] = range(last.start, each.stop)
            else:
                joined.append(each)
        self._pending = collections.deque(joined)

    def _look_ahead(self, point_s: float | None = None) -> None:
        """Once points take long: begin next what tells most of the others, or takes longest."""
        if self._begin_course is None or not self._pending:
            return
        point_s = self._point_s if point_s is None else point_s
        is_dear = point_s > _DEAR_S and point_s * self._n_pending > _WORTH_S * self._n_workers
        if self._course is None and not is_dear:
            return
        try:
            if self._course is None:
                self._course = self._begin_course(self._n_pending)
                for noted in self._noted:
                    self._course.note(*noted)
            if not self._course.is_due:
                return
            pending = np.sort(np.concatenate([written(each) for each in self._pending]))
            order = self._course.look(pending, self._under_way())
        except (SweepsError, ArithmeticError, ValueError):  # the run matters more
            self._begin_course = self._course = None
            return
        if order is not None:
            self._pending = collections.deque(filter(len, order.pieces))
            self._n_probes = order.n_probes

    def _under_way(self) -> Positions:
        return written(joined([*self._flying.values(), *(own for _, own in self._ready)]))

    @property
    def _is_ordered(self) -> bool:
        return self._course is not None and self._course.is_ordered

    def given(self, number: int) -> Places | None:
        """Positions of a block that is out; None where it is not."""
        with self._lock:
            return self._flying.get(number)

    def left(self) -> Left | None:
        """Seconds until all is finished; None if unknown."""
        with self._lock:
            if self._course is not None:
                under_way = self._under_way()
                found = self._course.left(under_way, self._n_pending + len(under_way))
                if found is not None:
                    return found.seconds, (found.low_s, found.high_s)
            left_s = None if self._forecast is None else self._forecast.left_s()
            return None if left_s is None else (left_s, None)

    def stop(self) -> None:
        """Give out no more blocks."""
        self.is_stopped = True

    @property
    def n_blocks(self) -> int:
        """Blocks that were cut so far; the next one has this number."""
        with self._lock:
            return self._number

    def withdraw(self) -> Positions:
        """Return the points that no worker has got, and forget them."""
        with self._lock:
            pending = [*map(written, self._pending), *(written(own) for _, own in self._ready)]
            self._pending.clear()
            self._ready.clear()
            self._n_pending = 0
        return np.concatenate([np.empty(0, dtype=np.int64), *pending])

    @property
    def n_held(self) -> int:
        """Points that other runs had claimed."""
        with self._lock:
            return sum(map(len, self._held))

    @property
    def n_left(self) -> int:
        """Points that are not finished, and not claimed by other runs."""
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
            n = max(1, self._n_due())
            taken = self._take(n)
            for start in range(0, len(taken), n):
                self._ready.extend(self._cut_up(_ascending(taken[start : start + n])))
        if not self._ready:
            return None
        block, positions = self._ready.popleft()
        self._flying[block.number] = positions
        return block

    def _cut_up(self, positions: Places) -> Iterator[tuple[Block, Places]]:
        start = 0
        for block in self._cut(positions, self._number):
            self._number += 1
            yield block, positions[start : start + len(block)]
            start += len(block)

    def _take(self, n_due: int) -> Places:
        """Take free points for at least a block; set those of other runs apart."""
        if not (self._is_cut or self._n_probes):
            n_worth = int(self._claim_s() * self._n_workers / self._point_s)
            n_due = max(n_due, min(n_worth, self._n_pending // self._shares))
        n = n_looked_at = n_due
        taken: list[Places] = []
        while n > 0 and self._pending:
            is_probe = self._n_probes > 0
            own, left, held = self._claim(self._pop(n_looked_at), n)
            taken.append(own)
            self._put_back(left)
            if len(held):  # nothing of many points would keep their memory
                self._held.append(written(held))
            if self._forecast is not None and len(held):
                self._forecast.drop(np.sort(held))
                if self._course is not None:
                    self._course.drop(written(held))
            n -= len(own)
            if len(own) and (is_probe or 2 * len(own) >= n_due):
                break  # what follows may be elsewhere: points in a row are worth a smaller block
            n_looked_at = min(2 * n_looked_at, MAX_BLOCK) if len(held) else n
        positions = joined(taken)
        # What came back need not have come in order.
        return positions if self._is_ordered else _ascending(positions)

    def _n_due(self) -> int:
        if self._is_cut:
            return len(self._pending[0]) if self._pending else 0
        shares = self._shares if self._course is None else _DEAR_SHARES
        finest = max(self._size // _FINEST, int(_LEAST_S / self._point_s))
        fair = max(-(-self._n_pending // (shares * self._n_workers)), finest)
        n = -(-max(1, min(self._size, fair, self._most)) // self._step) * self._step
        if self._course is not None and self._pending:
            n = min(n, self._course.n_within(written(self._pending[0][:n]), self._block_s))
        return n

    def _pop(self, n: int) -> Places:
        popped: list[Places] = []
        while n and self._pending:
            first = self._pending.popleft()
            popped.append(first[:n])
            if len(first) > n:
                put_back = self._pending.append if self._n_probes else self._pending.appendleft
                put_back(first[n:])
            n -= len(popped[-1])
            if self._n_probes:
                self._n_probes -= 1
                if not self._n_probes:
                    self._go_on_in_order()
                break
            if len(popped[-1]) >= n:
                break
        positions = joined(popped)
        self._n_pending -= len(positions)
        return positions

    def hold(self, positions: Positions) -> None:
        """Keep points apart that other runs have claimed."""
        with self._lock:
            self._held.append(positions)

    def held(self) -> Positions:
        """Give the points that other runs had claimed, and forget them."""
        with self._lock:
            held, self._held = self._held, []
        return np.concatenate([np.empty(0, dtype=np.int64), *held])

    def settle(self, receipt: Receipt) -> None:
        """Take in what a worker did, and take back what it left."""
        with self._lock:
            positions = self._flying.pop(receipt.number)
            if receipt.n_left:
                last = positions[-receipt.n_left :]
                self._put_back(last if receipt.left is None else receipt.left)
            n_begun = len(positions) - receipt.n_left
            if n_begun:
                self._note(positions[:n_begun], receipt)
                before_s, self._point_s = self._point_s, max(receipt.busy_s / n_begun, 1e-9)
                size = int(self._block_s / self._point_s)
                self._size = max(1, min(size, max(1, self._size) * _GROWTH))
                if self._n_pending * max(before_s, self._point_s) < self._n_probes * _LEAST_S:
                    self._go_on_in_order()  # the rest takes less than to commit all probes
                self._look_ahead()

    def _note(self, positions: Places, receipt: Receipt) -> None:
        if self._forecast is not None:
            self._forecast.note(positions, receipt.busy_s)
        if self._course is not None:
            self._course.note(written(positions), receipt.elapsed, receipt.busy_s)
        elif self._begin_course is not None and len(positions) <= _MOST_NOTED:
            self._noted.append((written(positions), receipt.elapsed, receipt.busy_s))

    def recall(self, numbers: Iterable[int] = ()) -> dict[int, Positions]:
        """Return which blocks are out, by number, and forget them.

        If none are named, all come back, and the iterators so far end: a broken engine may go on
        asking from one of its threads, and gets nothing more.
        """
        with self._lock:
            if numbers:
                return {n: written(self._flying.pop(n)) for n in numbers if n in self._flying}
            self._round += 1
            flying, self._flying = self._flying, {}
        return {number: written(positions) for number, positions in flying.items()}

    def give_back(self, positions: Places) -> None:
        """Take back what is not finished."""
        with self._lock:
            self._put_back(positions)

    def _put_back(self, positions: Places) -> None:
        if len(positions):
            put_back = self._pending.append if self._n_probes else self._pending.appendleft
            put_back(positions)
            self._n_pending += len(positions)
