import dataclasses

import pytest

from benchmarks import acceptance, contenders, report
from benchmarks.cases import CASES, uneven
from benchmarks.rows import Options, Row, in_turn

B1 = [
    *(Row("sweeps", n, {"wall_s": 0.5 + 2e-6 * n, "peak_bytes": 4e8}) for n in (10**6, 10**7)),
    *(Row("Pool.map + h5py", n, {"wall_s": 0.2 + 1e-6 * n}) for n in (10**6, 10**7)),
    *(Row("signac", n, {"wall_s": 1 + 1e-3 * n}) for n in (10**3, 10**4)),
    Row("diskcache", 10**7, note="not installed"),
]


def value(found, text):
    (demand,) = [each for each in acceptance.demands(found) if text in each.text]
    return demand


def test_demands_are_ratios_of_one_run():
    pool = value({"B1": B1}, "Pool.map")
    assert pool.value == pytest.approx(2.5 / 1.2)
    assert pool.holds is False
    signac = value({"B1": B1}, "cost of a point of signac")
    assert signac.value == pytest.approx(500)
    assert signac.holds is True


def test_costs_too_small_to_fit_are_no_reason_to_lose_the_page():
    flat = [
        Row(name, n, {"wall_s": 1 - n / 1000}) for name in ("sweeps", "signac") for n in (10, 100)
    ]
    page = report.text({"B1": {"machine": "m", "rounds": 1, "rows": flat}}, {})
    assert "| signac | – | 0 µs |" in page


def test_what_was_not_measured_neither_holds_nor_fails():
    assert {each.holds for each in acceptance.demands({})} == {None}


def test_the_page_says_who_was_not_there_and_why():
    page = report.text({"B1": {"machine": "two cores", "rounds": 3, "rows": B1}}, {})
    assert "- diskcache: not installed" in page
    assert "two cores" in page
    assert "| 10⁶ | Pool.map + h5py | 0.48 |" in page
    assert "| signac | 500 |" in page


def test_a_peer_that_is_not_installed_is_a_row():
    absent = dataclasses.replace(contenders.PEERS[0], package="no_such_package")
    turns = in_turn([absent], "arrays", 1, lambda *_: pytest.fail("was run"))
    assert turns.noted(1) == [Row(absent.name, 1, note="not installed")]


def test_peers_are_named_by_their_packages():
    assert [peer.package for peer in contenders.peers("signac, joblib")] == ["signac", "joblib"]
    assert contenders.peers("") == ()
    with pytest.raises(ValueError, match="no peer ray; there are joblib"):
        contenders.peers("ray,joblib")


def test_options_are_keys_of_what_was_measured():
    assert hash(Options(peers=contenders.PEERS)) == hash(Options(peers=contenders.PEERS))


def test_all_cases_are_there():
    assert list(CASES) == [f"B{i}" for i in range(1, 12)]


@pytest.mark.parametrize(
    ("durations", "n_workers", "tail_s"),
    [([3, 1, 1], 2, 1), ([1, 1], 2, 0), ([2], 2, 2), ([1, 2, 3], 1, 0), ([1, 1, 1, 4], 3, 4)],
)
def test_the_tail_of_tasks_that_cost_nothing_to_hand_out(durations, n_workers, tail_s):
    assert uneven.least_tail_s(durations, n_workers) == tail_s


def test_balance_of_uneven_work():
    even = uneven.balance([[(0, 1), (1, 2)], [(0, 2)]], 2)
    assert (even.efficiency, even.tail_s) == (1, 0)
    tailed = uneven.balance([[(5, 6)], [(5, 9)]], 2)
    assert (tailed.efficiency, tailed.tail_s) == (5 / 8, 3)
    idle = uneven.balance([[(0, 4)]], 2)
    assert (idle.efficiency, idle.tail_s) == (0.5, 4)
