"""Laws of claims: runs that go on together take every point once; who ends frees what it had."""

import contextlib
import fcntl
import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeps import experiment, grid, points, zipped
from sweeps.memo import claims
from sweeps.memo.claims import FOLDER, Claims
from sweeps.spaces.keys import key_maker
from tests.sizes import examples

SPACES = {
    "grid": grid(x=range(6), y=range(5)),
    "grown": grid(x=range(-2, 9), y=range(3, 7)),
    "turned": grid(y=range(5), x=range(6)),
    "zipped": zipped(x=[0, 1, 2, 9], y=[0, 1, 2, 9]),
    "listed": points([{"x": x, "y": x % 3} for x in range(7)]),
    "restricted": grid(x=range(6), y=range(5)).where(lambda x, y: (x + y) % 3 > 0),
}


def maker(space):
    @experiment(space)
    def swept(x, y):
        return x + y

    return key_maker(swept)


def points_at(make_keys, positions):
    return [(p["x"], p["y"]) for p in make_keys.space.parameters_at(positions)]


def every(make_keys):
    return make_keys.space.positions(0, len(make_keys.space))


@given(data=st.data(), names=st.lists(st.sampled_from(sorted(SPACES)), min_size=2, max_size=4))
@settings(examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whoever_asks_in_whatever_order_every_point_is_taken_once(tmp_path_factory, data, names):
    memo = tmp_path_factory.mktemp("memo")
    makers = [maker(SPACES[name]) for name in names]
    pending = [every(each) for each in makers]
    taken, wanted = [], {p for each in makers for p in points_at(each, every(each))}
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(contextlib.closing(Claims(memo, each))) for each in makers]
        while any(map(len, pending)):
            run = data.draw(st.sampled_from([i for i, own in enumerate(pending) if len(own)]))
            n_looked_at = data.draw(st.integers(1, len(pending[run])))
            n = data.draw(st.integers(1, n_looked_at))
            looked_at, rest = np.split(pending[run], [n_looked_at])
            own, left, held = runs[run].take(looked_at, n)
            assert len(own) == min(n, len(looked_at) - len(held))
            assert sorted([*own, *left, *held]) == sorted(looked_at)
            assert set(points_at(makers[run], held)) <= set(taken)
            taken += points_at(makers[run], own)
            pending[run] = np.concatenate([left, rest])
    assert sorted(taken) == sorted(wanted)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("is_long", [False, True])
def test_what_is_claimed_is_held_until_its_run_ends(tmp_path, monkeypatch, name, is_long):
    if is_long:  # axes whose sums are more than is worth writing beforehand
        monkeypatch.setattr(claims, "_MOST_SUMS", 3)
    mine, others = maker(SPACES[name]), maker(SPACES["grid"])
    first, second = Claims(tmp_path, others), Claims(tmp_path, mine)
    assert len(first.take(every(others), 100)[0]) == 30
    is_common = [p in set(points_at(others, every(others))) for p in points_at(mine, every(mine))]
    assert second.held(every(mine)).tolist() == is_common
    first.close()
    # The memo may have got them since it was read: they are looked for there before anything else.
    taken, _, held = second.take(every(mine), 100)
    assert len(held) == sum(is_common)
    assert not second.held(held).any()
    third = Claims(tmp_path, mine)  # reads the memo only now
    assert third.held(every(mine)).tolist() == [not each for each in is_common]
    assert sorted([*second.take(held, 100)[0], *taken]) == sorted(every(mine))
    second.close()
    third.close()


def test_what_a_run_claimed_that_came_and_went_unheard_is_looked_for_in_the_memo(tmp_path):
    mine = maker(SPACES["grid"])
    first = Claims(tmp_path, mine)
    short = Claims(tmp_path, mine)
    taken, _, _ = short.take(every(mine), 10)
    short.close()
    _, _, held = first.take(every(mine), 30)
    assert sorted(held) == sorted(taken)
    first.close()
    assert [p.name for p in (tmp_path / FOLDER).iterdir()] == ["lock"]


CLAIMANT = """
import sys, time
from pathlib import Path
from sweeps import experiment, grid
from sweeps.memo.claims import Claims
from sweeps.spaces.keys import key_maker

@experiment(grid(x=range(6), y=range(5)))
def swept(x, y):
    return x + y

claims = Claims(Path(sys.argv[1]), key_maker(swept))
taken, _, _ = claims.take(swept.space.positions(0, 30), 10)
print(len(taken), flush=True)
if sys.argv[2] == "turn":
    turn = claims._turn()
    turn.__enter__()
    print("turn", flush=True)
time.sleep(100)
"""


@pytest.fixture
def claimant(tmp_path):
    """Another process with ten claims."""
    started = []

    def start(what=""):
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIMANT, str(tmp_path), what], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "10\n"
        assert not what or process.stdout.readline() == f"{what}\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_killed_run_claims_nothing_any_more(tmp_path, claimant):
    process = claimant()
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    assert own.held(every(mine)).sum() == 10
    process.kill()
    process.wait()
    assert not own.held(every(mine)).any()
    own.close()
    assert [p.name for p in (tmp_path / FOLDER).iterdir()] == ["lock"]


def test_a_stopped_run_is_not_waited_for(tmp_path, claimant, monkeypatch):
    monkeypatch.setattr(claims, "_SILENT_S", 0.5)
    process = claimant()
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    os.kill(process.pid, signal.SIGSTOP)
    assert own.held(every(mine)).sum() == 10
    time.sleep(0.6)
    assert not own.held(every(mine)).any()
    own.close()


def test_a_run_that_lives_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "_BEAT_S", 0.02)
    monkeypatch.setattr(claims, "_SILENT_S", 0.5)
    mine = maker(SPACES["grid"])
    first, second = Claims(tmp_path, mine), Claims(tmp_path, mine)
    first.take(every(mine), 10)
    for _ in range(2):
        time.sleep(0.3)
        assert second.held(every(mine)).sum() == 10
    first.close()
    second.close()


def test_a_run_that_was_stopped_while_claiming_stops_nobody(tmp_path, claimant, monkeypatch):
    monkeypatch.setattr(claims, "_PATIENCE_S", 0.2)
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    os.kill(claimant("turn").pid, signal.SIGSTOP)
    taken, _, held = own.take(every(mine), 100)
    assert (len(taken), len(held)) == (30, 0)
    own.close()


@pytest.mark.parametrize("kind", ["nonsense", "unknown record", "sizes", "text", "pickle"])
def test_nonsense_in_place_of_claims_ends_the_sharing_only(tmp_path, kind):
    content = {
        "nonsense": os.urandom(4096),
        "unknown record": np.array([77, 2, 3], dtype="<u8").tobytes(),
        "sizes": np.array([0, 1, 2**64 - 3], dtype="<u8").tobytes(),
        "text": b"not claims",
        "pickle": b"cos\nsystem\n(S'touch owned'\ntR.",
    }[kind]
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    path = tmp_path / FOLDER / "other.claims"
    with path.open("wb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(content)
        assert len(own.take(every(mine), 100)[0]) == 30
    own.close()


@pytest.mark.parametrize("trouble", ["file instead of folder", "no locks", "full disk"])
def test_where_nothing_can_be_claimed_everything_is_free(tmp_path, monkeypatch, trouble):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    if trouble == "file instead of folder":
        (tmp_path / FOLDER).write_text("")
    elif trouble == "no locks":
        monkeypatch.setattr("fcntl.flock", refuse)
    elif trouble == "full disk":

        class Full(io.FileIO):
            def write(self, data):
                return 0

        monkeypatch.setattr("io.FileIO", Full)
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    taken, left, held = own.take(every(mine), 20)
    assert (len(taken), len(left), len(held)) == (20, 10, 0)
    assert not own.held(every(mine)).any()
    own.close()


def words(*values):
    return np.array(values, dtype="<u8").tobytes()


IN_PLACE_OF_CLAIMS = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "link to a file": lambda path: path.symlink_to(__file__),
    "link to nowhere": lambda path: path.symlink_to("nowhere"),
    "64 bytes: a dimension without values": lambda path: path.write_bytes(
        words(0, 2, 0, 3, 1, 0, 5, 1)
    ),
    "48 kB: a product of long dimensions": lambda path: path.write_bytes(
        words(0, 3, 2000, 2000, 1990, *range(5990), 1, 0, 2**33)
    ),
    "points that do not exist": lambda path: path.write_bytes(words(0, 1, 1, 7, 1, 0, 2**62)),
    "a point after itself": lambda path: path.write_bytes(words(0, 1, 1, 7, 1, 1, 0)),
    "thousands of dimensions": lambda path: path.write_bytes(words(0, 5000, *[1] * 10_000)),
    "an unknown record": lambda path: path.write_bytes(words(9, 9)),
    "a terabyte of nothing": lambda path: (path.touch(), os.truncate(path, 2**40)),
}


@pytest.mark.parametrize("make", IN_PLACE_OF_CLAIMS.values(), ids=IN_PLACE_OF_CLAIMS)
def test_what_is_no_file_of_claims_is_named_left_alone_and_ends_nothing(tmp_path, make):
    mine = maker(SPACES["grid"])
    with contextlib.closing(Claims(tmp_path, mine)) as first:
        first.take(every(mine), 10)
        make(path := tmp_path / FOLDER / "hostile.claims")
        with contextlib.closing(Claims(tmp_path, mine)) as second:
            taken, _, held = second.take(every(mine), 100)
            assert (len(taken), len(held)) == (20, 10)  # others are heard all the same
            (warning,) = second.warnings
    assert str(path) in warning
    assert os.path.lexists(path)


@pytest.mark.parametrize("place", [FOLDER, f"{FOLDER}/lock"])
def test_links_and_pipes_in_place_of_folder_and_lock_are_not_followed(tmp_path, place):
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (memo := tmp_path / "memo").mkdir()
    if place != FOLDER:
        (memo / FOLDER).mkdir()
    mine = maker(SPACES["grid"])
    for make in (lambda path: path.symlink_to(elsewhere / "new"), os.mkfifo):
        make(path := memo / place)
        with contextlib.closing(Claims(memo, mine)) as own:
            assert len(own.take(every(mine), 100)[0]) == 30
            if path.is_symlink() or place != FOLDER:
                assert str(path) in own.warnings[0]
        assert not list(elsewhere.iterdir())
        path.unlink()


def test_a_folder_is_live_while_a_run_claims_or_says_only_that_it_is_there(tmp_path):
    assert not claims.are_live(tmp_path)
    with contextlib.closing(Claims(tmp_path, maker(SPACES["grid"]))):
        assert claims.are_live(tmp_path)
    assert not claims.are_live(tmp_path)


def test_giving_up_closes_no_file_of_others(tmp_path):
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    with (tmp_path / FOLDER / "other.claims").open("wb", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"not claims")
        own.take(every(mine), 1)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(8)]
    own.close()
    for descriptor in opened:
        os.close(descriptor)


def test_what_a_dead_run_left_torn_is_no_hindrance(tmp_path):
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "torn.claims").write_bytes(np.array([1, 0, 9], dtype="<u8").tobytes()[:-3])
    mine = maker(SPACES["grid"])
    first, second = Claims(tmp_path, mine), Claims(tmp_path, mine)
    first.take(every(mine), 10)
    assert second.held(every(mine)).sum() == 10
    first.close()
    second.close()
    assert [p.name for p in (tmp_path / FOLDER).iterdir()] == ["lock"]


def test_who_withdraws_claims_only_what_it_takes_from_then_on(tmp_path):
    mine = maker(SPACES["grid"])
    first, second = Claims(tmp_path, mine), Claims(tmp_path, mine)
    first.take(every(mine), 10)
    first.withdraw()
    assert second.held(every(mine)).sum() == 0
    taken, _, _ = first.take(every(mine)[5:], 10)
    assert second.held(every(mine)).sum() == 10
    assert sorted(second.take(every(mine), 30)[2]) == sorted(taken)
    first.close()
    second.close()
    assert [p.name for p in (tmp_path / FOLDER).iterdir()] == ["lock"]
