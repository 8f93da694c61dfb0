"""One experiment, computed in every way there is: the same data."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import sweeps
from tests.clusters import dask
from tests.clusters.test_mpi import MPIEXEC, mpiexec

SAME = """
import time
import numpy as np
from sweeps import experiment, grid

@experiment(grid(x=np.linspace(0, 1, 12), kind=["a", "b"]), dims={"profile": "t"})
def same(x, kind, rng):
    if kind == "b" and x == 0:
        raise ValueError("no b at 0")
    time.sleep(0.02)
    return {"y": x + rng.random(), "profile": rng.random(4), "text": f"{kind}{x:.2f}"}
"""


def command(*words):
    """Start a command of sweeps."""
    return subprocess.Popen([sys.executable, "-m", "sweeps", *words], stdout=subprocess.DEVNULL)


def land(place, *started):
    """Wait for what computes parts; let another command write the file."""
    assert {each.wait(timeout=120) for each in started} <= {0, 1}
    assert command("land", "same", "--results", place).wait(timeout=60) in (0, 1)


def by_two_works(place):
    land(place, *(command("work", "same", "--results", place, "-j", "1") for _ in range(2)))


def by_five_shards(place):
    shards = [("--shard", f"{k}/5", "--engine", "serial") for k in range(5)]
    land(place, *(command("run", "same", "--results", place, *own) for own in shards))


def by_slurm(place, cluster):
    script = f"exec {sys.executable} -m sweeps work same --results {place} --engine serial"
    cluster.wait(cluster.submit(script, "--array=0-1", cwd=Path.cwd()))
    land(place)


def by_dask(place, folder):
    with dask.cluster(folder, 2) as made, pytest.warns(UserWarning, match="1 of 24"):
        sweeps.run("same", results=place, engine="dask", address=str(made.file))


def by_an_executor(place):
    with ProcessPoolExecutor(2) as pool, pytest.warns(UserWarning, match="1 of 24"):
        sweeps.run("same", results=place, engine=pool)


def by_mpi(place):
    assert mpiexec("run", "same", "--engine", "mpi", "--results", place, n=3).returncode == 1


def by_engine(name, place):
    assert command("run", "same", "--engine", name, "--results", place).wait(timeout=60) == 1


WAYS = {
    "loky": lambda place, _: by_engine("loky", place),
    "threads": lambda place, _: by_engine("threads", place),
    "work": lambda place, _: by_two_works(place),
    "shards": lambda place, _: by_five_shards(place),
    "executor": lambda place, _: by_an_executor(place),
    "slurm": by_slurm,
    "dask": by_dask,
    "mpi": lambda place, _: by_mpi(place),
}


@pytest.mark.campaign
@pytest.mark.parametrize("way", WAYS)
def test_data_do_not_depend_on_where_they_were_computed(request, project, tmp_path, way):
    if way == "dask" and not dask.HAS_DASK:
        pytest.skip("distributed is not installed")
    if way == "mpi" and (MPIEXEC is None or importlib.util.find_spec("mpi4py") is None):
        pytest.skip("mpi4py or mpiexec is not installed")
    (project / "experiments" / "same.py").write_text(SAME)
    by_engine("serial", "serial")
    given = request.getfixturevalue("cluster") if way == "slurm" else tmp_path
    WAYS[way]("elsewhere", given)
    here, elsewhere = (sweeps.load("same", results=place) for place in ("serial", "elsewhere"))
    assert elsewhere.identical(here.assign_attrs(elsewhere.attrs))
    assert int(np.isnan(here.y).sum()) == 1
    assert [f.params for f in sweeps.failures("same", results="elsewhere")] == [
        f.params for f in sweeps.failures("same", results="serial")
    ]
    assert not list(Path("elsewhere").rglob(".tmp-*"))
