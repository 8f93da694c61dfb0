"""From returned values to a loaded dataset: what comes back is what was returned."""

import datetime
import itertools
import types

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid, points, zipped
from sweeps.memo import index as memo
from sweeps.memo import placing, segment
from sweeps.memo.merge import merge
from sweeps.outputs.columns import snapshot, tabulate
from sweeps.outputs.failures import Failure
from sweeps.results import write
from sweeps.results.collect import count_refused, gather, sheet
from sweeps.spaces.keys import key_maker
from sweeps.storage.dataset import load
from sweeps.storage.kinds import LONGEST
from tests.sizes import examples

DEEP = np.ones((1,) * 30)


@pytest.fixture(params=[0, 2**20], ids=["runs", "array"], autouse=True)
def _entries(request, monkeypatch):
    """Have the points of each space placed in both ways."""
    monkeypatch.setattr(placing, "LARGE", request.param)


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize(
    ("returned", "is_refused"),
    [
        ([{"y": 0.0}, {"y": DEEP}, {"y": 2.0}], True),
        ([{"y": DEEP}, {"y": 1.0}, {"y": 2.0}], True),
        ([{"z": 0.0}, {"y": DEEP, "z": 1.0}, {"z": 2.0}], False),
        ([{"y": 0.0}, {"y": DEEP[..., None, None]}, {"y": 2.0}], True),
        ([{"y": DEEP[..., 0, 0]}, {"y": DEEP[..., 0, 0]}, {"y": DEEP}], True),
    ],
)
def test_dimensions_that_no_file_has_room_for_cost_the_output(
    tmp_path, returned, is_refused, n_blocks
):
    space = grid(x=range(3), a=[1], b=[2], c=[3])
    made = swept(space)
    for block in np.array_split(range(3), n_blocks):
        commit(tmp_path, made, returned, block.tolist())
    gathered, dataset = land(tmp_path, made)
    assert len(gathered.failures) == is_refused
    assert all("HDF5 has room for 3" in failure.message for failure in gathered.failures.values())
    assert max(array.ndim for array in dataset.values()) <= 32
    for at, values in enumerate(returned):
        for name, value in values.items():
            if np.ndim(value) <= 28:
                assert np.array_equal(dataset[name].values[at].ravel(), np.ravel(value))
            elif name in dataset:
                assert np.isnan(dataset[name].values[at]).all()


def swept(space, **options):
    @experiment(space, name="f", **options)
    def f(**parameters):
        raise NotImplementedError

    return f


def commit(folder, made, returned, positions, dims=types.MappingProxyType({})):
    """Do as a worker does with the points at `positions`; `returned` is indexed by position."""
    keys = key_maker(made)(np.asarray(positions, dtype=np.int64))
    space = made.space
    parts, refused = tabulate(
        [snapshot(returned[i]) for i in positions],
        keys,
        np.zeros(len(positions), dtype=np.float32),
        name="f",
        dims=dims,
        taken=frozenset({*space.parameters, *space.dims}),
    )
    failures = [
        Failure((int(keys[i, 0]), int(keys[i, 1])), "output", "OutputError", str(error), "")
        for i, error in refused
    ]
    return segment.commit(folder, parts, failures)


def land(folder, made, index=None):
    gathered = gather(made, key_maker(made), memo.scan(folder) if index is None else index)
    with sheet(gathered, {}) as whole:
        write.land(folder / "f.h5", whole)
    return gathered, load(folder / "f.h5")


def landed(folder, returned, blocks=None, space=None, **options):
    """Land what each point returned, computed in blocks of points."""
    made = swept(grid(x=range(len(returned))) if space is None else space)
    for block in [range(len(returned))] if blocks is None else blocks:
        commit(folder, made, returned, block, **options)
    return land(folder, made)


DTYPES = [np.dtype(c) for c in ("?", *np.typecodes["AllInteger"], *"fdFD", ">f8", ">i2")]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
TIMES = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 1, 1))
DIFFERENCES = st.timedeltas(-LONGEST, LONGEST)
SCALARS = {
    "float": st.floats(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "complex": st.complex_numbers(),
    "str": TEXT,
    "time": TIMES,
    "day": st.dates(),
    "np.datetime64": TIMES.map(lambda t: np.datetime64(t, "us")),
    "timedelta": DIFFERENCES,
    "np.timedelta64": DIFFERENCES.map(lambda t: np.timedelta64(t, "us")),
    **{d.str: npst.from_dtype(d) for d in DTYPES if d.isnative},
}


@st.composite
def kinds_of_value(draw):
    """Make a strategy for values of one dtype and shape."""
    if draw(st.booleans()):
        return SCALARS[draw(st.sampled_from(sorted(SCALARS)))]
    shape = draw(npst.array_shapes(max_dims=3, max_side=3, min_side=0))
    kind = draw(st.sampled_from([*DTYPES, "str", "M8[us]", "m8[us]", "list"]))
    if kind == "list":
        return st.lists(st.floats(), min_size=3, max_size=3)
    if kind == "str":
        return npst.arrays(object, shape, elements=TEXT)
    if kind == "M8[us]":
        return npst.arrays(kind, shape, elements=SCALARS["np.datetime64"])
    if kind == "m8[us]":
        return npst.arrays(kind, shape, elements=SCALARS["np.timedelta64"])
    return npst.arrays(kind, shape)


@given(data=st.data())
@examples(40)
def test_what_is_returned_comes_back(data, tmp_path_factory):
    kinds = data.draw(st.lists(kinds_of_value(), min_size=1, max_size=3))
    rows = data.draw(
        st.lists(st.tuples(*kinds), min_size=1, max_size=4), label="values of each point"
    )
    names = ["a", "b", "c"][: len(kinds)]
    returned = [dict(zip(names, row, strict=True)) for row in rows]
    gathered, dataset = landed(tmp_path_factory.mktemp("memo"), returned)
    assert not gathered.failures
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        expected = np.stack([np.asarray(v, time_dtype(v)) for v in column])
        if expected.dtype.kind not in "OU":
            assert dataset[name].dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(dataset[name].values, expected)


def time_dtype(value):
    """The dtype of Python's times, which numpy would make objects of."""
    kinds = {datetime.date: "M8[us]", datetime.timedelta: "m8[us]"}
    return next((dtype for kind, dtype in kinds.items() if isinstance(value, kind)), None)


@st.composite
def sweeps_of_odd_points(draw):
    """Points that do not all return alike, cut into blocks in some order."""
    array = st.integers(0, 3).map(lambda n: np.arange(float(n)))
    value = st.one_of(
        st.floats(),
        st.integers(-(2**70), 2**70),
        array,
        st.none(),
        st.just("text"),
        st.lists(st.just("text"), max_size=2),
        st.just(np.float32(1.5)),
        st.sampled_from([np.int16(3), np.uint16(4), np.zeros((2, 2)), np.zeros((2, 3))]),
        st.sampled_from([[0.0, 1.0], [5.0, 6.0]]).map(
            lambda t: xr.DataArray([1.0, 2.0], {"t": t}, ["t"])
        ),
        array.map(lambda a: xr.DataArray(a, dims=["t"])),
        st.floats().map(lambda x: xr.DataArray(1.0, {"at": x})),
    )
    point = st.one_of(
        value,
        st.dictionaries(st.sampled_from(["a", "b", "A", "n_a", "t", "at"]), value, max_size=3),
    )
    returned = draw(st.lists(point, min_size=2, max_size=6))
    order = draw(st.permutations(range(len(returned))))
    cuts = sorted(draw(st.sets(st.integers(1, len(returned) - 1))))
    edges = [0, *cuts, len(returned)]
    return returned, [sorted(order[a:b]) for a, b in itertools.pairwise(edges)]


@given(sweep=sweeps_of_odd_points(), is_merged=st.booleans())
@examples(30)
def test_blocks_and_their_order_make_no_difference(sweep, is_merged, tmp_path_factory):
    returned, blocks = sweep
    _, expected = landed(tmp_path_factory.mktemp("memo"), returned)
    made, folder = swept(grid(x=range(len(returned)))), tmp_path_factory.mktemp("memo")
    for block in blocks:
        commit(folder, made, returned, block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sweeps.memo.merge.N_SMALL", 2)
        patch.setattr("sweeps.memo.index.STEP", 2)
        index = merge(memo.scan(folder)) if is_merged else None
        gathered, found = land(folder, made, index)
    xr.testing.assert_identical(found, expected)
    assert count_refused(made, key_maker(made), memo.scan(folder)) == gathered.n_refused


def test_lengths_that_differ_are_padded_and_counted(tmp_path):
    _, dataset = landed(tmp_path, [[1, 2, 3], [], [4]])
    np.testing.assert_array_equal(dataset.f, [[1, 2, 3], [np.nan] * 3, [4, np.nan, np.nan]])
    assert dataset.n_f.values.tolist() == [3, 0, 1]
    assert dataset.n_f.dtype == np.int64


@pytest.mark.parametrize(
    "full",
    [
        *([], ["text"], [1], [True], [1j], np.ones(1, np.float32)),
        *([datetime.date(2020, 1, 1)], [datetime.timedelta(1)]),
    ],
)
@pytest.mark.parametrize("blocks", [[[0, 1, 2]], [[0], [1], [2]], [[2, 0], [1]]])
def test_an_empty_list_stands_beside_values_of_any_kind(full, blocks, tmp_path):
    gathered, dataset = landed(tmp_path, [[], full, []], blocks)
    assert not gathered.failures
    kind = np.asarray(full, next(map(time_dtype, full), None)).dtype
    (agreed,) = gathered.agreement.outputs.values()
    assert agreed.dtype == (object if kind.kind == "U" else kind)
    assert dataset.f.shape == (3, len(full))
    assert dataset.f.notnull().sum() == len(full)


@pytest.mark.parametrize("blocks", [[[0, 2], [1]], [[0], [1], [2]]])
def test_an_empty_list_does_not_say_what_others_hold(blocks, tmp_path):
    gathered, _ = landed(tmp_path, [[], ["text"], [1.0]], blocks)
    assert gathered.status_at(0, 3).tolist() == [1, 1, 2]


def test_a_count_does_not_take_a_name_that_is_taken(tmp_path):
    returned = [{"a": [1.0], "n_a": 7}, {"a": [], "n_a": 8}]
    gathered, dataset = landed(tmp_path, returned)
    assert dataset.n_a.values.tolist() == [7, 8]
    assert not gathered.failures
    _, dataset = landed(tmp_path / "x", [[1.0], []], space=grid(n_f=[5, 6]))
    assert dataset.n_f.values.tolist() == [5, 6]


def test_an_output_that_some_points_lack_is_missing_there(tmp_path):
    returned = [{"a": 1.0}, {"a": 2.0, "b": 3.0, "s": "x", "m": np.ones((2, 2))}, {"b": 4.0}]
    gathered, dataset = landed(tmp_path, returned)
    assert gathered.count("done") == 3
    np.testing.assert_array_equal(dataset.a, [1, 2, np.nan])
    np.testing.assert_array_equal(dataset.b, [np.nan, 3, 4])
    assert dataset.s.isnull().values.tolist() == [True, False, True]
    assert dataset.m.isnull().values.sum() == 8


SHAPES = [np.ones((2, 3)), np.full((4, 1), 2), np.zeros((0, 5)), np.full((3, 3), 7.0)]


@pytest.mark.parametrize("kind", [float, int, bool, str])
@pytest.mark.parametrize("blocks", [[[0, 1, 2, 3]], [[3], [1, 0], [2]]])
def test_arrays_of_different_shapes_are_padded_and_counted(kind, blocks, tmp_path):
    arrays = [shape.astype(kind) for shape in SHAPES]
    gathered, dataset = landed(tmp_path, [{"a": a, "n": i} for i, a in enumerate(arrays)], blocks)
    assert gathered.status_at(0, 4).tolist() == [1, 1, 1, 1]
    assert dataset.n.values.tolist() == [0, 1, 2, 3]
    assert dataset.n_a_dim_0.values.tolist() == [2, 4, 0, 3]
    assert dataset.n_a_dim_1.values.tolist() == [3, 1, 5, 3]
    assert dataset.a.shape == (4, 4, 5)
    for i, array in enumerate(arrays):
        own = dataset.a.values[i, : array.shape[0], : array.shape[1]]
        assert (own == array).all()
        assert dataset.a.isnull().values[i].sum() == 20 - array.size


SCALAR_OR_NOT = [{"a": np.zeros(2), "b": 1.0}, {"a": 3.0, "b": 2.0}]


@pytest.mark.parametrize("returned", [SCALAR_OR_NOT, SCALAR_OR_NOT[::-1]])
@pytest.mark.parametrize("blocks", [[[1], [0], [2]], [[0, 1, 2]], [[2], [1, 0]]])
def test_another_shape_costs_the_output_and_not_the_point(returned, blocks, tmp_path):
    first, second = returned
    gathered, dataset = landed(tmp_path, [first, second, second], blocks)
    assert gathered.status_at(0, 3).tolist() == [1, 1, 1]
    assert dataset.b.values.tolist() == [first["b"], second["b"], second["b"]]
    np.testing.assert_array_equal(dataset.a[0], first["a"])
    assert dataset.a[1:].isnull().all()
    (told,) = gathered.told
    words = ["'a'", "missing", "x=1", "x=0", str(np.shape(first["a"])), str(np.shape(second["a"]))]
    assert [word for word in words if word not in told] == []


def test_a_giant_among_small_arrays_does_not_swell_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("sweeps.results.collect._PADDED_BYTES", 10_000)
    returned = [{"a": np.full((2, 2), i), "n": i} for i in range(300)]
    returned[7]["a"] = np.ones((50, 50))
    gathered, dataset = landed(tmp_path, returned)
    assert gathered.count("done") == 300
    assert dataset.n.values.tolist() == list(range(300))
    assert dataset.a.shape == (300, 2, 2)
    assert np.flatnonzero(dataset.a.isnull().any(["a_dim_0", "a_dim_1"])).tolist() == [7]
    assert "x=7" in gathered.told[0]


def test_values_of_another_kind_cost_the_output_alone(tmp_path):
    times = [0.0, 1.0], [0.0, 2.0]
    labelled = [xr.DataArray([i, i], {"t": t}, ["t"]) for i, t in enumerate(times)]
    returned = [
        {"a": 1.0, "b": "text", "c": labelled[0], "d": 0},
        {"a": "text", "b": "text", "c": labelled[1], "d": 1},
    ]
    gathered, dataset = landed(tmp_path, returned)
    assert gathered.status_at(0, 2).tolist() == [1, 1]
    assert (dataset.b == "text").all()
    assert dataset.d.values.tolist() == [0, 1]
    assert dataset.t.values.tolist() == [0.0, 1.0]
    assert [dataset[name][1].isnull().values.all() for name in "ac"] == [True, True]
    assert ["str" in gathered.told[0], "'t'" in gathered.told[1]] == [True, True]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (1.0, "text", ["str", "float64"]),
        (1.0, True, ["bool", "float64"]),
        ({"a": 1.0}, {"A": 1.0}, ["'a'", "'A'", "case"]),
        ({"a": [1.0, 2.0]}, {"a_dim_0": 1.0}, ["'a_dim_0'", "dimension", "output"]),
        (
            xr.DataArray([1.0, 2.0], {"t": [0, 1]}, ["t"]),
            xr.DataArray([1.0, 2.0], {"t": [0, 2]}, ["t"]),
            ["'t'", "[0, 2]", "[0, 1]"],
        ),
        (np.zeros(2), xr.DataArray(np.zeros(2), dims="t"), ["dims ('t',)", "('f_dim_0',)"]),
        (
            {"a": xr.DataArray(np.zeros(2), dims="t")},
            {"b": xr.DataArray(np.zeros((3, 2)), {"t": [0, 1, 2]}, ["t", "u"])},
            ["dimension 't'", "length 3", "any length"],
        ),
    ],
)
def test_what_contradicts_an_earlier_point_fails_and_says_what(first, second, words, tmp_path):
    gathered, _ = landed(tmp_path, [first, second])
    assert gathered.status_at(0, 2).tolist() == [1, 2]
    message = gathered.failures[1].message
    assert all(word in message for word in [*words, "x=0"]), message


def test_labels_are_kept(tmp_path):
    def profile(x):
        return xr.DataArray(
            np.full((2, 3), x),
            {"t": ("t", [0.5, 1.5], {"units": "s"}), "name": ("z", ["p", "q", "r"]), "x": x},
            ["t", "z"],
            name="profile",
            attrs={"units": "K", "scale_factor": 7.0, "_FillValue": 1.0, "odd\0": 1, "list": [1]},
        )

    gathered, dataset = landed(tmp_path, [profile(0.0), profile(1.0)])
    assert not gathered.failures
    array = dataset.profile
    assert array.dims == ("x", "t", "z")
    assert array.attrs == {"units": "K"}
    assert array.t.attrs == {"units": "s"}
    assert array["name"].values.tolist() == ["p", "q", "r"]
    np.testing.assert_array_equal(array.isel(t=0, z=0), [0.0, 1.0])


def test_a_coordinate_of_a_single_value_becomes_an_output(tmp_path):
    returned = [xr.DataArray(1.0, {"best": i, "x": i}, name="y") for i in (5.0, 6.0)]
    gathered, dataset = landed(tmp_path, returned)
    assert not gathered.failures
    np.testing.assert_array_equal(dataset.best, [5.0, 6.0])
    assert dataset.x.values.tolist() == [0, 1]


def test_a_space_that_shrinks_forgets_the_lengths_of_other_points(tmp_path):
    made = swept(grid(x=range(3)))
    commit(tmp_path, made, [[1.0], [1.0, 2.0], [1.0] * 9], range(3))
    _, dataset = land(tmp_path, swept(grid(x=[1, 0])))
    np.testing.assert_array_equal(dataset.f, [[1, 2], [1, np.nan]])


def test_a_dimension_named_as_an_output_later_costs_the_points_only(tmp_path):
    commit(tmp_path, swept(grid(x=[0, 1])), [{"line": 1.0}] * 2, range(2))
    gathered, _ = land(tmp_path, swept(zipped("line", x=[0, 1])))
    assert gathered.status_at(0, 2).tolist() == [2, 2]
    assert "'line'" in gathered.failures[0].message


def test_points_of_a_list_and_of_a_grid_share_values(tmp_path):
    commit(tmp_path, swept(grid(x=range(4))), [0.0, 1.0, 2.0, 3.0], range(4))
    gathered, dataset = land(tmp_path, swept(points([{"x": 3}, {"x": 9}, {"x": 1}])))
    np.testing.assert_array_equal(dataset.f, [3, np.nan, 1])
    assert gathered.status_at(0, 3).tolist() == [1, 0, 1]
