import math

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st

from experiments.ishigami import exact_indices, indices, ishigami
from sweeps import grid, sample
from sweeps.execution.options import Options
from sweeps.operations import run
from sweeps.project.sweep import resolve

CUBE = dict.fromkeys(["x1", "x2", "x3"], (-math.pi, math.pi))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The declared sweep, as loaded."""
    return ishigami.run(results=tmp_path_factory.mktemp("results"), engine="serial")


@pytest.mark.parametrize("order", ["first_order", "total_order"])
def test_the_indices_are_exact_to_two_hundredths(results, order):
    found = indices(results)
    assert results.sizes == {"sample": 2**13 * 5}
    assert found.parameter.values.tolist() == ["x1", "x2", "x3"]
    np.testing.assert_allclose(found[order], found[f"exact_{order}"], atol=0.02)


def test_the_exact_indices_are_the_published_ones():
    # First order: Saltelli et al., Global Sensitivity Analysis: The Primer, Wiley 2008, as quoted
    # in the documentation of SALib. Total: botorch.test_functions.sensitivity_analysis.Ishigami.
    first, total = exact_indices(a=7.0, b=0.1)
    np.testing.assert_allclose(first, [0.3139, 0.4424, 0.0], atol=5e-5)
    np.testing.assert_allclose(total, [0.558, 0.442, 0.244], atol=5e-4)


@given(a=st.floats(0.1, 10), b=st.floats(0, 1))
def test_the_exact_indices_are_the_variances_of_conditional_means(a, b):
    # Gauss-Legendre quadrature of the definition: S = V(E(y|x)) / V(y).
    nodes, weights = np.polynomial.legendre.leggauss(40)
    x, w = math.pi * nodes, weights / 2
    x1, x2, x3 = np.meshgrid(x, x, x, indexing="ij")
    y = np.sin(x1) + a * np.sin(x2) ** 2 + b * x3**4 * np.sin(x1)

    def mean(values, axes):
        for axis in sorted(axes, reverse=True):
            values = np.tensordot(values, w, (axis, 0))
        return values

    variance = mean((y - mean(y, (0, 1, 2))) ** 2, (0, 1, 2))
    first, total = exact_indices(a, b)
    for own in range(3):
        others = tuple({0, 1, 2} - {own})
        of_mean = mean((mean(y, others) - mean(y, (0, 1, 2))) ** 2, (0,))
        rest = mean((y - np.expand_dims(mean(y, (own,)), own)) ** 2, (0, 1, 2))
        assert first[own] == pytest.approx(of_mean / variance, abs=1e-9)
        assert total[own] == pytest.approx(rest / variance, abs=1e-9)


def test_a_sobol_sequence_of_twice_the_points_computes_the_new_ones_only(tmp_path):
    ran = [
        run.execute(
            resolve(ishigami, results=tmp_path, space=sample.sobol(n, **CUBE)),
            Options(engine="serial"),
        )
        for n in (1024, 2048)
    ]
    assert [r.n_computed for r in ran] == [1024, 1024]
    assert [r.n_reused for r in ran] == [0, 1024]


def test_a_sweep_of_a_constant_has_indices_for_each_value(tmp_path):
    space = sample.saltelli(2**4, **CUBE) * grid(a=[1.0, 7.0])
    swept = indices(ishigami.with_space(space).run(results=tmp_path, engine="serial"))
    alone = ishigami.with_space(sample.saltelli(2**4, **CUBE))
    for a in (1.0, 7.0):
        one = indices(alone.run(axes={"a": a}, results=tmp_path, engine="serial"))
        xarray.testing.assert_allclose(swept.sel(a=a), one)


def test_known_values():
    assert ishigami(0, math.pi / 2, 1.0)["y"] == pytest.approx(7.0)
    assert ishigami(math.pi / 2, 0.0, 2.0)["y"] == pytest.approx(1 + 0.1 * 16)
