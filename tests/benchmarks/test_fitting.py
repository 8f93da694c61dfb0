import math

import pytest

from benchmarks import fitting

SIZES = [1e3, 1e4, 1e5, 1e6]


@pytest.mark.parametrize(("fixed", "marginal"), [(0.5, 2e-6), (0.0, 3e-4), (1.2, 0.0)])
def test_a_line_is_found_again(fixed, marginal):
    walls = [fixed + marginal * size for size in SIZES]
    assert fitting.fixed_and_marginal(SIZES, walls) == pytest.approx((fixed, marginal), abs=1e-12)


def test_errors_count_as_shares_so_that_the_largest_wall_does_not_decide_alone():
    walls = [0.5 + 2e-6 * size for size in SIZES]
    walls[-1] *= 1.1  # an absolute fit has a fixed part of 0.46 or less
    assert fitting.fixed_and_marginal(SIZES, walls)[0] == pytest.approx(0.5, rel=0.04)


@pytest.mark.parametrize("walls", [[2.0, 1.9, 1.8, 1.7], [0.1, 5, 300, 40_000]])
def test_neither_part_is_negative(walls):
    assert min(fitting.fixed_and_marginal(SIZES, walls)) >= 0


@pytest.mark.parametrize("sizes", [[], [1000], [1000, 1000]])
def test_one_size_says_nothing_of_either_part(sizes):
    assert all(map(math.isnan, fitting.fixed_and_marginal(sizes, [2.0] * len(sizes))))


def test_growth_is_the_steepest_between_neighbours():
    assert fitting.steepest([1, 100, 10], [1, 10_000, 10]) == pytest.approx(3)
    assert math.isnan(fitting.steepest([10], [1]))
