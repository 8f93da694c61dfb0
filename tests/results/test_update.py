"""Laws of landings meanwhile: a long run shows what it has, and they take little of its time."""

import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid
from sweeps.memo.index import Index
from sweeps.outputs.types import Header
from sweeps.project.sweep import resolve
from sweeps.results import update

N_POINTS = 100


def landings(folder, expected_s, took_s, until_s, *, step_s=0.5, length_s=None):
    """Have a run go on, on a clock of its own; return the ages at which landings began and ended.

    A landing takes `took_s`; the sizes of the outputs let `expected_s` be expected.
    """
    now, made = [0.0], []
    point_bytes = expected_s * update._BYTES_PER_S / N_POINTS
    forms = [(0, (Header("", np.dtype("u1"), ("t",), (round(point_bytes),), None, {}),), ())]
    index = Index(folder, {})

    def refresh(*_):
        made.append((now[0], now[0] + took_s))
        now[0] += took_s
        return types.SimpleNamespace(gathered=types.SimpleNamespace(index=index))

    def left():
        return None if length_s is None else (length_s - now[0], None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
        patch.setattr(update, "refresh", refresh)
        swept = experiment(grid(x=range(N_POINTS)), name="swept")(lambda x: x)
        sweep = resolve(swept, results=folder)
        landing = update.Landing(sweep, index, "", forms, left)
        while now[0] < until_s:
            now[0] += step_s
            landing.if_due()
    return made


seconds = st.floats(0.001, 100.0)


@given(expected_s=seconds, share=st.floats(0.01, 1.0), until_s=st.floats(1.0, 20_000.0))
def test_a_run_never_lands_for_more_than_its_share(tmp_path_factory, expected_s, share, until_s):
    folder = tmp_path_factory.getbasetemp()
    made = landings(folder, expected_s, share * expected_s, until_s, step_s=until_s / 1000)
    for n, (begun, _) in enumerate(made, start=1):
        assert n * share * expected_s * update.LANDING_SHARE <= begun * 1.01


@given(expected_s=seconds, took_s=seconds)
def test_a_run_that_is_long_enough_shows_what_it_has(tmp_path_factory, expected_s, took_s):
    folder, share = tmp_path_factory.getbasetemp(), update.LANDING_SHARE
    first_s = max(update._FIRST_LANDING_S, share * expected_s)
    next_s = max(update._PAUSE_S, share * took_s)
    made = landings(folder, expected_s, took_s, 1.1 * (first_s + took_s + 2 * next_s) + 2)
    assert len(made) >= 2


@given(took_s=seconds, until_s=st.floats(10.0, 10_000.0))
def test_a_run_does_not_land_shortly_before_its_end(tmp_path_factory, took_s, until_s):
    folder, step_s = tmp_path_factory.getbasetemp(), until_s / 1000
    made = landings(folder, took_s, took_s, until_s, step_s=step_s, length_s=until_s)
    assert all(ended <= until_s + step_s for _, ended in made)


def test_what_is_small_is_shown_after_some_seconds(tmp_path):
    ((begun, _),) = landings(tmp_path, 0.01, 0.01, 20.0)
    assert begun <= update._FIRST_LANDING_S + 1


def test_the_largest_form_of_each_output_counts():
    small, large = (Header("a", np.dtype("f8"), (), (n,), None, {}) for n in (1, 10))
    other = Header("b", np.dtype("i4"), (), (), None, {})
    state = update._STATE_BYTES
    assert update.file_bytes(7, [(small, other), (large,)]) == 7 * (state + 80 + 4)
