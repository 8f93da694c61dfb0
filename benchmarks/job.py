"""``python -m benchmarks.job MODULE JOB ARGUMENTS``: one job of one contender."""

from __future__ import annotations

import importlib
import json
import sys

if __name__ == "__main__":
    module, job, arguments = sys.argv[1:]
    getattr(importlib.import_module(module), job)(**json.loads(arguments))
