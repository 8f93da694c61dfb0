"""What a run says of itself while it goes on is seen from outside."""

import json
import os
import subprocess
import sys
import time

import pytest

import sweeps
from sweeps.code import versions
from sweeps.code.versions import Versions
from sweeps.errors import StorageError
from sweeps.execution import compute
from sweeps.execution.options import Options
from sweeps.operations import load, run
from sweeps.progress import presence, run_file
from sweeps.progress.show import Progress, Slow
from sweeps.project.sweep import resolve
from sweeps.results import update
from sweeps.worker import said

SAID = Progress(
    *(12, 3, 1, 0, 5.0), left_s=10.0, left_range_s=(8.0, 75.0), under_way=(Slow("x=3", 4.0),)
)


@pytest.fixture
def memo(tmp_path):
    made = tmp_path / ".memo" / "wave" / "abc"
    made.mkdir(parents=True)
    return made


def notices(memo):
    return sorted((memo / presence.FOLDER).iterdir())


def test_a_run_is_seen_from_its_first_word_to_its_end(tmp_path, memo):
    notice = run_file.Notice(memo, "loky", 3)
    assert presence.look(tmp_path, "wave") == []
    notice.say(SAID)
    (seen,) = presence.look(tmp_path, "wave")
    assert (seen.points, seen.over, seen.failed) == (12, 4, 1)
    assert (seen.pid, seen.engine, seen.workers) == (os.getpid(), "loky", 3)
    assert (seen.versions, seen.silent_s) == (versions.here(), None)
    assert 5 <= seen.seconds < 60
    assert seen.left_s <= 10
    assert 0 < seen.left_range_s[0] <= 8 < seen.left_range_s[1] <= 75
    assert " left (likely " in str(seen)
    assert "4 of 12 points finished, 1 failed" in str(seen)
    assert "under way: x=3 for " in str(seen)
    assert presence.look(tmp_path, "other") == []
    notice.close()
    assert presence.look(tmp_path, "wave") == notices(memo) == []


def test_a_run_speaks_seldom_and_the_more_so_the_longer_it_takes(tmp_path, memo):
    notice = run_file.Notice(memo, "loky", 3)
    said = []
    for second in range(1, 2001):
        notice.say(Progress(4000, second, seconds=float(second)))
        (seen,) = presence.look(tmp_path, "wave") if second in (1, 2, 5, 2000) else [None]
        said += [seen.over] if seen else []
    assert said[:2] == [1, 1]
    assert 3 <= said[2] <= 5
    assert 1980 <= said[3] <= 2000
    notice.close()


def test_a_run_goes_on_where_nothing_can_be_said(tmp_path):
    notice = run_file.Notice(tmp_path / "nowhere", "serial", 1)
    notice.say(SAID)
    notice.close()


def test_the_next_run_removes_the_file_of_one_that_was_killed(tmp_path, memo):
    code = (
        "import os, pathlib, sys\n"
        "from sweeps.progress import run_file, show\n"
        "notice = run_file.Notice(pathlib.Path(sys.argv[1]), 'loky', 2)\n"
        "notice.say(show.Progress(12, 3, seconds=5.0))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(memo)], check=False)
    (seen,) = presence.look(tmp_path, "wave")
    assert 0 <= seen.silent_s < 60
    assert len(notices(memo)) == 1  # who looks changes nothing
    notice = run_file.Notice(memo, "loky", 2)
    notice.say(SAID)
    assert len(notices(memo)) == len(presence.look(tmp_path, "wave")) == 1
    notice.close()


def test_runs_of_other_versions_are_named_with_both(tmp_path, memo):
    notice = run_file.Notice(memo, "loky", 2)
    notice._about |= {"host": "node7", "versions": vars(Versions("3.9.1", "1.26.4", "0.0.9"))}
    notice.say(SAID)
    told = run_file.differing(presence.beside(memo))
    assert [" 3.9.1, " in told[0], " 1.26.4, " in told[1], " 0.0.9, " in told[2]] == [True] * 3
    assert all(each.startswith("a run on node7 (process ") for each in told)
    assert all(
        each in text for each, text in zip(vars(versions.here()).values(), told, strict=True)
    )
    notice._about |= {"versions": vars(versions.here())}
    notice.say(Progress(12, seconds=100.0))
    assert run_file.differing(presence.beside(memo)) == []
    notice.close()


SLOW = """
import time
from sweeps import experiment, grid

@experiment(grid(x=range(4)))
def slow(x):
    time.sleep(0.8 if x == 2 else 0.01)
    return x
"""


@pytest.mark.parametrize(
    "engine", ["loky", "serial", pytest.param("threads", marks=pytest.mark.campaign)]
)
def test_a_slow_point_is_seen_while_it_is_under_way(project, monkeypatch, engine):
    monkeypatch.setattr(compute, "_TICK_S", 0.05)
    monkeypatch.setattr(run_file, "_OFTEN_S", 0.0)
    monkeypatch.setattr(said, "_FROM_S", 0.2)
    monkeypatch.setattr(update, "_FIRST_LANDING_S", 1000.0)
    (project / "experiments" / "slow.py").write_text(SLOW)
    sweep, shown, looks, errors = resolve("slow"), [], [], []
    other = run_file.Notice(sweep.memo, "loky", 2)
    other._about |= {"host": "node7", "versions": {"python": "3.9.1"}}
    sweep.memo.mkdir(parents=True)
    other.say(SAID)

    def watch(progress):
        if progress.under_way:
            shown.append(progress.under_way)
            looks.extend(presence.look(sweep.results, "slow"))
        if looks and not errors and not sweep.landed.exists():
            with pytest.raises(StorageError, match=r"no results file .* yet: a run "):
                sweeps.load("slow")
            errors.extend(row for row in sweeps.status("slow").running if row.engine == engine)

    report = run.execute(sweep, Options(engine, n_workers=2), watch)
    assert {each.point for every in shown for each in every} == {"x=2"}
    assert max(each.seconds for every in shown for each in every) > 0.4
    assert {each.point for every in looks for each in every.under_way} >= {"x=2"}
    assert errors
    (told,) = report.warnings
    assert told.startswith("a run on node7 (process ")
    other.close()
    assert sweeps.status("slow").running == ()
    assert sweeps.load("slow").slow.values.tolist() == list(range(4))


def test_a_quick_run_writes_nothing_of_itself(project):
    (project / "experiments" / "slow.py").write_text(SLOW.replace("0.8", "0"))
    run.execute(resolve("slow"), Options("serial"))
    assert not list((project / "results").rglob(presence.FOLDER))


def test_results_of_a_run_that_goes_on_are_said_to_be_partial(sweeps, project):
    (project / "experiments" / "slow.py").write_text(SLOW.replace("0.8", "0"))
    sweeps("run", "slow", "--engine=serial")
    notice = run_file.Notice(resolve("slow").memo, "loky", 2)
    notice.say(SAID)
    assert "a run started" in sweeps("show", "slow").err
    assert "slow: a run started" in sweeps("status", "slow").out
    told = sweeps("status", "--json").json[0]
    assert told["running"][0]["under_way"][0]["point"] == "x=3"
    assert told["running"][0]["rate"] > 0
    others = [run_file.Notice(resolve("slow").memo, "loky", 2) for _ in range(2)]
    for other in others:
        other.say(SAID)
    with pytest.warns(UserWarning, match="a run started .* ago") as told:
        load.load("slow")
    (only,) = told
    assert "(and 2 more runs)" in str(only.message)
    for other in others:
        other.close()
    (path,) = notices(resolve("slow").memo)
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "node7"}))
    long_ago = time.time() - 2 * presence.SILENT_S
    os.utime(path, (long_ago, long_ago))
    told = sweeps("status", "slow", "--json").json
    assert (told["running"], len(told["silent"])) == ([], 1)
    assert "a run on node7 (process " in (out := sweeps("status", "slow").out)
    assert "has been silent for 3 min" in out
    assert sweeps("show", "slow").err == ""
    notice.close()
