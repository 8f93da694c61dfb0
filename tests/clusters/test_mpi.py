"""Laws of the engine mpi, under a real mpiexec: points never end a rank."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from sweeps import SweepsError, engines
from tests.clusters.test_dask import MANY, POISON, check_poison

MPIEXEC = shutil.which("mpiexec")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or MPIEXEC is None,
    reason="needs mpi4py and mpiexec: pip install 'sweeps[mpi]', apt install openmpi-bin",
)


def mpiexec(*command, n):
    """Run a command of sweeps on some ranks."""
    ranks = [MPIEXEC, "--oversubscribe", "-n", str(n), sys.executable, "-m", "mpi4py.futures"]
    environment = {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    return subprocess.run(
        [*ranks, "-m", "sweeps", *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("n", [8, MANY])
def test_poisoned_points_fail_and_no_rank_dies(project, tmp_path, n):
    (project / "experiments" / "poison.py").write_text(POISON.replace("N", str(n)))
    done = mpiexec("run", "poison", "--engine", "mpi", n=3)
    assert done.returncode == 1, done.stderr
    assert f"{n - n // 4} computed, 0 reused, {n // 4} failed" in done.stdout
    check_poison(tmp_path / "here")


@pytest.mark.campaign
def test_without_other_ranks_it_says_how_to_start_them(project):
    (project / "experiments" / "poison.py").write_text(POISON.replace("N", "8"))
    done = mpiexec("run", "poison", "--engine", "mpi", n=1)
    assert done.returncode == 2
    assert "mpiexec -n 9 python -m mpi4py.futures -m sweeps run NAME" in done.stderr


def test_the_library_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py.futures", None)
    with pytest.raises(SweepsError, match=r"needs mpi4py .* pip install 'sweeps\[mpi\]'"):
        engines.get("mpi").check()
