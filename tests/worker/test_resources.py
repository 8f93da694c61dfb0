"""Laws of resources: one is opened once in a worker, and closed when the run is over."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import sweeps
from sweeps.engines import LOCAL
from sweeps.errors import SweepsError
from sweeps.execution import scheduler
from sweeps.execution.options import Options
from sweeps.operations import run as operations_run
from sweeps.project.sweep import resolve
from sweeps.worker import host

RESOURCES = """
import asyncio, contextlib, os, pathlib, sqlite3, threading, time
import numpy as np
from sweeps import experiment, grid
from experiments.logbook import log

@contextlib.contextmanager
def open_table():
    table = sqlite3.connect(":memory:")  # of the thread that has opened it, and of no other
    log("open table")
    yield table
    table.close()
    log("close table")

@contextlib.asynccontextmanager
async def open_client():
    async with asyncio.timeout(None):  # must be left by the task that has entered it
        log("open client")
        yield asyncio.get_running_loop()
    await asyncio.sleep(0)
    log("close client")

class Mesh:
    def __enter__(self):
        log("open mesh")
        return self
    def __exit__(self, *error):
        log("close mesh")

@experiment(grid(i=range(N)), resources={"table": open_table, "mesh": Mesh})
def plain(i, table, mesh):
    assert isinstance(mesh, Mesh)
    time.sleep(0.005)
    return table.execute("select 2 * ?", (i,)).fetchone()[0]

@experiment(grid(i=range(N)), vectorized=True, resources={"table": open_table, "mesh": Mesh})
def column(i, table, mesh):
    time.sleep(0.005 * len(i))
    return np.array([table.execute("select 2 * ?", (int(n),)).fetchone()[0] for n in i])

@experiment(grid(i=range(N)), concurrency=4, resources={"client": open_client, "mesh": Mesh})
async def waiting(i, client, mesh):
    assert client is asyncio.get_running_loop()
    await asyncio.sleep(0.02)
    return 2 * i
"""

LOGBOOK = """
import os, pathlib, threading

def log(what):
    with pathlib.Path("log.txt").open("a") as file:
        file.write(f"{what} {os.getpid()} {threading.get_ident()}\\n")
"""

WAYS = {"plain": ["table", "mesh"], "column": ["table", "mesh"], "waiting": ["client", "mesh"]}


@pytest.fixture
def resources(project):
    def write(n):
        (project / "experiments" / "logbook.py").write_text(LOGBOOK)
        (project / "experiments" / "all.py").write_text(RESOURCES.replace("N)", f"{n})"))

    return write


def check_log(names):
    """Each worker has opened everything once, and closed it in the opposite order."""
    logs = {}
    for line in Path("log.txt").read_text().splitlines():
        what, worker = line.split(" ", 2)[:2], line.split(" ", 2)[2]
        logs.setdefault(worker, []).append(" ".join(what))
    opened, closed = [f"open {n}" for n in names], [f"close {n}" for n in reversed(names)]
    assert all(log == opened + closed for log in logs.values()), logs
    return len(logs)


@pytest.mark.parametrize(
    ("engine", "n_workers"),
    [("loky", 2), ("threads", 2), pytest.param("serial", 1, marks=pytest.mark.campaign)],
)
def test_opened_once_in_a_worker_and_closed_when_the_run_is_over(resources, engine, n_workers):
    resources(24)
    for way, names in WAYS.items():  # workers that outlive a run open again for the next
        report = operations_run.execute(resolve(way), Options(engine, n_workers=n_workers))
        assert (report.n_computed, report.n_failed, report.warnings) == (24, 0, ())
        assert 1 <= check_log(names) <= n_workers
        assert sweeps.load(way)[way].values.tolist() == [2 * i for i in range(24)]
        Path("log.txt").unlink()


@pytest.fixture
def interrupted(sweeps):
    """Call the command line, and signal this process as soon as a file is there."""

    def call(file, number, *arguments):
        def interrupt():
            deadline = time.monotonic() + 60
            while not Path(file).exists() and time.monotonic() < deadline:
                time.sleep(0.005)
            os.kill(os.getpid(), number)

        threading.Thread(target=interrupt).start()
        return sweeps(*arguments)

    return call


@pytest.mark.parametrize(
    ("engine", "way"),
    [
        ("loky", "plain"),
        ("serial", "waiting"),
        ("threads", "waiting"),
        pytest.param("loky", "waiting", marks=pytest.mark.campaign),
        pytest.param("serial", "plain", marks=pytest.mark.campaign),
        pytest.param("threads", "plain", marks=pytest.mark.campaign),
    ],
)
def test_closed_after_an_interrupt(resources, interrupted, monkeypatch, way, engine):
    for name in ("BLOCK_S", "_CONCURRENT_BLOCK_S"):
        monkeypatch.setattr(scheduler, name, 0.1)
    resources(5000)
    said = interrupted("log.txt", signal.SIGINT, "run", way, "--json", "--engine", engine, "-j1")
    assert said.code == 130
    assert "Traceback" not in said.err
    assert "not closed" not in said.err
    assert said.json["computed"] < 5000
    assert check_log(WAYS[way])


def test_workers_that_die_take_their_resources_along_and_the_others_open_new_ones(project):
    (project / "experiments" / "deadly.py").write_text(
        "import contextlib, os\nfrom sweeps import experiment, grid\n"
        "@contextlib.contextmanager\ndef opened():\n    yield 2\n"
        "@experiment(grid(i=range(40)), resources={'a': opened})\n"
        "def deadly(i, a):\n    return os._exit(7) if i == 13 else a * i\n"
    )
    report = operations_run.execute(resolve("deadly"), Options(n_workers=1))
    assert (report.n_computed, report.n_failed, report.warnings) == (39, 1, ())


STUCK = """
import contextlib, pathlib, time
from sweeps import experiment, grid

@contextlib.contextmanager
def hang():
    pathlib.Path("opening").touch()
    time.sleep(10**6)
    yield 1

@experiment(grid(x=range(3)), timeout=1, resources={"r": hang})
def stuck(x, r):
    return x
"""

ENDLESS = """
import asyncio, contextlib, pathlib, time
from sweeps import experiment, grid

@contextlib.contextmanager
def opened():
    yield 1
    if WHERE == "closing":
        pathlib.Path("begun").touch()
        time.sleep(1000)

def wait():
    if WHERE == "point":
        pathlib.Path("begun").touch()
        time.sleep(1000)

@experiment(grid(i=range(3)), resources={"a": opened})
def plain(i, a):
    wait()
    return i

@experiment(grid(i=range(3)), resources={"a": opened})
async def waiting(i, a):
    wait()
    return i
"""


SHORT = [("loky", "waiting", "closing"), ("serial", "plain", "point")]
LONG = set(itertools.product(LOCAL, ("plain", "waiting"), ("point", "closing"))) - {*SHORT}


@pytest.mark.parametrize(
    ("engine", "way", "where"),
    [*SHORT, *(pytest.param(*each, marks=pytest.mark.campaign) for each in sorted(LONG))],
)
def test_the_second_interrupt_waits_for_nothing(project, way, where, engine):
    text = ENDLESS.replace("WHERE", repr(where))
    (project / "experiments" / "endless.py").write_text(text)
    command = [sys.executable, "-m", "sweeps", "run", way, "--engine", engine, "-j1"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("begun").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in error


EARLY = """
import contextlib, pathlib
from sweeps import experiment, grid
from sweeps.worker import host

@contextlib.contextmanager
def opened():
    yield 1
    pathlib.Path("closed").touch()

@experiment(grid(i=[1]), resources={"a": opened})
def function(i, a):
    return i

mine = host.Host(function, pathlib.Path())
assert not pathlib.Path("closed").exists()
"""


def test_a_worker_that_ends_before_its_run_closes_what_it_has(project):
    subprocess.run([sys.executable, "-c", EARLY], check=True)
    assert Path("closed").exists()
    assert not list(project.glob("*.open"))


FAILING = """
import contextlib
from sweeps import experiment, grid

@contextlib.contextmanager
def refused():
    raise ConnectionError("nobody listens")
    yield

@contextlib.asynccontextmanager
async def asynchronous():
    yield

@contextlib.contextmanager
def stuck():
    yield 1
    raise OSError("cannot flush")

def nothing():
    return 5

def leaving():
    raise SystemExit(3)

@contextlib.contextmanager
def fine():
    try:
        yield 1
    finally:
        open("closed", "w").close()

@experiment(grid(i=range(20)), resources={"fine": fine, "a": WHAT})
KIND fetch(i, a, fine):
    return i
"""


REFUSALS = {
    "refused": "ConnectionError: nobody listens",
    "nothing": "TypeError: ",
    "leaving": "SystemExit: 3",
}
BRIEF = [("loky", "def", "leaving"), ("loky", "async def", "refused"),
         ("serial", "def", "nothing"), ("threads", "async def", "leaving")]  # fmt: skip
FULL = set(itertools.product(LOCAL, ("def", "async def"), REFUSALS)) - {*BRIEF}


@pytest.mark.parametrize(
    ("engine", "kind", "what"),
    [*BRIEF, *(pytest.param(*each, marks=pytest.mark.campaign) for each in sorted(FULL))],
)
def test_a_resource_that_cannot_be_opened_ends_the_run_with_one_word(project, engine, kind, what):
    text = FAILING.replace("WHAT", what).replace("KIND", kind)
    (project / "experiments" / "fetch.py").write_text(text)
    with pytest.raises(SweepsError) as caught:
        operations_run.execute(resolve("fetch"), Options(engine, n_workers=1))
    assert f"resource 'a' of 'fetch' could not be opened: {REFUSALS[what]}" in str(caught.value)
    assert sweeps.status("fetch").failed == 0
    assert Path("closed").exists()


def test_what_was_committed_stays_when_a_resource_cannot_be_opened(project):
    file = project / "experiments" / "fetch.py"
    opened = "import contextlib, pathlib\nfrom sweeps import experiment, grid\n" + (
        "@contextlib.contextmanager\ndef opened():\n"
        "    if pathlib.Path('down').exists():\n        raise ConnectionError('down')\n"
        "    yield 2\n"
        "@experiment(grid(i=range(20)), resources={'a': opened})\n"
        "def fetch(i, a):\n    return a * i\n"
    )
    file.write_text(opened)
    operations_run.execute(resolve("fetch"), Options("serial", limit=7))
    Path("down").touch()
    with pytest.raises(SweepsError, match="ConnectionError: down"):
        operations_run.execute(resolve("fetch"), Options("serial"))
    assert sweeps.status("fetch").done == 7
    Path("down").unlink()
    assert operations_run.execute(resolve("fetch"), Options("serial")).n_computed == 13


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("loky", "def"),
        ("serial", "async def"),
        pytest.param("loky", "async def", marks=pytest.mark.campaign),
        pytest.param("serial", "def", marks=pytest.mark.campaign),
        pytest.param("threads", "def", marks=pytest.mark.campaign),
        pytest.param("threads", "async def", marks=pytest.mark.campaign),
    ],
)
def test_a_resource_that_cannot_be_closed_is_a_warning(project, engine, kind):
    text = FAILING.replace("WHAT", "stuck").replace("KIND", kind)
    (project / "experiments" / "fetch.py").write_text(text)
    report = operations_run.execute(resolve("fetch"), Options(engine, n_workers=1))
    assert report.n_computed == 20
    (said,) = report.warnings
    assert said == "a resource of 'fetch' could not be closed: OSError: cannot flush"
    assert Path("closed").exists()


@pytest.mark.parametrize(
    ("engine", "way"),
    [
        ("loky", "waiting"),
        ("serial", "plain"),
        pytest.param("loky", "plain", marks=pytest.mark.campaign),
        pytest.param("serial", "waiting", marks=pytest.mark.campaign),
        pytest.param("threads", "plain", marks=pytest.mark.campaign),
        pytest.param("threads", "waiting", marks=pytest.mark.campaign),
    ],
)
def test_a_resource_that_is_never_closed_keeps_nobody_waiting(project, monkeypatch, way, engine):
    monkeypatch.setattr(host, "MAX_CLOSING_S", 0.15)
    text = ENDLESS.replace("WHERE", repr("closing"))
    (project / "experiments" / "endless.py").write_text(text)
    report = operations_run.execute(resolve(way), Options(engine, n_workers=1))
    assert report.n_computed == 3
    assert report.warnings == ("a resource was not closed within 0.15 s, and is abandoned",)


def test_a_resource_that_is_never_opened_ends_the_run(project, monkeypatch):
    monkeypatch.setattr(host, "MAX_OPENING_S", 0.1)
    (project / "experiments" / "stuck.py").write_text(STUCK)
    with pytest.raises(SweepsError, match=r"its resources were not opened within 0\.1 s"):
        operations_run.execute(resolve("stuck"), Options("serial"))


@pytest.mark.parametrize("engine", LOCAL)
def test_an_interrupt_is_heard_while_a_resource_is_opened(project, interrupted, engine):
    (project / "experiments" / "stuck.py").write_text(STUCK)
    said = interrupted("opening", signal.SIGTERM, "run", "stuck", f"--engine={engine}", "-j1")
    assert said.code == 130, said.err
    assert "was not closed" not in said.err


def test_an_asynchronous_resource_is_for_asynchronous_functions(project):
    text = FAILING.replace("WHAT", "asynchronous").replace("KIND", "def")
    (project / "experiments" / "fetch.py").write_text(text)
    with pytest.raises(SweepsError, match=r"fetch\(\) must be an 'async def'"):
        resolve("fetch")


@pytest.fixture
def fetched(project, monkeypatch):
    """Write an experiment with a resource, and say its identity and its keys."""

    def write(opener="return helper()", helper="return 1"):
        for name in [name for name in sys.modules if name.startswith("experiments")]:
            monkeypatch.delitem(sys.modules, name)
        (project / "experiments" / "helpers.py").write_text(f"def helper():\n    {helper}\n")
        (project / "experiments" / "fetch.py").write_text(
            "import contextlib\nfrom sweeps import experiment, grid\n"
            "from experiments.helpers import helper\n"
            "class Open:\n    def __enter__(self):\n        return helper()\n"
            "    def __exit__(self, *error):\n        pass\n"
            f"def made():\n    {opener}\n"
            "@contextlib.contextmanager\ndef open_client():\n    yield made()\n"
            "@experiment(grid(i=range(4)), resources={'client': open_client})\n"
            "def fetch(i, client):\n    return i + client\n"
        )
        return resolve("fetch")

    return write


def test_the_code_of_a_resource_is_part_of_the_identity_and_its_value_is_not(fetched):
    sweep = fetched()
    operations_run.execute(sweep, Options("serial"))
    assert fetched(opener="return helper()  # so").fingerprint.digest == sweep.fingerprint.digest
    for change in ({"opener": "return helper() + 1"}, {"helper": "return 2"}):
        changed = fetched(**change)
        assert changed.fingerprint.digest != sweep.fingerprint.digest
        assert (changed.keys([0, 1]) == sweep.keys([0, 1])).all()
        assert sweeps.status("fetch").stale == 4
    assert fetched().fingerprint.digest == sweep.fingerprint.digest
    assert sweeps.status("fetch").done == 4


def test_ending_does_not_wait_for_the_dead(tmp_path):
    (tmp_path / f"{2**22 + 1}-5.open").touch()
    assert host.end(tmp_path) == []
