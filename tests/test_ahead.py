"""An interpreter that was started ahead is what its command would have been, or is not there."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import ahead, siblings

TELL = """
import json, os, random, signal, sys
out, *files = map(int, sys.argv[1:])
told = {
    "main": __name__, "argv": sys.argv, "environment": dict(os.environ),
    "said": [os.read(each, 100).decode() for each in files],
    "open": [each for each in range(256) if os.path.exists(f"/proc/self/fd/{each}")],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "numpy": "numpy" in sys.modules,
    "parent": os.getppid(),
    "name": open("/proc/self/comm").read().strip(),
}
if told["numpy"]:
    import numpy
    told["drawn"] = [random.random(), numpy.random.random()]
with open(out, "w") as file:
    json.dump(told, file)
sys.exit(7)
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    (tmp_path / "tell.py").write_text(TELL)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    ahead.discard()


def environment():
    """What a worker that has a core of its own gets, beside what is here."""
    return {**{name: os.environ.get(name, "1") for name in ahead._ONE_THREAD}, "ENABLE_IPC": "1"}


def is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def adopt_telling(numbers, out):
    """Adopt what tells of itself, with a file under each number; it writes to `out`."""
    words = [sys.executable, "-m", "tell", *map(str, (out, *numbers))]
    return ahead.adopt(words, [out, *numbers], environment())


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("numbers", [(), (40, 41, 42), (3, 4, 5, 6, 7, 8, 9, 10)])
def test_an_interpreter_and_its_copies_go_on_as_their_command_with_its_files(numbers):
    ahead.start()
    first = ahead.pid()
    ahead.start()
    assert ahead.pid() == first  # one is enough
    drawn = set()
    each = (False, True, True) if siblings._is_known() else (False,)
    for is_copy in each:
        ahead.copy(1)
        pid = ahead.pid()
        assert (pid != first) == is_copy
        assert go_on(pid, numbers, drawn)
        assert ahead.pid() is None
    assert len(drawn) == 2 * len(each)


def go_on(first, numbers, drawn):
    """Have the one that waits tell of itself, and say whether all is as in a new interpreter."""
    kept = {n: os.dup(n) for n in numbers if Path(f"/proc/self/fd/{n}").exists()}
    (started,) = ahead._started
    if {started.waiting[0].orders.fileno(), started.copies.fileno()} & {*numbers}:
        pytest.skip("this process has the number itself")  # as when loky's pipes have low numbers
    for n in numbers:
        reader, writer = os.pipe()
        os.write(writer, f"file {n}".encode())
        os.close(writer)
        if reader != n:
            os.dup2(reader, n)
            os.close(reader)
    reader, out = os.pipe()
    try:
        assert adopt_telling(numbers, out) == first
    finally:
        os.close(out)
        for n in numbers:
            os.dup2(kept[n], n) if n in kept else os.close(n)
    with os.fdopen(reader) as file:
        found = json.load(file)
    assert os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) == 7
    assert found["parent"] == os.getpid()
    assert found["name"].startswith("python")
    assert found["said"] == [f"file {n}" for n in numbers]
    assert found["main"] == "__main__"
    assert found["argv"][1:] == [str(out), *map(str, numbers)]
    assert found["open"] == sorted({0, 1, 2, out, *numbers})
    assert found["numpy"]  # it was made ready
    drawn.update(found["drawn"])
    wanted = {**os.environ, **environment(), **ahead.flags()}
    own = {name: v for name, v in found["environment"].items() if name not in ahead._OF_IMPORTS}
    assert own == {name: v for name, v in wanted.items() if name not in ahead._OF_IMPORTS}
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= {*found["blocked"]}
    return True


@given(
    shuffled=st.lists(st.integers(20, 40), unique=True, max_size=8).flatmap(
        lambda numbers: st.tuples(st.just(numbers), st.permutations(numbers))
    )
)
def test_files_get_their_numbers_whichever_they_had(shuffled):
    """In a copy of this process, which may open and close what it likes."""
    had, wanted = shuffled
    pid = os.fork()
    if pid == 0:
        ok = False
        try:
            for n in had:
                os.dup2(os.memfd_create(f"file-{n}"), n)
            names = [str(Path(f"/proc/self/fd/{n}").readlink()) for n in had]
            ahead._renumber(had, wanted)
            ok = [str(Path(f"/proc/self/fd/{n}").readlink()) for n in wanted] == names
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("other", [{"OMP_NUM_THREADS": "3"}, {"PYTHONHASHSEED": "1"}])
def test_where_the_environment_is_another_none_waits_any_more(other):
    ahead.start()
    pid = ahead.pid()
    words = [sys.executable, "-m", "tell", "1"]
    assert ahead.adopt(words, [1], {**environment(), **other}) is None
    assert ahead.pid() is None
    assert not is_there(pid)


@pytest.mark.usefixtures("told")
def test_one_that_was_killed_is_adopted_by_nobody():
    ahead.start()
    pid = ahead.pid()
    os.kill(pid, signal.SIGKILL)  # before it has left a copy
    wait_until(lambda: not is_there(pid))
    assert adopt_telling((), 2) is None
    assert ahead.pid() is None


@pytest.mark.usefixtures("told")
def test_where_none_can_be_copied_there_is_one():
    before = children()
    ahead.start()
    ahead._started[0].copies.shutdown(socket.SHUT_RDWR)
    ahead.copy(2)
    first = ahead.pid()
    reader, out = os.pipe()
    assert adopt_telling((), out) == first
    assert adopt_telling((), out) is None
    os.close(out)
    with os.fdopen(reader) as file:
        assert json.load(file)["main"] == "__main__"
    for pid in children() - before:  # what could have made copies, too, which nobody can ask
        os.waitpid(pid, 0)


@pytest.mark.skipif(not siblings._is_known(), reason="elsewhere no process has siblings")
@pytest.mark.usefixtures("told")
def test_copies_that_nobody_needs_end_and_so_does_what_makes_them():
    before = children()
    ahead.start()
    ahead.copy(4)
    assert len(children() - before) == 5
    ahead.discard()
    assert children() == before


def children():
    """Numbers of the processes that this one has started, those too that have ended."""
    own = Path(f"/proc/{os.getpid()}/task")
    return {int(n) for told in own.glob("*/children") for n in told.read_text().split()}


@pytest.mark.usefixtures("told")
def test_a_copy_of_the_process_leaves_alone_what_waits():
    ahead.start()
    pid = ahead.pid()
    copy = os.fork()
    if copy == 0:
        is_own = ahead.pid() is not None or adopt_telling((), 2) is not None
        ahead.discard()
        os._exit(is_own)
    assert os.waitpid(copy, 0)[1] == 0
    assert is_there(pid)
    reader, out = os.pipe()
    assert adopt_telling((), out) == pid
    os.close(out)
    with os.fdopen(reader) as file:
        assert json.load(file)["main"] == "__main__"
    os.waitpid(pid, 0)


START = "from sweeps import ahead; ahead.start(); print(ahead.pid(), flush=True); input()"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_process_that_started_it(number):
    started = [sys.executable, "-c", START]
    with subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        pid = int(process.stdout.readline())
        assert is_there(pid)
        process.send_signal(number)
        process.wait()
        wait_until(lambda: not is_there(pid))
        assert process.stdout.read() == b""  # it holds the output no more


def test_a_process_that_exits_ends_what_waits_at_once():
    done = subprocess.run(
        [sys.executable, "-c", START], input="\n", capture_output=True, text=True, check=True
    )
    assert not is_there(int(done.stdout))
    assert done.stderr == ""
