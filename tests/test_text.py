import contextlib
import datetime
import enum
import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sweeps import text

WIDTHS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
BYTES = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


@given(st.floats(0, 1e8))
@example(59.97)
@example(3599.7)
def test_a_duration_is_read_back_to_its_last_unit(seconds):
    words = text.duration(seconds).split()
    parts = list(zip(words[::2], words[1::2], strict=True))
    read = sum(float(number) * WIDTHS[unit] for number, unit in parts)
    smallest = WIDTHS[parts[-1][1]] if len(parts) > 1 else 0.1
    assert abs(read - seconds) <= smallest
    assert all(float(number) < 60 for number, unit in parts if unit in ("s", "min"))


@given(st.integers(0, 10**15))
def test_a_size_is_read_back_to_three_digits(n_bytes):
    number, unit = text.size(n_bytes).split()
    assert float(number) * BYTES[unit] == pytest.approx(n_bytes, rel=0.006)
    assert float(number) < 1000 or unit == "TB"
    assert "e" not in number or unit == "TB"


def test_a_path_is_shown_from_here(project):
    assert text.path(project / "results" / "wave.h5") == "results/wave.h5"
    assert text.path(Path("/elsewhere/wave.h5")) == "/elsewhere/wave.h5"


cells = st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.booleans())


@given(st.lists(st.tuples(cells, cells, cells), max_size=5))
def test_a_table_has_a_line_for_each_row_whatever_its_cells_hold(rows):
    lines = text.table(["a", "b", "c"], rows).split("\n")
    assert len(lines) == 1 + len(rows)
    assert all(line.isprintable() for line in lines)


def test_numbers_stand_to_the_right_and_words_to_the_left():
    table = text.table(["n", "word"], [[1, "a"], [1000, "bcd"], [float("nan"), None]])
    assert table.split("\n") == ["   n  word", "   1  a", "1000  bcd", " nan"]


def test_a_table_of_nothing_is_its_header():
    assert text.table(["name", "points"], []) == "name  points"


class Solver(enum.Enum):
    rk4 = 1


class Level(enum.IntEnum):
    low = 1


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Solver.rk4, "rk4"),
        (Level.low, "low"),
        (datetime.date(2024, 2, 1), "2024-02-01"),
        (datetime.datetime(2024, 2, 1, 12), "2024-02-01T12:00:00"),
        (1 + 2j, "(1+2j)"),
        (b"ab", "b'ab'"),
        (Path("results/wave.h5"), "results/wave.h5"),
        ((1, (2.5, None)), [1, [2.5, None]]),
        ({"a": math.inf, 1: -math.inf}, {"a": None, "1": None}),
        ("lone \udcff", "lone \udcff"),
    ],
)
def test_json_holds_every_value_of_a_parameter(value, plain):
    written = text.as_json({"value": value})
    assert json.loads(written) == {"value": plain}
    assert written.isascii()


json_like = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@given(json_like)
def test_json_leaves_json_as_it_is(thing):
    assert json.loads(text.as_json(thing)) == thing


def test_what_threads_print_at_once_ends_up_where_it_belongs(capsys):
    first, second = (contextlib.ExitStack() for _ in range(2))
    for each in (first, second):
        each.enter_context(text.printed_to_stderr())
    print("both")
    first.close()  # before the second, which began later
    print("one")
    second.close()
    print("none")
    assert capsys.readouterr() == ("none\n", "both\none\n")
