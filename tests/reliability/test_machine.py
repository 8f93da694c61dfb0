"""Whatever a user does, in whatever order: results are those of the present code, and none is lost.

A machine of Hypothesis changes space and code, runs, kills, damages, accepts, cleans and renames.
A model of sets says what is known; after every run the values loaded and the calls of the function
must be what it says.
"""

import collections
import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import sweeps as package
from sweeps.declaration.checks import KEEP
from sweeps.errors import StorageError, SweepsError
from sweeps.execution.options import Options
from sweeps.operations import accept as operations_accept
from sweeps.operations import clean as operations_clean
from sweeps.operations import rename as operations_rename
from sweeps.operations import run as operations_run
from sweeps.operations import status as operations_status
from sweeps.project import sweep

pytestmark = pytest.mark.usefixtures("children_that_look")

HELPER = "def factor(x):\n    return {k} * x\n"
MADE = '''{comment}
import os
import time

from experiments._helper import factor
from sweeps import experiment, grid


@experiment(grid({axes}), keep="{keep}")
def {name}(x, y=1, z=0):
    """{about}"""
    log = os.open(os.environ["LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{{x}} {{y}} {{z}}\\n".encode())
    os.close(log)
    time.sleep(float(os.environ.get("SLEEP", "0")))
    if str(x) in os.environ["BAD"].split():
        raise ValueError(f"bad at {{x}}")
    return {{"v": factor(x) + 10 * y + 100 * z + {c}, "word": str(x)}}
'''
XS = st.lists(st.integers(0, 6), min_size=1, max_size=5, unique=True)
OTHERS = st.none() | st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)
# Drawn at once: how many segments there are is a matter of time.
DICE = st.integers(0, 2**32).map(random.Random)
NAMES = ("made", "renamed")
COUNTS = collections.Counter()


def value(version, point):
    """What code of a version returns at a point."""
    (k, c), (x, y, z) = version, point
    return k * x + 10 * y + 100 * z + c


class Machine(RuleBasedStateMachine):
    """The model: of each version of the code, what is known for sure, and what may be."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="sweeps-machine-"))
        self.before = (os.getcwd(), dict(os.environ))  # noqa: PTH109
        os.chdir(self.folder)
        Path("experiments").mkdir()
        os.environ |= {"LOG": str(self.folder / "log"), "BAD": ""}
        for name in [n for n in sys.modules if n.partition(".")[0] == "experiments"]:
            del sys.modules[name]
        self.version, self.space, self.n_cosmetic, self.name = (1, 0), {"x": [1, 2]}, 0, "made"
        self.known = collections.defaultdict(set)
        self.maybe = collections.defaultdict(set)
        self.failed = collections.defaultdict(set)  # and that is known
        self.unsure = collections.defaultdict(set)  # whether it is known that they failed
        self.damaged = set()
        self.accepts = {}
        self.keep = "both"
        self.prints = {}
        self.landed = None
        self.n_kills = 0

    def teardown(self):
        os.chdir(self.before[0])
        os.environ.clear()
        os.environ.update(self.before[1])
        shutil.rmtree(self.folder, ignore_errors=True)

    # What the model says

    def wanted(self):
        own = {"y": [1], "z": [0]} | self.space
        return set(itertools.product(own["x"], own["y"], own["z"]))

    def sources(self):
        """The present version, and what it accepts, and what that accepts."""
        found = [self.version]
        for each in found:
            accepted = self.accepts.get(each)
            if accepted is not None and accepted not in found:
                found.append(accepted)
        return found

    def has(self, point):
        return any(point in self.known[version] for version in self.sources())

    def may_have(self, point):
        return any(point in self.maybe[version] for version in self.sources())

    def values(self, point):
        """Values that a point may be loaded with."""
        found = []
        for version in self.sources():
            if point in self.known[version]:
                return [*found, value(version, point)]
            if point in self.maybe[version]:
                found.append(value(version, point))
        return [*found, None]

    # What is done

    def write(self):
        axes = ", ".join(f"{name}={values}" for name, values in self.space.items())
        k, c = self.version
        comment, about = "# cosmetic\n" * self.n_cosmetic, f"About {self.n_cosmetic}."
        options = {"name": self.name, "keep": self.keep}
        written = MADE.format(comment=comment, axes=axes, about=about, c=c, **options)
        Path("experiments/made.py").write_text(written)
        Path("experiments/_helper.py").write_text(comment + HELPER.format(k=k))

    def resolved(self):
        made = sweep.resolve(self.name)
        self.prints[self.version] = made.fingerprint.digest
        return made

    @contextlib.contextmanager
    def calls(self):
        """Collect the points that the function is called at."""
        log, found = Path("log"), collections.Counter()
        log.unlink(missing_ok=True)
        yield found
        if log.exists():
            found.update(tuple(map(int, line.split())) for line in log.read_text().splitlines())

    def bad(self, points):
        return {p for p in points if str(p[0]) in os.environ["BAD"].split()}

    def count(self, rule_name):
        COUNTS[rule_name] += 1

    @initialize()
    def begin(self):
        self.write()

    @rule(xs=XS, ys=OTHERS, zs=OTHERS, order=st.permutations(["x", "y", "z"]))
    def change_space(self, xs, ys, zs, order):
        self.count("change the space")
        given = {"x": xs, "y": ys, "z": zs}
        self.space = {name: given[name] for name in order if given[name] is not None}
        self.write()

    @rule(k=st.integers(1, 3))
    def change_helper(self, k):
        self.count("edit a helper")
        self.version = (k, self.version[1])
        self.write()

    @rule(c=st.integers(0, 2))
    def change_code(self, c):
        self.count("edit the function")
        self.version = (self.version[0], c)
        self.write()

    @rule(keep=st.sampled_from(KEEP))
    def change_where_values_are_kept(self, keep):
        self.count("change where values are kept")
        self.keep = keep
        self.write()

    @rule()
    def change_nothing_that_counts(self):
        self.count("edit cosmetically")
        self.n_cosmetic = (self.n_cosmetic + 1) % 4
        self.write()

    @rule(bad=st.sets(st.integers(0, 6), max_size=2))
    def let_points_fail(self, bad):
        self.count("let points fail")
        os.environ["BAD"] = " ".join(map(str, sorted(bad)))

    @rule()
    def run(self):
        self.execute("run")

    @rule()
    def run_again_without_what_failed(self):
        self.execute("run --no-retry", retry=False)

    @rule(limit=st.integers(0, 6))
    def run_a_few(self, limit):
        self.execute("run --limit", limit=limit)

    @rule(limit=st.none() | st.integers(0, 6))
    def recompute(self, limit):
        self.execute("run --recompute", recompute=True, limit=limit)

    def execute(self, rule_name, limit=None, recompute=False, retry=True):
        """Run, and compare the points that the function is called at with what is not known."""
        self.count(rule_name)
        made, wanted, own = self.resolved(), self.wanted(), self.version
        allowed = wanted if recompute else {p for p in wanted if not self.has(p)}
        if not retry:
            allowed = allowed - self.failed[own]
        due = {p for p in allowed if recompute or not self.may_have(p)}
        if not retry:
            due = due - self.unsure[own]
        with self.calls() as calls:
            report = operations_run.execute(made, Options("serial", 1, limit, recompute, retry))
        called = set(calls)
        assert max(calls.values(), default=0) <= 1, "a point was computed twice"
        assert called <= allowed, (called - allowed, "known points were computed")
        if limit is None:
            assert due <= called, (due - called, "unknown points were not computed")
        else:
            assert min(limit, len(due)) <= len(called) <= limit
        self.learn(called, recompute)
        is_read = own not in self.damaged  # a run that finds all landed looks at no segment
        if is_read and limit is None and retry and not recompute and self.sources() == [own]:
            self.known[own] |= allowed - called  # of what may be known, this was
            self.maybe[own] -= wanted
        assert report.n_points == len(wanted)
        # What fails when it is computed again keeps the value of before.
        self.landed = self.compare(None if recompute else report)

    def learn(self, called, recompute):
        failed, own = self.bad(called), self.version
        if not recompute:  # who is called was not known to any
            for version in self.sources():
                self.maybe[version] -= called
        self.known[own] |= called - failed
        self.failed[own] = (self.failed[own] | failed) - self.known[own]
        self.unsure[own] -= called

    def compare(self, report):
        """Compare what is loaded with the model; return it as point to value."""
        loaded = package.load(self.name)
        found = {}
        axes = list(self.space)
        assert [*loaded.sizes] == axes
        own = {"y": [1], "z": [0]} | self.space
        for place in np.ndindex(*(len(own[axis]) for axis in axes)):
            at = {"y": 1, "z": 0} | {a: own[a][i] for a, i in zip(axes, place, strict=True)}
            point = (at["x"], at["y"], at["z"])
            number = float(loaded["v"].values[place]) if "v" in loaded else np.nan
            found[point] = None if np.isnan(number) else number
            assert found[point] in self.values(point), (point, found[point], self.values(point))
            if found[point] is not None:
                assert loaded["word"].values[place] == str(point[0])
        if report is not None and not any(self.may_have(point) for point in found):
            n_missing = sum(number is None for number in found.values())
            assert report.n_failed <= n_missing
        return found

    @rule()
    def load(self):
        self.count("load")
        if self.landed is None:
            with contextlib.suppress(StorageError):
                package.load(self.name)
            return
        loaded = package.load(self.name)
        numbers = loaded["v"].values.ravel().tolist() if "v" in loaded else []
        there = sorted(n for n in numbers if n == n)
        assert there == sorted(n for n in self.landed.values() if n is not None)

    @rule()
    def look(self):
        self.count("status")
        wanted = self.wanted()
        status = operations_status.status_of(self.resolved())
        assert status.points == len(wanted)
        assert status.done + status.missing + status.failed + status.stale == len(wanted)
        n_known = sum(self.has(point) for point in wanted)
        n_maybe = sum(not self.has(point) and self.may_have(point) for point in wanted)
        assert n_known <= status.done <= n_known + n_maybe

    @precondition(lambda self: self.n_kills < 1)
    @rule(n_calls=st.integers(0, 8), engine=st.sampled_from(["serial", "loky"]))
    def kill(self, n_calls, engine):
        self.count("kill")
        self.n_kills += 1
        self.resolved()
        with self.calls() as calls:
            command = [sys.executable, "-m", "sweeps", "run", self.name, "--engine", engine]
            paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "SLEEP": "0.05"}
            process = subprocess.Popen(
                [*command, "-j", "2"],
                env={**os.environ, **paths},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            while process.poll() is None:
                log = Path("log")
                if (log.read_text().count("\n") if log.exists() else 0) > n_calls:
                    break
                time.sleep(0.01)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(0.05)
        called = set(calls)
        assert called <= {p for p in self.wanted() if not self.has(p)}
        own = self.version
        self.maybe[own] |= called - self.bad(called)
        self.unsure[own] |= self.bad(called) | (self.failed[own] & called)
        self.failed[own] -= called
        self.landed = None

    @rule(dice=DICE)
    def damage_a_segment(self, dice):
        segments = sorted(Path("results").glob(".memo/*/*/*.seg"))
        if not segments:
            return
        self.count("damage a segment")
        path = dice.choice(segments)
        if path.stat().st_nlink > 1:  # it is the results file too
            self.landed = None
        self.spoil(path, dice)
        self.doubt(path.parent.name)

    def doubt(self, folder):
        """What a segment of a version held may be lost."""
        for version, fingerprint in self.prints.items():
            if fingerprint == folder:
                self.damaged.add(version)
                self.maybe[version] |= self.known[version]
                self.unsure[version] |= self.failed[version]
                self.known[version], self.failed[version] = set(), set()

    def spoil(self, path, dice):
        content = bytearray(path.read_bytes()) or bytearray(1)
        at = dice.randrange(len(content))
        if dice.random() < 0.5:
            content[at] ^= 1 << dice.randrange(8)
        else:
            del content[at:]
        path.chmod(0o644)
        path.write_bytes(content)

    @rule(dice=DICE)
    def damage_the_results_file(self, dice):
        path = Path("results") / f"{self.name}.h5"
        if not path.exists():
            return
        self.count("damage the results file")
        if dice.random() < 0.3:
            path.unlink()
        else:
            for segment in Path("results").glob(".memo/*/*/*.seg"):
                if segment.samefile(path):
                    self.doubt(segment.parent.name)
            content = path.read_bytes()
            path.chmod(0o644)
            path.write_bytes(content[: dice.randrange(len(content) or 1)])
        with contextlib.suppress(StorageError):
            package.load(self.name)
            raise AssertionError("a results file that was cut is loaded")
        self.landed = None

    @rule(dice=DICE)
    def accept(self, dice):
        if self.accepts.get(self.version) is not None:
            return
        others = sorted(v for v in self.prints if v != self.version and self.known[v])
        if not others:
            return
        self.count("accept")
        earlier = dice.choice(others)
        made = self.resolved()
        wanted = [p for p in self.wanted() if not self.has(p)]
        is_of_use = any(p in self.known[earlier] for p in wanted)
        try:
            _, proposed = operations_accept.propose(
                made, self.prints[earlier], "the machine says so"
            )
        except SweepsError:
            assert not is_of_use or any(map(self.may_have, wanted))
            return
        operations_accept.vouch(made, proposed)
        self.accepts[self.version] = earlier

    @rule()
    def take_back(self):
        if self.accepts.get(self.version) is None:
            return
        self.count("take back")
        operations_accept.undo(self.resolved())
        del self.accepts[self.version]

    @rule()
    def clean(self):
        self.count("clean")
        made = self.resolved()
        operations_clean.free(operations_clean.waste(made))
        kept = self.sources()
        for version in [v for v in self.prints if v not in kept]:
            self.known[version], self.maybe[version] = set(), set()
            self.failed[version], self.unsure[version] = set(), set()
            self.accepts.pop(version, None)

    @rule()
    def rename(self):
        if not list(Path("results").glob(f".memo/{self.name}/*/*.seg")):
            return
        self.count("rename")
        old, self.name = self.name, NAMES[self.name == NAMES[0]]
        self.write()
        found = operations_rename.find(old, self.name)
        operations_rename.rename(old, found)
        self.prints[self.version] = found.fingerprint.digest
        self.landed = None  # it may be landed anew, with what is declared now

    @invariant()
    def nothing_is_left_behind(self):
        assert not list(Path("results").glob(".tmp-*")) or self.n_kills


def machine_settings(n_examples, n_steps):
    return settings(
        max_examples=n_examples,
        stateful_step_count=n_steps,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )


def drive(n_examples, n_steps):
    COUNTS.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_state_machine_as_test(Machine, settings=machine_settings(n_examples, n_steps))
    print(f"\n{sum(COUNTS.values()):,} steps: {dict(COUNTS.most_common())}")


def test_a_hundred_steps_agree_with_the_model():
    drive(4, 30)


@pytest.mark.campaign
@pytest.mark.parametrize("piece", range(10))
def test_ten_thousand_steps_agree_with_the_model(piece):
    random.seed(piece)
    n_steps = 0
    while n_steps < 1000:
        drive(20, 60)
        n_steps += sum(COUNTS.values())
