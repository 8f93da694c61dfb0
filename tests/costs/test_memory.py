"""Laws of memory: the most that a worker has had is told, and nothing that is wrong."""

import json

import numpy as np
import pytest

import sweeps
from sweeps.costs import memory
from sweeps.execution import compute
from sweeps.project.sweep import resolve
from sweeps.worker import memory_limit


def hungry(n_bytes):
    return float(np.ones(n_bytes // 8).sum())


@pytest.mark.skipif(not memory_limit.peak_bytes(), reason="the system does not say")
def test_plan_tells_the_most_that_a_worker_has_had(project, monkeypatch):
    monkeypatch.setattr(compute, "_NOTED_S", 0.0)
    made = sweeps.experiment(sweeps.grid(n_bytes=[10**6, 3 * 10**8, 10**5]))(hungry)
    sweeps.run(made, n_workers=2)
    planned = sweeps.plan(made, axes={"n_bytes": [10**6, 2 * 10**6]}).prediction
    assert 3 * 10**8 < planned.memory_bytes < 2 * 10**9
    assert " a worker, the most so far" in str(planned)
    sweeps.run(made, axes={"n_bytes": [10, 20]}, n_workers=2)
    assert sweeps.plan(made, axes={"n_bytes": [30]}).prediction.memory_bytes > 3 * 10**8


@pytest.mark.parametrize("limit_s", [0.0, 1e9])
def test_short_runs_and_this_process_note_nothing(project, monkeypatch, limit_s):
    monkeypatch.setattr(compute, "_NOTED_S", limit_s)
    made = sweeps.experiment(sweeps.grid(n_bytes=[8, 16]))(hungry)
    sweeps.run(made, engine="loky" if limit_s else "serial")
    planned = sweeps.plan(made, axes={"n_bytes": [32]}).prediction
    assert planned.memory_bytes is None
    assert "memory" not in str(planned)
    assert memory.known(resolve(made).memo) == 0


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"peak_bytes": null}', '{"peak_bytes": -5}', "{}", "[" * 10**5]
)
def test_a_note_that_cannot_be_read_is_none(tmp_path, content):
    (tmp_path / "memory.json").write_text(content)
    assert memory.known(tmp_path) == 0
    memory.note(tmp_path, 7)
    memory.note(tmp_path, 5)
    assert memory.known(tmp_path) == 7
    assert json.loads((tmp_path / "memory.json").read_text()) == {"peak_bytes": 7}


def test_a_note_that_cannot_be_written_is_left(tmp_path):
    memory.note(tmp_path / "nowhere", 7)
    assert memory.known(tmp_path / "nowhere") == 0
