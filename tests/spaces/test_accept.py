"""Laws of what is accepted as a parameter's values, and what is refused."""

import dataclasses
import datetime
import decimal
import enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sweeps.errors import DeclarationError, SweepsError, UnknownNameError
from sweeps.spaces.accept import accept, accept_like
from sweeps.spaces.values import Labelled

UTC = datetime.UTC
NOON = datetime.datetime(2024, 1, 31, 12, tzinfo=UTC)
DAY = datetime.date(2024, 1, 31)
MIDNIGHT = datetime.datetime(2024, 1, 31)


class Method(enum.Enum):
    RK4 = 4
    EULER = 1


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(str):
    __slots__ = ()


class Count(int):
    pass


@dataclasses.dataclass(frozen=True)
class Mesh:
    cells: object


@dataclasses.dataclass
class Thawed:
    cells: int


def kept(raw):
    """What the function gets, with types."""
    table = accept("x", raw)
    return [(type(e), e) for e in table.elements()]


def typed(*listed):
    return [(type(e), e) for e in listed]


# ---- Python's own scalars, whatever comes in

numeric = st.one_of(  # of both byte orders
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(),
)


@given(numeric.flatmap(lambda dtype: hnp.arrays(dtype, st.integers(1, 6))))
def test_arrays_keep_their_values_as_pythons_own(array):
    if array.dtype.kind in "fc" and np.isnan(array).any():
        with pytest.raises(DeclarationError, match="holds NaN at position"):
            accept("x", array)
        return
    plain = [value + 0.0 if array.dtype.kind in "fc" else value for value in array.tolist()]
    for raw in (array, list(array), plain, tuple(plain), iter(plain), array.astype(object)):
        assert kept(raw) == typed(*plain)
    shown = accept("x", array).coordinate()
    assert shown.tolist() == plain
    assert shown.dtype.isnative


@given(st.lists(st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False)), min_size=1))
def test_an_axis_with_a_float_is_float(listed):
    has_float = any(type(value) is float for value in listed)
    expected = [float(value) + 0.0 for value in listed] if has_float else listed
    assert kept(listed) == typed(*expected)


@given(st.lists(st.integers(-(2**70), 2**70), min_size=1))
def test_integers_of_any_size_are_kept(listed):
    assert kept(listed) == typed(*listed)


@given(st.integers(2**53, 2**80), st.floats(allow_nan=False, allow_infinity=False))
def test_no_integer_is_rounded_to_a_float(integer, number):
    if float(integer) == integer:
        assert kept([integer, number])[0] == (float, float(integer))
    else:
        with pytest.raises(DeclarationError, match="which no float64 is equal to"):
            accept("x", [number, integer])


def test_the_sign_of_zero_is_dropped_wherever_it_is():
    for raw in ([-0.0], np.array([-0.0]), [None, -0.0], [(-0.0,)], [complex(-0.0, -0.0)]):
        assert "-0" not in repr(list(accept("x", raw).elements()))


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    cells: object


ONE_VALUE = [  # what a function could tell apart, and what it gets instead
    (np.int8(100), 100),
    (np.float32(0.1), float(np.float32(0.1))),
    (np.float64(0.5), 0.5),
    (np.bool_(True), True),
    (np.array(3), 3),
    (np.str_("rk4"), "rk4"),
    (Word("rk4"), "rk4"),
    (-0.0, 0.0),
    (complex(0.0, -0.0), 0j),
    (np.datetime64("2024-01-31T00:00"), MIDNIGHT),
    (np.timedelta64(36, "h"), datetime.timedelta(days=1.5)),
    ((np.int16(1), (-0.0, "a")), (1, (0.0, "a"))),
]


def kinds(value):
    """The types of a value and of all that it holds."""
    held = value if isinstance(value, tuple) else ()
    if dataclasses.is_dataclass(value):
        held = [getattr(value, field.name) for field in dataclasses.fields(value)]
    return [type(value), *map(kinds, held)]


@pytest.mark.parametrize("inside", [Mesh, Slotted, lambda v: Mesh(Mesh(v)), lambda v: (1, Mesh(v))])
@pytest.mark.parametrize(("given", "plain"), ONE_VALUE, ids=repr)
def test_what_has_one_key_is_made_one_value_before_it_is_passed(given, plain, inside):
    made = inside(given)
    for raw in ([made], [None, made]):
        *_, passed = accept("x", raw).elements()
        assert repr(passed) == repr(inside(plain))
        assert kinds(passed) == kinds(inside(plain))
    assert repr(made) == repr(inside(given))  # the user's own stays as it is


def test_a_dataclass_of_plain_values_is_passed_as_it_is():
    made = Mesh((1, "a", 0.5, Mesh(None)))
    assert next(iter(accept("x", [made]).elements())) is made


class Nowhere(datetime.tzinfo):
    def utcoffset(self, _when):
        return datetime.timedelta(hours=1)


@pytest.mark.parametrize("wrap", [lambda time: time, Mesh, lambda time: (time,)])
def test_a_time_zone_that_does_not_say_which_it_is_is_refused(wrap):
    with pytest.raises(DeclarationError, match=r"axis 'x.*zoneinfo"):
        accept("x", [wrap(NOON.replace(tzinfo=Nowhere()))])


@pytest.mark.parametrize(
    ("raw", "kind", "expected"),
    [
        ([True, False], "bool", [True, False]),
        ([True, 1], "label", [True, 1]),
        ([1, 2j], "complex", [1 + 0j, 2j]),
        ([2**63, 1], "int", [2**63, 1]),
        (np.array([2**63], ">u8"), "int", [2**63]),
        ([2**64, -1], "label", [2**64, -1]),
        ([np.int8(1), 2], "int", [1, 2]),
        ([np.array(1.5), 2], "float", [1.5, 2.0]),
        ([np.str_("a"), Word("b")], "str", ["a", "b"]),
        ([b"a", np.bytes_(b"b")], "label", [b"a", b"b"]),
        ([None, 1, "a"], "label", [None, 1, "a"]),
        (Method, "label", [Method.RK4, Method.EULER]),
        (list(Level), "label", list(Level)),
        ([(1, np.float64(2)), ("a",)], "label", [(1, 2.0), ("a",)]),
        ([Mesh(1), Mesh(np.float64(2))], "label", [Mesh(1), Mesh(2.0)]),
        ([DAY], "time", [DAY]),
        (np.array(["2024-01-31"], "M8[D]"), "time", [MIDNIGHT]),
        (np.array(["2024-01-31T12"], "M8[ns]"), "time", [datetime.datetime(2024, 1, 31, 12)]),
        ([datetime.timedelta(1)], "timedelta", [datetime.timedelta(1)]),
        ([datetime.timedelta.max], "label", [datetime.timedelta.max]),
        (np.array([1], "m8[D]"), "timedelta", [datetime.timedelta(1)]),
        (np.array(["a", "b"]), "str", ["a", "b"]),
        (np.ma.array([1, 2]), "int", [1, 2]),
        ((i / 2 for i in range(3)), "float", [0.0, 0.5, 1.0]),
        ({"one": 1, "two": [2]}, "label", [Labelled("one", 1), Labelled("two", [2])]),
        ([float("inf")], "float", [float("inf")]),
    ],
)
def test_accepted(raw, kind, expected):
    table = accept("x", raw)
    assert table.kind == kind
    assert [(type(e), e) for e in table.elements()] == typed(*expected)


def test_times_are_shown_in_utc_and_given_as_they_are():
    berlin = datetime.timezone(datetime.timedelta(hours=1))
    times = [datetime.datetime(2024, 1, 1, 12, tzinfo=zone) for zone in (berlin, UTC)]
    table = accept("x", [*times, datetime.datetime.min.replace(tzinfo=berlin)])
    shown = np.array(["2024-01-01T11", "2024-01-01T12", "0000-12-31T23"], "M8[us]")
    assert (table.coordinate() == shown).all()
    assert list(table.elements())[:2] == times


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda pd: pd.Series([1.5, 2.5]), [1.5, 2.5]),
        (lambda pd: pd.Index([1, 2]), [1, 2]),
        (lambda pd: pd.array([1, 2], dtype="Int64"), [1, 2]),
        (lambda pd: pd.Categorical(["a", "b"]), ["a", "b"]),
        (lambda pd: pd.Series(["a", "b"]), ["a", "b"]),
        (lambda pd: [pd.Timestamp("2024-01-31")], [MIDNIGHT]),
        (lambda pd: [pd.Timestamp("2024-01-31T12", tz="UTC")], [NOON]),
    ],
)
def test_pandas_is_accepted(make, expected):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert kept(make(pandas)) == typed(*expected)


@pytest.mark.parametrize("text", ["NaT", "2024-01-01T00:00:00.000000001"])
def test_times_that_python_has_not_are_refused(text):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for raw in ([pandas.Timestamp(text)], pandas.Series([pandas.Timestamp(text)])):
        with pytest.raises(DeclarationError, match="axis 'x'"):
            accept("x", raw)


NAN = float("nan")
REFUSED = [
    ([1, NAN], "holds NaN at position 1"),
    (np.array([NAN]), "holds NaN at position 0"),
    ([complex(0, NAN)], "holds NaN"),
    ([None, NAN], "holds NaN"),
    ([True, NAN], "holds NaN"),
    ([(1, (NAN,))], "holds NaN"),
    ([Mesh(NAN)], "'x.cells' holds NaN"),
    (np.array(["NaT"], "M8[D]"), "holds NaN"),
    ("abc", "give a list of values, such as x=['abc']"),
    (5, "such as x=[5]"),
    (None, "such as x=[None]"),
    ({1, 2}, "no order"),
    (np.array(1), "has shape ()"),
    (np.eye(2), "has shape (2, 2)"),
    (np.array([["a"]]), "has shape (1, 1)"),
    (np.ma.array([1, 2], mask=[False, True]), "masked values"),
    (np.array([1], "m8[ns]"), "finer than a microsecond"),
    (np.array(["NaT"], "m8[D]"), "holds NaN"),
    (np.array([1], "m8[M]"), "no fixed length: give days"),
    (np.array([10**9], "m8[D]"), "beyond 106751991 days"),
    (np.array(["2024-01-01T00:00:00.000000001"], "M8[ns]"), "finer than a microsecond"),
    (np.array(["20000-01-01"], "M8[D]"), "outside the years 1 to 9999"),
    ([[1]], "[1] of type list cannot identify a point; allowed are numbers"),
    ([len], "give labels: x={'label': object, ...}"),
    ([decimal.Decimal(1)], "type Decimal"),
    ([Count(1)], "type Count"),
    ([Thawed(1)], "type Thawed"),
    ([Mesh([1])], "'x.cells': [1] of type list"),
    ([(1, {})], "type dict"),
    ([10**5000], "16,610 bits"),
    ([10**5000, 0.5], "no float64"),
    (["a\0b"], "NUL or a lone surrogate"),
    (["\ud800"], "NUL or a lone surrogate"),
    ([("a\0",)], "NUL or a lone surrogate"),
    ({"a\0": 1}, "NUL or a lone surrogate"),
    ({1: len}, "the label 1: labels are strings"),
    ({"": len}, "labels are strings"),
]


if np.dtype("g").itemsize > 8:
    REFUSED += [(np.array([0.1], "g"), "use float64"), ([np.longdouble(0.1)], "use float64")]


@pytest.mark.parametrize(("raw", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_refused(raw, message):
    with pytest.raises(DeclarationError) as caught:
        accept("x", raw)
    assert message in str(caught.value)
    assert "axis 'x" in str(caught.value)


odd = [len, NAN, "a\0", np.float16(1), np.datetime64("NaT"), np.eye(2), Mesh([]), Method]
anything = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.sampled_from(odd)),
    lambda inner: st.one_of(
        st.lists(inner), st.sets(st.integers()), st.dictionaries(st.text(), inner), st.tuples(inner)
    ),
)


@given(anything)
def test_whatever_is_given_is_accepted_or_refused_in_words(raw):
    try:
        table = accept("x", raw)
    except SweepsError as error:
        assert "'x" in str(error)
    else:
        assert len(list(table.elements())) == len(table)


# ---- in the place of other values


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        ([0.5], [1, 2], [1.0, 2.0]),
        ([0.5], 3, [3.0]),
        ([0.5], range(2), [0.0, 1.0]),
        ([0.5], [None, 9], [None, 9.0]),
        ([None, 0.5], [9], [9.0]),
        ([None, 1, 0.5], [9], [9]),
        ([1j], [1, 0.5], [1 + 0j, 0.5 + 0j]),
        ([1], [0.5, 2], [0.5, 2.0]),
        ([1], "a", ["a"]),
        (["a"], ["b", "c"], ["b", "c"]),
        ([None], 5, [5]),
        ([None], "a", ["a"]),
        ([None, "a"], "b", ["b"]),
        ([True], [1], [1]),
        (Method, "EULER", [Method.EULER]),
        ([Method.RK4], ["EULER", "RK4"], [Method.EULER, Method.RK4]),
        (["a", Method.RK4], "b", ["b"]),
        ([None, Method.RK4], ["EULER", None], [Method.EULER, None]),
        ({"abs": abs, "len": len}, "len", [Labelled("len", len)]),
        ({"abs": abs}, {"sum": sum}, [Labelled("sum", sum)]),
        ([(1, 2)], [(3, 4)], [(3, 4)]),
        ([MIDNIGHT], DAY, [MIDNIGHT]),
        ([DAY], DAY, [DAY]),
    ],
)
def test_given_values_become_like_the_declared_ones(declared, given, expected):
    table = accept_like(accept("x", declared), "x", given)
    assert [(type(e), e) for e in table.elements()] == typed(*expected)


@pytest.mark.parametrize(
    ("declared", "given", "error", "message"),
    [
        (Method, "EULR", UnknownNameError, "Did you mean 'EULER'"),
        ({"abs": abs}, "absolute", UnknownNameError, "on the axis 'x' (found: abs)"),
        ([0.5], 2**53 + 1, DeclarationError, "no float64 is equal to"),
        ([0.5], float("nan"), DeclarationError, "NaN"),
    ],
)
def test_given_values_that_cannot_be_like_them(declared, given, error, message):
    with pytest.raises(error) as caught:
        accept_like(accept("x", declared), "x", given)
    assert message in str(caught.value)
