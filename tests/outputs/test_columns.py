"""Points that returned alike become one part; one that cannot be kept costs itself only."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sweeps.outputs import columns
from sweeps.outputs.columns import tabulate
from sweeps.outputs.types import Part


def table(returned, dims=None, taken=()):
    n = len(returned)
    keys = np.arange(2 * n, dtype=np.uint64).reshape(n, 2)
    elapsed = np.arange(n, dtype=np.float32)
    naming = {"name": "f", "dims": dims or {}, "taken": frozenset(taken)}
    variables = columns.uniform(returned, **naming)
    if variables is not None:  # as a worker does
        return [Part(keys, elapsed, variables)], []
    return tabulate(returned, keys, elapsed, **naming)


VALUES = st.one_of(
    st.floats(),
    st.integers(-(2**66), 2**66),
    st.booleans(),
    st.text(max_size=2),
    st.none(),
    st.complex_numbers(),
    st.sampled_from([np.float32(1), np.int8(1), np.zeros(2), np.zeros(3), np.zeros(2, "f2")]),
    st.sampled_from([b"", [1, 2], [1, "a"], {"b": 1}, xr.DataArray([1.0], dims="t")]),
)
POINTS = st.one_of(VALUES, st.dictionaries(st.sampled_from(["a", "b", "x", "B"]), VALUES))


@given(returned=st.lists(POINTS, max_size=6))
def test_every_point_is_in_one_part_or_refused(returned):
    parts, refused = table(returned, taken=["x"])
    kept = [int(key) // 2 for part in parts for key in part.keys[:, 0]]
    assert sorted([*kept, *(i for i, _ in refused)]) == list(range(len(returned)))
    for part in parts:
        assert part.keys[:, 1].tolist() == (part.keys[:, 0] + 1).tolist()
        assert part.elapsed.tolist() == [i / 2 for i in part.keys[:, 0].tolist()]
        for v in part.variables:
            assert len(part.keys) == len(v.values if v.counts is None else v.counts)
            assert v.counts is None or v.counts.sum() == len(v.values)


@given(returned=st.lists(st.one_of(VALUES, st.just({"a": 1.5, "b": "x"})), min_size=1, max_size=4))
def test_the_fast_way_makes_what_the_slow_way_makes(returned):
    made = [table([value]) for value in returned]
    together = table(returned)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "uniform", lambda *_args, **_naming: None)
        slow = table(returned)
        assert [seen(table([value])) for value in returned] == [seen(each) for each in made]
    assert [i for i, _ in together[1]] == [i for i, _ in slow[1]]
    assert dtypes(together) == dtypes(slow)


def seen(tabulated):
    parts, refused = tabulated
    variables = [
        (v.name, v.values.dtype, v.values.shape, v.dims, repr(v.values))
        for p in parts
        for v in p.variables
    ]
    return variables, [str(error) for _, error in refused]


def dtypes(tabulated):
    """Dtype in which each output lands."""
    found = {}
    for part in tabulated[0]:
        for v in part.variables:
            found.setdefault((v.name, v.values.dtype.kind in "ifu"), set()).add(v.values.dtype)
    return {name: np.result_type(*each) for name, each in found.items() if name[1]}


def test_points_that_return_alike_share_a_part():
    profile = xr.DataArray([1.0], {"t": [0]}, ["t"], attrs={"units": "m", "nan": float("nan")})
    for returned in ([1, 2.0, 3], [{"a": 1, "s": "x"}] * 3, [[1.0], [1.0, 2.0]], [profile] * 3):
        parts, refused = table(returned)
        assert (len(parts), len(refused)) == (1, 0)


def test_points_with_other_attributes_or_coordinates_do_not():
    def profile(units="m", start=0.0, start_units="s"):
        coordinate = ("t", [start], {"units": start_units})
        return xr.DataArray([1.0], {"t": coordinate}, ["t"], attrs={"units": units})

    others = [profile("km"), profile(start=1.0), profile(start_units="min")]
    parts, _ = table([profile(), *others])
    assert len(parts) == 4


def test_whole_numbers_beside_others_become_floats():
    (part,), _ = table([1, 2.5])
    assert part.variables[0].values.dtype == np.float64
    (part,), _ = table([1, 2])
    assert part.variables[0].values.dtype == np.int64


def test_a_huge_integer_is_refused_beside_floats_too():
    (part,), ((index, error),) = table([1.0, 2**64])
    assert (index, len(part.keys)) == (1, 1)
    assert "64-bit integer" in str(error)


def test_no_points():
    assert table([]) == ([], [])


def test_lengths_may_differ_only_where_nothing_fixes_them():
    ragged = [{"a": xr.Variable("t", np.zeros(n))} for n in (1, 2)]
    (part,), _ = table(ragged)
    assert part.variables[0].counts.tolist() == [1, 2]
    crossed = [
        {"a": xr.Variable("t", np.zeros(n)), "m": xr.Variable(["t", "u"], np.zeros((n, 1)))}
        for n in (1, 2)
    ]
    parts, _ = table(crossed)
    assert [part.variables[0].counts for part in parts] == [None, None]


class Evil:
    def __repr__(self):
        raise RuntimeError("no repr")

    def __hash__(self):
        return 0


@pytest.mark.parametrize(
    "value", [{Evil(): 1}, {"a": Evil()}, [Evil()], {"a": xr.Variable((), Evil())}]
)
def test_what_cannot_even_be_shown_costs_its_own_point(value):
    parts, ((index, _),) = table([1.0, value, 2.0])
    assert index == 1
    assert sum(len(part.keys) for part in parts) == 2
