import pytest

from benchmarks import contenders, measuring
from benchmarks.contenders import PLAIN, POOL, SWEEPS


def n_noted(folder):
    return sum(len(path.read_text().splitlines()) for path in folder.iterdir())


@pytest.mark.parametrize(
    "contender",
    [SWEEPS, *(pytest.param(each, marks=pytest.mark.campaign) for each in contenders.PEERS)],
    ids=lambda each: each.name,
)
def test_whoever_is_asked_twice_computes_every_task_once(contender, tmp_path):
    if contender.absent("uneven"):
        pytest.skip(f"{contender.package} is not installed")
    account, folder = tmp_path / "account", tmp_path / "folder"
    account.mkdir()
    folder.mkdir()
    for _ in range(2):
        command = contender.command(folder, "uneven", {"n_tasks": 5, "total_s": 0.05})
        measuring.run(command, folder, account=account)
        assert n_noted(account) == 5


@pytest.mark.parametrize(
    ("contender", "job", "arguments"),
    [
        (SWEEPS, "scalar", {"n_points": 1000, "n_more": 1}),
        (POOL, "scalar", {"n_points": 1000, "n_more": 1}),
        pytest.param(
            SWEEPS,
            "arrays",
            {"n_arrays": 3, "n_bytes": 80, "n_more": 1},
            marks=pytest.mark.campaign,
        ),
        (PLAIN, "arrays", {"n_arrays": 3, "n_bytes": 80, "n_more": 1}),
    ],
)
def test_sweeps_and_its_floors_write_the_same(contender, job, arguments, tmp_path):
    import h5py
    import numpy as np

    from benchmarks import work

    measuring.run(contender.command(tmp_path, job, arguments), tmp_path)
    (path,) = [*tmp_path.glob("results.h5"), *tmp_path.glob("results/*.h5")]
    with h5py.File(path) as file:
        found = file[job if contender is SWEEPS else "value"][...]
    if job == "scalar":
        expected = np.reshape([work.scalar(*p) for p in work.points(1000, 1)], (11, 10, 10))
    else:
        expected = np.stack([work.array(i, 80) for i in range(4)])
    np.testing.assert_array_equal(found, expected)
