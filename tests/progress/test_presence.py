"""Files of runs are judged the same whatever clocks say, and whatever is in their place."""

import json
import os
import time

import pytest

from sweeps.progress import presence, run_file
from sweeps.progress.process import Process
from sweeps.progress.show import Progress

SAID = {"points": 12, "over": 4, "failed": 1, "seconds": 5.0, "left_s": 10.0, "under_way": []}

FAR = {"host": "node7", "boot": "b", "pids": "p", "pid": 1, "born": "1"}

DAY_S = 86400


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / ".memo" / "wave" / "abc" / presence.FOLDER
    made.mkdir(parents=True)
    return made


def write(folder, said, age_s=0.0, name="run"):
    path = folder / f"{name}.json"
    path.write_bytes(said if isinstance(said, bytes) else json.dumps(said).encode())
    os.utime(path, (time.time() - age_s,) * 2)
    return path


@pytest.fixture
def look(folder, tmp_path):
    def told():
        before = sorted(folder.iterdir())
        found = presence.look(tmp_path, "wave")
        assert sorted(folder.iterdir()) == before  # who looks changes nothing
        return found

    return told


def dead(tmp_path):
    return presence.abandoned(tmp_path, "wave")


@pytest.mark.parametrize(
    ("age_s", "is_silent", "is_dead"),
    [(0, False, False), (60, False, False), (200, True, False), (DAY_S + 200, True, True)],
)
@pytest.mark.parametrize("about", [FAR, {}])
def test_a_run_elsewhere_is_judged_by_its_silence(
    folder, look, tmp_path, about, age_s, is_silent, is_dead
):
    path = write(folder, {**SAID, **about}, age_s)
    (seen,) = look()
    assert (seen.silent_s is not None) == is_silent
    assert dead(tmp_path) == ([path] if is_dead else [])
    presence.forget_dead(folder.parent)
    assert path.exists() != is_dead
    if not is_silent:
        assert seen.seconds > 4 + age_s
        assert seen.left_s == max(0, 10 - age_s) or age_s < 10


def test_a_clock_that_is_off_changes_nothing(folder, look, monkeypatch):
    write(folder, {**SAID, **FAR})
    for off_s in (-DAY_S, DAY_S):
        true = time.time
        monkeypatch.setattr(presence.time, "time", lambda true=true, off_s=off_s: true() + off_s)
        (seen,) = look()
        assert seen.silent_s is None
        monkeypatch.undo()


def test_where_nothing_can_be_written_the_clock_of_this_machine_counts(folder, look, monkeypatch):
    monkeypatch.setattr(presence.files, "temporary_name", lambda: "no/such/folder")
    write(folder, {**SAID, **FAR})
    write(folder, {**SAID, **FAR}, 200, "other")
    assert [run.silent_s is None for run in look()] == [True, False]


def test_a_run_of_this_machine_is_judged_by_its_process(folder, look, tmp_path):
    here = Process.here()
    if not here.is_of(here):
        pytest.skip("processes cannot be told from those of other boots here: no Linux")
    path = write(folder, {**SAID, **here._asdict()})
    assert look()[0].silent_s is None
    path = write(folder, {**SAID, **here._asdict(), "born": "1"})  # the number is used again
    assert look()[0].silent_s is not None
    assert dead(tmp_path) == [path]
    for other in ("host", "boot", "pids"):  # where the same number is another process, or none
        write(folder, {**SAID, **here._asdict(), "born": "1", other: "x"})
        assert look()[0].silent_s is None
        assert dead(tmp_path) == []


def test_a_process_that_only_its_parent_keeps_is_gone():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    gone = Process.here()._replace(pid=pid)
    assert not gone.is_there() or not gone.is_of(gone)
    os.waitpid(pid, 0)


JUNK = [
    b"", b"{}", b"[1]", b"null", b"\xff", b"[" * 10**5, b'{"points": "x"}', b"1" * 10_000,
    json.dumps({**SAID, "points": -1}).encode(), json.dumps({**SAID, "points": 10**400}).encode(),
    json.dumps({**SAID, "seconds": float("nan")}).encode(),
    json.dumps({**SAID, "left_s": float("inf")}).encode(),
    json.dumps({**SAID, "under_way": [3]}).encode(), json.dumps({**SAID, "under_way": 3}).encode(),
    json.dumps({**SAID, "versions": 3}).encode(), b" " * (presence.MOST_BYTES + 1),
]  # fmt: skip


@pytest.mark.parametrize("content", JUNK)
def test_what_is_no_word_of_a_run_is_not_seen(folder, look, tmp_path, content):
    path = write(folder, content)
    assert look() == []
    assert dead(tmp_path) == []
    write(folder, content, 2 * DAY_S)
    assert dead(tmp_path) == [path]


def test_what_is_no_file_is_not_waited_for(folder, look, tmp_path):
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json").mkdir()
    (folder / "link.json").symlink_to(folder / "pipe.json")
    with (folder / "large.json").open("wb") as file:
        file.truncate(2**30)
    assert look() == []
    assert dead(tmp_path) == []
    presence.forget_dead(folder.parent)
    assert len(list(folder.iterdir())) == 4


def test_only_what_is_ours_is_removed(folder, look, tmp_path):
    for name in ("notes.txt", "run.json.bak"):
        (folder / name).write_text("")
        os.utime(folder / name, (0, 0))
    write(folder, b"", 2 * DAY_S)
    linked = tmp_path / ".memo" / "wave" / "def" / presence.FOLDER
    linked.parent.mkdir()
    linked.symlink_to(folder)
    presence.forget_dead(linked.parent)
    assert len(list(folder.iterdir())) == 3
    notice = run_file.Notice(linked.parent, "loky", 2)
    notice.say(Progress(3))
    notice.close()
    presence.forget_dead(folder.parent)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "run.json.bak"]


def test_no_text_of_a_file_controls_a_terminal(folder, look):
    evil = "\x1b[2J\x1b]0;owned\x07\u202e\ud800\r\n\tx" * 100
    texts = ("host", "user", "command", "engine", "started", "boot", "born")
    said = {**SAID, **dict.fromkeys(texts, evil), "under_way": [[evil, 3.0]]}
    write(folder, {**said, "versions": {"python": evil}})
    (seen,) = look()
    shown = [str(seen), *map(str, seen.data().values())]
    assert all(text.isprintable() and len(text) < 5000 for text in shown)


def test_two_hundred_runs_are_seen_in_one_look(folder, look):
    for n in range(200):
        write(folder, {**SAID, **FAR, "pid": n + 1, "seconds": float(n)}, name=f"run{n}")
    assert [run.pid for run in look()] == list(range(200, 0, -1))
