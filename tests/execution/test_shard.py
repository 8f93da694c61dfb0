"""Laws of shards: together they have every point once, whatever is known when each of them runs."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid
from sweeps.errors import SweepsError
from sweeps.execution import plan
from sweeps.execution.shard import N_RUNS, Shard, parse
from sweeps.spaces.keys import key_maker
from tests.strategies import spaces

some_n = st.integers(1, 40)


@given(n_points=st.integers(0, 10**4), n=some_n)
def test_shards_are_disjoint_and_whole_and_of_one_size(n_points, n):
    runs = [Shard(k, n).runs(n_points) for k in range(n)]
    numbers = [number for own in runs for run in own for number in run]
    assert sorted(numbers) == list(range(n_points))
    sizes = [sum(map(len, own)) for own in runs]
    assert max(sizes) - min(sizes) <= 1
    for own in runs:
        assert len(own) <= N_RUNS
        assert all(own)
        assert [run.start for run in own] == sorted(run.start for run in own)


def test_a_shard_of_many_points_is_a_few_runs():
    assert [sum(map(len, Shard(k, 1000).runs(10**12))) for k in (0, 999)] == [10**9] * 2
    assert Shard(10**30 - 1, 10**30).runs(10**9) == []


@given(n=st.integers(2, 12), n_rows=st.integers(2, 40), per_shard=st.integers(1, 5))
def test_no_shard_has_the_same_place_in_every_row(n, n_rows, per_shard):
    """Rows as long as all shards of one turn: costs that rise along a row are spread."""
    length = n * per_shard
    places = [
        {
            number % length // per_shard
            for run in Shard(k, n).runs(n_rows * length)
            for number in run
        }
        for k in range(n)
    ]
    assert all(len(own) > 1 for own in places)


@given(made=spaces(), n=st.integers(1, 5), data=st.data())
def test_what_is_known_changes_no_shard(made, n, data):
    space, _ = made

    @experiment(space, name="any")
    def any_(**parameters):
        return 0.0

    if not len(space):
        return
    make_keys = key_maker(any_)
    every = space.positions(0, len(space))
    known = np.array(data.draw(st.lists(st.sampled_from(every.tolist()))), dtype=np.int64)
    known_keys = set(map(tuple, make_keys(known).tolist()))

    def find(keys):
        return np.array([0 if tuple(key) in known_keys else -1 for key in keys.tolist()], np.int64)

    def todo(find_done, runs=None):
        planned = plan.partition(make_keys, find_done, None, None, runs=runs)
        return [int(position) for piece in planned.todo for position in piece]

    shards = [Shard(k, n).runs(len(space)) for k in range(n)]
    blank = [todo(None, runs) for runs in shards]
    assert sorted(itertools.chain(*blank)) == todo(None)
    left = set(todo(find))
    assert [todo(find, runs) for runs in shards] == [[p for p in b if p in left] for b in blank]


def test_a_shard_counts_its_own_points_only():
    made = experiment(grid(a=range(10)).where(lambda a: a != 3), name="some")(lambda a: 0.0)
    planned = plan.partition(key_maker(made), None, None, None, runs=[range(2, 5)])
    assert (planned.n_points, planned.n_missing, planned.n_excluded) == (3, 3, 1)
    assert np.concatenate(planned.todo).tolist() == [2, 4, 5]


def slurm(task, first, last, step, n):
    said = {"ID": task, "MIN": first, "MAX": last, "STEP": step, "COUNT": n}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in said.items()}


def sge(task, first, last, step):
    said = {"ID": task, "FIRST": first, "LAST": last, "STEPSIZE": step}
    return {f"SGE_TASK_{name}": str(value) for name, value in said.items()}


# as a script of `sbatch -n 4` has them
ONE_SCRIPT = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}
STEP = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"}
NO_ARRAYS = {"SGE_TASK_ID": "undefined", "LSB_JOBINDEX": "0", "LSB_JOBINDEX_END": "0"}


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [
        ("0/1", {}, Shard(0, 1)),
        ("7/8", slurm(0, 0, 3, 1, 4), Shard(7, 8)),
        ("auto", slurm(2, 0, 3, 1, 4), Shard(2, 4)),
        ("auto", slurm(5, 2, 8, 3, 3), Shard(1, 3)),
        ("auto", slurm(2, 0, 3, 1, 4) | ONE_SCRIPT, Shard(2, 4)),
        ("auto", slurm(2, 0, 3, 1, 4) | STEP, Shard(11, 16)),
        ("auto", STEP, Shard(3, 4)),
        ("auto", sge(5, 1, 9, 2) | ONE_SCRIPT, Shard(2, 5)),
        ("auto", {"LSB_JOBINDEX": "8", "LSB_JOBINDEX_END": "8"}, Shard(7, 8)),
        ("auto", NO_ARRAYS | STEP, Shard(3, 4)),
        # mpiexec starts one process of Slurm on each node, and its own ones below
        (
            "auto",
            {"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "6"} | STEP,
            Shard(5, 6),
        ),
        ("auto", {"PMI_RANK": "1", "PMI_SIZE": "2"}, Shard(1, 2)),
        ("auto/9", slurm(3, 3, 3, 1, 1), Shard(3, 9)),  # one task of an array again
        ("auto/9", sge(1, 1, 9, 1), Shard(0, 9)),
        ("auto/9", {"PBS_ARRAY_INDEX": "3"}, Shard(3, 9)),
        ("auto/9", {"PBS_ARRAYID": "3"}, Shard(3, 9)),
        ("auto/9", {"JOB_COMPLETION_INDEX": "3"}, Shard(3, 9)),
        ("auto/9", NO_ARRAYS | {"AWS_BATCH_JOB_ARRAY_INDEX": "3"}, Shard(3, 9)),
        ("auto/9", STEP, Shard(3, 9)),
    ],
)
def test_a_task_knows_its_shard(given, environment, found):
    assert parse(given, environment) == found


@pytest.mark.parametrize(
    ("given", "environment", "told"),
    [
        ("8/8", {}, "there is no shard 8/8: give K/N, with K from 0 to N-1"),
        ("1/0", {}, "--shard 1/0: give K/N"),
        ("-1/2", {}, "--shard -1/2: give K/N"),
        ("1", {}, "--shard 1: give K/N"),
        ("", {}, "--shard : give K/N"),
        ("auto", {}, "this is no task of a batch system"),
        ("auto", NO_ARRAYS, "this is no task of a batch system"),
        ("auto", ONE_SCRIPT, "this is no task of a batch system"),
        ("auto", {"PBS_ARRAY_INDEX": "3"}, "PBS_ARRAY_INDEX does not say of how many tasks"),
        ("auto", slurm(3, 1, 7, 1, 3), "some of the tasks 1 to 7 only: give --shard auto/N"),
        ("auto", {"LSB_JOBINDEX": "x"}, "LSB_JOBINDEX is 'x', and no number"),
        ("auto", {"LSB_JOBINDEX": "1"}, "LSB_JOBINDEX_END is '', and no number"),
        ("auto/8", slurm(8, 1, 8, 1, 8), "SLURM_ARRAY_TASK_ID is 8: start tasks 0 to 7"),
        ("auto/8", sge(9, 1, 9, 1), "SGE_TASK_ID is 9: start tasks 1 to 8"),
        ("auto/0", {}, "--shard auto/0: give K/N"),
        ("auto/8", NO_ARRAYS, "none of SLURM_ARRAY_TASK_ID, SGE_TASK_ID"),
    ],
)
def test_what_is_no_shard_is_refused_with_what_to_give(given, environment, told):
    with pytest.raises(SweepsError) as refused:
        parse(given, environment)
    assert told in str(refused.value)
