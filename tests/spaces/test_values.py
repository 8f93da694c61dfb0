"""Laws of values: what identifies them, how they are shown, and how tables of them are cut."""

import dataclasses
import datetime
import enum
import functools
import struct
import zoneinfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import DeclarationError
from sweeps.spaces.accept import accept
from sweeps.spaces.values import (
    Labelled,
    behind,
    encode,
    factorize,
    label,
    refuse_duplicates,
    short,
)


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Light(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


@dataclasses.dataclass(frozen=True)
class Mesh:
    cells: object
    order: int = 2


@dataclasses.dataclass(frozen=True)
class Grid:
    cells: object
    order: int = 2


@dataclasses.dataclass(frozen=True)
class Scaled:
    cells: int
    factor: dataclasses.InitVar[int]

    def __post_init__(self, factor):
        object.__setattr__(self, "scaled", self.cells * factor)

    @functools.cached_property
    def known_later(self):
        return 1


NIGHT = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(),
    st.binary(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.UTC)),
    st.timedeltas(),
    st.sampled_from([*Color, *Light, *Access, Access.READ | Access.WRITE, Access(0)]),
)
elements = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.builds(Mesh, inner),
        st.builds(Grid, inner, st.integers(1, 3)),
    ),
    max_leaves=5,
)
small = st.sampled_from(
    [0, 1, 0.0, -0.0, 1.0, True, False, None, 1j, "", "1", b"1", (), (1,), (1.0,)]
)


def said(element):
    """Text that differs where values differ, also by type; but not by the sign of zero."""
    return repr(element).replace("-0.0", "0.0").replace("-0j", "0j")


@given(st.one_of(elements, small), st.one_of(elements, small))
def test_codes_are_equal_for_equal_values_of_equal_types_only(a, b):
    assert (encode(a) == encode(b)) == (said(a) == said(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (1, True),
        (1.0, 1 + 0j),
        ("1", 1),
        ("a", b"a"),
        (None, "None"),
        ((1, 2), ("1", "2")),
        (((1,), 2), ((1, 2),)),
        (("ab", "c"), ("a", "bc")),
        (Color.RED, Light.RED),
        (Color.RED, "RED"),
        (Color.RED, Color.GREEN),
        (Mesh(3), Grid(3)),
        (Mesh(3), Mesh(3.0)),
        (Mesh(3), (3, 2)),
        (datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1)),
        (datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
        (datetime.timedelta(microseconds=1), 1),
        (Labelled("a", len), "a"),
        (2**64, 0),
        (0.1, float(np.float32(0.1))),
        (datetime.datetime(2024, 10, 27, 2), datetime.datetime(2024, 10, 27, 2, fold=1)),
        (NIGHT, NIGHT.replace(fold=1)),
        (Scaled(1, 2), Scaled(1, 3)),
        (Scaled(1, 2), Scaled(2, 1)),
        ((Mesh(True),), (Mesh(1),)),
    ],
)
def test_what_differs_has_codes_that_differ(a, b):
    assert encode(a) != encode(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (0.0, -0.0),
        (complex(0.0, -0.0), complex(-0.0, 0.0)),
        ((0.0,), (-0.0,)),
        (Mesh(np.float64(0.5)), Mesh(0.5)),
        (Labelled("a", len), Labelled("a", abs)),
    ],
)
def test_what_is_the_same_has_one_code(a, b):
    assert encode(a) == encode(b)


def test_what_a_dataclass_finds_out_later_is_no_part_of_it():
    made = Scaled(1, 2)
    before = encode(made)
    assert made.known_later == 1
    assert encode(made) == before


# As of the release of 0.1.0: results are found by these.
KEPT = {
    b"t2024-01-31T12:00:00 ": datetime.datetime(2024, 1, 31, 12),
    b"t2024-01-31T12:00:00+00:00 UTC": datetime.datetime(2024, 1, 31, 12, tzinfo=datetime.UTC),
    b"t2024-10-27T02:30:00+02:00 Europe/Berlin": NIGHT,
    b"t2024-10-27T02:30:00+01:00 Europe/Berlin": NIGHT.replace(fold=1),
    b"p-1500000": datetime.timedelta(seconds=-1.5),
    b"i3": 3,
    b"b1": True,
    b"f" + struct.pack("<d", 0.5): 0.5,
    b"sword": "word",
    b"eColor.RED": Color.RED,
    b"DMesh" + encode((3, 2)): Mesh(3),
}


@pytest.mark.parametrize("code", KEPT, ids=repr)
def test_codes_stay_what_they_were(code):
    assert encode(KEPT[code]) == code


@pytest.mark.parametrize("odd", [[1], {}, object(), len, Mesh([1]), (1, [2])])
def test_what_cannot_say_what_it_is_has_no_code(odd):
    with pytest.raises(DeclarationError, match="cannot identify a point"):
        encode(odd)


@pytest.mark.parametrize(
    ("element", "text"),
    [
        (None, "None"),
        (Color.RED, "RED"),
        (Access.READ | Access.WRITE, "READ|WRITE"),
        (Access(0), "<Access: 0>"),
        (Labelled("rk4", len), "rk4"),
        ("word", "word"),
        (b"y", "b'y'"),
        ((1, "a"), "(1, 'a')"),
        (datetime.date(2024, 1, 31), "2024-01-31"),
        (datetime.timedelta(hours=36), "1 day, 12:00:00"),
        (True, "True"),
        (Mesh(3), "Mesh(cells=3, order=2)"),
    ],
)
def test_labels(element, text):
    assert label(element) == text


def test_what_is_shown_in_messages_is_short():
    class Odd:
        def __repr__(self):
            raise ValueError

    assert short("a" * 100) == "'" + "a" * 58 + "…"
    assert short(Odd()) == "a value of type Odd"
    assert short(10**5000) == "a value of type int"


def test_classes_and_objects_are_behind_an_element():
    nested = (1, Mesh(Color.RED), Labelled("f", len))
    assert list(behind(nested)) == [Mesh, Color, len]
    assert not list(behind((1, "a", None)))


# ---- tables


@given(st.lists(elements, min_size=1, max_size=8))
def test_factorize_gives_each_value_once_in_order_of_appearance(listed):
    try:
        table = accept("x", listed)
        distinct, codes = factorize("x", table)
    except DeclarationError:
        return  # shared labels, or numbers too large for float64: see the tests of those
    assert [said(e) for e in distinct.select(codes).elements()] == list(map(said, table.elements()))
    assert [said(e) for e in distinct.elements()] == list(
        dict.fromkeys(map(said, table.elements()))
    )


@given(
    st.one_of(
        *(
            st.lists(one, min_size=1, max_size=6)
            for one in (
                st.integers(),
                st.floats(allow_nan=False),
                st.booleans(),
                st.dates(),
                elements,
            )
        )
    ),
    st.data(),
)
def test_all_ways_to_look_at_a_table_agree(listed, data):
    table = accept("x", listed)
    codes = np.array(data.draw(st.lists(st.integers(0, len(table) - 1))), dtype=np.int64)
    column = table.column(codes)
    column = column.tolist() if isinstance(column, np.ndarray) else column
    every = list(map(said, table.elements()))
    assert list(map(said, column)) == [every[code] for code in codes]
    assert [said(table.element(code)) for code in codes] == list(map(said, column))
    assert list(map(said, table.select(codes).elements())) == list(map(said, column))
    assert (table.coordinate()[codes] == table.coordinate(codes)).all()
    assert len(table) == len(table.coordinate()) == len(listed)


@given(st.integers(-(2**40), 2**40), st.integers(-(2**20), 2**20).filter(bool), st.data())
def test_a_long_range_is_never_written_out(start, step, data):
    whole = range(start, start + step * 10**6, step)
    table = accept("x", whole)
    assert table.array is whole
    refuse_duplicates("x", table)
    codes = np.array(data.draw(st.lists(st.integers(0, 10**6 - 1))), dtype=np.int64)
    assert table.column(codes).tolist() == [whole[code] for code in codes.tolist()]
    assert table.coordinate(codes).dtype == np.int64


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([3, 1, 3], "the value 3 twice, at positions 0 and 2"),
        ([None, 1.0, None], "the value None twice"),
        ([Color.RED, Light.RED], "both be labelled 'RED'"),
        (["1", 1], "both be labelled '1'"),
        ([None, "None"], "both be labelled 'None'"),
        (
            [
                datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC),
                datetime.datetime(
                    2024, 1, 1, 13, tzinfo=datetime.timezone(datetime.timedelta(hours=1))
                ),
            ],
            "both be labelled '2024-01-01 12:00:00'",
        ),
    ],
)
def test_what_one_coordinate_cannot_tell_apart_is_refused(listed, message):
    with pytest.raises(DeclarationError, match=message):
        refuse_duplicates("x", accept("x", listed))


@pytest.mark.parametrize("listed", [[True, 1], [1, (1,)], [b"a", "a"], [(1,), (1.0,)], [0.1, 0.2]])
def test_what_only_looks_alike_is_kept(listed):
    refuse_duplicates("x", accept("x", listed))
    assert factorize("x", accept("x", listed))[1].tolist() == [0, 1]
