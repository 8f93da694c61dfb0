"""``python -m benchmarks --quick`` or ``--bounds``: the main job against its floors, as ratios.

Times on a shared machine vary by the minute, so that each is taken in turn with its floor, several
times, and medians are compared. Nothing fails by a time; a bound on a ratio is generous and says
that something is broken, not that the machine was busy.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import measuring, pages
from benchmarks.cases import programs
from benchmarks.contenders import FSYNCED, POOL, SPAWNED, SWEEPS, Contender
from benchmarks.rows import in_turn
from benchmarks.staleness import speed

ROOT = Path(__file__).parent.parent

CHEAP = '''
import asyncio
import math
from sweeps import experiment, grid

@experiment(grid(a=range({na}), b=[i / 100 for i in range({nb})], c=range({nc})))
def cheap(a, b, c):
    """A million points that cost next to nothing."""
    return a * math.sin(b) + c

@experiment(grid(a=range(10), b=range(10)))
def small(a, b):
    """Few points, so that only the start of Python counts."""
    return math.sqrt(a + b)

@experiment(grid(a=range(1000), b=range(1000), c=range(1000)))
def huge(a, b, c):
    """More than anybody can compute."""
    return a + b + c

@experiment(grid(i=range(500)), concurrency=10)
async def waiting(i):
    """Points that wait, as those that ask a server do."""
    await asyncio.sleep(0.05)
    return i
'''


BARE_LOGISTIC = """
import h5py, numpy as np

growth_rate = np.linspace(2.5, 4, {n})[:, None]
initial = np.linspace(0.01, 0.49, 1000)
log_stretching = np.log(abs(growth_rate * (1 - 2 * initial)))
x = growth_rate * initial * (1 - initial)
with h5py.File("bare.h5", "w") as file:
    file["x"], file["lyapunov_exponent"] = x, log_stretching
"""


def main(*, quick: bool) -> int:
    """Measure, print a table, and say whether every ratio is within its bound."""
    place = Path(tempfile.mkdtemp(prefix="sweeps-benchmark-"))
    try:
        rows = [
            *_start_up(place, 3 if quick else 10),
            *_million(place, quick),
            *_columns(place, quick),
            _waiting(place),
            *_pages(place, quick),
            _huge(place),
            *_floors(),
            _programs(3000 if quick else 20_000, 2.0 if quick else 1.5),
            _fingerprint(3 if quick else 7),
        ]
    finally:
        shutil.rmtree(place)
    slack = 1.5 if quick else 1.0  # few rounds, beside whatever else the machine does
    rows = [(name, said, ratio, bound * slack) for name, said, ratio, bound in rows]
    width = max(len(row[0]) for row in rows)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for name, said, ratio, bound in rows:
        print(f"{name.ljust(width)}  {said}  ratio {ratio:.2f} (bound {bound:g})")
    return 0 if all(ratio <= bound for _, _, ratio, bound in rows) else 1


Row = tuple[str, str, float, float]


def _start_up(place: Path, n_rounds: int) -> list[Row]:
    _write(place, 10, 10, 10)
    for name in ("small", "pendulum"):
        _sweeps(place, "run", name, where=None if name == "small" else str(ROOT / "experiments"))
    imports = "import numpy, h5py"
    scipy = "import numpy, h5py, scipy.integrate, scipy.special"
    pendulum = str(ROOT / "experiments")
    cases: list[tuple[str, Callable[[], object], str, float]] = [
        ("import sweeps / import numpy", lambda: _python("import sweeps"), "import numpy", 1.3),
        ("run again, numpy and math only", lambda: _sweeps(place, "run", "small"), imports, 2.5),
        (
            "run pendulum again",
            lambda: _sweeps(place, "run", "pendulum", where=pendulum),
            scipy,
            1.5,
        ),
        ("a first run of 100 points", lambda: _first(place), imports, 4.0),
    ]
    rows = []
    for name, case, floor, bound in cases:
        times = [(_time(case), _time(lambda floor=floor: _python(floor))) for _ in range(n_rounds)]
        ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        rows.append((name, f"{ours:.3f} s / {theirs:.3f} s", ours / theirs, bound))
    return rows


def _first(place: Path) -> None:
    """Few points that take no time, of which nothing is known."""
    shutil.rmtree(place / "results")
    _sweeps(place, "run", "small")


def _million(place: Path, quick: bool) -> list[Row]:
    """A cheap function over a grid, from nothing to a landed file, and all reused."""
    n_points = 100_000 if quick else 1_000_000
    _write(place, 10 if quick else 100, 100, 100)
    fresh, again, loop = [], [], []
    for _ in range(3):
        shutil.rmtree(place / "results", ignore_errors=True)
        fresh.append(_time(lambda: _sweeps(place, "run", "cheap", "-j", "2")))
        again.append(_time(lambda: _sweeps(place, "run", "cheap", "-j", "2")))
        loop.append(_time(lambda: _loop(n_points)))
    ours, theirs, reused = map(statistics.median, (fresh, loop, again))
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    us = 1e6 / n_points
    return [
        (
            f"{n_points:,} points from nothing / 5 us a point",
            f"{ours * us:.2f} us a point; a bare loop {theirs * us:.2f} us",
            ours * us / 5,
            4.0 if quick else 1.0,
        ),
        ("the same, all reused / 2 s", f"{reused:.2f} s", reused / 2, 1.0),
        ("peak memory of a process / 600 MB", f"{peak_bytes / 1e6:.0f} MB", peak_bytes / 6e8, 1.0),
    ]


def _waiting(place: Path) -> Row:
    """Points of 50 ms on 2 workers, 10 at once on each, beyond what a run of two of them takes."""
    ideal_s = 500 * 0.05 / (2 * 10)
    times = []
    for _ in range(5):
        shutil.rmtree(place / "results", ignore_errors=True)
        start_s = _time(lambda: _sweeps(place, "run", "waiting", "-j", "2", "--limit", "2")) - 0.05
        shutil.rmtree(place / "results", ignore_errors=True)
        times.append(_time(lambda: _sweeps(place, "run", "waiting", "-j", "2")) - start_s)
    ours = statistics.median(times)
    name = "500 points that wait 50 ms, 20 at once / ideal"
    return name, f"{ours:.2f} s / {ideal_s:.2f} s", ours / ideal_s, 1.25


def _columns(place: Path, quick: bool) -> list[Row]:
    """A vectorized function over a grid, and the same in one process that writes it by h5py."""
    n_growth_rates = 1000 if quick else 10_000
    axes = [f"growth_rate=linspace(2.5,4,{n_growth_rates})", "initial=linspace(0.01,0.49,1000)"]
    axes += ["n_warmup=1", "n_iterations=0"]
    folder = str(ROOT / "experiments")
    fresh, bare = [], []
    for _ in range(3):
        shutil.rmtree(place / "results", ignore_errors=True)
        run = ("run", "logistic", *axes, "-j", "2")
        fresh.append(_time(lambda run=run: _sweeps(place, *run, where=folder)))
        bare.append(_time(lambda: _python(BARE_LOGISTIC.format(n=n_growth_rates), place)))
    ours, theirs = map(statistics.median, (fresh, bare))
    us = 1e6 / (1000 * n_growth_rates)
    said = f"{ours * us:.3f} us a point / {theirs * us:.3f} us"
    name = f"{1000 * n_growth_rates:,} points of logistic from nothing / numpy and h5py alone"
    return [(name, said, ours / theirs, 10.0 if quick else 6.0)]


def _pages(place: Path, quick: bool) -> list[Row]:
    """Pages that are 50 ms slow, by 2 workers with some of them under way each.

    The ideal is that all places are taken from the first request to the last answer, by the
    server's account. What comes before and after is told beside it: starting Python and the
    workers, importing httpx, landing.
    """
    from experiments.fetch_pages import fetch_pages

    n_pages, slow_s, n_at_once = (200 if quick else 500), 0.05, 2 * fetch_pages.concurrency
    ideal_s = n_pages * slow_s / n_at_once
    folder = str(ROOT / "experiments")
    spans, walls = [], []
    for _ in range(3):
        shutil.rmtree(place / "results", ignore_errors=True)
        with pages.served() as address:
            urls = ",".join(f"{address}/slow/{slow_s}/{i}" for i in range(n_pages))
            run = ("run", "fetch_pages", f"url={urls}", "-j", "2")
            walls.append(_time(lambda run=run: _sweeps(place, *run, where=folder)))
            spans.append(pages.account(address)["seconds"])
    span_s, wall_s = map(statistics.median, (spans, walls))
    share = ideal_s / span_s
    said = f"{span_s:.3f} s, {share:.2f} of the ideal; with start and landing {wall_s:.2f} s"
    name = f"{n_pages} pages, each 50 ms slow, {n_at_once} at once / {ideal_s:.3f} s"
    return [(name, said, 1 / share, 1 / 0.8)]


def _huge(place: Path) -> Row:
    """A grid of 10^9 points: made, counted, indexed."""
    code = (
        "import time; from sweeps import grid; start = time.perf_counter();"
        "space = grid(a=range(1000), b=range(1000), c=range(1000));"
        "len(space), space.point(123_456_789);"
        "print(time.perf_counter() - start)"
    )
    seconds = min(float(_python(code)) for _ in range(3))
    return "10^9 points made, counted, indexed / 10 ms", f"{seconds * 1e3:.2f} ms", seconds * 100, 1


def _floors() -> list[Row]:
    """Cases of the full benchmark in small, whole walls beside those of the floors."""
    cases: list[tuple[str, dict[str, float], Contender, float]] = [
        ("scalar", {"n_points": 100_000}, POOL, 6.0),
        ("arrays", {"n_arrays": 100, "n_bytes": 2**20}, FSYNCED, 10.0),
    ]
    rows = []
    for job, arguments, floor, bound in cases:

        def measure(
            contender: Contender,
            folder: Path,
            job: str = job,
            arguments: dict[str, float] = arguments,
        ) -> measuring.Run:
            return measuring.run(contender.command(folder, job, arguments), folder)

        runs = in_turn([SWEEPS, floor], job, 3, measure).runs
        ours, theirs = (measuring.median(runs[each.name]).wall_s for each in (SWEEPS, floor))
        name = f"{' '.join(map(str, arguments.values()))} {job} from nothing / {floor.name}"
        rows.append((name, f"{ours:.2f} s / {theirs:.2f} s", ours / theirs, bound))
    return rows


def _programs(n_points: int, bound: float) -> Row:
    """Points that are programs, beside starting the same programs and nothing else."""
    name = f"{n_points:,} programs from nothing / {SPAWNED.name}"
    if why := programs.missing():
        return name, f"not measured: {why}", 0.0, bound

    def measure(contender: Contender, folder: Path) -> measuring.Run:
        return programs.measure(contender, folder, n_points, limit_s=600)

    runs = in_turn([SWEEPS, SPAWNED], "programs", 3, measure).runs
    ours, theirs = (measuring.median(runs[each.name]).wall_s for each in (SWEEPS, SPAWNED))
    return name, f"{ours:.2f} s / {theirs:.2f} s", ours / theirs, bound


def _fingerprint(n_rounds: int) -> Row:
    """The identity of code, which every run finds out: 20 modules of 100 lines, all reached."""
    ours, floor = speed.measure(n_rounds)
    name = f"fingerprint of 2,000 lines in 20 modules / parsing them in {floor * 1e3:.0f} ms"
    return name, f"{ours * 1e3:.0f} ms", ours / floor, 6


def _write(place: Path, na: int, nb: int, nc: int) -> None:
    (place / "experiments").mkdir(exist_ok=True)
    (place / "experiments" / "cheap.py").write_text(CHEAP.format(na=na, nb=nb, nc=nc))


def _loop(n_points: int) -> list[float]:
    """The same points by a bare loop, which keeps them in a list."""

    def cheap(a: int, b: float, c: int) -> float:
        return a * math.sin(b) + c

    axes = range(n_points // 10_000), [i / 100 for i in range(100)], range(100)
    return [cheap(a, b, c) for a, b, c in itertools.product(*axes)]


def _time(case: Callable[[], object]) -> float:
    start = time.perf_counter()
    case()
    return time.perf_counter() - start


def _python(code: str, folder: Path | None = None) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    return done.stdout


def _sweeps(place: Path, *arguments: str, where: str | None = None) -> dict[str, object]:
    command = [sys.executable, "-m", "sweeps", *arguments, "--json"]
    if where:
        command += ["--experiments", where]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=place)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer
