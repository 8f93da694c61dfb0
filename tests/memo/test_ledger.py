"""Laws of the ledger: what is written is read, once; what no run wrote is never taken for it."""

import fcntl
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeps.memo import ledger
from sweeps.memo.ledger import LISTED, ROW, RUN, SPACE, SPAN, Ledger
from tests.sizes import examples

NUMBERS = st.integers(0, 2**64 - 1)


@st.composite
def entries(draw):
    """What a run may write: the fields of a row, and words behind it."""
    kind = draw(st.sampled_from([RUN, SPAN, SPACE, LISTED]))
    words = draw(st.lists(NUMBERS, max_size=9)) if kind in (SPACE, LISTED) else []
    stop = len(words) if kind in (SPACE, LISTED) else draw(NUMBERS)
    return kind, draw(st.integers(0, 2**32 - 1)), draw(NUMBERS), stop, words


def written(entry):
    *fields, words = entry
    return ledger.rows(*fields, np.array(words, dtype=np.uint64))


def read(parts):
    found = []
    for rows, words in parts:
        found += [(*row[:4], []) for row in rows.tolist()]
        found[-1][4].extend(words.tolist())
    return found


@given(made=st.lists(entries(), max_size=9))
def test_rows_are_read_as_they_were_written(made):
    content = b"".join(map(written, made))
    parts, n_bytes = ledger.split(content)
    assert n_bytes == len(content)
    assert read(parts) == made


@given(made=st.lists(entries(), min_size=1, max_size=6), data=st.data())
def test_what_is_torn_or_changed_is_not_read_nor_is_anything_behind_it(made, data):
    pieces = list(map(written, made))
    content = b"".join(pieces)
    at = data.draw(st.integers(0, len(content) - 1))
    ends = np.cumsum(list(map(len, pieces))).tolist()
    n_whole = sum(end <= at for end in ends)
    flipped = bytearray(content)
    flipped[at] ^= data.draw(st.integers(1, 255))
    padding = -8 * len(made[n_whole][4]) % ROW.itemsize
    in_words = ends[n_whole] - padding > at  # nothing is said in what fills up a row
    for spoilt in (content[:at], *[bytes(flipped)] * in_words):
        parts, n_bytes = ledger.split(spoilt)
        assert read(parts) == made[:n_whole]
        assert n_bytes == (0, *ends)[n_whole]


@given(junk=st.binary(max_size=500))
def test_junk_is_no_row(junk):
    assert ledger.split(junk) == ([], 0)


@given(takes=st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 3)), max_size=20))
@settings(examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_reader_reads_every_row_once(tmp_path_factory, takes):
    path = tmp_path_factory.mktemp("memo") / "ledger"
    own, heard = [Ledger(path) for _ in range(3)], [[] for _ in range(3)]
    expected = []
    for number, (which, has_turn, n) in enumerate([*takes, *((i, True, 0) for i in range(3))]):
        if has_turn:
            with own[which].turn():
                heard[which] += [row for row in read(own[which].news()[1]) if row[0] == SPAN]
                new = [(SPAN, which, number, number + i, []) for i in range(n)]
                own[which].append(b"".join(map(written, new)))
            expected += new
            heard[which] += new
        elif path.exists():  # only to read, it need not be locked
            heard[which] += [row for row in read(own[which].news()[1]) if row[0] == SPAN]
    assert heard == [expected] * 3


def test_who_waits_for_a_turn_asks_less_and_less_often(tmp_path, monkeypatch):
    asked, flock = [], fcntl.flock
    with (tmp_path / "ledger").open("wb") as file:
        flock(file, fcntl.LOCK_EX)

        def counting(descriptor, operation):
            asked.append(operation)
            if len(asked) == 12:
                flock(file, fcntl.LOCK_UN)
            flock(descriptor, operation)

        monkeypatch.setattr("fcntl.flock", counting)
        pauses = []
        monkeypatch.setattr(time, "sleep", pauses.append)
        with Ledger(tmp_path / "ledger").turn():
            pass
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.001, 0.1)


def test_a_ledger_that_was_removed_while_a_run_waited_for_it_is_not_the_one_it_gets(
    tmp_path, monkeypatch
):
    first, second = (Ledger(tmp_path / "ledger") for _ in range(2))

    def leave():
        with first.turn():
            first.append(ledger.rows(SPAN, 0, 1, 2))
            yield
            first.remove()

    leaving = leave()
    next(leaving)
    monkeypatch.setattr(time, "sleep", lambda _: next(leaving, None))
    with second.turn():
        is_other, parts = second.news()
        assert (is_other, parts) == (True, [])
        second.append(ledger.rows(SPAN, 0, 3, 4))
    third = Ledger(tmp_path / "ledger")
    assert [row for row in read(third.news()[1]) if row[0] == SPAN] == [(SPAN, 0, 3, 4, [])]


@pytest.mark.parametrize("n", [0, 1, 7])
def test_spans_are_what_was_put_together(n):
    random = np.random.default_rng(n)
    positions = random.permutation(np.flatnonzero(random.random(3 * n) < 0.7))
    for each in (positions, np.sort(positions)):
        spans = ledger.spans(each).tolist()
        assert [at for first, stop in spans for at in range(first, stop)] == each.tolist()
