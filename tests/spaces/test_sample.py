"""Laws of samples: bounds, margins, growth, and the same points everywhere."""

import contextlib
import dataclasses
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc

import sweeps
from sweeps import experiment, grid
from sweeps.errors import DeclarationError, UnknownNameError
from sweeps.execution.options import Options
from sweeps.operations import run as operations_run
from sweeps.project.sweep import resolve
from sweeps.spaces import sample
from sweeps.spaces.keys import key_maker
from sweeps.spaces.sample import Sampling
from tests.sizes import examples, few

METHODS = ["sobol", "halton", "latin_hypercube", "uniform", "saltelli"]
GROWING = ["sobol", "halton", "uniform", "saltelli"]
EVERY_KIND = {
    "length": (0.1, 2.0),
    "order": range(2, 9, 2),
    "method": ["rk4", "euler", "leapfrog"],
    "mixture": [None, 1, 2.5],
    "solver": {"root": abs, "size": len},
    "g": stats.loguniform(1, 20),
    "count": stats.poisson(3),
    "noise": stats.Normal(mu=0.0, sigma=2.0),
}

seeds = st.integers(0, 2**70)
counts = st.integers(1, 40)


@pytest.fixture(autouse=True)
def _any_count():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The balance properties of Sobol")
        yield


def draw(method, n, /, **options):
    return getattr(sample, method)(n, **options)


def column(space, name):
    """Values of a parameter along the sample."""
    found = space.columns[name]
    return found.table.coordinate(found.codes)


def n_rows(method, n, n_parameters):
    return n * (n_parameters + 2) if method == "saltelli" else n


@experiment(sample.uniform(1, **EVERY_KIND))
def f(**parameters):
    """Something to have keys."""


def keys(space):
    return key_maker(f.with_space(space))(space.positions(0, len(space)))


@pytest.mark.parametrize("method", METHODS)
@few(10)
@given(n=counts, seed=seeds, low=st.floats(-1e9, 1e9), width=st.floats(1e-3, 1e9))
def test_a_sample_is_one_dimension_of_points_within_bounds(method, n, seed, low, width):
    high = low + width
    space = draw(method, n, seed=seed, x=(low, high), k=range(3), method=["a", "b"])
    assert space.sizes == {"sample": n_rows(method, n, 3)} == {"sample": len(space)}
    assert space.parameters == ("x", "k", "method")
    assert not any(c.has_gaps for c in space.columns.values())
    x = column(space, "x")
    assert ((low <= x) & (x <= high)).all()
    assert {*column(space, "k").tolist()} <= {0, 1, 2}
    assert {*column(space, "method").tolist()} <= {"a", "b"}


def base_points(method, values, n_parameters):
    """Independent ones: the rest of a Saltelli design repeats them."""
    return values[:: n_parameters + 2] if method == "saltelli" else values


@pytest.mark.parametrize("method", METHODS)
def test_margins_are_the_distributions(method):
    continuous = {
        "x": ((-3.0, 5.0), stats.uniform(-3.0, 8.0)),
        "g": (stats.loguniform(1, 20), stats.loguniform(1, 20)),
        "noise": (stats.norm(1.0, 2.0), stats.norm(1.0, 2.0)),
        "other": (stats.Normal(mu=-1.0, sigma=3.0), stats.norm(-1.0, 3.0)),
    }
    given_ = {name: distribution for name, (distribution, _) in continuous.items()}
    space = draw(method, 1024, seed=7, **given_, k=range(5, 15), count=stats.binom(4, 0.3))
    for name, (_, expected) in continuous.items():
        values = base_points(method, column(space, name), 6)
        assert stats.kstest(values, expected.cdf).pvalue > 0.01
    for name, members, weights in (
        ("k", np.arange(5, 15), np.full(10, 0.1)),
        ("count", np.arange(5), stats.binom(4, 0.3).pmf(np.arange(5))),
    ):
        values = base_points(method, column(space, name), 6)
        observed = (values[:, None] == members).sum(axis=0)
        assert observed.sum() == len(values)
        assert stats.chisquare(observed, weights * len(values)).pvalue > 0.01


@pytest.mark.parametrize("method", GROWING)
@few(8)
@given(n=counts, more=counts, seed=seeds)
def test_growing_keeps_the_points_and_their_keys(method, n, more, seed):
    small = draw(method, n, seed=seed, **EVERY_KIND)
    large = draw(method, n + more, seed=seed, **EVERY_KIND)
    for name, one in small.columns.items():
        assert one.table.kind == large.columns[name].table.kind
        front = column(large, name)[: len(small)]
        assert column(small, name).dtype == front.dtype
        assert column(small, name).tolist() == front.tolist()
    assert (keys(small) == keys(large)[: len(small)]).all()


@pytest.mark.parametrize("method", METHODS)
def test_seeds_make_the_points(method):
    one, again, other = (list(draw(method, 8, seed=s, x=(0, 1), y=(0, 1))) for s in (1, 1, 2))
    assert one == again
    assert one != other
    assert list(draw(method, 8, x=(0, 1), y=(0, 1))) == list(
        draw(method, 8, seed=0, x=(0, 1), y=(0, 1))
    )


def test_points_are_the_same_in_another_process():
    program = f"""
from scipy import stats
from sweeps import sample
for method in {METHODS}:
    space = getattr(sample, method)(8, seed=3, x=(0, 1), k=["a", "b"], g=stats.loguniform(1, 20))
    print(list(space))
"""
    command, hashing = [sys.executable, "-c", program], {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run(command, env=hashing, capture_output=True, text=True, check=True)
    here = [
        repr(list(draw(m, 8, seed=3, x=(0, 1), k=["a", "b"], g=stats.loguniform(1, 20))))
        for m in METHODS
    ]
    assert done.stdout.splitlines() == here


@pytest.mark.parametrize("method", ["sobol", "halton"])
@examples(20)
@given(seed=seeds)
def test_sequences_fill_the_square_better_than_random_points(method, seed):
    square = {"x": (0, 1), "y": (0, 1)}
    filled, random = (
        np.stack([column(space, name) for name in square], axis=1)
        for space in (draw(method, 256, seed=seed, **square), sample.uniform(256, **square))
    )
    assert qmc.discrepancy(filled) < qmc.discrepancy(random) / 4


@given(n=counts, seed=seeds)
def test_a_latin_hypercube_hits_every_part_once(n, seed):
    space = sample.latin_hypercube(n, seed=seed, x=(0, 1), k=range(n))
    assert sorted(np.floor(column(space, "x") * n).tolist()) == list(range(n))
    assert sorted(column(space, "k").tolist()) == list(range(n))


# Sobol': S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional
# projections", SIAM J. Sci. Comput. 30, 2635 (2008), in their Gray code order. Halton: radical
# inverses in bases 2 and 3, J. H. Halton, Numer. Math. 2, 84 (1960).
@pytest.mark.parametrize(
    ("method", "published"),
    [
        ("sobol", [(0, 0), (1 / 2, 1 / 2), (3 / 4, 1 / 4), (1 / 4, 3 / 4), (3 / 8, 3 / 8)]),
        ("halton", [(0, 0), (1 / 2, 1 / 3), (1 / 4, 2 / 3), (3 / 4, 1 / 9), (1 / 8, 4 / 9)]),
    ],
)
def test_sequences_begin_as_published(method, published):
    space = draw(method, 5, scramble=False, x=(0, 1), y=(0, 1))
    np.testing.assert_allclose([[p["x"], p["y"]] for p in space], published, rtol=1e-14)


@pytest.mark.parametrize(
    ("method", "engine"),
    [("sobol", qmc.Sobol), ("halton", qmc.Halton), ("latin_hypercube", qmc.LatinHypercube)],
)
def test_points_are_those_of_scipy(method, engine):
    space = draw(method, 16, seed=5, x=(-1, 2), y=(3, 5))
    expected = qmc.scale(engine(2, rng=5).random(16), [-1, 3], [2, 5])
    assert (column(space, "x") == expected[:, 0]).all()
    assert (column(space, "y") == expected[:, 1]).all()


@given(n=st.integers(1, 20), seed=seeds)
def test_a_saltelli_design_changes_one_parameter_at_a_time(n, seed):
    names = ["x", "y", "k"]
    points = list(sample.saltelli(n, seed=seed, x=(0, 1), y=stats.norm(), k=range(4)))
    for start in range(0, len(points), 5):
        a, b, *ab = points[start : start + 5]
        assert ab == [{**a, name: b[name]} for name in names]


@pytest.mark.parametrize("method", ["sobol", "saltelli"])
@pytest.mark.parametrize("n", [1, 8, 12])
def test_a_count_that_is_no_power_of_two_warns_as_scipy_does(method, n):
    warns = pytest.warns(UserWarning, match="power of 2") if n == 12 else contextlib.nullcontext()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with warns:
            draw(method, n, x=(0, 1))


def test_equal_points_keep_their_multiplicity():
    space = sample.sobol(16, k=range(2), method=["a", "b"])
    assert len(space) == len(list(space)) == 16
    assert len(space + space) == 4  # a union has each once


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_remembers_how_it_was_drawn(method):
    parameters = {"x": (0, 1), "y": [1, 2]}
    space = draw(method, 4, seed=np.int64(9), **parameters)
    sampling = space.dimensions[0].sampling
    assert dataclasses.astuple(sampling) == (method, 4, 9, parameters, True)
    grown = sample.space(dataclasses.replace(sampling, n=8))
    assert list(grown) == list(draw(method, 8, seed=9, **parameters))
    product = grid(c=[1, 2]) * space.where(lambda x: x < 0.5)
    assert [d.sampling for d in product.dimensions] == [None, sampling]
    assert (space + space).dimensions[0].sampling is None


def test_sequences_that_are_not_scrambled_are_remembered_so():
    space = sample.halton(4, scramble=False, x=(0, 1))
    assert list(sample.space(space.dimensions[0].sampling)) == list(space)


@pytest.mark.parametrize("method", ["sobol", "saltelli"])
def test_a_sample_that_grows_computes_its_new_points_only(method, tmp_path):
    def run(n):
        space = draw(method, n, x=(0, 1), y=stats.norm())
        sweep = resolve(f, results=tmp_path, space=space)
        return operations_run.execute(sweep, Options(engine="serial"))

    @experiment(draw(method, 1, x=(0, 1), y=stats.norm()))
    def f(x, y):
        return x + y

    first, second = run(64), run(128)
    assert (first.n_reused, first.n_computed) == (0, first.n_points)
    assert (second.n_reused, second.n_computed) == (first.n_points, first.n_points)
    assert second.n_points == 2 * first.n_points


def test_equal_points_land_equally(tmp_path):
    @experiment(sample.sobol(16, k=range(2), method=["a", "b"]))
    def f(k, method):
        return f"{method}{k}"

    ds = f.run(results=tmp_path, engine="serial")
    assert ds.sizes == {"sample": 16}
    said = [f"{m}{k}" for m, k in zip(ds.method.values, ds.k.values, strict=True)]
    assert ds.f.values.tolist() == said


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("n", "options", "reason"),
    [
        (0, {"x": (0, 1)}, "number of points is 0: give an int >= 1"),
        (-3, {"x": (0, 1)}, "number of points is -3"),
        (8.0, {"x": (0, 1)}, "number of points is 8.0"),
        (True, {"x": (0, 1)}, "number of points is True"),
        ("8", {"x": (0, 1)}, "number of points is '8'"),
        (2**40, {"x": (0, 1)}, "more than the maximum"),
        (8, {}, "no parameters"),
        (8, {"x": (0, 1), "seed": -1}, "seed is -1: give an int >= 0"),
        (8, {"x": (0, 1), "seed": 1.5}, "seed is 1.5"),
        (8, {"x": (0, 1), "seed": None}, "seed is None"),
        (8, {"sample": (0, 1)}, "'sample' is the dimension"),
        (8, {"a b": (0, 1)}, "'a b' is not a valid name"),
        (8, {"x": "abc"}, "'x' is 'abc', which is not a distribution"),
    ],
)
def test_what_cannot_be_drawn_is_refused(method, n, options, reason):
    with pytest.raises(DeclarationError, match=reason):
        draw(method, n, **options)


@pytest.mark.parametrize(("method", "per_parameter"), [("sobol", 1), ("saltelli", 2)])
def test_more_dimensions_than_a_sobol_sequence_has_are_refused(method, per_parameter):
    names = [f"x{i}" for i in range(qmc.Sobol.MAXDIM // per_parameter + 1)]
    with pytest.raises(DeclarationError, match="at most 21,201 dimensions"):
        draw(method, 1, **dict.fromkeys(names, (0, 1)))


def test_other_mistakes_are_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'sobol'"):
        sample.space(Sampling("sobl", 8, 0, {"x": (0, 1)}))
    with pytest.raises(DeclarationError, match="scramble is 'no', not a bool"):
        sample.sobol(8, scramble="no", x=(0, 1))


def test_the_module_is_public_and_costs_nothing_until_it_is_used():
    program = (
        "import sys, sweeps; assert not {'numpy', 'sweeps.spaces.sample'} & {*sys.modules};"
        "assert sweeps.sample is sys.modules['sweeps.sample'];"
        "sweeps.sample.uniform(4, x=(0, 1)); assert 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert sweeps.sample.sobol is sample.sobol
    assert {"sample", "sobol_indices"} <= {*dir(sweeps)}


@pytest.mark.parametrize("name", ["sample", "reductions"])
def test_public_modules_are_imported_by_their_own_names(name):
    import importlib

    import sweeps

    face = importlib.import_module(f"sweeps.{name}")
    assert getattr(sweeps, name) is face
    assert all(callable(getattr(face, each)) for each in face.__all__)
