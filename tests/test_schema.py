"""What parts agree on does not depend on how points were dealt out to them."""

import numpy as np
import pytest

from sweeps.block import Header, Variable
from sweeps.schema import agree


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
    assert {name: (o.shape, o.is_ragged, o.count_name) for name, o in outputs.items()} == {
        "a": ((5,), True, "n_a"),
        "b": ((5,), True, "n_b"),
    }


@pytest.mark.parametrize("counts", [None, [2, 2]])
def test_equal_lengths_need_no_count(counts):
    """Those of a few points that were computed with others, of other lengths, may be alike."""
    forms = [
        form(header(dims=("t",), shape=(2,))),
        form(header(dims=("t",), shape=(2,), counts=counts)),
    ]
    (made,) = agree(forms, ()).outputs.values()
    assert (made.shape, made.is_ragged, made.count_name) == ((2,), False, "")


@pytest.mark.parametrize("other", ["n_y", "N_y"])
def test_a_count_gives_way_to_any_other_name(other):
    ragged = header("y", dims=("t",), shape=(2,), counts=[2, 1])
    assert agree([form(ragged, header(other))], ()).outputs["y"].count_name == "n_y_values"
    assert agree([form(ragged)], (other,)).outputs["y"].count_name == "n_y_values"


FREE = form(header(dims=("t",), shape=(2,)))
LABELLED = form(header(dims=("t",), shape=(2,)), coordinates=[coordinate("t", [0, 1])])
MISFITS = [
    (form(header()), form(header(dtype="O")), "str"),
    (form(header()), form(header(dtype="M8[us]")), "time"),
    (
        form(header(dims=("t", "u"), shape=(2, 3))),
        form(header(dims=("t", "u"), shape=(2, 4))),
        "(2, 4)",
    ),
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
    (FREE, form(header("z"), coordinates=[coordinate("y", [1], ("u",))]), "coordinate"),
]


@pytest.mark.parametrize(("one", "other", "word"), MISFITS)
def test_the_first_is_right_and_misfits_are_mutual(one, other, word):
    for first, second in (one, other), (other, one):
        made = agree([first, second, first, second], ())
        assert made.refused.keys() == {1, 3}
        assert {misfit.reference for misfit in made.refused.values()} == {0}
        assert set(made.outputs) == {h.name for h in first[0]}
        assert word in made.refused[1].reason


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
        form(header(units=u), coordinates=[t]) for u, t in zip(("m", "km"), times, strict=True)
    ]
    made = agree(parts, ())
    assert made.outputs["y"].attrs == {"units": "m"}
    assert made.coordinates == {"t": times[0]}
