"""Laws of working beside others: every point once, no waiting, nothing landed, nothing lost."""

import functools
import threading
from pathlib import Path

import pytest

import sweeps as product
from sweeps.errors import SweepsError
from sweeps.execution import leaks, scheduler
from sweeps.execution import shard as shards
from sweeps.memo import claims, merge
from sweeps.memo import index as memo
from sweeps.progress import presence
from sweeps.project.sweep import resolve

SHARED = """
import os, pathlib, signal, threading, time
from sweeps import experiment, grid

def come(name):
    pathlib.Path(name).touch()

def await_(pattern, n=1):
    deadline = time.monotonic() + 60
    while len(list(pathlib.Path().glob(pattern))) < n:
        assert time.monotonic() < deadline, pattern
        time.sleep(0.002)

def stop():
    if not pathlib.Path("stopped").exists():
        come("stopped")
        os.kill(os.getpid(), signal.SIGTERM)

@experiment(grid(x=range(8), y=range(25)))
def shared(x, y, offset=0.5):
    calls = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(calls, f"{x} {y}\\n".encode())
    os.close(calls)
    BEHAVIOUR
    return {"z": x * 100.0 + y + offset, "label": f"{x}-{y}"}
"""

MEET = "come(f'here-{threading.get_ident()}'); await_('here-*', 2)"
"""Each of two runs begins its first point before any goes on."""


@pytest.fixture
def shared(project, monkeypatch):
    """An experiment of 200 points that counts its calls."""
    # Threads of one process see what points of the others change: none is computed again for it.
    monkeypatch.setattr(leaks, "warning", lambda *_: "")

    def write(behaviour="pass"):
        text = SHARED.replace("BEHAVIOUR", behaviour)
        (project / "experiments" / "shared.py").write_text(text)

    write()
    return write


def calls():
    path = Path("calls")
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def together(*actions):
    """Do several things at once; return what each of them returned."""
    returned = [None] * len(actions)

    def do(number):
        returned[number] = actions[number]()

    threads = [threading.Thread(target=do, args=(number,)) for number in range(len(actions))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    return returned


def work(**options):
    return product.work("shared", engine="serial", **options)


def test_shards_at_once_and_a_run_give_what_one_run_gives(shared):
    one = product.run("shared", engine="serial", results="one").load()
    calls()
    shards = (functools.partial(work, shard=f"{k}/5") for k in range(5))
    reports = together(*shards)
    assert [report.n_computed for report in reports] == [40] * 5
    assert len(calls()) == 200
    assert not Path("results/shared.h5").exists()
    assert product.status("shared").done == 200
    data = product.run("shared", engine="serial")
    assert calls() == []
    assert data.identical(one.assign_attrs(data.attrs))


def test_a_shard_reuses_what_is_known_and_leaves_the_rest_to_a_run(shared, sweeps):
    sweeps("run", "shared", "x=1,3", "--engine=serial")
    calls()
    said = sweeps("run", "shared", "--shard=1/4", "--engine=serial")
    n_computed = len(calls())
    assert 0 < n_computed < 50
    told = f"shared 1/4: 50 points: {n_computed} computed, {50 - n_computed} reused, 0 failed"
    assert said.out.startswith(told)
    assert (said.code, "no results file written" in said.out) == (0, True)
    assert "python -m sweeps land shared" in said.err
    again = sweeps("run", "shared", "--shard=1/4", "--engine=serial", "--json").json
    assert [again[key] for key in ("points", "computed", "reused")] == [50, 0, 50]
    sweeps("run", "shared", "--shard=1/4", "--engine=serial", "--recompute")
    assert len(calls()) == 50
    assert product.load("shared").sizes["x"] == 2  # as the first run left it
    said = sweeps("run", "shared", "--engine=serial", "--json").json
    assert said["computed"] == len(calls()) == 200 - 50 - n_computed


def test_shards_take_other_values_and_conditions(shared, sweeps):
    asked = ("x=range(0, 5)", "y=range(0, 30)", "--only", "x != 2", "--engine=serial", "--json")
    said = [sweeps("run", "shared", *asked, f"--shard={k}/3").json for k in range(3)]
    assert [each["points"] for each in said] == [40, 40, 40]
    assert len(set(calls())) == 120


def test_what_is_landed_follows_a_space_that_grew(shared, sweeps):
    before, grown = "x=range(0, 3)", "x=range(0, 6)"
    for k in range(2):
        sweeps("run", "shared", before, f"--shard={k}/2", "--engine=serial")
    assert sweeps("land", "shared", before).err == ""
    sweeps("run", "shared", grown, "--shard=0/2", "--engine=serial")
    landed = sweeps("land", "shared", grown, "--json")
    assert [landed.json[key] for key in ("points", "failed")] == [150, 0]
    assert 0 < (n_missing := landed.json["missing"]) < 75
    assert f"{n_missing} points are missing" in landed.err
    assert "python -m sweeps run shared 'x=range(0, 6)'" in landed.err
    with product.load("shared") as data:
        assert int(data.z.isnull().sum()) == n_missing
    sweeps("run", "shared", grown, "--shard=1/2", "--engine=serial")
    assert sweeps("land", "shared", grown).err == ""
    assert len(calls()) == 150


def test_two_who_work_take_every_point_once(shared):
    shared(MEET)
    reports = together(work, work)
    assert sum(report.n_computed for report in reports) == len(calls()) == 200
    assert min(report.n_computed for report in reports) > 0
    assert not Path("results/shared.h5").exists()
    assert product.land("shared").z.notnull().all()


def test_who_works_beside_a_run_takes_points_off_it(shared):
    shared(MEET)
    data, report = together(lambda: product.run("shared", engine="serial"), work)
    assert 0 < report.n_computed < 200
    assert len(calls()) == 200
    assert bool(data.z.notnull().all())


def test_who_works_waits_for_nobody(shared):
    shared("x or y or (come('stuck'), await_('go'))")
    run = threading.Thread(target=lambda: product.run("shared", engine="serial"))
    run.start()  # it begins with the first point
    while not Path("stuck").exists():
        assert run.is_alive()
    report = work()
    assert run.is_alive()
    assert report.n_computed + report.n_reused < 200
    assert product.status("shared").missing == 200 - report.n_computed
    Path("go").touch()
    run.join(60)
    assert len(calls()) == 200


def test_who_works_leaves_what_others_claimed_and_takes_it_when_they_are_gone(shared):
    made = resolve("shared")
    other = claims.Claims(made.memo, made.keys)
    taken, _, _ = other.take(made.experiment.space.positions(0, 200), 60)
    assert work().n_computed == 200 - len(taken)
    other.close()
    assert work().n_computed == len(taken)
    assert len(calls()) == 200


@pytest.mark.parametrize("command", [("work",), ("run", "--shard=0/2")])
def test_a_signal_ends_it_with_everything_kept(shared, sweeps, command):
    name, *options = command
    shared("len(open('calls').readlines()) == 20 and stop()")
    said = sweeps(name, "shared", *options, "--engine=serial")
    assert said.code == 130
    assert "run again to continue" in said.err
    n_done = len(calls())
    assert 20 <= n_done < 100
    assert product.status("shared").done == n_done
    again = sweeps(name, "shared", *options, "--engine=serial", "--json").json
    assert (again["reused"], len(calls())) == (n_done, again["points"] - n_done)


@pytest.mark.parametrize("command", [("work",), ("run", "--shard=0/1")])
def test_failed_points_are_told_and_kept(shared, sweeps, command):
    name, *options = command
    shared("1 / (x - 3)")
    said = sweeps(name, "shared", *options, "--engine=serial")
    assert (said.code, len(calls())) == (1, 200)
    assert "175 computed, 0 reused, 25 failed" in said.out
    assert "python -m sweeps failures shared" in said.err
    said = sweeps(name, "shared", *options, "--engine=serial", "--no-retry")
    assert (said.code, calls()) == (1, [])
    assert "0 computed, 175 reused, 25 failed" in said.out
    sweeps(name, "shared", *options, "--engine=serial")
    assert len(calls()) == 25


def test_shards_of_a_sample_compute_equal_points_once(project):
    text = """
import os
from sweeps import experiment, sample

@experiment(sample.uniform(50, a=range(3), b=["x", "y"], seed=1))
def drawn(a, b):
    with open("calls", "a") as file:
        file.write(f"{a} {b}\\n")
    return float(a)
"""
    (project / "experiments" / "drawn.py").write_text(text)
    for k in range(4):
        product.work("drawn", shard=f"{k}/4", engine="serial")
    assert len(calls()) == 6
    assert product.status("drawn").missing == 0


def test_what_cannot_be_shared_is_refused(shared, sweeps):
    with pytest.raises(SweepsError, match="give a shard with recompute=True"):
        work(recompute=True)
    with pytest.raises(SweepsError, match="so it has no shards: call work"):
        product.run("shared", shard="0/2")
    with pytest.raises(SweepsError, match=r"work\(\) has no option 'x'"):
        work(x=[1])
    said = sweeps("run", "shared", "--shard=0/2", "--output=elsewhere.h5")
    assert said.code == 2
    assert "give --output to land" in said.err
    said = sweeps("run", "shared", "--shard=2/2")
    assert (said.code, "there is no shard 2/2" in said.err) == (2, True)
    assert not Path("results").exists()


@pytest.mark.parametrize("shard", [None, "0/1"])
def test_small_segments_are_merged_while_it_goes_on(shared, monkeypatch, shard):
    monkeypatch.setattr(shards, "_PAUSE_S", 0.0)
    monkeypatch.setattr(shards, "_SHARE", 0)
    monkeypatch.setattr(merge, "N_SMALL", 4)
    monkeypatch.setattr(merge, "SETTLED_S", -10.0)
    monkeypatch.setattr(scheduler, "BLOCK_S", 0.0)
    monkeypatch.setattr(scheduler, "_FIRST_BLOCK", 1)
    assert work(shard=shard, axes={"x": [1, 3]}).n_computed == 50
    assert len(list(Path("results/.memo").rglob("*.seg"))) < 10
    data = product.land("shared", axes={"x": [1, 3]})
    assert data.label.values.tolist() == [[f"{x}-{y}" for y in range(25)] for x in (1, 3)]


def test_of_all_runs_about_one_merges(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_PAUSE_S", 0.0)
    merged = []
    monkeypatch.setattr(merge, "merge", lambda index: merged.append(index) or index)
    (tmp_path / presence.FOLDER).mkdir()
    for n in range(50):
        (tmp_path / presence.FOLDER / f"{n}{presence.SUFFIX}").touch()
    every = [shards._Merging(tmp_path, memo.scan(tmp_path)) for _ in range(1000)]
    for each in every:
        each.if_due()
    assert 2 < len(merged) < 60  # 20 are to be expected
