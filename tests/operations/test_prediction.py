"""What `plan` says of time and disk."""

import time

import numpy as np
import pytest

from sweeps import experiment, grid, plan, run
from sweeps.operations.prediction import Prediction
from sweeps.operations.status import planned
from sweeps.project.sweep import resolve


@experiment(grid(x=range(20), y=[1, 2, 3]))
def slow(x, y):
    time.sleep(0.002)
    return {"value": x * y, "row": np.zeros(100)}


@experiment(grid(x=range(12)))
def refusing(x):
    time.sleep(0.002)
    raise ValueError(x)


def predicted(made, **options):
    return planned(resolve(made), **options).prediction


def test_of_an_experiment_that_nobody_ran_nothing_is_predicted(project):
    assert plan(slow).prediction is None


def test_time_and_disk_of_what_is_left_are_predicted(project):
    run(slow, engine="serial", limit=30)
    said = predicted(slow, n_workers=1)
    assert (said.n_known, said.workers, said.basis) == (30, 1, "")
    assert said.work.high_s > 30 * 0.002
    assert said.left == said.work
    assert 2 * 30 * 800 < said.disk_bytes < 3 * 30 * 900
    two = predicted(slow, n_workers=2)
    assert two.left.seconds == pytest.approx(said.left.seconds / 2)
    run(slow, engine="serial")
    assert plan(slow).prediction is None
    again = predicted(slow, recompute=True, n_workers=1)
    assert again.work.seconds >= 60 * 0.002


def test_failed_points_cost_what_they_took(project):
    run(refusing, engine="serial")
    said = predicted(refusing, n_workers=1)
    assert said.n_known == 12
    assert said.work.seconds >= 12 * 0.002
    assert said.disk_bytes is None


def test_earlier_code_and_other_parameters_tell_something(project):
    run(slow, engine="serial")
    changed = experiment(grid(x=range(20), y=[1, 2, 3]), name="slow")(lambda x, y: x + y)
    assert plan(changed).prediction.basis == " of earlier code"
    elsewhere = plan(slow, axes={"x": [100, 200]}).prediction
    assert elsewhere.basis == " with other parameters"
    assert elsewhere.work.low_s < 6 * 0.002 < elsewhere.work.high_s * 3


def test_the_command_says_it_in_words_and_in_json(project):
    run(slow, engine="serial", limit=30)
    planned = plan(slow)
    assert str(planned.prediction).startswith("time: less than 2.0 s on")
    long = planned.prediction.left.times(1e5)
    said = str(Prediction(long, long, 4, 30, "", 3_500_000, 212_000_000))
    assert "on 4 workers (likely" in said
    assert "disk: about 3.5 MB" in said
    assert "memory: 212 MB a worker" in said
