"""Laws of undoing: what a point does to its process, the next point does not see."""

import decimal
import os
import random
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import sweeps as api
from sweeps import engines
from sweeps.worker import call
from sweeps.worker.isolation import undo

STATE = """
import builtins, decimal, gc, locale, logging, os, random, signal, socket, subprocess, sys
import ctypes, tempfile, threading, time, warnings
import numpy as np
from sweeps import experiment, grid

def in_main(do):
    if threading.current_thread() is threading.main_thread():  # others can set no handler
        do()

def wait_behind_a_mask():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

DEEDS = {
    "children": (lambda: in_main(lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)),
                 lambda: subprocess.call(["sh", "-c", "exit 3"])),
    "handler": (lambda: in_main(lambda: signal.signal(signal.SIGUSR2, print)),
                lambda: signal.getsignal(signal.SIGUSR2)),
    "waiting": (lambda: in_main(wait_behind_a_mask),
                lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "alarm": (lambda: in_main(lambda: signal.alarm(1000)),
              lambda: signal.getitimer(signal.ITIMER_REAL)),
    "profile timer": (lambda: in_main(lambda: signal.setitimer(signal.ITIMER_PROF, 1000)),
                      lambda: signal.getitimer(signal.ITIMER_PROF)),
    "thread hook": (lambda: setattr(threading, "excepthook", print), lambda: threading.excepthook),
    "temporary": (lambda: setattr(tempfile, "tempdir", "/x"), tempfile.gettempdir),
    "buffer": (lambda: np.setbufsize(16384), np.getbufsize),
    "environment": (lambda: os.environ.update(SOLVER="strict"), lambda: os.environ.get("SOLVER")),
    "removed": (lambda: os.environ.pop("PATH"), lambda: "PATH" in os.environ),
    "cleared": (lambda: os.environ.clear(), lambda: len(os.environ) > 3),
    "replaced": (lambda: setattr(os, "environ", {}), lambda: len(os.environ) > 3),
    "putenv": (lambda: os.putenv("SOLVER", "strict"), lambda: ctypes.CDLL(None).getenv(b"SOLVER")),
    "zone": (lambda: (os.environ.update(TZ="Asia/Tokyo"), time.tzset()), lambda: time.tzname),
    "numpy": (lambda: np.seterr(all="raise"), lambda: sorted(np.geterr().items())),
    "errcall": (lambda: np.seterrcall(print), np.geterrcall),
    "print": (lambda: np.set_printoptions(precision=2), lambda: repr(np.array(1 / 3))),
    "filters": (lambda: warnings.simplefilter("error"), lambda: warnings.warn("mine")),
    "filters reset": (warnings.resetwarnings, lambda: len(warnings.filters) > 0),
    "decimal": (lambda: setattr(decimal.getcontext(), "prec", 5), lambda: decimal.Decimal(1) / 3),
    "traps": (lambda: decimal.getcontext().traps.update({decimal.DivisionByZero: False}),
              lambda: decimal.getcontext().traps[decimal.DivisionByZero]),
    "locale": (lambda: locale.setlocale(locale.LC_ALL, "C"),
               lambda: locale.setlocale(locale.LC_ALL)),
    "logging": (lambda: (logging.basicConfig(level=1), logging.disable(50)),
                lambda: (logging.root.level, logging.root.handlers, logging.root.manager.disable)),
    "socket": (lambda: socket.setdefaulttimeout(1), socket.getdefaulttimeout),
    "builtins": (lambda: setattr(builtins, "sum", max), lambda: sum([1, 2])),
    "added": (lambda: setattr(builtins, "extra", 1), lambda: hasattr(builtins, "extra")),
    "stdout": (lambda: setattr(sys, "stdout", None), lambda: sys.stdout is None),
    "path": (lambda: sys.path.append("x"), lambda: "x" in sys.path),
    "folder": (lambda: os.chdir("/"), lambda: os.getcwd() == "/"),
    "umask": (lambda: os.umask(0o7), lambda: os.umask(0o22)),
    "depth": (lambda: sys.setrecursionlimit(5000), sys.getrecursionlimit),
    "digits": (lambda: sys.set_int_max_str_digits(10000), sys.get_int_max_str_digits),
    "switching": (lambda: sys.setswitchinterval(1), sys.getswitchinterval),
    "collecting": (gc.disable, gc.isenabled),
}

def look(see):
    try:
        return repr(see())
    except Exception as error:
        return repr(error)

@experiment(grid(deed=[*DEEDS], i=range(5)))
def state(deed, i):
    do, see = DEEDS[deed]
    seen = look(see)
    if i == 2:
        do()
    return seen

@experiment(grid(i=range(1000)))
def late(i):
    seen = os.environ.get("SOLVER", "default")
    if i == 500:
        os.environ["SOLVER"] = "strict"
    return seen

@experiment(grid(i=range(60)))
def drawn(i):
    if i == 7:
        random.seed(0)
        np.random.seed(0)
    return {"python": random.random(), "numpy": np.random.rand(), "normal": np.random.normal()}

@experiment(grid(i=range(9)))
async def awaited(i):
    seen = os.environ.get("SOLVER", "default"), random.random()
    if i == 2:
        os.environ["SOLVER"] = "strict"
        random.seed(0)
    return {"seen": seen[0], "drawn": seen[1]}

@experiment(grid(i=range(200)), vectorized=True)
def columns(i):
    seen = os.environ.get("SOLVER", "default")
    os.environ["SOLVER"] = "strict"
    return np.array([seen] * len(i))
"""


@pytest.fixture
def experiments(project):
    (project / "experiments" / "states.py").write_text(STATE)
    return project


IN_ORDER = [n for n in engines.LOCAL if engines.get(n).isolates or engines.get(n).is_sequential]


@pytest.mark.parametrize(
    "engine", ["loky", "serial", pytest.param("threads", marks=pytest.mark.campaign)]
)
def test_no_point_sees_what_another_one_did_to_the_process(experiments, engine):
    before = {setting.name: setting.save() for setting in undo._settings()}
    n_workers = 1 if engine == "threads" else 2
    found = api.run("state", engine=engine, n_workers=n_workers).state
    for deed in found.deed.values:
        assert len(set(found.sel(deed=deed).values)) == 1, (deed, found.sel(deed=deed).values)
    for setting in undo._settings():
        if setting.name in ("os.environ", "sys.path", "warnings filters"):
            continue  # another object; what is imported meanwhile adds to them
        assert setting.is_same(before[setting.name]), setting.name
    for name in ("late", "awaited", "columns"):
        found = api.run(name, engine=engine, n_workers=n_workers)
        assert set(found["seen" if name == "awaited" else name].values) == {"default"}


@pytest.mark.parametrize("engine", IN_ORDER)
def test_shared_random_numbers_follow_from_the_point(experiments, engine, sweeps):
    random.seed(5)
    np.random.seed(5)
    drawn = api.run("drawn", engine="serial")
    assert (random.random(), np.random.rand()) == (
        random.Random(5).random(),
        np.random.RandomState(5).rand(),
    )
    for name in drawn.data_vars:
        assert len(set(drawn[name].values)) == 60
    again = api.run("drawn", engine=engine, n_workers=2, recompute=True)
    assert again.equals(drawn)
    odd = api.run("drawn", engine=engine, axes={"i": range(59, 0, -2)}, recompute=True)
    assert odd.equals(drawn.sel(i=odd.i))
    assert len(set(api.run("awaited", engine=engine).drawn.values)) == 9
    assert "equal to the last bit" in sweeps("reproduce", "drawn", "i=59").out


def test_points_that_are_short_are_looked_after_together(experiments, monkeypatch):
    counts = []
    restore = undo.State.restore
    monkeypatch.setattr(
        undo.State, "restore", lambda *told, **how: counts.append(1) or restore(*told, **how)
    )
    api.run("late", engine="serial", axes={"i": range(500)})
    assert call._FIRST_LOOKS <= len(counts) < 200


def test_threads_begin_with_what_their_caller_has_set_for_itself(tmp_path):
    @api.experiment(api.grid(x=range(20)))
    def seen(x):
        time.sleep(0.005)
        return {"precision": decimal.getcontext().prec, "divide": np.geterr()["divide"]}

    own = decimal.localcontext(prec=50), np.errstate(divide="ignore"), warnings.catch_warnings()
    with own[0], own[1], own[2]:
        warnings.simplefilter("error")
        found = seen.run(results=tmp_path, engine="threads", n_workers=2)
    assert {*found.precision.values.tolist()} == {50}
    assert {*found.divide.values.tolist()} == {"ignore"}


def test_threads_say_that_they_share_what_points_change(experiments, sweeps):
    said = sweeps("run", "drawn", "--engine", "threads", "-j2").err
    assert not said or "random numbers" in said


PARENT = """
import os, sys, warnings
import decimal
import numpy as np
import sweeps
from sweeps import experiment, grid

np.seterr(over="raise")
warnings.simplefilter("error", FutureWarning)
os.environ["SOLVER"] = "strict"
decimal.getcontext().prec = 7

@experiment(grid(i=[1, 2]))
def asked(i):
    try:
        warnings.warn("x", FutureWarning)
        is_warned = True
    except FutureWarning:
        is_warned = False
    return {
        "over": np.geterr()["over"], "solver": os.environ["SOLVER"],
        "later": os.environ.get("LATER", ""),
        "is_warned": is_warned, "third": str(decimal.Decimal(1) / 3), "is_debug": __debug__,
        "options": repr(sys.warnoptions), "optimize": os.environ.get("PYTHONOPTIMIZE", "none"),
    }

if __name__ == "__main__":
    for engine in ("serial", "loky"):
        found = asked.run(engine=engine, n_workers=1, recompute=True)
        print(found.isel(i=0).to_dict()["data_vars"])
    os.environ["LATER"] = "yes"
    print(asked.run(engine="loky", n_workers=1, recompute=True).later.values[0])
"""


def test_a_worker_starts_like_its_parent(tmp_path):
    (tmp_path / "script.py").write_text(PARENT)
    command = [sys.executable, "-O", "-W", "error::UserWarning", "script.py"]
    environment = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    serial, loky, later = done.stdout.splitlines()
    assert loky == serial
    assert later == "yes"
    for part in ("'raise'", "'strict'", "'0.3333333'", "error::UserWarning", "'none'"):
        assert part in loky
