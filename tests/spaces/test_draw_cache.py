"""A draw is the same whether it is kept or not, and what was kept spares the import."""

import subprocess
import sys

import numpy as np
import pytest

from sweeps.spaces import draw_cache, sample

SHAPE = (3, 2)
VALUES = np.random.default_rng(1).random(SHAPE)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder of kept draws, in a process that has not imported scipy.stats."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "scipy.stats", raising=False)
    return draw_cache.folder()


def of(values, settings=("halton", 1)):
    """Ask for a draw; return it, and whether it was drawn now."""
    calls = []

    def draw():
        calls.append(values)
        return values

    return draw_cache.once(values.shape, settings, draw), bool(calls)


def assert_same(found, is_new):
    values, was_drawn = found
    assert values.dtype == np.float64
    assert np.array_equal(values, VALUES)
    assert was_drawn == is_new


def test_a_kept_draw_is_not_drawn_again(place):
    assert_same(of(VALUES), is_new=True)
    assert_same(of(VALUES), is_new=False)
    assert len(list(place.iterdir())) == 1


def test_whoever_has_scipy_stats_draws_for_himself(place, monkeypatch):
    of(VALUES)
    monkeypatch.setitem(sys.modules, "scipy.stats", object())
    assert_same(of(VALUES), is_new=True)


@pytest.mark.parametrize("settings", [("sobol", 1), ("halton", 2), ("halton", True)])
def test_other_settings_are_another_draw(place, settings):
    of(1 - VALUES, settings)
    assert_same(of(VALUES), is_new=True)


def test_another_version_of_scipy_draws_anew(place, monkeypatch):
    of(1 - VALUES)
    monkeypatch.setattr("scipy.__version__", "0.0")
    assert_same(of(VALUES), is_new=True)


def test_any_flip_or_cut_of_a_kept_draw_is_noticed(place):
    of(VALUES)
    (path,) = place.iterdir()
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert_same(of(VALUES), is_new=True)
        assert path.read_bytes() == whole
    for n_bytes in range(len(whole)):
        path.write_bytes(whole[:n_bytes])
        assert_same(of(VALUES), is_new=True)


def test_no_home_or_one_that_takes_nothing_costs_only_the_draw(place, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert_same(of(VALUES), is_new=True)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    for relative in ("", "cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert draw_cache.folder() is None
        assert_same(of(VALUES), is_new=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_few_and_small_draws_are_kept(place, monkeypatch):
    monkeypatch.setattr(draw_cache, "MAX_FILES", 2)
    for seed in range(4):
        of(VALUES, ("halton", seed))
    assert len(list(place.iterdir())) == 2
    assert not of(VALUES, ("halton", 3))[1]
    monkeypatch.setattr(draw_cache, "MAX_BYTES", VALUES.nbytes - 1)
    of(VALUES, ("halton", 4))
    assert of(VALUES, ("halton", 4))[1]


def test_a_second_process_has_the_same_points_without_importing_scipy_stats(place, monkeypatch):
    methods = ["sobol", "halton", "latin_hypercube", "saltelli"]
    draw = "list(getattr(sample, each)(8, seed=3, x=(0, 1), k=range(5)))"
    first = []
    for each in methods:
        monkeypatch.delitem(sys.modules, "scipy.stats", raising=False)
        first.append(eval(draw, {"sample": sample, "each": each}))
    program = (
        f"import sys; from sweeps import sample; print([{draw} for each in {methods}]);"
        "print('scipy.stats' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    second = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert second == f"{first}\nFalse\n"
