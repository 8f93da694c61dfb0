"""How far it is from a command to the results file: the modules that a small run enters."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

N_MODULES = 78  # the aim is 60, with rooms of 14 modules and files of 400 lines at most: lower it


def test_a_small_run_enters_few_modules():
    walk = [sys.executable, "-m", "benchmarks.walk"]
    done = subprocess.run(walk, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "6 computed" in done.stderr
    entered = [line.split()[1] for line in done.stdout.splitlines()]
    assert {"cli/main", "spaces/space", "worker/evaluate"} < set(entered)
    assert len(entered) <= N_MODULES, done.stdout
