"""Laws of claims: runs that go on together take every point once; who ends frees what it had."""

import collections
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeps import experiment, grid, points, zipped
from sweeps.memo import claimants, claims, ledger
from sweeps.memo.claims import FOLDER, Claims
from sweeps.spaces.keys import key_maker
from tests.memo.hosts import Hosts
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
        monkeypatch.setattr(ledger, "_MOST_SUMS", 3)
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
    assert not list((tmp_path / FOLDER).iterdir())


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
    assert not list((tmp_path / FOLDER).iterdir())


def test_a_stopped_run_is_not_waited_for(tmp_path, claimant, monkeypatch):
    monkeypatch.setattr(claimants, "SILENT_S", 0.5)
    process = claimant()
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    os.kill(process.pid, signal.SIGSTOP)
    assert own.held(every(mine)).sum() == 10
    time.sleep(0.6)
    assert not own.held(every(mine)).any()
    own.close()


def test_a_run_that_lives_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(claimants, "_BEAT_S", 0.02)
    monkeypatch.setattr(claimants, "SILENT_S", 0.5)
    mine = maker(SPACES["grid"])
    first, second = Claims(tmp_path, mine), Claims(tmp_path, mine)
    first.take(every(mine), 10)
    for _ in range(2):
        time.sleep(0.3)
        assert second.held(every(mine)).sum() == 10
    first.close()
    second.close()


def test_a_run_that_was_stopped_while_claiming_stops_nobody(tmp_path, claimant, monkeypatch):
    monkeypatch.setattr(ledger, "_PATIENCE_S", 0.2)
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    os.kill(claimant("turn").pid, signal.SIGSTOP)
    taken, _, held = own.take(every(mine), 100)
    assert (len(taken), len(held)) == (30, 0)
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
        monkeypatch.setattr("os.pwrite", refuse)
    mine = maker(SPACES["grid"])
    own = Claims(tmp_path, mine)
    assert not own.warnings  # of a run that shares nothing anyway
    for _ in range(2):
        taken, left, held = own.take(every(mine), 20)
        assert (len(taken), len(left), len(held)) == (20, 10, 0)
    assert not own.held(every(mine)).any()
    (warning,) = own.warnings
    assert "points cannot be shared with other runs here" in warning
    assert "--shard K/N" in warning
    assert ("no locks: " in warning) == (trouble == "no locks")
    own.close()


def test_after_trouble_points_are_shared_again_those_taken_meanwhile_too(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "_LAST_RETRY_S", 0)
    mine, fails = maker(SPACES["grid"]), [False]
    write = os.pwrite

    def written(descriptor, data, at):
        if fails[0]:
            write(descriptor, data[: len(data) // 2], at)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data, at)

    monkeypatch.setattr("os.pwrite", written)
    first, second = Claims(tmp_path, mine), Claims(tmp_path, mine)
    first.take(every(mine), 5)
    fails[0] = True
    assert len(first.take(every(mine)[5:], 5)[0]) == 5
    assert first.warnings
    fails[0] = False
    assert second.held(every(mine)).tolist() == [True] * 5 + [False] * 25
    first.take(every(mine)[10:], 5)
    assert second.held(every(mine)).tolist() == [True] * 15 + [False] * 15
    assert not first.warnings
    fails[0] = True
    first.withdraw()
    fails[0] = False
    first.held(every(mine))  # the withdrawal is made up for
    assert not second.held(every(mine)).any()
    first.close()
    second.close()


@pytest.mark.parametrize("what", ["the folder", "its content", "the ledger", "the memo"])
def test_if_files_of_claims_are_removed_amid_runs_these_make_them_anew(tmp_path, what):
    mine, memo = maker(SPACES["grid"]), tmp_path / "memo"
    first, second = Claims(memo, mine), Claims(memo, mine)
    first.take(every(mine), 10)
    folder = memo / FOLDER
    if what == "the memo":
        shutil.rmtree(memo)
        assert len(first.take(every(mine)[10:], 5)[0]) == 5
        memo.mkdir()
        first._retry_s = 0
    elif what == "the folder":
        shutil.rmtree(folder)
    else:
        for path in folder.iterdir() if what == "its content" else [folder / "ledger"]:
            path.unlink()
    first.take(every(mine)[15:], 5)
    third = Claims(memo, mine)
    assert third.held(every(mine)).sum() == (15 if what != "the memo" else 20)
    assert len(second.take(every(mine)[20:], 10)[0]) == 10
    assert third.held(every(mine))[20:].all()
    assert not claims.are_live(tmp_path)
    assert claims.are_live(memo)
    for run in (first, second, third):
        assert not run.warnings
        run.close()
    assert not list(folder.iterdir())


# ---- machines that share a folder


@given(data=st.data(), name=st.sampled_from(sorted(SPACES)), n_hosts=st.integers(2, 3))
@settings(examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_of_several_machines_take_every_point_once(tmp_path_factory, data, name, n_hosts):
    memo, mine = tmp_path_factory.mktemp("memo"), maker(SPACES[name])
    taken = []
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        hosts = Hosts(patch, memo)
        runs = {}
        for host in range(1, n_hosts + 1):
            with hosts.at(host):
                runs[host] = stack.enter_context(contextlib.closing(Claims(memo, mine)))
        pending = {host: every(mine) for host in runs}
        while any(map(len, pending.values())):
            host = data.draw(st.sampled_from([h for h, own in pending.items() if len(own)]))
            with hosts.at(host):
                own, left, held = runs[host].take(pending[host], data.draw(st.integers(1, 9)))
                taken += own.tolist()
                assert set(held.tolist()) <= set(taken)
                pending[host] = left
                assert runs[host].held(held).all()
        assert sorted(taken) == every(mine).tolist()
        with hosts.at(1):
            runs[1].withdraw()
        with hosts.at(2):
            held = runs[2].held(every(mine)).sum()
        assert held <= len(every(mine))
        assert not any(run.warnings for run in runs.values())


@pytest.mark.parametrize("is_locked", [True, False])
def test_runs_of_other_machines_count_until_they_are_silent(tmp_path, monkeypatch, is_locked):
    now = types.SimpleNamespace(monotonic=lambda: now.s, sleep=time.sleep, s=0.0)
    monkeypatch.setattr(claimants, "time", now)
    hosts, mine = Hosts(monkeypatch, tmp_path), maker(SPACES["grid"])
    with hosts.at(2):
        other = Claims(tmp_path, mine)
        other.take(every(mine), 10)
    own = Claims(tmp_path, mine)
    (file,) = (tmp_path / FOLDER).glob("00000002*.run")
    if not is_locked:  # its machine is gone, or locks were lost
        os.close(other._me._descriptor)
        other._me._descriptor = -1
    patience_s = claimants.SILENT_S if is_locked else claimants.SILENT_S / 2
    for beat in range(1, 4):  # clocks of machines differ
        os.utime(file, (beat, beat))
        now.s += patience_s
        assert own.held(every(mine)).sum() == 10
    now.s += patience_s - 1
    assert own.held(every(mine)).sum() == 10
    now.s += 2
    assert not own.held(every(mine)).any()
    os.utime(file)
    with hosts.at(2):  # it was only stopped: what it claims from now on counts
        other.take(every(mine)[20:], 10)
    assert own.held(every(mine)).tolist() == [False] * 20 + [True] * 10
    with hosts.at(2):
        other.close()
    own.close()


# ---- many runs


def counted(monkeypatch):
    """Count calls of files, and the bytes read."""
    counts = collections.Counter()

    def count(module, name):
        call = getattr(module, name)

        def counting(*arguments, **options):
            done = call(*arguments, **options)
            counts["calls"] += 1
            counts["bytes"] += len(done) if name == "pread" else 0
            return done

        monkeypatch.setattr(module, name, counting)

    for name in ("open", "close", "stat", "lstat", "fstat", "pread", "pwrite", "listdir", "utime"):
        count(os, name)
    count(fcntl, "flock")
    return counts


def test_a_claim_costs_as_much_among_200_runs_as_among_two(tmp_path, monkeypatch):
    monkeypatch.setattr(claimants, "_BEAT_S", 1000)
    space = maker(grid(x=range(100), y=range(100)))
    cost = {}
    for n_runs in (2, 200):
        with contextlib.ExitStack() as stack, monkeypatch.context() as patch:
            memo = tmp_path / str(n_runs)
            runs = [
                stack.enter_context(contextlib.closing(Claims(memo, space))) for _ in range(n_runs)
            ]
            counts = counted(patch)
            for number, run in enumerate(runs * 2):
                taken, _, held = run.take(every(space)[10 * number :], 10)
                assert (len(taken), len(held)) == (10, 0)
            cost[n_runs] = counts["calls"] / len(runs * 2), counts["bytes"] / len(runs * 2)
    assert cost[200][0] == cost[2][0]
    assert cost[200][1] <= 200 * 2 * ledger.ROW.itemsize  # the rows of the other runs


MANY = """
import resource, sys
from pathlib import Path
import numpy as np
from sweeps import experiment, grid
from sweeps.memo import claimants
from sweeps.memo.claims import Claims
from sweeps.spaces.keys import key_maker

claimants._BEAT_S = 1000
n_runs, n_files = map(int, sys.argv[2:])

@experiment(grid(x=range(n_runs), y=range(10)))
def swept(x, y):
    return x + y

resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, n_files))
keys, taken = key_maker(swept), []
runs = [Claims(Path(sys.argv[1]), keys) for _ in range(n_runs)]
for number, run in enumerate(runs):
    own, _, held = run.take(np.arange(10 * n_runs), 10)
    assert len(held) == 10 * number, (number, len(held), run.warnings)
    taken += own.tolist()
assert taken == [*range(10 * n_runs)]
assert not any(run.warnings for run in runs)
print("shared")
"""


@pytest.mark.parametrize(
    ("n_runs", "n_files"), [(140, 128), pytest.param(1100, 1024, marks=pytest.mark.campaign)]
)
def test_more_runs_share_than_a_process_may_open_files(tmp_path, n_runs, n_files):
    many = [sys.executable, "-c", MANY, str(tmp_path), str(n_runs), str(n_files)]
    done = subprocess.run(many, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "shared\n", done.stderr


def words(*values):
    return np.array(values, dtype=np.uint64)


def row(kind, first, stop, *values):
    return ledger.rows(kind, 0, first, stop, words(*values))


HEAD = row(ledger.HEAD, 0, 0)


def declared(*values):
    """Rows of a run in a space."""
    space = words(*values)
    return (
        HEAD + row(ledger.SPACE, 0, len(space), *values) + row(ledger.RUN, 1, ledger.digest(space))
    )


IN_PLACE_OF_A_LEDGER = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "link to a file": lambda path: path.symlink_to(__file__),
    "link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a terabyte of nothing": lambda path: (path.touch(), os.truncate(path, 2**40)),
    "nonsense": os.urandom(4096),
    "a few bytes": b"not",
    "a pickle": b"cos\nsystem\n(S'touch owned'\ntR." * 9,
    "an unknown row": HEAD + row(9, 9, 9),
    "claims of nobody": HEAD + row(ledger.SPAN, 0, 3),
    "a run without a space": HEAD + row(ledger.RUN, 7, 7),
    "a dimension without values": declared(2, 0, 3, 1, 0, 5),
    "a product of long dimensions": (
        declared(3, 2000, 2000, 1990, *range(5990)) + row(ledger.SPAN, 0, 2**32)
    ),
    "points that do not exist": declared(1, 1, 7) + row(ledger.SPAN, 0, 2**62),
    "a point after itself": declared(1, 1, 7) + row(ledger.SPAN, 1, 0),
    "thousands of dimensions": declared(5000, *[1] * 10_000),
    "sizes that no memory holds": declared(1, 2**64 - 3),
}


@pytest.mark.parametrize("what", IN_PLACE_OF_A_LEDGER.values(), ids=IN_PLACE_OF_A_LEDGER)
def test_what_is_no_ledger_is_named_left_alone_and_ends_nothing(tmp_path, monkeypatch, what):
    monkeypatch.setattr(claims, "_LAST_RETRY_S", 0)
    mine, path = maker(SPACES["grid"]), tmp_path / FOLDER / "ledger"
    path.parent.mkdir()
    if isinstance(what, bytes):
        path.write_bytes(what)
    else:
        what(path)
    with contextlib.closing(Claims(tmp_path, mine)) as own:
        taken, _, held = own.take(every(mine), 10)
        assert (len(taken), len(held)) == (10, 0)
        (warning,) = own.warnings
        assert str(path) in warning
        assert os.path.lexists(path)
        if isinstance(what, bytes):
            assert path.read_bytes() == what
        path.rmdir() if path.is_dir() else path.unlink()
        # Once it is gone, points are shared again, those that were taken before too.
        with contextlib.closing(Claims(tmp_path, mine)) as other:
            own.take(every(mine)[10:], 10)
            assert other.held(every(mine)).tolist() == 20 * [True] + 10 * [False]
        assert not own.warnings


@given(
    junk=st.binary(max_size=100),
    where=st.floats(0, 1),
    what=st.sampled_from(["inserted", "cut off", "overwritten"]),
)
@settings(examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_ledger_that_is_torn_or_spoilt_amid_runs_is_mended(tmp_path_factory, junk, where, what):
    memo = tmp_path_factory.mktemp("memo")
    mine, path = maker(SPACES["grid"]), memo / FOLDER / "ledger"
    runs = [Claims(memo, mine) for _ in range(3)]
    for number, run in enumerate(runs):
        run.take(every(mine)[5 * number :], 5)
    content = path.read_bytes()
    at = 32 + int(where * (len(content) - 32))
    rest = {"inserted": at, "cut off": len(content), "overwritten": at + len(junk)}[what]
    path.write_bytes(content[:at] + junk + content[rest:])
    for run in runs * 2:
        run.take(every(mine), 0)
    for number, run in enumerate(runs):
        is_held = np.repeat([each != number for each in range(3)] + [False] * 3, 5)
        assert run.held(every(mine)).tolist() == is_held.tolist()
        assert not run.warnings
    for run in runs:
        run.close()
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("place", [FOLDER, f"{FOLDER}/ledger"])
def test_links_and_pipes_in_place_of_folder_and_ledger_are_not_followed(tmp_path, place):
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
    assert not list((tmp_path / FOLDER).iterdir())


def test_a_row_of_points_stays_one_where_nobody_else_has_claimed_any(tmp_path):
    keys = maker(grid(x=range(100), y=range(10)))
    with contextlib.closing(Claims(tmp_path, keys)) as own:
        taken, left, held = own.take(range(10, 400), 100)
        assert (taken, left, len(held)) == (range(10, 110), range(110, 400), 0)
        with contextlib.closing(Claims(tmp_path, keys)) as other:
            taken, left, held = map(list, other.take(range(300), 100))
            assert taken == [*range(10), *range(110, 200)]
            assert left == [*range(200, 300)]
            assert held == [*range(10, 110)]
        taken, left, held = map(list, own.take(range(105, 120), 5))
        assert (taken, left, held) == ([*range(105, 110)], [], [*range(110, 120)])


def test_claims_of_a_run_that_is_alone_take_no_memory(tmp_path):
    keys = maker(grid(x=range(100), y=range(10)))
    with contextlib.closing(Claims(tmp_path, keys)) as own:
        own.take(range(1000), 500)
        own.take(range(500, 1000), 500)
        assert own._others._of_position is None
