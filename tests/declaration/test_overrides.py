"""Laws of overrides: what can be written is read back exactly; all else is refused."""

import datetime
import math
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sweeps.declaration.override_values import MAX_VALUES, METHODS, Choice, Draw, Interval
from sweeps.declaration.overrides import parse, parse_all
from sweeps.errors import OverrideError


def value(text):
    """Read the single value of ``x=text``."""
    name, values = parse(f"x={text}")
    assert name == "x"
    (single,) = values
    return single


def is_same(a, b):
    """Equal, of equal types, down to the sign of zero."""
    return type(a) is type(b) and repr(a) == repr(b)


# ---- round trips


def write(written):
    """Write a value as a user would; the inverse of `parse`."""
    if isinstance(written, tuple):
        return f"({','.join(map(write, written))},)"
    if isinstance(written, str):
        escaped = written.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if isinstance(written, datetime.date):
        return written.isoformat()
    return repr(written).strip("()")


scalars = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False, allow_infinity=False),
    st.text(),
    st.dates(),
    st.datetimes().map(lambda time: time.replace(fold=0)),  # ISO 8601 has no fold
    st.datetimes(timezones=st.just(datetime.UTC)).map(lambda time: time.replace(fold=0)),
)
values = st.recursive(scalars, lambda inner: st.lists(inner, min_size=1, max_size=3).map(tuple))
values = values.filter(lambda v: "(" * 8 not in write(v))
identifiers = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,9}", fullmatch=True)


@settings(deadline=None)
@given(identifiers, st.lists(values, min_size=1, max_size=5))
@example("x", [-0.0, 0, complex(-0.0, 1), math.inf, 'it\'s \\ "x"', "a\nb"])
def test_what_is_written_is_read_back(name, items):
    parsed_name, parsed = parse(f"{name}={','.join(map(write, items))}")
    assert parsed_name == name
    assert is_same(parsed, tuple(items))


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=4), st.sampled_from([" ", "  ", "\t"]))
def test_spaces_between_values_mean_nothing(items, space):
    tight = parse(f"x={','.join(map(write, items))}")
    loose = parse(f"x ={space}{f'{space},{space}'.join(map(write, items))}{space}")
    assert is_same(tight, loose)


@settings(deadline=None)
@given(st.text(string.ascii_letters + "_-./+:", min_size=1).filter(lambda w: w[0].isalpha()))
def test_a_word_is_itself(word):
    if word.lower().partition(":")[0] not in {"true", "false", "none", "nan", "inf", "infinity"}:
        assert is_same(value(word), word)


# ---- values by example


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("-2", -2),
        ("+2", 2),
        ("1_000", 1000),
        ("0x1f", 31),
        ("0", 0),
        ("0.1", 0.1),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-3", 1e-3),
        ("1E3", 1000.0),
        ("-0.0", -0.0),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("1+2j", 1 + 2j),
        ("2J", 2j),
        ("j", "j"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("none", None),
        ("None", None),
        ("'none'", "none"),
        ("'1'", "1"),
        ("''", ""),
        ('"a,b"', "a,b"),
        ("'a b'", "a b"),
        (r"'it\'s'", "it's"),
        ('"it\'s"', "it's"),
        (r"'C:\new'", r"C:\new"),
        ("rk4", "rk4"),
        ("../data/run-1.csv", "../data/run-1.csv"),
        ("Größe", "Größe"),
        ("2024-01-31", datetime.date(2024, 1, 31)),
        ("2024-01-31T12:00", datetime.datetime(2024, 1, 31, 12)),
        ("2024-01-31T12:00:05.25", datetime.datetime(2024, 1, 31, 12, 0, 5, 250000)),
        ("2024-01-31T12:00Z", datetime.datetime(2024, 1, 31, 12, tzinfo=datetime.UTC)),
        ("(1,2)", (1, 2)),
        ("(1,)", (1,)),
        ("(1,(a,true))", (1, ("a", True))),
    ],
)
def test_a_value_is_read_as_its_type(text, expected):
    assert is_same(value(text), expected)


def test_the_micro_sign_names_the_parameter_that_python_sees():
    """PEP 3131: Python reads identifiers in NFKC, where the micro sign is the Greek mu."""
    assert parse("\N{MICRO SIGN}=1")[0] == "\N{GREEK SMALL LETTER MU}"


# ---- series


@pytest.mark.parametrize(
    ("text", "published"),
    [  # the examples in numpy's reference of these functions
        ("linspace(2.0, 3.0, 5)", [2.0, 2.25, 2.5, 2.75, 3.0]),
        ("logspace(2.0, 3.0, 4)", [100.0, 215.443469, 464.15888336, 1000.0]),
        ("geomspace(1, 256, 9)", [1, 2, 4, 8, 16, 32, 64, 128, 256]),
        ("arange(3.0)", [0.0, 1.0, 2.0]),
        ("arange(3,7,2)", [3, 5]),
    ],
)
def test_series_are_those_of_numpys_reference(text, published):
    np.testing.assert_allclose(parse(f"x={text}")[1], published, rtol=1e-8)


finite = st.floats(-1e100, 1e100) | st.integers(-(10**15), 10**15)


@settings(deadline=None)
@given(finite, finite, st.integers(1, 100))
@example(0.1, 4, 40)
@example(0, 1, 1)
def test_linspace_is_numpys_bit_for_bit(first, last, n_values):
    _, made = parse(f"x=linspace({first!r},{last!r},{n_values})")
    assert made.dtype == np.float64
    assert made.tobytes() == np.linspace(first, last, n_values).tobytes()


exponents = st.floats(-300, 300) | st.integers(-300, 300)


@settings(deadline=None)
@given(exponents, exponents, st.integers(1, 100))
def test_logspace_is_numpys_bit_for_bit(first, last, n_values):
    _, made = parse(f"x=logspace({first!r},{last!r},{n_values})")
    assert made.tobytes() == np.logspace(first, last, n_values).tobytes()


positive = st.floats(1e-100, 1e100) | st.integers(1, 10**15)


@settings(deadline=None)
@given(positive, positive, st.integers(1, 100), st.booleans())
def test_geomspace_is_numpys_bit_for_bit(first, last, n_values, is_negative):
    if is_negative:
        first, last = -first, -last
    _, made = parse(f"x=geomspace({first!r},{last!r},{n_values})")
    assert made.tobytes() == np.geomspace(first, last, n_values).tobytes()


@settings(deadline=None)
@given(
    st.floats(-100, 100) | st.integers(-100, 100),
    st.floats(0.5, 50) | st.integers(1, 50),
    st.floats(0.015625, 3),
)
@example(0, 1, 0.1)
@example(1, 2.3, 0.1)
def test_arange_is_numpys_bit_for_bit(start, length, step):
    stop = start + length
    _, made = parse(f"x=arange({start!r},{stop!r},{step!r})")
    assert made.tobytes() == np.arange(start, stop, step).tobytes()


steps = st.integers(-9, 9).filter(bool)


@settings(deadline=None)
@given(st.integers(), st.integers(1, 50), steps, st.sampled_from(["range", "arange"]))
def test_whole_numbers_make_a_range(start, n_values, step, name):
    expected = range(start, start + n_values * step, step)
    assert parse(f"x={name}({expected.start},{expected.stop},{step})") == ("x", expected)


def test_a_range_may_begin_at_0_and_step_by_1():
    assert parse("x=range(3)")[1] == range(3)
    assert parse("x=range(2,5)")[1] == range(2, 5)


def test_series_and_values_can_be_mixed():
    assert is_same(parse("x=0,linspace(1,2,3),range(2),a")[1], (0, 1.0, 1.5, 2.0, 0, 1, "a"))


# ---- ranges, choices, samples

bounds = st.integers(-(2**70), 2**70) | st.floats(-1e300, 1e300)


@given(st.tuples(bounds, bounds).map(sorted).filter(lambda pair: pair[0] < pair[1]))
def test_a_range_is_read_back(pair):
    low, high = pair
    (parsed,) = parse_all([f"x={low!r}:{high!r}"]).values()
    assert is_same(parsed, Interval(low, high))
    assert is_same(parse(f"x={parsed}"), ("x", parsed))


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=5))
def test_a_choice_is_read_back(items):
    assert is_same(parse(f"x=choice({','.join(map(write, items))})")[1], Choice(tuple(items)))


def test_a_choice_is_of_series_too():
    assert parse("x=choice( 0, linspace(1,2,3) )")[1] == Choice((0, 1.0, 1.5, 2.0))
    assert parse("x=choice(range(3))")[1] == Choice((0, 1, 2))


@given(st.sampled_from(METHODS), st.integers(1, 10**12), st.none() | st.integers(0, 2**64))
def test_a_way_to_sample_is_read_back(method, n, seed):
    draw = Draw(method, n, seed)
    assert parse(f"sample={draw}") == ("sample", draw)
    assert parse(f"sample = {method} ( {n}{'' if seed is None else f' ,seed ={seed} '})")[1] == draw


@pytest.mark.parametrize("text", ["sobol", "1,2", "'sobol(8)'", "choice(a,b)", "linspace(0,1,2)"])
def test_a_parameter_may_be_called_sample(text):
    assert is_same(parse(f"sample={text}")[1], parse(f"x={text}")[1])


@pytest.mark.parametrize("word", ["C:1", "a:b", "run:1:2", "info:x"])
def test_a_word_with_a_colon_is_a_word(word):
    assert value(word) == word


# ---- refusals


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("x", 1, "no '='"),
        ("", 0, "no '='"),
        ("=1", 0, "name"),
        ("1x=1", 0, "name"),
        ("a b=1", 0, "name"),
        ("a-b=1", 0, "name"),
        ("x=", 2, "expected a value"),
        ("x=1,", 4, "expected a value"),
        ("x=,1", 2, "expected a value"),
        ("x=1,,2", 4, "expected a value"),
        ("x==1", 2, "second '='"),
        ("x=1 2", 4, "comma"),
        ("x=two words", 6, "quoted"),
        ("x=[1,2]", 2, "without brackets"),
        ("x='open", 2, "not closed"),
        ("x=1,'open", 4, "not closed"),
        ("x='a''b'", 5, "comma"),
        ("x=1)", 3, "comma"),
        ("x=(1,2", 6, "tuple"),
        ("x=(1)", 2, "tuple of one"),
        ("x=()", 3, "expected a value"),
        ("x=(1,linspace(0,1,2))", 13, "tuple"),
        ("x=" + "(" * 1000, 10, "nested"),
        ("x=1,nan", 4, "cannot identify a point"),
        ("x=-NaN", 2, "cannot identify a point"),
        ("x=(1,nan)", 5, "cannot identify a point"),
        ("x=1+nanj", 2, "finite"),
        ("x=1e999", 2, "inf"),
        ("x=" + "9" * 5000, 2, "finite"),
        ("x=1.0.5", 2, "quote it"),
        ("x=2d", 2, "quote it"),
        ("x=2*pi", 2, "quote it"),
        ("x=\N{MINUS SIGN}1", 2, "quote it"),
        ("x=007", 2, "leading zeros"),
        ("x=0_7", 2, "leading zeros"),
        ("x=2024-02-30", 2, "no such date"),
        ("x=2024-01-31T25:00", 2, "no such date"),
        ("x=2024-01-31T12", 2, "dates are"),
        ("x=eval(1)", 2, "linspace"),
        ("x=linspace(0,1)", 2, "number of values"),
        ("x=linspace(0,1,2,3)", 2, "number of values"),
        ("x=linspace(0,1,2.0)", 2, "whole number"),
        ("x=linspace(0,1,0)", 2, "no values"),
        ("x=linspace(0,1,-3)", 2, "no values"),
        ("x=linspace(0,1,num=3)", 15, "finite number"),
        ("x=linspace(0,a,3)", 13, "finite number"),
        ("x=linspace(0,inf,3)", 13, "finite number"),
        ("x=linspace(0,true,3)", 13, "finite number"),
        ("x=linspace(0,1j,3)", 13, "finite number"),
        ("x=linspace(0,1,", 15, "finite number"),
        ("x=linspace(0 1)", 13, "','"),
        ("x=linspace(-1e308,1.7e308,3)", 2, "finite"),
        ("x=logspace(0,400,3)", 2, "finite"),
        ("x=geomspace(0,1,3)", 2, "zero"),
        ("x=geomspace(-1,1,3)", 2, "finite"),
        ("x=range()", 2, "range(stop)"),
        ("x=range(1,2,3,4)", 2, "range(stop)"),
        ("x=range(0)", 2, "no values"),
        ("x=range(3,1)", 2, "no values"),
        ("x=range(1,3,0)", 2, "step must not be 0"),
        ("x=range(0,1,0.5)", 2, "arange"),
        ("x=arange(1,0,0.5)", 2, "no values"),
        (f"x=linspace(0,1,{MAX_VALUES + 1})", 2, "100,000,000"),
        (f"x=range({MAX_VALUES + 1})", 2, "100,000,000"),
        (f"x=range({10**400})", 2, "100,000,000"),
        ("x=arange(0,1e300,1e-300)", 2, "100,000,000"),
        (f"x=range({MAX_VALUES}),1", 19, "100,000,000"),
        (f"x=choice(range({MAX_VALUES}),1)", 26, "100,000,000"),
        ("x=2:1", 2, "is empty: write low:high"),
        ("x=1:1", 2, "is empty"),
        ("x=0:inf", 2, "two finite numbers"),
        ("x=-inf:0", 2, "two finite numbers"),
        ("x=nan:1", 2, "two finite numbers"),
        ("x=-1e308:1.7e308", 2, "two finite numbers"),
        (f"x=0:{10**400}", 2, "two finite numbers"),
        ("x=1:2:3", 2, "two finite numbers"),
        ("x=0:1j", 2, "two finite numbers"),
        ("x=1:", 2, "two finite numbers"),
        ("x=true:false", 2, "two finite numbers"),
        ("x=2024-01-01:2024-02-01", 2, "dates are"),
        ("x=0.1 : 2", 6, "without spaces"),
        ("x=0:1,2", 5, "cannot be combined"),
        ("x=2,0:1", 4, "cannot be combined"),
        ("x=(0:1,2)", 3, "cannot be combined"),
        ("x=choice(0:1)", 9, "cannot be combined"),
        ("x=choice()", 9, "expected a value"),
        ("x=choice(a", 10, "expected ',' or ')'"),
        ("x=choice(a b)", 11, "expected ',' or ')'"),
        ("x=choice(choice(a))", 9, "cannot be combined"),
        ("x=choice(a),b", 11, "cannot be combined"),
        ("x=a,choice(b)", 4, "cannot be combined"),
        ("x=sobol(8)", 2, "'sample=sobol(1024)'"),
        ("x=1,sobol(8)", 4, "'sample=sobol(1024)'"),
        ("sample=sobol()", 13, "whole number from 1 on"),
        ("sample=sobol(0)", 13, "whole number from 1 on"),
        ("sample=sobol(1.5)", 13, "whole number from 1 on"),
        ("sample=sobol(true)", 13, "whole number from 1 on"),
        ("sample=sobol(8,3)", 15, "sobol(1024, seed=3)"),
        ("sample=sobol(8,sed=3)", 15, "sobol(1024, seed=3)"),
        ("sample=sobol(8,seed=-1)", 20, "whole number from 0 on"),
        ("sample=sobol(8,seed=1", 21, "expected ')'"),
        ("sample=sobol(8", 14, "expected ')'"),
        ("sample=sobol(8),x", 15, "cannot be combined"),
        ("sample=sobol(8) x", 16, "comma or the end"),
        ("sample=monte_carlo(8)", 7, "no series 'monte_carlo'"),
    ],
)
def test_what_cannot_be_read_is_shown(text, column, reason):
    with pytest.raises(OverrideError) as caught:
        parse(text)
    message, shown, caret = str(caught.value).splitlines()
    assert reason in message
    assert shown == f"  {text}"
    assert caret == f"  {' ' * column}^"


def test_as_many_values_as_allowed_are_allowed():
    assert len(parse(f"x=range({MAX_VALUES})")[1]) == MAX_VALUES


def test_what_is_shown_is_three_lines_whatever_was_given():
    with pytest.raises(OverrideError) as caught:
        parse("x=a\n\tb\x1b")
    assert str(caught.value).splitlines()[1:] == ["  x=a��b�", "       ^"]


fragments = ["linspace(", "range(", "arange(", "1", "-", "0.5", "1e9", "e", "nan", "inf", "j", "'"]
fragments += ['"', "\\", "(", ")", ",", "=", " ", "\n", "[", "2024-01-31", "T12:00", "true", "é"]
fragments += [":", "choice(", "sobol(", "seed="]


@settings(deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(fragments)).map("".join).map("x={}".format)
    | st.lists(st.sampled_from(fragments)).map("".join).map("sample={}".format)
)
def test_junk_is_read_or_refused(text):
    try:
        _, parsed = parse(text)
    except OverrideError as error:
        assert "^" in str(error).splitlines()[-1]
    else:
        assert isinstance(parsed, (Interval, Draw)) or len(getattr(parsed, "values", parsed)) > 0


# ---- several


def test_several_make_a_mapping():
    assert parse_all(["a=1", "b=x,y"]) == {"a": (1,), "b": ("x", "y")}
    assert parse_all([]) == {}


@pytest.mark.parametrize("again", ["a=2", " a = 2"])
def test_a_name_given_twice_is_refused(again):
    with pytest.raises(OverrideError, match="'a' is given twice"):
        parse_all(["a=1", "b=1", again])


def test_plain_values_need_no_numpy():
    """A cached run with overrides must not wait for imports."""
    code = (
        "import sys, sweeps.declaration.overrides as o; o.parse('x=1,2.5,a,range(9),2024-01-31');"
        "print('numpy' in sys.modules)"
    )
    repository = str(Path(sys.modules["sweeps"].__path__[0]).parent)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
