import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ellipk

from experiments.pendulum import pendulum
from tests.sizes import examples

AMPLITUDES = np.linspace(0.1, 3.0, 10).tolist()

lengths = st.floats(0.1, 2.0)
amplitudes = st.floats(0.05, 3.0)


# K(m) from Abramowitz & Stegun, Handbook of Mathematical Functions, 1964, Table 17.1, with
# m = sin²(amplitude / 2): the amplitudes are 60°, 90° and 120°.
@pytest.mark.parametrize(
    ("m", "complete_elliptic_integral"),
    [(0.25, 1.685750354812596), (0.50, 1.854074677301372), (0.75, 2.156515647499643)],
)
def test_the_period_is_that_of_the_published_tables(m, complete_elliptic_integral):
    amplitude = 2 * math.asin(math.sqrt(m))
    period = pendulum(length=1.0, amplitude=amplitude)["period"]
    assert period == pytest.approx(4 * math.sqrt(1 / 9.81) * complete_elliptic_integral, rel=1e-8)


@pytest.mark.parametrize("length", [0.1, 2.0])
def test_the_period_is_exact_to_a_millionth_at_every_amplitude(length):
    periods = [pendulum(length=length, amplitude=a)["period"] for a in AMPLITUDES]
    exact = 4 * math.sqrt(length / 9.81) * ellipk(np.sin(np.array(AMPLITUDES) / 2) ** 2)
    np.testing.assert_allclose(periods, exact, rtol=1e-6)


def test_small_swings_follow_the_power_series():
    # Landau & Lifshitz, Mechanics, §11, problem 1, with the next term; the one after it is
    # 173 / 737280 amplitude⁶ = 1.5e-8 of the period.
    amplitude = 0.2
    series = 1 + amplitude**2 / 16 + 11 * amplitude**4 / 3072
    period = pendulum(length=1.0, amplitude=amplitude)["period"]
    assert period == pytest.approx(2 * math.pi * math.sqrt(1 / 9.81) * series, rel=2e-8)


@examples(20)
@given(lengths, amplitudes)
def test_a_pendulum_four_times_as_long_swings_half_as_fast(length, amplitude):
    short, long = (pendulum(length=x, amplitude=amplitude)["period"] for x in (length, 4 * length))
    assert long == pytest.approx(2 * short, rel=1e-8)


@examples(20)
@given(lengths, amplitudes)
def test_only_length_over_gravity_matters(length, amplitude):
    on_earth = pendulum(length=length, amplitude=amplitude, g=9.81)["period"]
    elsewhere = pendulum(length=length / 6, amplitude=amplitude, g=9.81 / 6)["period"]
    assert elsewhere == pytest.approx(on_earth, rel=1e-8)


@examples(20)
@given(lengths, amplitudes)
def test_energy_is_kept(length, amplitude):
    assert abs(pendulum(length=length, amplitude=amplitude)["energy_drift"]) < 1e-8


@pytest.mark.parametrize("amplitude", [-0.1, 0.0, math.pi, 4.0, math.nan])
def test_an_amplitude_that_never_swings_back_is_refused(amplitude):
    with pytest.raises(ValueError, match="between 0 and pi"):
        pendulum(length=1.0, amplitude=amplitude)
