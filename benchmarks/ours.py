"""The jobs done by sweeps: an experiment as a user writes it, and the command that runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks import work

SCALAR = '''
import math
from sweeps import experiment, grid

@experiment(grid(a=range({n_a}), b=[i / 100 for i in range({n_b})], c=range({n_c})))
def scalar(a, b, c):
    """Points that cost next to nothing."""
    return a * math.sin(b) + c
'''

ARRAYS = '''
import numpy as np
from sweeps import experiment, grid

BASE = np.random.default_rng(0).random(2**20)

@experiment(grid(i=range({n_arrays})))
def arrays(i, n_bytes={n_bytes}):
    """Arrays made at the speed of memory."""
    return BASE[: n_bytes // 8] * (i + 0.7)
'''

UNEVEN = '''
import os, time
from pathlib import Path
from sweeps import experiment, grid

@experiment(grid(duration_s={durations}))
def uneven(duration_s):
    """Sleep, and note from when to when."""
    start = time.monotonic()
    time.sleep(duration_s)
    with Path(os.environ["BENCHMARK_ACCOUNT"], str(os.getpid())).open("a") as account:
        account.write(f"{{start}} {{time.monotonic()}}\\n")
    return duration_s
'''

COLUMNS = '''
import numpy as np
from sweeps import experiment, grid

@experiment(
    grid(a=range({n_a}), b=np.linspace(0, 1, 1000), c=range(100)), vectorized=True
)
def columns(a, b, c):
    """Whole columns of points at once."""
    return a * np.sin(b) + c
'''

LINE = '''
from sweeps import experiment, grid

@experiment(grid(x=range({n_points})))
def line(x):
    """A single axis, which grows by one point."""
    return x * 0.5
'''

PROGRAMS = """
from sweeps import experiment, grid, program
from sweeps.readers import regex

half = program(["./half", "{{i}}"], read={{"x": regex("stdout", r"x = (\\S+)")}}, keep={keep})
programs = experiment(grid(i=range({n_points})), name="programs")(half)
"""


def command(folder: Path, job: str, arguments: Mapping[str, float]) -> list[str]:
    """Write the experiment that a job needs, and return the command that runs it."""
    given = {name: int(value) for name, value in arguments.items() if name != "total_s"}
    n_more = given.pop("n_more", 0)
    overrides: list[str] = []
    match job:
        case "scalar":
            sizes = {f"n_{name}": len(axis) for name, axis in work.axes(given["n_points"]).items()}
            write(folder, job, SCALAR.format(**sizes))
            overrides = [f"a=range(0,{sizes['n_a'] + n_more})"] if n_more else []
        case "arrays":
            write(folder, job, ARRAYS.format(**given))
            overrides = [f"i=range(0,{given['n_arrays'] + n_more})"] if n_more else []
        case "uneven":
            durations = work.durations(given["n_tasks"], arguments["total_s"])
            write(folder, job, UNEVEN.format(durations=json.dumps(durations)))
        case "columns":
            write(folder, job, COLUMNS.format(n_a=given["n_points"] // 100_000))
        case "line":
            write(folder, job, LINE.format(**given))
            overrides = [f"x=range(0,{given['n_points'] + n_more})"] if n_more else []
        case "programs":
            keep = ["stdout"] if given.pop("keeping", 0) else []
            write(folder, job, PROGRAMS.format(**given, keep=keep))
    return sweeps("run", job, *overrides)


def write(folder: Path, name: str, source: str) -> None:
    """Write an experiment, if it is not there as it should be."""
    path = folder / "experiments" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text() != source:
        path.write_text(source)


def sweeps(*arguments: str) -> list[str]:
    """Return the command line of sweeps with these arguments."""
    return [sys.executable, "-m", "sweeps", *arguments]
