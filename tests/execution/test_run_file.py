"""What a run says of itself while it goes on is seen from outside, and nothing of dead runs."""

import os
import time
import types

import pytest

import sweeps
from sweeps.errors import StorageError
from sweeps.execution import compute, dispatch, run_file
from sweeps.execution.options import Options, Progress, Slow
from sweeps.operations import load, run
from sweeps.project.sweep import resolve

SAID = Progress(12, 3, 1, 0, 5.0, left_s=10.0, under_way=(Slow("x=3", 4.0),))


@pytest.fixture
def memo(tmp_path):
    made = tmp_path / ".memo" / "wave" / "abc"
    made.mkdir(parents=True)
    return made


def notices(memo):
    return sorted((memo / run_file.FOLDER).iterdir())


def test_a_run_is_seen_from_its_first_word_to_its_end(tmp_path, memo):
    notice = run_file.Notice(memo)
    assert run_file.look(tmp_path, "wave") == []
    notice.say(Progress(999_999, 0, 0, 0, 0.0))
    notice.say(SAID)  # which is shorter
    (seen,) = run_file.look(tmp_path, "wave")
    assert (seen.points, seen.over, seen.failed) == (12, 4, 1)
    assert 5 <= seen.seconds < 60
    assert seen.left_s <= 10
    assert "4 of 12 points finished, 1 failed" in str(seen)
    assert "under way: x=3 for " in str(seen)
    assert run_file.look(tmp_path, "other") == []
    notice.close()
    assert run_file.look(tmp_path, "wave") == notices(memo) == []


def test_what_was_said_grows_older(tmp_path, memo, monkeypatch):
    notice = run_file.Notice(memo)
    notice.say(SAID)
    now = time.time()
    monkeypatch.setattr(run_file, "time", types.SimpleNamespace(time=lambda: now + 100))
    (seen,) = run_file.look(tmp_path, "wave")
    assert seen.seconds > 100
    assert seen.under_way[0].seconds > 100
    assert seen.left_s == 0
    notice.close()


def test_a_run_that_was_killed_is_not_seen_and_the_next_one_removes_its_file(tmp_path, memo):
    killed = run_file.Notice(memo)
    killed.say(SAID)
    killed._file.close()  # which unlocks it
    assert run_file.look(tmp_path, "wave") == []
    assert len(notices(memo)) == 1  # who looks changes nothing
    notice = run_file.Notice(memo)
    notice.say(SAID)
    assert len(notices(memo)) == len(run_file.look(tmp_path, "wave")) == 1
    notice.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b"[" * 10**5, b'{"points": "x"}'])
def test_what_is_no_word_of_a_run_is_not_seen(tmp_path, memo, content):
    notice = run_file.Notice(memo)
    notice.say(SAID)
    notice._file.truncate(0)
    os.pwrite(notice._file.fileno(), content, 0)
    os.mkfifo(memo / run_file.FOLDER / "pipe.json")
    (memo / run_file.FOLDER / "folder.json").mkdir()
    (memo / run_file.FOLDER / "link.json").symlink_to(memo / run_file.FOLDER / "pipe.json")
    assert run_file.look(tmp_path, "wave") == []
    notice.close()


def test_a_run_goes_on_where_nothing_can_be_said(tmp_path):
    notice = run_file.Notice(tmp_path / "nowhere")
    notice.say(SAID)
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
    monkeypatch.setattr(dispatch, "_SLOW_S", 0.2)
    monkeypatch.setattr(compute, "_FIRST_LANDING_S", 1000.0)
    (project / "experiments" / "slow.py").write_text(SLOW)
    sweep, shown, looks, errors = resolve("slow"), [], [], []

    def watch(progress):
        if progress.under_way:
            shown.append(progress.under_way)
            looks.extend(run_file.look(sweep.results, "slow"))
        if looks and not errors and not sweep.landed.exists():
            with pytest.raises(StorageError, match=r"no results file .* yet: a run started"):
                sweeps.load("slow")
            (row,) = sweeps.status("slow").running
            errors.append(row)

    run.execute(sweep, Options(engine, n_workers=2), watch)
    assert {each.point for every in shown for each in every} == {"x=2"}
    assert max(each.seconds for every in shown for each in every) > 0.4
    assert {each.point for every in looks for each in every.under_way} >= {"x=2"}
    assert errors
    assert sweeps.status("slow").running == ()
    assert sweeps.load("slow").slow.values.tolist() == list(range(4))


def test_results_of_a_run_that_goes_on_are_said_to_be_partial(sweeps, project):
    (project / "experiments" / "slow.py").write_text(SLOW.replace("0.8", "0"))
    sweeps("run", "slow", "--engine=serial")
    notice = run_file.Notice(resolve("slow").memo)
    notice.say(SAID)
    assert "a run started" in sweeps("show", "slow").err
    assert "slow: a run started" in sweeps("status", "slow").out
    assert sweeps("status", "--json").json[0]["running"][0]["under_way"][0]["point"] == "x=3"
    with pytest.warns(UserWarning, match="a run started .* ago"):
        load.load("slow")
    notice.close()
    assert sweeps("show", "slow").err == ""
