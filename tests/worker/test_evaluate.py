"""Laws of workers: every point that was begun is committed or a failure, whatever it does."""

import collections
import hashlib
import pickle
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid, points, zipped
from sweeps.engines import Block
from sweeps.memo import index as memo
from sweeps.signals import Interrupted
from sweeps.spaces.keys import key_maker
from sweeps.worker import call, evaluate, scratch
from sweeps.worker import job as worker_job
from sweeps.worker.isolation.surroundings import Surroundings
from tests.sizes import examples


class CannotBeShownError(Exception):
    def __str__(self):
        raise RuntimeError


def misbehave(what, i=0):
    """Do what a user's function may do."""
    if what == "raise":
        raise ValueError("at 3")
    if what == "exit":
        sys.exit(3)
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "recurse":
        misbehave(what)
    if what == "cannot be shown":
        raise CannotBeShownError
    if what == "none":
        return None
    if what == "function":
        return misbehave
    return 1.0


FAILURES = {
    "raise": ("exception", "ValueError", "at 3"),
    "exit": ("exception", "SystemExit", "3"),
    "interrupt": ("exception", "KeyboardInterrupt", ""),
    "recurse": ("exception", "RecursionError", "maximum recursion"),
    "cannot be shown": ("exception", "CannotBeShownError", "(cannot be shown)"),
    "none": ("output", "OutputError", "None"),
    "function": ("output", "OutputError", "function"),
}


LENGTHS = []  # of this module: what a function encloses is copied for each call


def task(folder, function, space, block_s=60.0, recorder=None, constants=(), **options):
    made = experiment(space, name="y", **options)(function)
    how = evaluate.Settings(
        key_maker(made).settled(),
        made.passed,
        dict(constants),
        made.taken,
        folder / "memo",
        folder,
        block_s,
    )
    return evaluate.task(
        made, how, recorder or scratch.Recorder(None), Surroundings(is_worker=False)
    )


def block(n, attempts=None):
    return Block(7, range(n), attempts)


def values(folder):
    """Values by key in what was committed."""
    found = {}
    for part in reversed(memo.scan(folder / "memo").parts):
        with h5py.File(part.path) as file:
            read = file[part.group]["values/0"][()]
        found |= dict(zip(map(tuple, part.keys.tolist()), read.tolist(), strict=True))
    return found


@examples(15)
@given(whats=st.lists(st.sampled_from(["fine", "fine", *FAILURES]), min_size=1, max_size=12))
def test_a_failed_point_costs_itself_only(tmp_path_factory, whats):
    folder = tmp_path_factory.mktemp("worker")
    attempts = np.arange(len(whats))
    made = task(folder, misbehave, zipped(what=whats, i=range(len(whats))))
    receipt = evaluate.evaluate(made, block(len(whats), attempts))
    n_fine = whats.count("fine")
    assert (receipt.n_done, receipt.n_failed, receipt.n_left) == (n_fine, len(whats) - n_fine, 0)
    keys = list(map(tuple, made.settings.keys(np.arange(len(whats))).tolist()))
    assert values(folder) == {k: 1.0 for k, w in zip(keys, whats, strict=True) if w == "fine"}
    failures = memo.scan(folder / "memo").failures
    for key, what, before in zip(keys, whats, attempts, strict=True):
        if what != "fine":
            kind, name, message = FAILURES[what]
            failure = failures[key]
            assert (failure.kind, failure.type) == (kind, name)
            assert message in failure.message
            assert failure.attempts == before + 1


def test_a_traceback_shows_the_function_and_nothing_of_the_worker(tmp_path):
    evaluate.evaluate(task(tmp_path, misbehave, grid(what=["raise"])), block(1))
    (failure,) = memo.scan(tmp_path / "memo").failures.values()
    assert "in misbehave" in failure.traceback
    assert failure.traceback.endswith("ValueError: at 3\n")
    assert "sweeps/" not in failure.traceback


@pytest.mark.parametrize(
    "column", [np.arange(3), np.arange(3.0), np.array([True, False]), ["a", "b", "c"]]
)
def test_the_function_gets_scalars_of_python(tmp_path, column):
    def kind(x):
        return type(x).__module__

    evaluate.evaluate(task(tmp_path, kind, grid(x=column)), block(len(column)))
    assert [p.variables[0].dtype for p in memo.scan(tmp_path / "memo").parts] == [np.dtype(object)]
    assert set(values(tmp_path).values()) == {b"builtins"}


def test_constants_are_given_unless_the_block_has_them(tmp_path):
    def both(x, z=0):
        return 10 * x + z

    space = points([{"x": 1}, {"x": 2}, {"x": 3, "z": 1}, {"x": 4, "z": 1}, {"x": 5, "z": 1}])
    made = task(tmp_path, both, space, constants={"z": 5})
    evaluate.evaluate(made, Block(0, range(2)))
    evaluate.evaluate(made, Block(1, np.array([2, 3, 4])))
    assert sorted(values(tmp_path).values()) == [15, 25, 31, 41, 51]


def test_a_reused_array_is_kept_as_it_was_returned(tmp_path):
    buffer = np.zeros(2)

    def fill(x):
        buffer[:] = x
        return buffer

    evaluate.evaluate(task(tmp_path, fill, grid(x=[1.0, 2.0])), block(2))
    assert sorted(values(tmp_path).values()) == [[1, 1], [2, 2]]


def test_a_block_ends_when_its_time_is_over_and_the_rest_is_left(tmp_path):
    made = task(tmp_path, lambda x: time.sleep(0.02) or x, grid(x=range(100)), 0.05)
    receipt = evaluate.evaluate(made, block(100))
    assert 1 <= receipt.n_done <= 3
    assert receipt.n_done + receipt.n_left == 100
    assert len(values(tmp_path)) == receipt.n_done
    assert receipt.busy_s >= 0.02 * receipt.n_done


def test_a_block_ends_when_it_holds_much(tmp_path, monkeypatch):
    monkeypatch.setattr(call, "BLOCK_BYTES", 10_000)
    made = task(tmp_path, lambda x: np.zeros(500), grid(x=range(100)))
    assert evaluate.evaluate(made, block(100)).n_done == 3


def test_a_point_is_always_begun(tmp_path):
    made = task(tmp_path, lambda x: x, grid(x=range(3)), 0.0)
    assert evaluate.evaluate(made, block(3)).n_left == 2


def test_after_the_run_was_asked_to_stop_no_block_is_begun(tmp_path):
    scratch.ask_to_stop(tmp_path)
    receipt = evaluate.evaluate(task(tmp_path, lambda x: x, grid(x=range(3))), block(3))
    assert (receipt.n_done, receipt.n_failed, receipt.n_left) == (0, 0, 3)


def test_the_second_interrupt_is_no_failure_of_a_point(tmp_path):
    def interrupted(x):
        raise Interrupted

    with pytest.raises(Interrupted):
        evaluate.evaluate(task(tmp_path, interrupted, grid(x=[1])), block(1))


def test_a_disk_that_takes_nothing_is_told_in_the_receipt(tmp_path):
    (tmp_path / "memo").write_text("in the way")
    receipt = evaluate.evaluate(task(tmp_path, lambda x: x, grid(x=[1])), block(1))
    assert "in the way" not in receipt.error
    assert "a file stands where a folder is needed" in receipt.error


@pytest.mark.parametrize(
    ("timeout", "n_armed"), [(None, 0), (1e6, 1), (0.01, 4)], ids=["none", "long", "short"]
)
def test_the_record_says_which_point_is_computed(tmp_path, timeout, n_armed):
    Slots = collections.namedtuple("Slots", "begun ended armed")
    slots = Slots([], [], [])

    class Recorder(scratch.Recorder):
        def begin(self, number):
            super().begin(number)
            slots.begun.append(number)

        def end(self):
            slots.ended.append(self.at[0])

        def arm(self, timeout_s):
            slots.armed.append(timeout_s)

    recorder = Recorder(None)
    where = lambda x: time.sleep(0.001) or recorder.at[0]  # noqa: E731
    made = task(tmp_path, where, grid(x=range(4)), recorder=recorder, timeout=timeout)
    evaluate.evaluate(made, block(4))
    assert sorted(values(tmp_path).values()) == [0, 1, 2, 3]
    assert (slots.begun, slots.ended) == ([7], [0])  # all of them, while they are committed
    assert len(slots.armed) == n_armed
    assert all(timeout < armed < 1.02 * timeout for armed in slots.armed)


def test_a_call_for_many_points_is_sized_so_that_it_ends_in_time(tmp_path):
    LENGTHS.clear()

    def column(x):
        LENGTHS.append(len(x))
        time.sleep(0.003 * len(x))
        return x

    made = task(tmp_path, column, grid(x=np.arange(50)), vectorized=True, timeout=0.06)
    assert evaluate.evaluate(made, block(50)).n_done == 50
    assert LENGTHS[0] == 1
    assert max(LENGTHS) <= 5


def test_whatever_goes_wrong_before_a_block_is_said_in_a_refusal(tmp_path):
    # In a process of its own: it becomes a worker.
    settings = tmp_path / "settings"
    settings.write_bytes(2 * pickle.dumps({}))
    path, digest = tuple(sys.path), hashlib.sha256(settings.read_bytes()).hexdigest()
    job = worker_job.Job("y", "", None, "", b"not a pickle", str(settings), digest, path, "/")
    code = f"""
import pickle
from sweeps.worker import job as worker
refusal = worker.work(pickle.loads({pickle.dumps(job)!r}), None)
print("this goes to the file of the worker")
print(refusal.reason, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
    said = next(tmp_path.glob("*.printed")).read_text()
    assert "a worker cannot load 'y': UnpicklingError" in said
    assert "this goes to the file of the worker" in said
