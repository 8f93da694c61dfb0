"""Claims: simultaneous runs of one experiment tell each other which points they compute.

Each run appends the points that it takes to a ledger, in turns. Claims only save work: if they
cannot be written or locked, some points may be computed twice, and the results are right.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sweeps.errors import StorageError
from sweeps.memo import claimants, ledger
from sweeps.memo.claimants import FOLDER, Claimant, are_live
from sweeps.memo.ledger import (
    HEAD,
    LISTED,
    RUN,
    SPACE,
    SPAN,
    Ledger,
    RefusedError,
    Rows,
    Spans,
    Words,
)
from sweeps.spaces import keys
from sweeps.spaces.keys import KeyMaker
from sweeps.spaces.product import Places, Positions, written
from sweeps.storage import files

__all__ = ["FOLDER", "Claims", "are_live"]

_NAME = "ledger"
_TURNS_SHARE = 1 / 50  # of the time, at most, goes to turns
_CLAIMS_SHARE = 1 / 100  # of a run's time is worth a claim: so a long run makes some hundreds
_LONGEST_CLAIM_S = 30.0  # others wait for one at the end
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_FEW = 8  # runs that are looked at together, of which there may be thousands
_MOST_HEARD = 2**25  # points of other spaces; 12 bytes each are kept
_Mask = npt.NDArray[np.bool_]
_Seen = TypeVar("_Seen")


class _TroubleError(Exception):
    """A turn that was none: no locks, a full disk, something else in place of the ledger."""


class Claims:
    """The claims of one run, and those of others; for use by one thread at a time.

    Parameters
    ----------
    memo : Path
        Folder of the segments.
    make_keys : KeyMaker
        Of the run's points.
    """

    def __init__(self, memo: Path, make_keys: KeyMaker) -> None:
        self._keys = make_keys
        self._folder = memo / FOLDER
        self._ledger = Ledger(self._folder / _NAME)
        self._others = _Others(make_keys, self._ledger.path)
        self._me: Claimant | None = None
        self._slot = -1  # in the ledger, where this run has one
        self._mine: list[Spans] = []
        self._looks = itertools.count()
        self._is_wanted = self._is_withdrawn = False
        self._began_s = time.monotonic()
        self._turn_s = self._trouble_s = self._retry_s = 0.0
        self._trouble = ""
        with contextlib.suppress(_TroubleError), self._turn():
            self._others.settle()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why points are not shared with other runs, if they are not."""
        reason = self._trouble if self._is_wanted else ""
        if reason.startswith(str(self._folder)):
            return (f"{reason}: points are not shared with other runs; remove it",)
        runs, me = "other runs", self._me
        if not reason and me and me.has_strangers and claimants.are_locks_local(self._folder):
            runs, reason = "runs of other machines", f"{self._folder} has locks of this one only"
        advice = "use --shard K/N to split the work by hand"
        return (f"points cannot be shared with {runs} here ({reason}): {advice}",) if reason else ()

    def claim_s(self) -> float:
        """Seconds of work that a claim should be of, at least, so that turns cost little."""
        age_s = time.monotonic() - self._began_s
        return min(max(self._turn_s / _TURNS_SHARE, age_s * _CLAIMS_SHARE), _LONGEST_CLAIM_S)

    def take(self, positions: Places, n: int) -> tuple[Places, Places, Places]:
        """Claim the first `n` of some points that no other run has claimed.

        Return those claimed now, those that are free, but more than asked for, and those that other
        runs have claimed, which may have ended.
        """
        self._is_wanted = True
        start = time.monotonic()
        try:
            with self._turn():
                free, held = self._others.divide(positions)
                self._ledger.append(self._rows(self._slot, ledger.spans(free[:n])))
            self._turn_s += (time.monotonic() - start - self._turn_s) / 4
        except _TroubleError:
            free, held = self._others.divide(positions)
        self._mine.append(ledger.spans(free[:n]))
        return free[:n], free[n:], held

    def held(self, positions: Positions) -> _Mask:
        """Which of some points running runs have claimed, shape (n,).

        Look up all others in the memo: from now on, the claims of ended runs count as free.
        """
        with contextlib.suppress(_TroubleError):
            if self._is_withdrawn or self._trouble:
                with self._turn():
                    pass
            else:  # others go on with their turns while we wait
                with self._noting_trouble():
                    self._hear()
        if self._trouble and time.monotonic() - self._trouble_s > claimants.SILENT_S:
            return np.zeros(len(positions), dtype=bool)
        self._others.settle()
        if self._me is not None:
            runs = self._others.runs(positions)
            for run in np.roll(runs, -_FEW * next(self._looks))[:_FEW].tolist():
                if self._me.is_gone(run):
                    self._others.drop(run)
        return self._others.have(positions)

    def withdraw(self) -> None:
        """Withdraw all claims so far: their points are finished.

        Otherwise two runs would wait for each other's points for ever if finished points of both
        were removed or damaged.
        """
        self._mine.clear()
        self._is_withdrawn = True  # in this turn or a later one
        with contextlib.suppress(_TroubleError), self._turn():
            pass

    def close(self) -> None:
        """Withdraw all claims, and end; the last run removes the ledger."""
        self._mine.clear()
        self._is_withdrawn = True
        self.if_alone(self._ledger.remove)
        if self._me is not None:
            self._me.close()

    def if_alone(self, look: Callable[[], _Seen]) -> _Seen | None:
        """Call `look` if no other run is there, and let none begin or end meanwhile; else None."""
        with contextlib.suppress(_TroubleError), self._turn():
            if self._me is not None and self._me.is_alone():
                return look()
        return None

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only run that claims, and know what others have claimed."""
        with self._noting_trouble():
            is_first, me = self._me is None, self._appear()
            with self._ledger.turn():
                self._hear()
                if is_first and me.is_alone():  # the rest is of runs that were killed
                    self._ledger.clear()
                    self._others = _Others(self._keys, self._ledger.path)
                    self._hear()
                if self._slot < 0 or self._is_withdrawn:
                    self._introduce(me.run)
                yield

    @contextlib.contextmanager
    def _noting_trouble(self) -> Iterator[None]:
        """Say what hinders a turn, and try again after a while, with all of the ledger."""
        began = time.monotonic()
        if began < self._retry_s:
            raise _TroubleError
        try:
            yield
        except (OSError, StorageError, RefusedError) as error:
            now = time.monotonic()
            self._trouble_s = self._trouble_s if self._trouble else now
            place, reason = (getattr(error, name, None) for name in ("filename", "strerror"))
            self._trouble = f"{reason or error}{f': {place}' if place else ''}"
            pause_s = max(_FIRST_RETRY_S, (now - began) / _TURNS_SHARE)
            self._retry_s = now + min(pause_s, _LAST_RETRY_S)
            self._ledger.forget()
            raise _TroubleError from error
        self._trouble = ""

    def _appear(self) -> Claimant:
        """Make the folder and the file of this run, also if they were removed meanwhile."""
        try:
            if stat.S_ISLNK(os.lstat(self._folder).st_mode):
                raise RefusedError(f"{self._folder} is a link, and links are not followed")
        except FileNotFoundError:
            if self._me is None:
                files.make_folder(self._folder)
            else:
                self._me.show()
        if self._me is None:
            self._me = Claimant(self._folder)
        return self._me

    def _hear(self) -> None:
        is_other, parts = self._ledger.news()
        if is_other:
            self._slot = -1
            self._others.begin_anew()
            if self._me is not None:
                self._me.show()
        for part in parts:
            self._others.hear(*part)

    def _introduce(self, run: int) -> None:
        """Tell others who this run is and what it has claimed; nothing else counts any more."""
        introduction = self._others.introduction(run)
        slot = len(self._others.slots)
        claimed = [self._rows(slot, spans) for spans in self._mine]
        self._ledger.append(b"".join([introduction, *claimed]))
        for part in ledger.split(introduction)[0]:
            self._others.hear(*part)
        self._slot, self._is_withdrawn = slot, False

    def _rows(self, slot: int, spans: Spans) -> bytes:
        """Write what this run claims as spans, or as keys if it takes less space."""
        firsts, stops = spans.T
        n = int((stops - firsts).sum())
        if not n:
            return b""
        if self._others.space and len(spans) <= 1 + n // 4:
            return ledger.rows(SPAN, slot, firsts, stops)
        return ledger.rows(LISTED, slot, 0, n, self._keys(ledger.listed(spans))[:, 0])


class _Others:
    """Which points other runs have claimed, as the ledger says.

    Points of the space of this run are known by their position, those of other spaces by the first
    halves of their keys: if two are equal by chance (1 in 2^64), a run only waits for nothing. Each
    row RUN of the ledger begins a term: what a run claims until it withdraws its claims.

    Attributes
    ----------
    space : int
        The digest of this run's space; 0 if its points have no positions in a product.
    slots : list of (int, int)
        The term and the space of each slot that the ledger has given.
    """

    def __init__(self, make_keys: KeyMaker, path: Path) -> None:
        self._keys, self._path = make_keys, path
        factors = make_keys.factors
        self._words = ledger.NO_WORDS if factors is None else ledger.space(factors)
        self.space = ledger.digest(self._words)
        self._n_points = len(factors) if factors is not None and self.space else 0
        self._of_position: npt.NDArray[np.uint32] | None = None  # 0 where nobody has it
        self._of_keys: list[tuple[Words, npt.NDArray[np.uint32]]] = []
        self._own_run = -1
        self._is_live = bytearray(1)  # by term; term 0 is of nobody, and of this run
        self._run_of = [0]
        self._term_of: dict[int, int] = {}
        self._over: set[int] = set()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Expect a ledger from its beginning; what earlier ones said counts until this one says."""
        self._spaces: dict[int, keys.Factors | None] = {}  # None for nonsense
        self.slots: list[tuple[int, int]] = []
        self._slot_of: dict[int, int] = {}

    def introduction(self, run: int) -> bytes:
        """Write the rows with which this run begins a term."""
        self._own_run = run
        declared = b""
        if self.space and self.space not in self._spaces:
            declared = ledger.rows(SPACE, 0, 0, len(self._words), self._words)
        return declared + ledger.rows(RUN, 0, run, self.space)

    def divide(self, places: Places) -> tuple[Places, Places]:
        """Divide points into those that are free, and those that others have claimed."""
        if not any(self._is_live[1:]):  # nobody else is there: a row of points stays one
            return places, places[:0]
        is_held = self.have(positions := written(places))
        return positions[~is_held], positions[is_held]

    def have(self, positions: Positions) -> _Mask:
        """Which of some points are claimed, shape (n,)."""
        return self._terms(positions) > 0

    def runs(self, positions: Positions) -> npt.NDArray[np.uint64]:
        """Numbers of the runs that have claimed some points."""
        terms = np.unique(self._terms(positions))
        return np.array([self._run_of[term] for term in terms.tolist() if term], dtype=np.uint64)

    def _terms(self, positions: Positions) -> npt.NDArray[np.uint32]:
        is_live = np.frombuffer(self._is_live, dtype=bool)
        terms = np.zeros(len(positions), dtype=np.uint32)
        if self.space and self._of_position is not None:
            terms = self._of_position[positions]
            terms[~is_live[terms]] = 0
        lanes = self._keys(positions)[:, 0] if self._of_keys else ledger.NO_WORDS
        for known, owners in self._of_keys:
            at = np.minimum(np.searchsorted(known, lanes), len(known) - 1)
            is_found = (known[at] == lanes) & is_live[owners[at]]
            terms[is_found] = owners[at[is_found]]
        return terms

    def settle(self) -> None:
        """Forget the claims of terms that are over, before the caller looks into the memo."""
        for term in self._over:
            self._is_live[term] = 0
        self._over.clear()

    def drop(self, run: int) -> None:
        """Forget the claims of a run that is gone; if it comes back, new ones count."""
        self._is_live[self._term_of[run]] = 0
        term = self._begin(run)
        if (slot := self._slot_of.get(run)) is not None:
            self.slots[slot] = term, self.slots[slot][1]

    def _begin(self, run: int) -> int:
        if run == self._own_run:
            return 0
        self._is_live.append(1)
        self._run_of.append(run)
        self._term_of[run] = len(self._run_of) - 1
        return self._term_of[run]

    def hear(self, rows: Rows, words: Words) -> None:
        """Take in some rows, and the words that follow them."""
        for kind, slot, first, stop, _ in rows.tolist():
            term, space = self.slots[slot] if slot < len(self.slots) else (0, -1)
            if kind == SPAN and space == self.space and first < stop <= self._n_points:
                if term and self._of_position is None:  # memory is taken where it is written to
                    self._of_position = np.zeros(self._n_points, dtype=np.uint32)
                if self._of_position is not None:
                    self._of_position[first:stop] = term
            elif kind == SPAN:
                self._hear_foreign(term, space, first, stop)
            elif kind == LISTED and space >= 0:
                self._add(words, term)
            elif kind == SPACE:
                self._spaces[ledger.digest(words)] = ledger.factors(words)
            elif kind == RUN:
                self._hear_run(first, stop)
            elif kind != HEAD:
                raise self._refused(f"no row is of kind {kind}")

    def _hear_run(self, run: int, space: int) -> None:
        if space and self._spaces.get(space) is None:
            raise self._refused("a run has no space")
        self._over.add(self._term_of.get(run, 0))
        self._slot_of[run] = len(self.slots)
        self.slots.append((self._begin(run), space))

    def _hear_foreign(self, term: int, space: int, first: int, stop: int) -> None:
        factors = self._spaces.get(space)
        sizes = () if factors is None else tuple(map(len, factors.sums))
        if factors is None or not first < stop <= math.prod(sizes):
            raise self._refused("it claims points that do not exist")
        self._check(stop - first)
        for box in keys.boxes(sizes, first, stop):
            self._add(factors.part(box).keys()[:, 0], term)

    def _add(self, lanes: Words, term: int) -> None:
        """Keep sorted arrays of falling sizes, so that each claim is sorted again only rarely."""
        self._check(len(lanes))
        known, terms = np.sort(lanes), np.full(len(lanes), term, dtype=np.uint32)
        while self._of_keys and len(self._of_keys[-1][0]) < 2 * len(known):
            before, terms_before = self._of_keys.pop()
            known, terms = np.append(before, known), np.append(terms_before, terms)
            order = np.argsort(known, kind="stable")
            known, terms = known[order], terms[order]
            is_last = np.append(known[1:] != known[:-1], True)  # who claimed it last has it
            known, terms = known[is_last], terms[is_last]
        if len(known):
            self._of_keys.append((known, terms))

    def _check(self, n_more: int) -> None:
        if sum(len(known) for known, _ in self._of_keys) + n_more > _MOST_HEARD:
            raise self._refused("it claims too many points")

    def _refused(self, reason: str) -> RefusedError:
        return RefusedError(f"{self._path} is no ledger of claims: {reason}")
