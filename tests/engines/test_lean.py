"""joblib is there as ever, and what sweeps does not need of it is imported when it is wanted."""

import os
import subprocess
import sys
from pathlib import Path

LEAN = """
import sys
from sweeps.engines import lean
lean.load()
from joblib.parallel import Parallel
from joblib.externals.loky import get_reusable_executor
dear = {"asyncio", "ssl", "joblib.memory"} & {*sys.modules}
"""


def told(code):
    done = subprocess.run(
        [sys.executable, "-c", LEAN + code], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_what_carries_blocks_imports_little():
    assert told("print(dear)") == ["set()"]


def test_to_pickle_what_carries_blocks_imports_no_more():
    """As for a worker, which unpickles it."""
    code = "import pickle; from joblib.parallel import BatchedCalls as it"
    code += "\nprint(pickle.loads(pickle.dumps(it)) is it, 'joblib.memory' in sys.modules)"
    assert told(code) == ["True False"]


def test_whoever_wants_a_name_of_joblib_gets_it():
    ways = [
        "import joblib; print(joblib.Memory.__module__)",
        "from joblib import Memory; print(Memory.__module__)",
        "from joblib import *; print(Memory.__module__)",
        "import joblib.memory; print(joblib.memory.Memory.__module__)",
        "import joblib.memory as m; print(m.Memory.__module__)",
        "from joblib.memory import Memory; print(Memory.__module__)",
        "import joblib.parallel; print(joblib.Memory.__module__)",
        "import joblib.memory; from joblib import Memory; print(joblib.memory.Memory.__module__)"
        " if joblib.memory.Memory is Memory is joblib.Memory else None",
        "from joblib import memory, Memory; print(memory.__spec__.name)",
    ]
    assert {way: told(way) for way in ways} == {way: ["joblib.memory"] for way in ways}


def test_it_is_joblib_then_in_every_way():
    code = """
from joblib import Memory
from types import ModuleType
import joblib, joblib.externals.loky
print(type(joblib) is ModuleType, joblib is sys.modules["joblib"])
print(joblib.Parallel is joblib.parallel.Parallel is Parallel)
print(joblib.externals.loky.get_reusable_executor is get_reusable_executor)
print(sorted(joblib.__all__) == sorted({*joblib.__all__} & {*dir(joblib)}))
try:
    joblib.nothing
except AttributeError as error:
    print(error)
"""
    said = ["True True", "True", "True", "True", "module 'joblib' has no attribute 'nothing'"]
    assert told(code) == said


def test_threads_that_want_it_at_once_all_get_it():
    code = """
import threading
found, barrier = [], threading.Barrier(8)
def want():
    barrier.wait()
    import joblib
    found.append((joblib.Memory, joblib.hash, joblib.__version__))
threads = [threading.Thread(target=want) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
print(len(found), len({*found}))
"""
    assert told(code) == ["8 1"]


def test_joblib_that_is_imported_is_left_as_it_is():
    code = "\nprint(joblib is sys.modules['joblib'], len(sys.meta_path) == n)"
    before = f"import joblib, sys; n = len(sys.meta_path){LEAN}{code}"
    done = subprocess.run([sys.executable, "-c", before], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True True\n", "")


def test_trackers_clean_up_and_hold_no_numpy(tmp_path):
    code = f"""
from joblib.externals.loky.backend import resource_tracker
with lean.trackers(resource_tracker):
    resource_tracker.ensure_running()
resource_tracker.register({str(tmp_path / "left")!r}, "folder")
print(resource_tracker._resource_tracker._pid, flush=True)
input()
"""
    (tmp_path / "left").mkdir()
    command = [sys.executable, "-W", "ignore", "-c", LEAN + code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        pid = int(process.stdout.readline())
        process.kill()
        process.wait()
        assert process.stdout.read() == ""  # the tracker, which holds it, has ended
        assert "Traceback" not in process.stderr.read()
    assert not Path(f"/proc/{pid}").exists() or os.getpgid(pid)
    assert not (tmp_path / "left").exists()
