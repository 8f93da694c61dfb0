"""Laws of guards: when a worker has ended, so has all that it started, however it ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweeps.engines import guard as engines_guard
from tests.reliability.processes import left, marked

WORKER = """
import os, signal, subprocess, sys, time
from sweeps.engines import guard as guarding

run = os.fork()  # whose end is told from that of the test
if run:
    print(run, flush=True)
    _, status = os.waitpid(run, 0)
    sys.exit(0)
known = os.fork()
if not known:
    guarding.put_below_guard(os.getppid())
    subprocess.Popen(["sleep", "1000"])
    subprocess.Popen(["sh", "-c", "trap '' TERM HUP INT; sleep 1000; true"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sleep", ["sleep", "1000"])
        os._exit(0)
    print(os.getppid(), os.getpid(), flush=True)
    HOW
    time.sleep(1000)
_, status = os.waitpid(known, 0)
print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="guards need subreapers")
@pytest.mark.parametrize(
    ("how", "whom", "number", "code"),
    [
        ("os._exit(3)", None, None, 3),
        ("os.kill(os.getpid(), signal.SIGSEGV)", None, None, -signal.SIGSEGV),
        ("pass", "worker", signal.SIGKILL, -signal.SIGKILL),
        ("pass", "guard", signal.SIGUSR1, -signal.SIGKILL),
        ("pass", "run", signal.SIGKILL, None),
    ],
)
def test_a_guard_ends_all_and_then_as_its_worker_did(how, whom, number, code):
    mark, env = marked()
    command = [sys.executable, "-c", WORKER.replace("HOW", how)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        told = {"run": int(process.stdout.readline())}
        told["guard"], told["worker"] = map(int, process.stdout.readline().split())
        if whom is not None:
            os.kill(told[whom], number)
        said = process.stdout.read()  # to its end: nobody holds the pipe any more
        assert said == ("" if code is None else f"{code}\n")
        assert not left(mark).keys() - {process.pid}


def test_a_guard_is_deaf_to_what_is_not_meant_for_it():
    mark, env = marked()
    with subprocess.Popen(
        [sys.executable, "-c", WORKER.replace("HOW", "")],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        run = int(process.stdout.readline())
        guard, _ = map(int, process.stdout.readline().split())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            os.kill(guard, number)
        time.sleep(0.05)
        assert Path(f"/proc/{guard}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        os.kill(run, signal.SIGKILL)
        process.stdout.read()
        assert not left(mark).keys() - {process.pid}


def test_what_was_there_before_stays():
    before = subprocess.Popen(["sleep", "1000"])
    try:
        with engines_guard.nothing_left(is_asked=True):
            later = subprocess.Popen(["sleep", "1000"])
        with pytest.raises(ProcessLookupError):
            os.kill(later.pid, 0)
        assert before.poll() is None
    finally:
        before.kill()
        before.wait()


def test_pools_of_others_are_ended_with_what_they_started():
    program = ["sh", "-c", "sleep 1000 & echo; wait"]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        engines_guard.end(Known(other))
        assert other.stdout.read() == b""  # and nobody holds the pipe


class Known:
    """What loky would know it as."""

    def __init__(self, process):
        self.process, self.pid = process, process.pid

    def join(self, timeout_s):
        self.process.wait(timeout_s)

    @property
    def exitcode(self):
        return self.process.poll()
