"""Makes `experiments/` importable: it belongs to the project, but to no installed package."""

import sys
from pathlib import Path

PROJECT = str(Path(__file__).parents[2])
if PROJECT not in sys.path:
    sys.path.insert(0, PROJECT)
