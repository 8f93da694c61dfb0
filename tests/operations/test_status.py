from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid, load, plan, run, status
from sweeps.errors import StorageError
from sweeps.operations import failures
from sweeps.operations import load as operations_load
from sweeps.project.sweep import resolve


@experiment(grid(x=range(10)))
def odd_ones(x):
    if x % 2 == 0:
        raise ValueError(f"{x} is even")
    return x / 2


def shapeless(x):
    return np.zeros((2,) * x)


def test_before_a_run_all_is_missing(project):
    told = status(odd_ones)
    assert (told.points, told.done, told.missing, told.failed, told.stale) == (10, 0, 10, 0, 0)
    assert told.results == str(project / "results" / "odd_ones.h5")
    assert not (project / "results").exists()


@pytest.mark.parametrize("limit", [0, 3, 10])
def test_the_parts_add_up_to_the_points(project, limit):
    run(odd_ones, engine="serial", limit=limit)
    told, planned = status(odd_ones), plan(odd_ones)
    assert told.done + told.missing + told.failed + told.stale == told.points == 10
    assert planned.reused + planned.missing + planned.failed + planned.stale == planned.points
    assert (told.done, told.failed) == (planned.reused, planned.failed)
    assert told.done + told.failed == limit


def test_a_plan_for_other_axes_counts_what_they_share(project):
    run(odd_ones, engine="serial")
    told = plan(odd_ones, axes={"x": [1, 2, 3, 11]})
    assert (told.points, told.reused, told.failed, told.missing) == (4, 2, 1, 1)
    assert plan(odd_ones, space=grid(x=[1, 11])).missing == 1
    assert plan(odd_ones, recompute=True).reused == 0


def test_outputs_that_do_not_fit_each_other_count_as_failed(project):
    made = experiment(grid(x=[2, 2 + 1]))(shapeless)
    run(made, engine="serial")
    told = status(made)
    assert (told.done, told.failed) == (1, 1)
    (failure,) = failures.failures_of(resolve(made))
    assert failure.kind == "output"
    assert "(2, 2)" in failure.message
    assert "(2, 2, 2)" in failure.message


def test_failures_stand_in_the_order_of_the_space(project):
    run(odd_ones, engine="serial")
    failed = failures.failures_of(resolve(odd_ones))
    assert [f.params["x"] for f in failed] == [0, 2, 4, 6, 8]
    assert [f.message for f in failed] == [f"{x} is even" for x in range(0, 10, 2)]


def test_load_finds_results_by_experiment_name_or_path(project):
    made = run(odd_ones, engine="serial")
    path = project / "results" / "odd_ones.h5"
    for given_ in (odd_ones, "odd_ones", "module.odd_ones", path, str(path)):
        assert load(given_).identical(made)
    path.rename(project / "moved.h5")
    assert load("moved.h5").identical(made)
    with pytest.raises(StorageError, match=r"odd_ones\.h5"):
        load("odd_ones")


@given(st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_a_name_and_its_module_lead_to_the_same_file(name):
    path = operations_load.results_path(name, "results")
    assert path == operations_load.results_path(f"models.{name}", "results")
    assert (path.name, path.parent.name) == (f"{name}.h5", "results")
    assert operations_load.results_path(Path(name)) == Path(name)
