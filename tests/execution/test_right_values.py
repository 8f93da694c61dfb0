"""The law of all: a sweep gives what a plain loop gives, with a new process for every point.

On any engine, with any number of workers, in any order, to the last bit.
"""

import itertools

import numpy as np
import pytest

import sweeps
from sweeps.project import discovery
from tests import generated

BACKWARDS = {each: slice(None, None, -1) for each in ("p", "q")}
ENGINES = {
    "serial": {"engine": "serial"},
    "threads": {"engine": "threads", "n_workers": 2},
    **{f"loky, {n}": {"engine": "loky", "n_workers": n} for n in (1, 2, 4)},
}


def check(project, seeds, engines):
    """Compare what engines give with what is right; return how many values were compared."""
    module = project / "experiments" / "generated.py"
    sources = generated.write(module, seeds)
    right = generated.alone(module, list(sources))
    n_compared = 0
    for engine, name in itertools.product(engines, sources):
        options = ENGINES[engine]
        if options["engine"] == "threads" and not generated.is_for_threads(sources[name]):
            continue
        for is_turned in (False, True):
            axes = turned_axes(name) if is_turned else None
            results = project / engine / ("turned" if is_turned else "declared")
            found = sweeps.run(name, axes=axes, results=results, **options)
            exact = sweeps.load(name, results=results, masked=False)
            if is_turned:
                found, exact = (each.isel(BACKWARDS) for each in (found, exact))
            said = f"{engine}, turned: {is_turned}\n{sources[name]}"
            n_compared += compare(found, exact, right[name], name, said)
    return n_compared


def turned_axes(name):
    """The values of all axes, the last one first: so every point is computed beside others."""
    columns = discovery.find(name).experiment.space.columns
    return {each: list(columns[each].table.elements())[::-1] for each in columns}


def compare(dataset, exact, right, name, what):
    """Compare each point; integers, which gaps make floats, with those that are as they were."""
    n_compared = 0
    n_q = dataset.sizes["q"]
    for number, expected in enumerate(right):
        at = {"p": number // n_q, "q": number % n_q}
        point, as_it_was = dataset.isel(at), exact.isel(at)
        is_failed = isinstance(expected, tuple)
        for output in dataset.data_vars:
            if output.startswith("n_") and output.removeprefix("n_") in dataset:
                continue  # how long values are, compared with these
            found = point[output].values
            if is_failed:
                assert is_missing(found), (what, number, expected, found)
                continue
            wanted = expected["" if output == name else output]
            found = as_it_was[output].values if wanted.dtype.kind == "i" else found
            if wanted.ndim == 1 and f"n_{output}" in point:
                assert int(point[f"n_{output}"]) == len(wanted), (what, number)
                found = found[: len(wanted)]
            assert is_same(found, wanted), (what, number, wanted, found)
            n_compared += 1
    return n_compared


def is_missing(found):
    kind = found.dtype.kind
    if kind == "M":
        return bool(np.isnat(found).all())
    if kind in "fc":
        return bool(np.isnan(found).all())
    return all(each is None or each != each for each in np.ravel(found).tolist())


def is_same(found, wanted):
    if wanted.dtype.kind in "fc":
        return found.dtype.kind == wanted.dtype.kind and (
            np.asarray(found, wanted.dtype).tobytes() == wanted.tobytes()
        )
    if wanted.dtype.kind == "M":
        return bool((found == wanted).all())
    return np.ravel(found).tolist() == np.ravel(wanted).tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("engine", "seeds"), [("serial", range(1)), ("threads", range(5, 6)), ("loky, 2", range(2, 3))]
)
def test_some_experiments_give_what_is_right(project, engine, seeds):
    assert check(project, seeds, [engine]) > 5


@pytest.mark.campaign
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(10))
def test_two_hundred_experiments_give_what_is_right(project, part):
    n_compared = check(project, range(20 * part, 20 * (part + 1)), ENGINES)
    print(f"\n{n_compared:,} values of 20 experiments compared")
    assert n_compared > 500
