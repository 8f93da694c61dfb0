"""Laws of scheduling: whatever happens to blocks, every position is finished exactly once."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.engines import Block, Receipt
from sweeps.execution.scheduler import BLOCK_S, MAX_BLOCK, Scheduler


def cut(positions, number):
    """One block of all positions."""
    yield Block(number, positions)


def cut_by_parity(positions, number):
    """Several blocks, as where points have different parameters."""
    odd = np.flatnonzero(np.diff(positions % 2)) + 1
    for offset, part in enumerate(np.split(positions, odd)):
        yield Block(number + offset, part)


def receipt(block, n_left=0, point_s=0.0):
    n_begun = len(block) - n_left
    return Receipt(block.number, n_begun, 0, n_left, n_begun * point_s)


def drain(scheduler, point_s=0.0):
    """Finish everything at once; the lengths of the blocks."""
    lengths = []
    while scheduler.n_left:
        for block in scheduler.blocks():
            lengths.append(len(block))
            scheduler.settle(receipt(block, point_s=point_s))
    return lengths


@given(
    n=st.integers(0, 200),
    n_pieces=st.integers(1, 5),
    n_workers=st.integers(1, 16),
    cutter=st.sampled_from([cut, cut_by_parity]),
    fate=st.randoms(use_true_random=True),
)
def test_every_position_is_finished_once(n, n_pieces, n_workers, cutter, fate):
    # Workers finish blocks in any order, leave some of them, and die with some of them.
    positions = np.arange(n) * 3
    scheduler = Scheduler(np.array_split(positions, n_pieces), cutter, n_workers)
    finished = []
    while scheduler.n_left:
        assert scheduler.n_left == n - len(finished)
        out = {}
        for block in scheduler.blocks():
            out[block.number] = block
            assert (np.diff(block.positions) > 0).all()
            while len(out) > 2 * n_workers:
                done = out.pop(fate.choice(list(out)))
                n_left = fate.randrange(len(done))
                finished += done.positions[: len(done) - n_left].tolist()
                scheduler.settle(receipt(done, n_left, fate.uniform(0, 2)))
        if fate.random() < 0.5:
            for done in out.values():
                finished += done.positions.tolist()
                scheduler.settle(receipt(done))
        else:
            for number, lost in scheduler.recall().items():
                assert out[number].positions.tolist() == lost.tolist()
                n_committed = fate.randint(0, len(lost))
                finished += lost[:n_committed].tolist()
                scheduler.give_back(lost[n_committed:])
    assert sorted(finished) == positions.tolist()


@pytest.mark.parametrize("point_s", [1e-5, 1e-3, 0.1, 10])
@pytest.mark.parametrize("n_workers", [1, 4])
def test_blocks_settle_at_the_wanted_duration_and_end_small(point_s, n_workers):
    n = 20 * max(1, int(BLOCK_S / point_s))
    lengths = drain(Scheduler([np.arange(n)], cut, n_workers), point_s)
    settled = max(lengths[1:])  # the first is a guess
    assert BLOCK_S / 2 < settled * point_s <= max(BLOCK_S, point_s)
    assert lengths[-1] <= max(1, settled / 10)
    assert len(lengths) < 20 + 60 * n_workers  # and not by very many of them


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("n_workers", [1, 2])
def test_few_points_that_take_no_time_come_in_few_blocks(n, n_workers):
    """Each block is committed, in some milliseconds; so many points take less."""
    lengths = drain(Scheduler([range(n)], cut, n_workers), 5e-6)
    assert sum(lengths) == n
    assert len(lengths) <= 4


@pytest.mark.parametrize(("n", "concurrency"), [(500, 10), (10_000, 25), (7, 10), (1, 3)])
def test_concurrent_points_come_in_blocks_that_are_worth_it(n, concurrency):
    blocks = Scheduler([np.arange(n)], cut, 2, concurrency=concurrency).blocks()
    *lengths, last = [len(block) for block in blocks]
    share = -(-n // 2)  # of one of the two workers
    assert all(length >= min(3 * concurrency, share) for length in lengths)
    assert sum(lengths) + last == n


def test_what_is_cut_is_given_out_as_it_is():
    pieces = [np.arange(3), np.arange(5, 90), np.array([95])]
    blocks = Scheduler(pieces, cut, 3, is_cut=True).blocks()
    assert [block.positions.tolist() for block in blocks] == [piece.tolist() for piece in pieces]


@pytest.mark.parametrize("n", [1, 3, 8])
def test_a_few_points_are_shared_by_all_workers(n):
    assert [len(block) for block in Scheduler([np.arange(n)], cut, 8).blocks()] == [1] * n


def test_no_block_is_longer_than_the_limit():
    assert max(drain(Scheduler([range(30 * MAX_BLOCK)], cut, 1))) == MAX_BLOCK


def test_a_first_point_that_took_no_time_does_not_make_a_huge_block():
    scheduler = Scheduler([np.arange(10**6)], cut, 1)
    first, second = (next(scheduler.blocks()) for _ in range(2))
    scheduler.settle(receipt(first, point_s=0))
    assert len(next(scheduler.blocks())) <= 16 * len(second)


def test_after_stop_nothing_more_is_given_out():
    scheduler = Scheduler([np.arange(100)], cut, 2)
    blocks = scheduler.blocks()
    next(blocks)
    scheduler.stop()
    assert list(blocks) == list(scheduler.blocks()) == []


def test_the_iterator_of_a_broken_engine_gets_nothing_more():
    scheduler = Scheduler([np.arange(100)], cut, 2)
    stale = scheduler.blocks()
    block = next(stale)
    assert list(scheduler.recall()) == [block.number]
    assert list(stale) == []
    assert sum(map(len, scheduler.blocks())) == 100 - len(block)
    assert scheduler.recall().keys() != {block.number}


def test_what_is_withdrawn_is_what_nobody_has():
    scheduler = Scheduler([np.arange(10)], cut_by_parity, 1)
    block = next(scheduler.blocks())
    rest = scheduler.withdraw()
    assert sorted([*rest, *block.positions]) == list(range(10))
    assert scheduler.n_left == len(block)
    assert not len(scheduler.withdraw())


@given(n=st.integers(0, 300), n_workers=st.integers(1, 8), fate=st.randoms(use_true_random=True))
def test_points_of_other_runs_are_set_apart_and_all_others_finished(n, n_workers, fate):
    theirs = {i for i in range(n) if fate.random() < 0.5}

    def claim(positions, n):
        is_held = np.array([i in theirs for i in positions.tolist()], dtype=bool)
        free = positions[~is_held]
        return free[:n], free[n:], positions[is_held]

    scheduler = Scheduler(np.array_split(np.arange(n), 3), cut, n_workers, claim=claim)
    finished = []
    while scheduler.n_left:
        for block in scheduler.blocks():
            n_left = fate.randrange(len(block))
            finished += block.positions[: len(block) - n_left].tolist()
            scheduler.settle(receipt(block, n_left, point_s=0.01))
    assert sorted(finished) == sorted(set(range(n)) - theirs)
    assert scheduler.n_held == len(theirs)
    assert sorted(scheduler.held().tolist()) == sorted(theirs)
    assert scheduler.n_held == 0


@pytest.mark.parametrize("n_workers", [1, 4])
@pytest.mark.parametrize("claim_s", [0, 0.1, 5])
def test_where_turns_are_dear_claims_are_of_more_work_and_blocks_are_the_same(n_workers, claim_s):
    n, point_s, claims, n_left = 20_000, 0.01, [], []

    def claim(positions, n):
        claims.append(min(n, len(positions)))
        n_left.append(scheduler.n_left if scheduler else n)
        return positions[:n], positions[n:], positions[:0]

    scheduler = None
    scheduler = Scheduler(
        [range(n)], cut, n_workers, claim=claim, claim_s=lambda: claim_s, is_in_order=True
    )
    scheduler._lock = threading.RLock()
    lengths = drain(scheduler, point_s)
    assert sum(claims) == sum(lengths) == n
    assert max(lengths) * point_s <= BLOCK_S
    worth = claim_s * n_workers / point_s
    settled = [each for each, left in zip(claims, n_left, strict=True) if 3 * worth < left][8:]
    assert min(settled, default=n) >= worth
    assert max(claims) <= max(worth, BLOCK_S / point_s)


def test_no_memory_is_kept_of_points_that_are_finished():
    """What was held of them, which is nothing, was a view of all of them."""
    pieces = [np.arange(a, a + 1000) for a in range(0, 10**5, 2000)]
    scheduler = Scheduler(pieces, cut, 1)
    for block in scheduler.blocks():
        scheduler.settle(Receipt(block.number, len(block), 0, 0, 1e-6 * len(block)))
    assert not scheduler.n_left
    assert not scheduler._held
