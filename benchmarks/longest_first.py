"""``python -m benchmarks.longest_first``: how near to the ideal a run ends whose points are uneven.

Durations are lognormal (σ = 1.5) and depend on no parameter; points sleep. The first run knows
nothing; the second one computes all points again, and knows what each took. The ideal is the
greater of the longest point and the sum over the workers. The start of the workers does not count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

N_POINTS, N_WORKERS, SPREAD = 100, 4, 1.5
TOTAL_S = 10.0 * N_WORKERS

UNEVEN = """
import os, pathlib, time
import numpy as np
from sweeps import experiment, grid

DURATIONS = np.random.default_rng(0).lognormal(0, {spread}, {n})
DURATIONS *= {total} / DURATIONS.sum()

@experiment(grid(i=range({n})))
def uneven(i):
    begun = time.time()
    time.sleep(DURATIONS[i])
    with pathlib.Path(os.environ["SPANS"], str(os.getpid())).open("a") as file:
        print(begun, time.time(), file=file)
    return i
"""


def ideal_s() -> float:
    """Seconds that no order of the points can do without."""
    durations = np.random.default_rng(0).lognormal(0, SPREAD, N_POINTS)
    durations *= TOTAL_S / durations.sum()
    return max(TOTAL_S / N_WORKERS, float(durations.max()))


def took_s(folder: Path, spans: Path, *options: str) -> float:
    """Run the experiment; seconds from the first start of a point to the last end."""
    spans.mkdir()
    command = [sys.executable, "-m", "sweeps", "run", "uneven", "-q", "-j", str(N_WORKERS)]
    environment = os.environ | {"SPANS": str(spans)}
    subprocess.run([*command, *options], cwd=folder, env=environment, check=True)
    lines = [line.split() for path in spans.iterdir() for line in path.read_text().splitlines()]
    starts, ends = np.array(lines, dtype=float).T
    return float(ends.max() - starts.min())


def main() -> None:
    """Print the ratio to the ideal of a run that knows nothing, and of one that knows all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "experiments").mkdir()
        text = UNEVEN.format(spread=SPREAD, n=N_POINTS, total=TOTAL_S)
        (folder / "experiments" / "uneven.py").write_text(text)
        first = took_s(folder, folder / "first")
        again = took_s(folder, folder / "again", "--recompute")
    least = ideal_s()
    print(f"{N_POINTS} points, {N_WORKERS} workers; the ideal takes {least:.2f} s")
    print(f"first run: {first / least:.2f} times the ideal")
    print(f"known times, longest first: {again / least:.2f} times the ideal")


if __name__ == "__main__":
    main()
