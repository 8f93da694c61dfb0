"""A value is computed once, whoever asks and whoever dies, and is read whole or not at all."""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.declaration import value_store
from sweeps.errors import OutputError
from sweeps.storage import files, seal


class Log:
    """Counts computations, by whichever process."""

    def __init__(self, path):
        self.path = path

    def __len__(self):
        return len(self.path.read_text()) if self.path.exists() else 0

    def computing(self, value, seconds=0.0):
        def compute():
            with self.path.open("a") as file:
                file.write("x")
            time.sleep(seconds)
            return value

        return compute


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "log")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "m.table" / "abc"


def kept(folder):
    (path,) = folder.rglob("output.pkl")
    return path


def leftovers(folder):
    named = [*folder.rglob(f"{files.TEMPORARY_PREFIX}*"), *folder.rglob("*.lock")]
    return named + [p for p in folder.rglob("output.pkl*") if p.name != "output.pkl"]


VALUES = [
    *(None, 1, 2.5, "text", [1, [2]], {"a": (1, 2)}),
    *(np.arange(6.0), np.asfortranarray(np.ones((2, 3))), np.array(["a", None], dtype=object)),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_computed_once_and_comes_back_as_it_was(folder, log, value):
    first, second = (value_store.value(folder, "k", log.computing(value)) for _ in range(2))
    assert len(log) == 1
    assert type(first) is type(second) is type(value)
    np.testing.assert_equal(second, value)
    assert leftovers(folder) == []


def test_reading_writes_nothing(folder, log):
    value_store.value(folder, "k", log.computing(np.arange(3)))
    before = {path: path.lstat() for path in folder.rglob("*")}
    with asking(folder, log, 1) as processes:
        go(processes[0])
        assert answers(processes) == ["3"]
    assert len(log) == 1
    assert [path for path in folder.rglob("*") if path not in before] == []


def test_a_folder_that_somebody_removes_is_made_again(folder, log):
    for _ in range(2):
        ask = [
            threading.Thread(
                target=value_store.value, args=(folder, "k", log.computing(1, seconds=0.1))
            )
            for _ in range(4)
        ]
        for each in ask:
            each.start()
        for each in ask:
            each.join()
        shutil.rmtree(folder)
    assert len(log) == 2


def test_keys_and_folders_are_apart(folder, log):
    places = [(folder, "a"), (folder, "b"), (folder.with_name("def"), "a")]
    for number, (place, key) in enumerate(places):
        value_store.value(place, key, log.computing(number))
    assert [value_store.value(*at, log.computing("no")) for at in places] == [0, 1, 2]
    assert len(log) == 3


def test_what_a_caller_does_to_a_value_is_not_seen_by_the_next(folder, log):
    for _ in range(3):
        value = value_store.value(folder, "k", log.computing(np.zeros(3)))
        assert value.tolist() == [0, 0, 0]
        value += 1


def test_an_exception_goes_through_and_is_not_kept(folder, log):
    def fail():
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            value_store.value(folder, "k", fail)
    assert value_store.value(folder, "k", log.computing(1)) == 1


@given(share=st.floats(0, 1, exclude_max=True), value=st.sampled_from([np.arange(100.0), "a" * 99]))
def test_a_torn_file_is_computed_again(tmp_path_factory, share, value):
    tmp_path = tmp_path_factory.mktemp("torn")
    folder, log = tmp_path / "m.table" / "abc", Log(tmp_path / "log")
    value_store.value(folder, "k", log.computing(value))
    content = kept(folder).read_bytes()
    n_bytes = int(share * len(content))
    kept(folder).write_bytes(content[:n_bytes])
    for _ in range(2):
        np.testing.assert_equal(value_store.value(folder, "k", log.computing(value)), value)
    # Cut where the digest begins, it is a whole file of an early version, which had none.
    is_whole = n_bytes == len(content) - seal.DIGEST_BYTES - len(seal.VALUE)
    assert len(log) == (1 if is_whole else 2)
    assert kept(folder).read_bytes() == (content[:n_bytes] if is_whole else content)


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_served(tmp_path_factory, where, bit):
    tmp_path = tmp_path_factory.mktemp("flipped")
    folder, log, value = tmp_path / "m.table" / "abc", Log(tmp_path / "log"), np.arange(20.0)
    value_store.value(folder, "k", log.computing(value))
    content = bytearray(kept(folder).read_bytes())
    content[int(where * len(content))] ^= 1 << bit
    kept(folder).write_bytes(content)
    for _ in range(2):
        np.testing.assert_array_equal(value_store.value(folder, "k", log.computing(value)), value)
    assert len(log) == 2


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_that_earlier_versions_kept_count(folder, log, value):
    value_store.value(folder, "k", log.computing(value))
    joblib.dump(value, kept(folder))
    np.testing.assert_equal(value_store.value(folder, "k", log.computing("no")), value)
    assert len(log) == 1


def test_values_are_where_earlier_versions_kept_them(folder, log):
    place = folder / "sweeps" / "store" / "_entry" / "b0f0e15ab57e86c57ab7bc0e84309bb6"
    place.mkdir(parents=True)
    joblib.dump(7, place / "output.pkl")
    assert value_store.value(folder, "some key é", log.computing("no")) == 7
    assert len(log) == 0


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x04N"])
def test_a_damaged_file_is_computed_again(folder, log, content):
    value_store.value(folder, "k", log.computing(7))
    kept(folder).write_bytes(content)
    assert [value_store.value(folder, "k", log.computing(7)) for _ in range(2)] == [7, 7]
    assert len(log) == 2


@pytest.mark.parametrize(
    "value",
    [(i for i in "ab"), lambda: 1, threading.Lock()],
    ids=["generator", "lambda", "lock"],
)
def test_what_cannot_be_pickled_is_told_and_leaves_nothing(folder, log, value):
    with pytest.raises(OutputError, match=f"a {type(value).__name__} cannot be stored"):
        value_store.value(folder, "k", log.computing(value))
    assert not list(folder.rglob("output.pkl*"))
    assert not list(folder.rglob(f"{files.TEMPORARY_PREFIX}*"))
    assert value_store.value(folder, "k", log.computing(1)) == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_costs_the_keeping_only(folder, log, monkeypatch, code):
    def fail(_descriptor):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fail)
        for _ in range(2):
            with pytest.warns(UserWarning, match=f"m.table .*{os.strerror(code)}"):
                assert value_store.value(folder, "k", log.computing(5)) == 5
    assert leftovers(folder) == []
    assert [value_store.value(folder, "k", log.computing(5)) for _ in range(2)] == [5, 5]
    assert len(log) == 3


def test_where_no_folder_can_be_the_value_is_computed(folder, log):
    folder.parent.write_text("in the way")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"cannot store values of m\.table"):
            assert value_store.value(folder, "k", log.computing(5)) == 5
    assert len(log) == 2


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_without_locks_it_is_computed_rather_than_waited_for(folder, log, monkeypatch, code):
    def fail(_descriptor, _operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", fail)
    assert [value_store.value(folder, "k", log.computing(5)) for _ in range(2)] == [5, 5]
    assert len(log) == 1


def test_a_computation_that_needs_other_values_and_its_own_does_not_wait_for_itself(folder):
    def below(n):
        return value_store.value(folder, str(max(n, 1)), lambda: below(n - 1) + 1 if n else 0)

    assert below(20) == 20


def test_an_endless_recursion_ends_as_in_python(folder):
    def endless():
        return value_store.value(folder, "k", endless)

    with pytest.raises(RecursionError):
        endless()


def test_of_many_threads_one_computes(folder, log):
    values = []
    compute = log.computing(np.arange(5), seconds=0.2)
    ask = [
        threading.Thread(target=lambda: values.append(value_store.value(folder, "k", compute)))
        for _ in range(8)
    ]
    for each in ask:
        each.start()
    for each in ask:
        each.join()
    assert len(log) == 1
    assert [value.tolist() for value in values] == [[0, 1, 2, 3, 4]] * 8


ASK = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from sweeps.declaration import value_store as store
folder, log, seconds, dies = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
def compute():
    with log.open("a") as file:
        file.write("x")
    if dies == "computing":
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(seconds)
    return np.arange(100_000)
if dies == "writing":
    def dump(value, path):
        Path(path).write_bytes(b"half of it")
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    store.joblib.dump = dump
print("asking", flush=True)
sys.stdin.readline()
print(store.value(folder, "k", compute).sum())
"""


@contextlib.contextmanager
def asking(folder, log, n, seconds=0.0, dies="not"):
    """Processes that ask at once, when they are told to."""
    command = [sys.executable, "-c", ASK, str(folder), str(log.path), str(seconds), dies]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(n)]
    try:
        for each in processes:
            assert each.stdout.readline() == "asking\n"
        yield processes
    finally:
        for each in processes:
            each.kill()
            each.communicate()


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def answers(processes):
    return [each.communicate(timeout=60)[0].strip() for each in processes]


def test_of_many_processes_one_computes(folder, log):
    with asking(folder, log, 4, seconds=0.2) as processes:
        for each in processes:
            go(each)
        assert answers(processes) == [str(sum(range(100_000)))] * 4
    assert len(log) == 1
    assert leftovers(folder) == []


@pytest.mark.parametrize("when", ["computing", "writing"])
def test_when_the_one_that_computes_is_killed_another_does(folder, log, when):
    with asking(folder, log, 1, dies=when) as (doomed,), asking(folder, log, 2) as others:
        go(doomed)
        while not len(log):
            time.sleep(0.01)
        for each in others:
            go(each)
        assert answers(others) == [str(sum(range(100_000)))] * 2
        assert doomed.wait() == -signal.SIGKILL
    assert len(log) == 2
    assert [p for p in leftovers(folder) if not p.name.startswith(files.TEMPORARY_PREFIX)] == []
