"""Laws of a sweep: whatever would make another results file is another state."""

import pytest

import sweeps
from sweeps import experiment, grid, zipped
from sweeps.execution import leaks
from sweeps.project.sweep import resolve
from sweeps.results.state import held_attributes, is_fresh


def made(space, **options):
    return resolve(experiment(space, name="made", **options)(lambda **x: 0.0))


BASE = zipped("a", x=[1, 2], y=[3, 4]) * zipped("b", z=[5, 6])


@pytest.mark.parametrize(
    ("space", "options"),
    [
        (zipped("a", x=[1, 2]) * zipped("b", y=[3, 4], z=[5, 6]), {}),
        (zipped("a", x=[2, 1], y=[4, 3]) * zipped("b", z=[5, 6]), {}),
        (zipped("b", z=[5, 6]) * zipped("a", x=[1, 2], y=[3, 4]), {}),
        (zipped("c", x=[1, 2], y=[3, 4]) * zipped("b", z=[5, 6]), {}),
        (BASE.where(lambda x: x > 1), {}),
        (BASE, {"units": {"made": "m"}}),
        (BASE, {"long_name": {"made": "what is made"}}),
        (BASE, {"attrs": {"made": {"source": "table 3"}}}),
        (BASE, {"attrs": {"made": {"source": [1, 2]}}}),
        (BASE, {"dims": {"made": "time"}}),
        (BASE, {"version": 2}),
    ],
    ids=[
        "parameters elsewhere",
        "order",
        "dimensions",
        "name",
        "where",
        "units",
        "long name",
        "text",
        "numbers",
        "dims",
        "code",
    ],
)
def test_another_file_is_another_state(project, space, options):
    assert made(space, **options).state([]) != made(BASE).state([])


def test_another_summary_is_another_state_and_none_is_that_of_a_file_without(project):
    def state(summary, **options):
        declared = experiment(BASE, name="made")(lambda **x: 0.0)
        if summary is not None:
            declared.summary(summary)
        return resolve(declared).state(["a.seg"], **options)

    assert len({state(None), state(len), state(max)}) == 3
    assert state(len) == state(len)
    assert state(len, is_summarized=False) == state(None) == state(None, is_summarized=False)


def test_another_memo_is_another_state(project):
    sweep = made(BASE)
    assert sweep.state(["a.seg"]) != sweep.state([])
    assert sweep.state(["a.seg", "b.seg"]) == sweep.state(["b.seg", "a.seg"])


def test_a_file_is_fresh_until_something_changes(project):
    function = experiment(grid(x=[1, 2]), name="made")(lambda x: [1.0, 2.0])

    def is_as_asked(**asked):
        sweep = resolve(function, **asked)
        return is_fresh(sweep, held_attributes(sweep.landed))

    assert not is_as_asked()
    sweeps.run(function, engine="serial")
    assert is_as_asked()
    assert not is_as_asked(axes={"x": [1]})


CALLS = []


def vector(x):
    CALLS.append(x)
    return [1.0, 2.0]


def test_dims_may_be_named_otherwise_without_computing_again(project, monkeypatch):
    monkeypatch.setattr(leaks, "warning", lambda *_: "")  # CALLS make it compute points again
    CALLS.clear()
    first = experiment(grid(x=[1, 2]), dims={"vector": "time"})(vector)
    again = experiment(grid(x=[1, 2, 3]), dims={"vector": "frequency"})(vector)
    assert sweeps.run(first, engine="serial").vector.dims == ("x", "time")
    landed = sweeps.run(again, engine="serial").vector
    assert landed.dims == ("x", "frequency")
    assert not landed.isnull().any()
    assert CALLS == [1, 2, 3]
