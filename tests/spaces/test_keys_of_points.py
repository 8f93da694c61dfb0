"""Laws of keys: what a point is, not where it is, says which key it has."""

import contextlib
import enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from scipy.stats import kstest

import sweeps
from sweeps import engines, experiment, grid, points, replicates
from sweeps.spaces.generators import Generators
from sweeps.spaces.keys import key_maker
from tests.sizes import examples
from tests.strategies import first_of_each, spaces


def with_defaults(i=7, f=0.5, s="z", m=None, **derived):
    raise NotImplementedError


def with_all(**parameters):
    raise NotImplementedError


def maker(space, function=with_all):
    return key_maker(experiment(space, name="keyed")(function))


def keys(space, function=with_all):
    return maker(space, function)(space.positions(0, len(space)))


@given(spaces())
@examples(50)
def test_a_point_has_the_same_key_in_whatever_space_it_is_reached(made):
    space, expected = made
    for point, key in zip(expected, keys(space, with_defaults), strict=True):
        np.testing.assert_array_equal(keys(points([point]), with_defaults), [key])
        given_default = points([{"i": 7, **point}])
        np.testing.assert_array_equal(keys(given_default, with_defaults), [key])


@given(spaces())
def test_processes_that_get_no_function_make_the_same_keys(made):
    space, _ = made
    positions = space.positions(0, len(space))
    np.testing.assert_array_equal(maker(space).settled()(positions), keys(space))


@given(spaces(names=("i", "f", "s")))
def test_different_points_have_different_keys(made):
    space, expected = made
    assert len(np.unique(keys(space), axis=0)) == len(first_of_each(expected))


def test_a_derived_parameter_that_the_function_does_not_take_is_in_no_key():
    space = grid(a=[1, 2], b=[3])
    derived = space.derive(c=lambda a, b: a + b)
    np.testing.assert_array_equal(keys(derived, lambda a, b: 0), keys(space, lambda a, b: 0))
    assert (keys(derived) != keys(space)).any()


def test_a_derived_parameter_that_the_function_does_not_take_is_in_no_stream():
    space = grid(a=[1, 2]).derive(c=lambda a: a)
    made = (
        experiment(space, name="drawn", common_random_numbers=common)(lambda a, rng: 0)
        for common in ((), ("c",))
    )
    np.testing.assert_array_equal(*(key_maker(each).streams(np.arange(2)) for each in made))


def test_the_layout_tells_along_what_a_parameter_is_derived():
    square = grid(a=[1, 2], b=[1, 2])
    spaces = square.derive(c=lambda a: a), square.derive(c=lambda b: b), square
    for function in (with_all, lambda a, b: 0):
        assert len({maker(space, function).layout() for space in spaces}) == 3


class Solver(enum.Enum):
    EULER = 1
    RK4 = 2


def test_a_default_has_the_key_of_the_same_value_given():
    def solve(i=0, solver=Solver.RK4):
        raise NotImplementedError

    by_default = points([{"i": 1, "solver": Solver.EULER}, {"i": 2}])
    given_all = points([{"i": 1, "solver": Solver.EULER}, {"i": 2, "solver": Solver.RK4}])
    np.testing.assert_array_equal(keys(by_default, solve), keys(given_all, solve))


SOURCE = """
import numpy as np

from sweeps import experiment, grid, replicates

SPACE = grid(a=[0, 1, 2], b=[0.5, 1.5]) * replicates(4)

def halved(number):
    return number / 2

@experiment(SPACE)
def plain(a, b, rng, c=7):
    return {"drawn": rng.random()}

@experiment(SPACE, vectorized=True)
def columns(a, b, rng, c=7):
    return {"drawn": np.array([each.random() for each in rng])}

@experiment(grid(how={"halved": halved, "whole": float}) * replicates(3))
def labelled(how, rng):
    return {"drawn": how(rng.random())}
"""
A, B = [0, 1, 2], [0.5, 1.5]


@pytest.fixture
def path(project):
    path = project / "experiments" / "drawing.py"
    path.write_text(SOURCE)
    return path


def draw(experiment="plain", **options):
    """Numbers drawn, by the parameters of the points that are there."""
    ds = sweeps.run(experiment, **{"engine": "serial", **options})
    table = ds.to_dataframe().reset_index().dropna()
    names = [name for name in ("a", "b", "c", "x", "how", "replicate") if name in table]
    return dict(zip(table[names].itertuples(index=False, name=None), table.drawn, strict=True))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """What the points draw when nothing is special: found once, in a project of its own."""
    with contextlib.chdir(tmp_path_factory.mktemp("reference")):
        Path("experiments").mkdir()
        Path("experiments", "drawing.py").write_text(SOURCE)
        return draw()


@pytest.fixture
def drawn(reference, path):
    """The same, where the project is to be run in other ways."""
    return reference


def test_every_point_has_numbers_of_its_own(drawn):
    assert len(drawn) == 24
    assert len(set(drawn.values())) == 24


WAYS = {
    "serial": {},
    "2 workers": {"engine": "loky", "n_workers": 2},
    "threads": {"engine": "threads", "n_workers": 2},
}


def test_the_ways_are_all_engines():
    assert {way.get("engine", "serial") for way in WAYS.values()} == set(engines.LOCAL)


@pytest.mark.parametrize(
    ("way", "name"),
    [
        ("2 workers", "plain"),
        ("threads", "columns"),
        ("serial", "columns"),
        pytest.param("2 workers", "columns", marks=pytest.mark.campaign),
        pytest.param("threads", "plain", marks=pytest.mark.campaign),
        pytest.param("serial", "plain", marks=pytest.mark.campaign),
    ],
)
def test_they_are_the_same_by_every_engine(drawn, name, way):
    assert draw(name, **WAYS[way]) == drawn


SPACES = {
    "reversed": replicates(4) * grid(b=B[::-1], a=A[::-1]),
    "an extended axis": grid(a=[-1, *A, 9], b=[0.5, 0.75, 1.5]) * replicates(4),
    "more replicates": grid(a=A, b=B) * replicates(8),
    "a constant that became an axis": grid(a=A, b=B, c=[3, 7]) * replicates(4),
    "a union": grid(b=B[1:], a=A) * replicates(4) + grid(a=A, b=B) * replicates(4),
    "less": (grid(a=A, b=B) * replicates(4)).where(lambda a, b: a != 1 or b < 1),
    "a derived parameter": (grid(a=A, b=B) * replicates(4)).derive(x=lambda a, b: a * b),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("plain", kind) for kind in SPACES),
        ("columns", "less"),
        *(
            pytest.param("columns", kind, marks=pytest.mark.campaign)
            for kind in SPACES
            if kind != "less"
        ),
    ],
)
def test_they_are_the_same_in_every_space(drawn, name, kind):
    space = SPACES[kind]
    found = draw(name, space=space)
    without_x = {(*point[:3], point[-1]): number for point, number in found.items()}
    shared = without_x.keys() & drawn.keys()
    assert len(shared) == min(len(drawn), len(space))
    assert {point: without_x[point] for point in shared} == {p: drawn[p] for p in shared}
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("name", ["plain", "columns"])
def test_they_are_the_same_in_two_halves(drawn, name):
    half = draw(name, limit=12)
    assert len(half) == 12
    assert half.items() <= drawn.items()
    assert draw(name) == drawn


def test_replicates_that_are_added_leave_the_others_alone(drawn):
    draw()
    assert sweeps.plan("plain", space=SPACES["more replicates"]).missing == 24
    assert drawn.items() <= draw(space=SPACES["more replicates"]).items()


def test_they_are_the_same_when_the_function_is_edited(drawn, path):
    path.write_text(SOURCE.replace('"drawn": rng.random()', '"drawn": 10 * rng.random()'))
    assert draw() == {point: 10 * number for point, number in drawn.items()}


def test_they_are_the_same_when_the_function_behind_a_label_is_edited(path):
    before = draw("labelled")
    path.write_text(SOURCE.replace("number / 2", "number / 4"))
    assert draw("labelled") == {
        (how, replicate): number / 2 if how == "halved" else number
        for (how, replicate), number in before.items()
    }


def declare(seed=0, common=()):
    """An experiment that is not in any file."""

    @experiment(grid(a=A, b=B) * replicates(4), seed=seed, common_random_numbers=common)
    def plain(a, b, rng, c=7):
        return {"drawn": rng.random()}

    return plain


def test_they_do_not_depend_on_the_name_of_the_experiment(drawn):
    assert draw(declare(), results="other") == drawn


def test_another_seed_draws_others_and_computes_anew(drawn):
    first, second = (draw(declare(seed=seed)) for seed in (1, 2))
    assert len({*drawn.values(), *first.values(), *second.values()}) == 3 * 24
    assert draw(declare(seed=1)) == first


@pytest.mark.parametrize("common", [["b"], ["a", "b"], ["a", "c"]])
def test_common_random_numbers_are_equal_along_their_axes_only(path, common):
    space = grid(a=A, b=B, c=[3, 7]) * replicates(4)
    drawn = draw(declare(common=common), space=space)
    own = [name not in common for name in ("a", "b", "c", "replicate")]
    streams = {}
    for point, number in drawn.items():
        key = tuple(value for value, is_own in zip(point, own, strict=True) if is_own)
        streams.setdefault(key, set()).add(number)
    assert all(len(numbers) == 1 for numbers in streams.values())
    assert len(set.union(*streams.values())) == len(streams)


def test_neighbours_are_not_correlated(project):
    n_points, n_draws = 200, 1000

    @experiment(grid(x=range(n_points)))
    def many(x, rng):
        return {"drawn": rng.random(n_draws)}

    drawn = sweeps.run(many, engine="serial").drawn.values
    assert kstest(drawn.ravel(), "uniform").pvalue > 1e-3
    # Of n independent pairs, sqrt(n) times the correlation is nearly standard normal: of all 19,900
    # pairs of points, these are to look like a sample of it, and so are the neighbours' alone.
    correlations = np.sqrt(n_draws) * np.corrcoef(drawn)
    assert kstest(np.diagonal(correlations, offset=1), "norm").pvalue > 1e-3
    assert kstest(correlations[np.triu_indices(n_points, k=1)], "norm").pvalue > 1e-3
    # The same one draw later: streams that overlap by one would show here.
    later = [np.corrcoef(drawn[i, :-1], drawn[i + 1, 1:])[0, 1] for i in range(n_points - 1)]
    assert kstest(np.sqrt(n_draws - 1) * np.array(later), "norm").pvalue > 1e-3


def test_a_slice_of_generators_is_those_generators():
    streams = np.random.default_rng(1).integers(2**63, size=(10, 2), dtype=np.uint64)
    drawn = [each.random() for each in Generators(3, streams)]
    assert [each.random() for each in Generators(3, streams)[4:7]] == drawn[4:7]


def test_the_numbers_stay_those_of_earlier_versions():
    # PCG64 and SeedSequence are held stable by numpy (NEP 19).
    streams = np.array([[1, 2], [3, 4]], dtype=np.uint64)
    first = [each.bit_generator.random_raw() for each in Generators(7, streams)]
    assert first == [8834056210639959753, 9837979348120444231]
