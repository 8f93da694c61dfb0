"""Give missing points to an engine and take receipts back, also when workers die.

What to do about dead workers is decided in `blame`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sweeps.declaration import checks
from sweeps.engines import Block, Engine, Lost, Receipt, Refusal
from sweeps.errors import StorageError
from sweeps.execution import blame, brief, plan, printed, remote, send
from sweeps.execution.blame import Suspect
from sweeps.execution.brief import Work
from sweeps.execution.options import Tally
from sweeps.execution.scheduler import Left, Scheduler, claim_all
from sweeps.memo import claims, segment
from sweeps.memo import index as memo
from sweeps.outputs import failures, schema
from sweeps.outputs.failures import Failure
from sweeps.progress.show import Slow
from sweeps.spaces.product import Places, Positions
from sweeps.worker import capture, evaluate, host, scratch

if TYPE_CHECKING:
    from sweeps.worker.out_of_memory import Kills

_MAX_BARREN_LOSSES = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
_MAX_WAITING = 8  # blocks of a worker; an engine takes two ahead
_Mask = npt.NDArray[np.bool_]

Make = Callable[[Path, capture.Take], Work]
"""Makes the work of a run in its temporary folder; what is printed in this process is taken."""


class Dispatch:
    """Computes points on an engine.

    Workers may die at any time. What they had committed is in the memo; what they were at is in
    their flight records. A point under suspicion is computed again apart; the one that kills its
    worker there is guilty, and fails; all others go on.

    Parameters
    ----------
    make : callable
        Makes what the engine has workers do.
    others : Claims, optional
        Of other runs, with which to share the points.
    recompute : bool
        Whether points may have values that are not to count.
    is_limited : bool
        Whether the memory of workers is.
    landing : Path, optional
        Folder of the results file, if large values are written where it has them.
    """

    def __init__(
        self,
        sweep: plan.Points,
        index: memo.Index,
        todo: Iterable[Places],
        engine: Engine,
        n_workers: int,
        make: Make,
        *,
        recompute: bool = False,
        others: claims.Claims | None = None,
        waits: bool = True,
        is_limited: bool = False,
        landing: Path | None = None,
    ) -> None:
        self._sweep = sweep
        self._index, self._others = index, others
        self._tries = self._tries_before = plan.tries(index)
        self._waits = waits
        self._recompute = recompute
        self._engine = engine
        self._n_workers = n_workers
        space = sweep.experiment.space
        is_free = not engine.is_sequential and (waits or others is None)
        self._scheduler = Scheduler(
            todo,
            self._cut,
            n_workers,
            concurrency=sweep.experiment.concurrency,
            is_vectorized=sweep.experiment.vectorized,
            # What points print then comes in their order. And a run that does not wait begins at a
            # place of its own.
            is_in_order=engine.is_sequential or not waits,
            is_far=not engine.shares_machine,
            claim=plan.in_whole_rows(space, claim_all if others is None else others.take),
            claim_s=(lambda: 0.0) if others is None else others.claim_s,
            begin_course=plan.begin_course(sweep, index, n_workers, is_free=is_free),
            before_s=plan.mean_s(index),
        )
        self._scratch = scratch.Scratch()
        self._folder = self._scratch.path
        self.printed = printed.Collector(sweep.experiment, sweep.keys, sweep.memo, self._folder)
        self._is_limited = is_limited
        self._kills: Kills | None = None
        self.tally = Tally()
        try:
            if engine.isolates:
                from sweeps.worker.out_of_memory import Kills

                self._kills = Kills()
            self._work = make(self._folder, self.printed.take)
        except BaseException:
            self.close()
            raise
        self._n_barren = self._n_unexplained = self._n_outcomes = 0
        self._is_stopped = False
        self.meanwhile: Callable[[], object] = lambda: None  # called once a worker has a block
        self._landing = landing if engine.shares_machine and not recompute else None
        self._losses = None if engine.shares_machine else blame.Losses()

    def go_on(self, positions: Places) -> Tally:
        """Go on with a block of other points, of which a new tally counts; the workers stay."""
        self._scheduler = Scheduler([positions], self._cut, self._n_workers, is_cut=True)
        self.tally = Tally()
        return self.tally

    def withdraw(self) -> Positions:
        """Return the points that no worker has got; this run leaves them to others."""
        return self._scheduler.withdraw()

    def muster(self) -> None:
        """Start the worker processes, and wait until all of them are ready for blocks."""
        (job,) = self._work.args
        try:
            error = send.muster(self._engine, job, self._n_workers)
        except BaseException:
            self.close()
            raise
        if error:
            self._give_up(error)

    def stop(self) -> None:
        """Begin nothing more; what is under way is finished and committed."""
        self._is_stopped = True
        self._scheduler.stop()
        self._engine.stop()
        scratch.ask_to_stop(self._folder)

    @property
    def workers(self) -> tuple[str, int]:
        """The name of the engine, and how many workers it has."""
        return self._engine.name, self._n_workers

    def left(self) -> Left | None:
        """Seconds until the run ends; None if unknown."""
        return self._scheduler.left()

    def under_way(self) -> tuple[Slow, ...]:
        """Return which points take a while, the longest first."""
        if (told := self._engine.notice()) and told not in self.tally.notes:
            self.tally.notes.append(told)
        from sweeps.worker import said  # which quick runs do not need

        space = self._sweep.experiment.space
        return tuple(said.slow(self._folder, self._scheduler.given, space))

    def end(self) -> None:
        """Have workers close their resources."""
        if evaluate.needs_host(self._sweep.experiment):
            self.tally.warnings += host.end(self._folder)

    def close(self) -> None:
        """Show and keep the rest of what points printed, and remove what only this run needed."""
        self.tally.warnings += self.printed.close()
        if not self._engine.shares_machine:
            remote.forget(self._sweep.memo, self._folder)
        if checks.CHECKPOINT in self._sweep.experiment.services:
            from sweeps.worker import checkpoints

            own = brief.own_name(self._folder) if self._recompute else ""
            checkpoints.tidy(checkpoints.place(self._sweep.memo, own), is_own=self._recompute)
        self._scratch.remove()

    def compute(self, after_each: Callable[[], None]) -> None:
        """Compute everything.

        Parameters
        ----------
        after_each : callable
            Called after every outcome. If it raises, workers end.
        """
        self._after_each = after_each
        with self.printed.capturing(is_in_process=not self._engine.isolates):
            while (self._scheduler.n_left or self._scheduler.n_held) and not self._is_stopped:
                if self._scheduler.n_left:
                    self._compute_free()
                elif self._others is not None:
                    self._await(self._others)
                if self._losses is not None and not self._scheduler.n_left:
                    self._compute_apart(self._losses.apart())
            self.printed.begin_round()

    def _compute_free(self) -> None:
        """Compute the points that no other run has claimed, and find out who killed workers."""
        suspects = self._round(self._scheduler, self._n_workers)
        is_explained = not suspects or self._judge(suspects)
        self._n_unexplained = 0 if is_explained else self._n_unexplained + 1

    def _round(self, scheduler: Scheduler, n_workers: int) -> list[Suspect]:
        """Compute what a scheduler gives out; return the suspects if workers died."""
        suspects = []
        self.printed.begin_round()
        carried = self._engine.carry(self._work, self._blocks(scheduler, n_workers), n_workers)
        with contextlib.closing(carried) as outcomes:
            for outcome in outcomes:
                self._n_outcomes += 1
                if isinstance(outcome, Lost):
                    suspects = self._recover(scheduler, outcome)
                elif isinstance(outcome, Refusal):
                    self._give_up(outcome.reason)
                else:
                    self._take(scheduler, outcome)
                self._after_each()
        return suspects

    def _blocks(self, scheduler: Scheduler, n_workers: int) -> Iterator[Block]:
        """Give out blocks; end the round if many outcomes wait, since the watcher is slow then."""
        before = self._n_outcomes
        for n, block in enumerate(scheduler.blocks(), start=1):
            self.printed.give_out(block)
            yield block
            if n == 1:
                self.meanwhile()
            if n - (self._n_outcomes - before) >= _MAX_WAITING * n_workers:
                return

    def _take(self, scheduler: Scheduler, receipt: Receipt) -> None:
        if receipt.files:
            receipt = remote.kept(receipt, self._sweep.memo)
        if receipt.error:
            self.tally.n_uncommitted += receipt.n_done + receipt.n_failed
            self._give_up(receipt.error)
            return
        scheduler.settle(receipt)
        self.printed.settle(receipt.number)
        self._n_barren = 0
        self.tally.add(receipt, self._sweep.experiment)
        if self._landing and any(schema.is_large(h) for form in receipt.forms for h in form[1]):
            from sweeps.execution import drafting  # which few runs need

            landing, self._landing = self._landing, None
            self.tally.draft = drafting.begin(self._sweep, receipt.forms, landing, self._folder)

    def _give_up(self, error: str) -> None:
        self.tally.error = self.tally.error or error
        self.stop()

    def _look_up(self, positions: Positions) -> tuple[_Mask, _Mask]:
        """Return which points have values since the run began, and which have failed."""
        own = self._sweep.keys(positions)
        # Points that are computed again have values anyway, and these may be old.
        is_done = (self._index.find(own) >= 0) & (not self._recompute)
        return is_done, (self._tries(own) > self._tries_before(own)) & ~is_done

    def _scan(self) -> None:
        self._index = memo.scan(self._sweep.memo, self._index)
        self._tries = plan.tries(self._index)

    # ---- workers that died

    def _recover(self, scheduler: Scheduler, lost: Lost) -> list[Suspect]:
        """Find out what the memo has of the lost blocks, and what the workers were at."""
        flights = {flight.block: flight for flight in scratch.read(self._folder)}
        self.printed.bury(list(flights.values()))
        self._scan()
        suspects = []
        is_searching = scheduler is not self._scheduler or self._n_unexplained > 0
        for number, positions in scheduler.recall(lost.numbers).items():
            is_done, has_failed = self._look_up(positions)
            self.tally.n_computed += int(is_done.sum())
            self.tally.n_failed += int(has_failed.sum())
            is_open = ~is_done & ~has_failed
            if (flight := flights.get(number)) is not None:
                at, earlier = blame.accused(flight, is_open, is_searching=is_searching)
                is_open[at] = is_open[earlier] = False
                if len(at) or len(earlier):
                    suspects.append(Suspect(positions[at], positions[earlier], flight, lost.cause))
            if self._losses is not None and lost.numbers:
                self._give_back_lost(self._losses, scheduler, positions[is_open], lost)
            else:
                scheduler.give_back(positions[is_open])
        if flights:
            self._n_barren = 0
        elif self._losses is None or self._losses.is_new(lost, scheduler.n_blocks):
            self._n_barren += 1
        if self._n_barren >= _MAX_BARREN_LOSSES:
            self._give_up(
                f"workers die before they compute anything: {blame.exit_code(lost.cause)}"
            )
        return suspects

    def _give_back_lost(
        self, losses: blame.Losses, scheduler: Scheduler, positions: Positions, lost: Lost
    ) -> None:
        """Give back what was lost with its machine; keep what was lost before for the end."""
        if scheduler is self._scheduler:
            scheduler.give_back(losses.note(positions))
            return
        for at in range(len(positions)):
            self._condemn(positions[[at]], blame.lost(lost.cause))

    def _compute_apart(self, positions: Positions) -> None:
        """Compute each point in a block of its own that machines were lost with twice."""
        if len(positions) and not self._is_stopped:
            self._round_apart(np.split(positions, len(positions)), self._n_workers)

    def _judge(self, suspects: Sequence[Suspect]) -> bool:
        """Find the guilty among suspects, and return whether there are any; compute the others."""
        verdict = blame.verdict(suspects, is_limited=self._is_limited, is_stopped=self._is_stopped)
        for suspect in verdict.guilty:
            self._convict(suspect)
        for positions in verdict.free:
            self._scheduler.give_back(positions)
        is_found = self._try(verdict.open) or bool(verdict.guilty)
        if verdict.earlier and not (is_found or self._is_stopped):
            return self._try(verdict.earlier)
        for positions in verdict.earlier:
            self._scheduler.give_back(positions)
        return is_found

    def _try(self, groups: Sequence[Positions]) -> bool:
        """Compute points apart from the others, and return whether guilty ones were found."""
        is_found = False
        for half in blame.halves(groups):
            suspects = self._round_apart(half, len(half))
            if blame.is_proven(suspects, half):
                self._convict(suspects[0])
                is_found = True
            elif suspects and self._judge(suspects):
                is_found = True
        return is_found

    def _round_apart(self, groups: Sequence[Positions], n_workers: int) -> list[Suspect]:
        trial = Scheduler(groups, self._cut, n_workers, is_cut=True)
        suspects = self._round(trial, n_workers)
        self._scheduler.give_back(trial.withdraw())
        return suspects

    def _convict(self, suspect: Suspect) -> None:
        """Record which point killed its worker, and how."""
        why = blame.why(suspect, self._sweep.experiment.timeout, self._kills)
        self._condemn(suspect.positions, why)

    def _condemn(self, position: Positions, why: failures.Reason) -> None:
        """Record that a point killed its worker."""
        key = self._sweep.keys(position)
        n_tries = 1 + int(self._tries(key)[0])
        failure = Failure((int(key[0, 0]), int(key[0, 1])), *why, n_tries)
        try:
            segment.commit(self._sweep.memo, [], [failure])
        except StorageError as error:
            self._give_up(str(error))
        self.tally.n_failed += 1

    # ---- other runs

    def _await(self, others: claims.Claims) -> None:
        """Wait until points that other runs had claimed are finished, or free for us.

        A run that does not wait looks once, and leaves to others what is theirs still.
        """
        others.withdraw()
        held, pause_s = self._scheduler.held(), _FIRST_PAUSE_S
        while len(held) and not self._is_stopped:
            is_held = others.held(held)
            self._scan()
            is_done, has_failed = self._look_up(held)
            is_over = is_done | has_failed
            self.tally.n_elsewhere += int(is_done.sum())
            self.tally.n_failed += int(has_failed.sum())
            is_free = ~is_held & ~is_over
            held, free = held[~is_free & ~is_over], held[is_free]
            self.tally.n_awaited = 0 if len(free) else len(held)
            self._after_each()
            if len(free):
                self._scheduler.give_back(free)
                self._scheduler.hold(held)
            if len(free) or not self._waits:
                return
            time.sleep(pause_s if len(held) else 0)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _cut(self, positions: Places, number: int) -> Iterator[Block]:
        tries = self._tries if self._index.failures else None
        return plan.cut(self._sweep.keys, positions, number, tries)
