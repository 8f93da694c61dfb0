"""What parts agree on does not depend on how points were dealt out to them."""

import numpy as np
import pytest

from sweeps.outputs.schema import agree
from sweeps.outputs.types import Header, Variable


def header(name="y", dtype="f8", dims=(), shape=(), counts=None, **attrs):
    counts = None if counts is None else np.array(counts)
    return Header(name, np.dtype(dtype), dims, shape, counts, attrs)


def coordinate(name, values, dims=None):
    return Variable(name, np.array(values), (name,) if dims is None else dims)


def form(*headers, coordinates=()):
    return headers, coordinates


def test_one_dtype_that_holds_all_whatever_their_order():
    dtypes = ["i2", "u2", "f4"]  # i2 with u2 is i4, and that with f4 would be f8
    forms = [form(header(dtype=d)) for d in dtypes]
    made = {
        agree(order, ()).outputs["y"].dtype for order in (forms, forms[::-1], forms[1:] + forms[:1])
    }
    assert len(made) == 1
    assert (
        agree([form(header(dtype="i8")), form(header(dtype="f8"))], ()).outputs["y"].dtype == "f8"
    )


def test_the_longest_of_lengths_that_are_free():
    short = form(header("a", dims=("t",), shape=(2,)), header("b", dims=("t",), shape=(2,)))
    long = form(header("a", dims=("t",), shape=(5,), counts=[5, 0]))
    outputs = agree([short, long], ()).outputs
    assert {name: (o.shape, o.is_ragged, o.count_names) for name, o in outputs.items()} == {
        "a": ((5,), True, ("n_a",)),
        "b": ((5,), True, ("n_b",)),
    }


@pytest.mark.parametrize("counts", [None, [2, 2]])
def test_equal_lengths_need_no_count(counts):
    """Those of a few points that were computed with others, of other lengths, may be alike."""
    forms = [
        form(header(dims=("t",), shape=(2,))),
        form(header(dims=("t",), shape=(2,), counts=counts)),
    ]
    (made,) = agree(forms, ()).outputs.values()
    assert (made.shape, made.is_ragged, made.count_names) == ((2,), False, ())


@pytest.mark.parametrize("other", ["n_y", "N_y"])
def test_a_count_gives_way_to_any_other_name(other):
    ragged = header("y", dims=("t",), shape=(2,), counts=[2, 1])
    assert agree([form(ragged, header(other))], ()).outputs["y"].count_names == ("n_y_values",)
    assert agree([form(ragged)], (other,)).outputs["y"].count_names == ("n_y_values",)


def test_arrays_of_different_shapes_are_counted_along_each_dimension():
    forms = [
        form(header(dims=("y_dim_0", "row"), shape=(2, 9)), header("z", dims=("row",), shape=(9,))),
        form(header(dims=("y_dim_0", "row"), shape=(5, 3)), header("z", dims=("row",), shape=(3,))),
    ]
    for order in forms, forms[::-1]:
        made = agree(order, ())
        assert not made.left_out
        y, z = made.outputs["y"], made.outputs["z"]
        assert (y.shape, y.count_names) == ((5, 9), ("n_y_dim_0", "n_y_row"))
        assert (z.shape, z.count_names) == ((9,), ("n_z",))
    fixed = agree(forms, (), fixed=["row"])
    assert fixed.outputs["y"].shape == (2, 9)
    assert fixed.refused.keys() == {1}
    assert "dimension 'row' has length 3 here, but has length 9" in fixed.refused[1].reason


FREE = form(header(dims=("t",), shape=(2,)))
LABELLED = form(header(dims=("t",), shape=(2,)), coordinates=[coordinate("t", [0, 1])])
MISFITS = [
    (form(header()), form(header(dtype="O")), "str"),
    (form(header()), form(header(dtype="M8[us]")), "time"),
    (form(header(dtype="i8")), form(header(dtype="m8[us]")), "timedelta"),
    (FREE, form(header(dims=("t", "u"), shape=(2, 4))), "(2,"),
    (form(header()), FREE, "(2,)"),
    (FREE, form(header(dims=("u",), shape=(2,))), "('u',)"),
    (FREE, LABELLED, "any length"),
    (
        LABELLED,
        form(header(dims=("t",), shape=(2,)), coordinates=[coordinate("t", [0, 2])]),
        "[0, 2]",
    ),
    (FREE, form(header("t")), "'t'"),
    (form(header("y")), form(header("Y")), "'Y'"),
    (
        FREE,
        form(header("z", dims=("u",), shape=(1,)), coordinates=[coordinate("y", [1], ("u",))]),
        "coordinate",
    ),
]


@pytest.mark.parametrize(("one", "other", "word"), MISFITS)
def test_the_first_is_right_and_misfits_are_mutual(one, other, word):
    for first, second in (one, other), (other, one):
        made = agree([first, second, first, second], ())
        assert made.refused.keys() == {1, 3}
        assert {misfit.reference for misfit in made.refused.values()} == {0}
        assert set(made.outputs) == {h.name for h in first[0]}
        assert word in made.refused[1].reason


@pytest.mark.parametrize(("one", "other", "word"), MISFITS)
def test_a_misfit_costs_its_own_output_only(one, other, word):
    beside = header("beside")
    (one, labels), (other, others) = one, other
    made = agree([((beside, *one), labels), ((*other, beside), others)] * 2, ())
    assert not made.refused
    assert {number: [*names] for number, names in made.left_out.items()} == {
        1: [h.name for h in other],
        3: [h.name for h in other],
    }
    assert word in made.left_out[1][other[0].name].reason
    assert set(made.outputs) == {"beside", *(h.name for h in one)}


def test_a_misfit_names_the_first_that_said_otherwise():
    parts = [form(header("a")), form(header("y")), form(header("y", dtype="?"))]
    assert agree(parts, ()).refused[2].reference == 1


@pytest.mark.parametrize("name", ["y", "t"])
def test_names_of_the_space_are_taken(name):
    made = agree([FREE], (name,))
    assert made.refused[0].reference is None
    assert repr(name) in made.refused[0].reason
    assert not made.outputs


def test_attributes_and_coordinates_are_those_of_the_first():
    times = [Variable("t", np.array([0, 1]), ("t",), attrs={"units": u}) for u in ("s", "min")]
    parts = [
        form(header(dims=("t",), shape=(2,), units=u), coordinates=[t])
        for u, t in zip(("m", "km"), times, strict=True)
    ]
    made = agree(parts, ())
    assert made.outputs["y"].attrs == {"units": "m"}
    assert made.coordinates == {"t": times[0]}
