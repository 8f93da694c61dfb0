"""Laws of executors of other packages, as docs/engines.md has them: no point ends a worker."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tests.clusters.test_dask import MANY, POISON, check_poison

FACTORIES = """
def executorlib():
    from executorlib import SingleNodeExecutor

    return SingleNodeExecutor(max_workers=2, block_allocation=True)


def parsl():
    from parsl import Config, HighThroughputExecutor
    from parsl.concurrent import ParslPoolExecutor

    workers = HighThroughputExecutor(max_workers_per_node=2, address="127.0.0.1", encrypted=False)
    return ParslPoolExecutor(Config(executors=[workers]))


def parsl_threads():
    from parsl import Config, ThreadPoolExecutor
    from parsl.concurrent import ParslPoolExecutor

    return ParslPoolExecutor(Config(executors=[ThreadPoolExecutor(max_threads=2)]))
"""

PARSL = pytest.param("parsl", marks=pytest.mark.campaign)  # starts and ends for 15 s


@pytest.mark.parametrize("n", [8, MANY])
@pytest.mark.parametrize("factory", ["executorlib", "parsl_threads", PARSL])
def test_poisoned_points_fail_and_the_others_have_their_values(
    project, tmp_path, monkeypatch, sweeps, factory, n
):
    package = factory.partition("_")[0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install {package}")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (project / "experiments" / "poison.py").write_text(POISON.replace("N", str(n)))
    (project / "factories.py").write_text(FACTORIES)
    said = sweeps("run", "poison", f"--engine=factories:{factory}", "-j2", "--json").json
    assert [said[key] for key in ("computed", "failed")] == [n - n // 4, n // 4]
    check_poison(tmp_path / "here")
