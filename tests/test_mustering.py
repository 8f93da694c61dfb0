"""Laws of mustering: who cannot be ready says why, and no point is begun."""

import os
from pathlib import Path

import numpy as np
import pytest

from sweeps import SweepsError, engines, timing
from sweeps.subject import resolve

UNREADY = """
import contextlib, os, pathlib
from sweeps import experiment, grid

if os.getpid() not in ALIVE:
    os._exit(3)

@contextlib.contextmanager
def opened():
    raise OSError("no such server")
    yield

@experiment(grid(x=range(20)), resources={"server": opened})
def unready(x, server):
    pathlib.Path("begun").touch()
    return x
"""


@pytest.mark.parametrize(
    ("alive", "said"),
    [
        ("range(2**32)", "resource 'server' of 'unready' could not be opened: OSError: no such"),
        (f"[{os.getpid()}]", r"workers die before they compute anything: exit code EXIT\(3\)"),
    ],
    ids=["resource", "import"],
)
def test_workers_that_cannot_be_ready_say_why(project, alive, said):
    (project / "experiments" / "unready.py").write_text(UNREADY.replace("ALIVE", alive))
    with pytest.raises(SweepsError, match=said):
        timing.parallel(resolve("unready"), np.arange(20), 2, project)
    assert not Path("begun").exists()
    assert not list(project.glob("*.seg"))
    engines.end_processes()
