"""Poisoned points: whatever a function does to its process, it costs that point only."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest

import sweeps
from sweeps import engines
from sweeps.execution import dispatch, scheduler
from sweeps.execution.options import Options
from sweeps.operations import failures as operations_failures
from sweeps.operations import run
from sweeps.project.sweep import resolve
from tests.reliability.processes import left, marked

ENGINES = [name for name in engines.LOCAL if engines.get(name).isolates]

MISDEEDS = '''
import ctypes, faulthandler, gc, os, re, resource, signal, sys, threading, time
import numpy as np

def segfault(): ctypes.string_at(0)
def abort(): os.abort()
def kill(): os.kill(os.getpid(), signal.SIGKILL)
def quit_0(): os._exit(0)
def quit_3(): os._exit(3)
def hog(): return float(np.ones(2**36).sum())
def hoard():
    kept = []
    while True: kept.append(bytes(2**20))
def spin():
    while True: pass
def hang_in_c(): ctypes.PyDLL(None).sleep(1000)
def backtrack(): re.match("(a+)+b", "a" * 60)
def overflow():
    sys.setrecursionlimit(10**9)
    down = lambda _: sorted([1], key=down)
    down(1)
def recurse(): return recurse()
def leave(): sys.exit(3)
def interrupt(): raise KeyboardInterrupt
def generator_exit(): raise GeneratorExit
class Unspeakable(Exception):
    def __str__(self): raise SystemExit
    __repr__ = __str__
    def __reduce__(self): raise SystemExit
def unspeakable(): raise Unspeakable
class Endless(Exception):
    def __str__(self):
        while True: pass
def endless(): raise Endless
def surrogates(): raise ValueError("\\ud800 \\0 \\x1b[2J" + "x" * 10**6)
def float16(): return np.float16(1)
def function(): return lambda: 1
class Lazy:
    def __len__(self): return 10**9
    def __getitem__(self, i):
        if i > 10**5: raise RuntimeError("no more")
        return 1.0
def lazy(): return Lazy()
class Raising:
    def __array__(self, *args, **kwargs): raise RuntimeError("not now")
def raising(): return Raising()
class Hanging:
    def __array__(self, *args, **kwargs):
        while True: pass
def hanging(): return Hanging()
def close_all(): os.closerange(0, 4096); return 1.0
def kill_sibling():
    import subprocess
    from pathlib import Path
    guard = os.getppid()
    run = Path(f"/proc/{guard}/stat").read_text().rpartition(")")[2].split()[1]
    children = Path(f"/proc/{run}/task/{run}/children").read_text().split()
    for pid in map(int, children):
        is_guard = Path(f"/proc/{pid}/comm").read_text() == "sweeps-guard\\n"
        if is_guard and pid != guard: os.kill(pid, 9)
    return _noticed(1.0)
def kill_guard(): os.kill(os.getppid(), 9); time.sleep(1)
def children_that_stay():
    """Deaf children of all kinds, which hold every descriptor that they can."""
    import multiprocessing, subprocess
    multiprocessing.get_context("fork").Process(target=deaf).start()
    multiprocessing.get_context("spawn").Process(target=deaf).start()
    subprocess.Popen(["sh", "-c", "trap '' TERM INT HUP; sleep 1000"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: os.execve("/bin/sleep", ["sleep", "1000"], {})
        os._exit(0)
    return 1.0
def deaf():
    for number in (2, 15, 1): signal.signal(number, signal.SIG_IGN)
    time.sleep(1000)
def stay_and_hang(): children_that_stay(); time.sleep(1000)
def stay_and_crash(): children_that_stay(); segfault()
def wait_for_pool():
    import multiprocessing
    with multiprocessing.Pool(2) as pool: pool.apply(deaf)
def wander(): os.chdir("/"); return _noticed(1.0)
def mask(): os.umask(0o777); return _noticed(1.0)
def lose_path(): sys.path.clear(); return _noticed(1.0)
def shallow(): sys.setrecursionlimit(60); return _noticed(1.0)
def alarm():
    def raise_(*_): raise TimeoutError
    signal.signal(signal.SIGALRM, raise_); signal.setitimer(signal.ITIMER_REAL, 0.05)
    return _noticed(1.0)
def fatal_alarm(): signal.alarm(1); return _noticed(1.0)
def fork(): os.fork(); return _noticed(1.0)
def fork_and_raise():
    if os.fork() == 0: raise ValueError
    return _noticed(1.0)
def thread(): threading.Thread(target=time.sleep, args=(1000,)).start(); return 1.0
def child():
    import subprocess
    subprocess.Popen(["sleep", "20"]); return 1.0
def daemonic_child():
    import multiprocessing
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,)).start(); return 1.0
def forget():
    for name in [__name__, "experiments.poison"]: sys.modules.pop(name, None)
    return 1.0
def chatter():
    for _ in range(100): print("x" * 2**20); print("x" * 2**20, file=sys.stderr)
    return 1.0
def no_faulthandler(): faulthandler.disable(); return 1.0
def no_faulthandler_and_segfault(): faulthandler.disable(); segfault()
def lock_memory(): ctypes.CDLL(None).mlockall(3); return 1.0
def few_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, most)); return _noticed(1.0)
def no_files(): resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); return _noticed(1.0)
def small_files(): resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); return _noticed(1.0)
def leak_and_die(): threading.Timer(0.1, os._exit, [9]).start(); return 1.0

def _noticed(value):
    time.sleep(0.001)  # what a shorter point does to its process is undone at the end of its block
    return value

def innocent():
    """What every other point relies on."""
    import json
    def down(n): return n and down(n - 1)
    down(200)
    assert os.access("experiments", os.R_OK)
    with open("experiments/poison.py") as file: file.readline()
'''
POISON = """
import sys, os
sys.path.insert(0, os.getcwd())
from sweeps import experiment, grid
import misdeeds

@experiment(grid(i=range({n})), timeout={timeout}{options})
{asynchronous}def poison(i):
    misdeeds.innocent()
    told = f"deed-{{i}}"
    if os.path.exists(told):
        with open(told) as file:
            deed = getattr(misdeeds, file.read())
        return deed()
    return 1.0

@experiment(grid(i=range({n})), timeout={timeout}, vectorized=True)
def columns(i):
    made = i * 0.0
    for k, each in enumerate(i.tolist()):
        if os.path.exists(f"deed-{{each}}"):
            with open(f"deed-{{each}}") as file:
                made[k] = getattr(misdeeds, file.read())()
        else:
            made[k] = 1.0
    return made
"""


LIMIT = "400M"

TIMEOUT = ("timeout", "TimeoutError", "longer than the timeout")
FINE = None

EXPECTED = {
    "segfault": ("died", "WorkerDied", "Segmentation fault"),
    "abort": ("died", "WorkerDied", "Aborted"),
    "kill": ("died", "WorkerDied", r"SIGKILL\(-9\)"),
    "quit_0": ("died", "WorkerDied", r"EXIT\(0\)"),
    "quit_3": ("died", "WorkerDied", r"EXIT\(3\)"),
    "hoard": ("died", "WorkerDied", f"beyond the memory limit of {LIMIT}"),
    "spin": TIMEOUT,
    "hang_in_c": TIMEOUT,
    "backtrack": TIMEOUT,
    "overflow": (
        "died|exception",
        "WorkerDied|RecursionError",
        "Segmentation fault|SIGSEGV|recursion",
    ),
    "recurse": ("exception", "RecursionError", "recursion"),
    "leave": ("exception", "SystemExit", "3"),
    "interrupt": ("exception", "KeyboardInterrupt", ""),
    "generator_exit": ("exception", "GeneratorExit", ""),
    "unspeakable": ("exception", "Unspeakable", "cannot be shown"),
    "endless": TIMEOUT,
    "surrogates": ("exception", "ValueError", "x"),
    "float16": ("output", "OutputError", "float16"),
    "function": ("output", "OutputError", "function"),
    "lazy": ("output|exception", "OutputError|RuntimeError", "no more"),
    "raising": ("output|exception", "OutputError|RuntimeError", "not now"),
    "hanging": TIMEOUT,
    "close_all": FINE,
    "kill_sibling": FINE,  # tried alone it has none
    "kill_guard": ("died", "WorkerDied", r"SIGKILL\(-9\)"),
    "children_that_stay": FINE,
    "stay_and_hang": TIMEOUT,
    "stay_and_crash": ("died", "WorkerDied", "Segmentation fault"),
    "wait_for_pool": TIMEOUT,
    "wander": FINE,
    "mask": FINE,
    "lose_path": FINE,
    "shallow": FINE,
    "alarm": FINE,
    "fatal_alarm": FINE,
    "fork": FINE,
    "fork_and_raise": FINE,
    "thread": FINE,
    "child": FINE,
    "daemonic_child": FINE,
    "forget": FINE,
    "chatter": FINE,
    "no_faulthandler": FINE,
    "no_faulthandler_and_segfault": ("died", "WorkerDied", r"SIGSEGV\(-11\)"),
    "lock_memory": FINE,
    "few_files": FINE,
    "leak_and_die": FINE,
}
# Of a coroutine: its loop has files, and only the main thread may set handlers.
EXPECTED_ASYNC = {
    **EXPECTED,
    "close_all": ("died", "WorkerDied", ""),
    "alarm": ("exception", "ValueError", "main thread"),
}
# Of a column: the function itself makes an array of what it got, and reads the deed from a file.
_RAISED = ("exception", "TypeError|ValueError|OSError", "")
EXPECTED_VECTORIZED = {
    **EXPECTED,
    "float16": FINE,
    **dict.fromkeys(("function", "lazy", "raising", "hanging", "close_all"), _RAISED),
}
# Points that follow `close_all` in its block lack the files of their process.
SHORT = ["hoard", "fork", "wander", "unspeakable", "stay_and_hang", "close_all", "backtrack"]


def write(project, n=200, timeout=1.0, options="", asynchronous=""):
    (project / "misdeeds.py").write_text(MISDEEDS)
    text = POISON.format(n=n, timeout=timeout, options=options, asynchronous=asynchronous)
    (project / "experiments" / "poison.py").write_text(text)


def check(name, n, deeds, expected=EXPECTED):
    failures = {f.params["i"]: f for f in operations_failures.failures_of(resolve(name))}
    failing = {i: expected[deed] for i, deed in deeds.items() if expected[deed] is not FINE}
    assert sorted(failures) == sorted(failing), {i: f.message[:300] for i, f in failures.items()}
    for i, (kind, type_, message) in failing.items():
        assert re.fullmatch(kind, failures[i].kind), failures[i]
        assert re.fullmatch(type_, failures[i].type), failures[i]
        assert re.search(message, failures[i].message), failures[i]
    found = sweeps.load(name)[name].values
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), sorted(failing))
    assert (found[~np.isnan(found)] == 1.0).all()
    return failures


FORMS = {
    "plain": ("poison", {}, EXPECTED),
    "async": (
        "poison",
        {"options": ", concurrency=2", "asynchronous": "async "},
        EXPECTED_ASYNC,
    ),
    "vectorized": ("columns", {}, EXPECTED_VECTORIZED),
}


ALONE = [
    pytest.param(form, [deed], marks=pytest.mark.campaign, id=f"{form}-{deed}")
    for form in FORMS
    for deed in EXPECTED
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("form", "deeds"), [pytest.param("plain", SHORT, id="some"), *ALONE])
def test_whatever_a_point_does_costs_itself_only(project, engine, form, deeds):
    name, options, expected = FORMS[form]
    write(project, **options)
    deeds = {77 + 11 * k: deed for k, deed in enumerate(deeds)}
    for i, deed in deeds.items():
        (project / f"deed-{i}").write_text(deed)
    command = [sys.executable, "-m", "sweeps", "run", name, "--engine", engine]
    command += ["-j2" if len(deeds) == 1 else "-j1"]
    command += ["--memory-limit", LIMIT] if "hoard" in deeds.values() else []
    mark, env = marked()
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env)
    assert not left(mark)
    if "fork_and_raise" not in deeds.values():  # as in a plain script
        assert "Traceback" not in done.stderr.replace("x" * 2**20, "")[:10_000]
    assert done.returncode == any(expected[deed] is not FINE for deed in deeds.values())
    check(name, 200, deeds, expected)


FOUR = {each: EXPECTED[each] for each in ("segfault", "hoard", "spin", "backtrack")}


@pytest.mark.campaign
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n", [400, 10_000])
def test_four_poisoned_points_cost_four_points(project, monkeypatch, engine, n):
    timeout_s = 1.0
    write(project, n, timeout_s)
    options = Options(engine=engine, n_workers=2, memory_limit=LIMIT)
    started = time.perf_counter()
    run.execute(resolve("poison", results="clean"), options)
    clean_s = time.perf_counter() - started

    deeds = {(k + 1) * n // 5: deed for k, deed in enumerate(FOUR)}
    for i, deed in deeds.items():
        (project / f"deed-{i}").write_text(deed)
    restarts = []
    recover = dispatch.Dispatch._recover
    monkeypatch.setattr(
        dispatch.Dispatch, "_recover", lambda *told: restarts.append(told) or recover(*told)
    )
    started = time.perf_counter()
    report = run.execute(resolve("poison"), options)
    extra_s = time.perf_counter() - started - clean_s
    assert (report.n_computed, report.n_failed) == (n - 4, 4)
    for failure in check("poison", n, deeds, FOUR).values():
        assert "misdeeds.py" in failure.traceback
    allowed_s = 2 * timeout_s + 2 * scheduler.BLOCK_S + 2 * len(restarts)
    print(
        f"\n{n} points on {engine}: {n - 4} landed, 4 named; {len(restarts)} pools restarted; "
        f"{clean_s:.1f} s without, {extra_s:.1f} s more with them; {allowed_s:.1f} s are allowed"
    )
