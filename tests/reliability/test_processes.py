"""Processes that points start: they begin as in a plain script, and nothing of them is left."""

import os
import signal
import subprocess
import sys
import time

import pytest

import sweeps
from sweeps import engines
from tests.reliability.processes import left, marked

NESTED = """
import concurrent.futures, multiprocessing, os, signal, subprocess, sys, time
from sweeps import experiment, grid

def square(i):
    return i * i

def sum_of_squares(n, method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        return sum(pool.map(square, range(n)))

def executed(n, method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        return sum(pool.map(square, range(n)))

def terminated(n, method):
    child = multiprocessing.get_context(method).Process(target=time.sleep, args=(1000,))
    child.start()
    child.terminate()
    child.join()
    return child.exitcode

def managed(n, method):
    with multiprocessing.get_context(method).Manager() as manager:
        return len(manager.list(range(n)))

def copied(n, method):
    pid = os.fork()
    if pid == 0:
        sys.exit(n)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def returned(n, method):
    os.fork()
    return n

def signalled(n, method):
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as program:
        program.send_signal(signal.SIGINT)
        return program.wait()

def demon(n, method):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, bytes([n]))
            time.sleep(1000)
        os._exit(0)
    os.waitpid(pid, 0)
    return os.read(reader, 1)[0]

SERVERS = []

def serve(asked, answered, parent):
    while os.getppid() == parent:
        answered.put(square(asked.get()))

def served(n, method):
    if not SERVERS:
        asked, answered = multiprocessing.Queue(), multiprocessing.Queue()
        arguments = (asked, answered, os.getpid())
        server = multiprocessing.Process(target=serve, args=arguments, daemon=True)
        server.start()
        SERVERS.append((asked, answered, server))
    asked, answered, server = SERVERS[0]
    asked.put(n)
    return answered.get()

def abandoned(n, method):
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,)).start()
    return n

@experiment(grid(n=NUMBERS, method=METHODS, way=WAYS), timeout=60)
def nested(n, method, way):
    return {"made": globals()[way](n, method)}
"""

SLOW = pytest.mark.campaign
METHODS = ("fork", "spawn", "forkserver")
EXPECTED = {
    "sum_of_squares": lambda n: sum(i * i for i in range(n)),
    "executed": lambda n: sum(i * i for i in range(n)),
    "terminated": lambda n: -signal.SIGTERM,
    "managed": lambda n: n,
    "copied": lambda n: n,
    "returned": lambda n: n,
    "signalled": lambda n: -signal.SIGINT,
    "demon": lambda n: n,
    "served": lambda n: n * n,
    "abandoned": lambda n: n,
}


def run(name, *options, **environment):
    """Run an experiment to its end, with all of its output through one pipe, like `2>&1 | tail`."""
    mark, env = marked()
    command = [sys.executable, "-m", "sweeps", "run", name, "--json", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, env={**env, **environment}, timeout=300, check=False, **pipes)
    assert not left(mark)
    return done


@pytest.mark.parametrize(
    ("numbers", "methods", "ways"),
    [
        pytest.param([3], ("fork",), tuple(EXPECTED), id="short"),
        pytest.param([3], METHODS[1:], ("terminated",), id="methods"),
        pytest.param([2, 5], METHODS, tuple(EXPECTED), id="campaign", marks=SLOW),
    ],
)
@pytest.mark.parametrize(
    "engine", [pytest.param(e, marks=SLOW if e == "threads" else ()) for e in engines.LOCAL]
)
def test_what_a_point_starts_is_as_in_a_plain_script(project, engine, numbers, methods, ways):
    if engine == "threads" and "served" in ways:
        ways = tuple(way for way in ways if way != "served")  # whose answer comes to which thread?
    if engine == "serial" and len(numbers) == 1:  # pools are those of a plain script, in one
        ways = tuple(way for way in ways if way not in ("sum_of_squares", "executed"))
    told = {"NUMBERS": numbers, "METHODS": list(methods), "WAYS": list(ways)}
    text = NESTED
    for name, value in told.items():
        text = text.replace(name, repr(value))
    (project / "experiments" / "nested.py").write_text(text)
    done = run("nested", "--engine", engine, f"-j{1 if len(numbers) == 1 else 2}")
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    assert "leaked" not in done.stdout
    made = sweeps.load("nested").made
    for way in ways:
        for n in numbers:
            assert made.sel(n=n, way=way).values.tolist() == [EXPECTED[way](n)] * len(methods), way


CHILDREN = """
import os, signal, subprocess, sys, time
from sweeps import experiment, grid

@experiment(grid(i=[1, 2]), timeout=0.5)
def hang(i):
    program = ["/bin/sh", "-c", "trap '' TERM; /bin/sleep 1000; true"]
    subprocess.run(program, start_new_session=i == 2)

@experiment(grid(i=[1, 2]))
def wait(i):
    subprocess.run(["sh", "-c", "trap '' TERM; sleep 1000; true"], start_new_session=i == 2)
"""


def test_a_timeout_takes_children_along_on_a_bare_machine(project):
    """loky's own way to end workers takes psutil or pgrep."""
    (project / "experiments" / "hang.py").write_text(CHILDREN)
    (project / "psutil.py").write_text("raise ImportError")
    done = run("hang", "-j1", PATH="/nonexistent", PYTHONPATH=os.pathsep.join(["."]))
    assert done.returncode == 1, done.stdout
    assert {failure.type for failure in sweeps.failures("hang")} == {"TimeoutError"}


@pytest.mark.parametrize(
    ("engine", "numbers"),
    [
        ("serial", (signal.SIGTERM, signal.SIGHUP)),
        pytest.param("threads", (signal.SIGTERM, signal.SIGHUP), marks=SLOW),
        pytest.param("loky", (signal.SIGTERM, signal.SIGHUP), marks=SLOW),
        pytest.param("loky", (signal.SIGTERM,), marks=SLOW),
        ("loky", (signal.SIGKILL,)),
    ],
)
def test_signals_to_a_run_end_what_its_points_wait_for(project, engine, numbers):
    (project / "experiments" / "wait.py").write_text(CHILDREN)
    mark, env = marked()
    command = [sys.executable, "-m", "sweeps", "run", "wait", "--engine", engine]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=env, **pipes) as going:
        while not any(told.startswith("sleep") for told in left(mark).values()):
            assert going.poll() is None
            time.sleep(0.05)
        for n_before, number in enumerate(numbers):
            if n_before:  # two at once would be one
                assert any(b"finishing" in line for line in going.stdout)
                time.sleep(0.1)  # it goes back to waiting, from which this one is to wake it
            going.send_signal(number)
        going.communicate(timeout=60)  # and nobody holds the pipe
    assert going.returncode == (-signal.SIGKILL if signal.SIGKILL in numbers else 130)
    assert not left(mark)
