"""What a run pays for its fingerprint: 2,000 lines in 20 modules, against parsing the same files.

``python -m benchmarks.staleness.speed`` measures in fresh processes, in turn, and prints medians.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

N_MODULES, N_LINES = 20, 100

MEASURE = """
import ast, json, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
import numpy
from sweeps.code.fingerprint import fingerprint
from experiments import main

start = time.process_time()
found = fingerprint(main.large)
ours = time.process_time() - start
texts = [path.read_text() for path in Path({root!r}).rglob("*.py")]
start = time.process_time()
for text in texts:
    ast.parse(text)
print(json.dumps([ours, time.process_time() - start, len(found.parts)]))
"""


def write(root: Path) -> None:
    """Write an experiment that reaches all of some modules."""
    folder = root / "experiments"
    folder.mkdir(parents=True)
    for number in range(N_MODULES):
        (folder / f"m{number}.py").write_text(_module(number))
    (folder / "main.py").write_text(
        "from . import m0\n\n\ndef large(x):\n    return m0.f0(x) + m0.SCALE\n"
    )


def _module(number: int) -> str:
    is_last = number + 1 == N_MODULES
    lines = ["import math", "import numpy as np", f"SCALE = {number}.5"]
    lines += ["TABLE = {'a': 1.0, 'b': SCALE}"]
    lines += [] if is_last else [f"from . import m{number + 1} as following"]
    n_functions = (N_LINES - len(lines)) // 9
    for i in range(n_functions):
        more = f"f{i + 1}(x)" if i + 1 < n_functions else ("0" if is_last else "following.f0(x)")
        lines += [
            f"def f{i}(x, power={i}):",
            f'    """Document {i}."""',
            "    total = 0.0",
            "    for k in range(3):",
            "        total += math.sin(x * k) * SCALE + TABLE['a'] ** power  # a remark",
            f"    if total > {i}.5:",
            "        total -= np.sqrt(abs(total))",
            "    values = [v * 2 for v in (total, x) if v > 0]",
            f"    return total + sum(values) + {more}",
        ]
    return "\n".join(lines) + "\n"


def measure(n_rounds: int = 7) -> tuple[float, float]:
    """Return the seconds of a fingerprint and of parsing; medians over fresh processes."""
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        code = MEASURE.format(root=place)
        rows = []
        for _ in range(n_rounds):
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout))
    ours, floor, _ = (statistics.median(column) for column in zip(*rows, strict=True))
    return ours, floor


if __name__ == "__main__":
    seconds, floor = measure()
    print(f"{seconds * 1e3:.0f} ms, parsing {floor * 1e3:.0f} ms, ratio {seconds / floor:.1f}")
