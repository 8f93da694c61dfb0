"""``python -m benchmarks.walk``: list the modules that one small run enters, in order.

It shows how far you must read to follow ``python -m sweeps run pendulum`` from the command to the
file. A module is entered when one of its functions is called; the bodies of modules and classes,
which run at every import, do not count. Nor do modules that this process has entered before, so
each walk needs a process of its own.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGE = f"{ROOT / 'sweeps'}{os.sep}"

COMMAND = ("run", "pendulum", "length=0.5,1,2", "amplitude=0.1,0.5", "--engine", "serial")
"""Six points, in this process, of which none has been computed before."""

_N_NAMES = 6
"""How many functions of a module are named."""


class Walk:
    """The project modules that are entered, each with its functions in the order of their calls."""

    def __init__(self) -> None:
        self.entered: dict[str, dict[str, None]] = {}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Note a call, as `sys.setprofile` tells it."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGE):
            return
        is_function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
        if is_function:
            module = code.co_filename.removeprefix(PACKAGE).removesuffix(".py")
            self.entered.setdefault(module, {})[code.co_name] = None


def main() -> None:
    """Run the command in an empty folder, and print a line for each module."""
    walk = Walk()
    os.environ["SWEEPS_EXPERIMENTS"] = str(ROOT / "experiments")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        _run(walk)
    for number, (module, functions) in enumerate(walk.entered.items(), 1):
        print(f"{number:3}  {module:30} {' '.join([*functions][:_N_NAMES])}")


def _run(walk: Walk) -> None:
    """Run the command as `python -m sweeps` does, watched."""
    from sweeps.execution import compute

    compute._TICK_S = threading.TIMEOUT_MAX  # only a slow run tells of itself
    sys.argv = ["sweeps", *COMMAND]
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        from sweeps.cli.main import main as command

        with contextlib.redirect_stdout(sys.stderr):
            command()
    except SystemExit as exit_:
        if exit_.code:
            raise
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


if __name__ == "__main__":
    main()
