"""Conditions mean what they mean in Python; what cannot be read or compared is shown."""

import dataclasses
import datetime
import enum
import itertools
import string

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sweeps import sample
from sweeps.declaration.experiment import experiment
from sweeps.declaration.only import MAX_DEPTH, restrict
from sweeps.errors import DeclarationError, OverrideError, SweepsError
from sweeps.spaces.build import grid, points, zipped
from sweeps.spaces.keys import key_maker


class Method(enum.Enum):
    RK4 = 4
    EULER = 1


@dataclasses.dataclass(frozen=True)
class Mesh:
    cells: int = 10


def solve(x=0, y=0.5, word="b", is_open=True, other=None, **more):
    return x


def made(space):
    return experiment(space)(solve)


def kept(space, only):
    """Points that a condition keeps; None where it keeps none."""
    try:
        return list(restrict(made(space), only).space)
    except DeclarationError as error:
        assert "has no points with" in str(error)
        return []


# ---- as in Python

SPACE = grid(
    x=[-(2**53) - 1, -1, 0, 1, 2, 2**53 + 1],
    y=[-1.0, 0.5, 2.0, float(2**53), float("inf")],
    word=["a", "b", 'it\'s \\ "x"'],
    is_open=[True, False],
    other=[None, 1, 0.5, "a", 10**30],
)

NUMBERS = [str(2**53 + 1), str(2.0**53), str(10**30), "1+2j", "0x10", "1_000"]
literals = st.sampled_from(NUMBERS) | st.sampled_from(
    ["-1", "0", "0.5", "2", "1e3", "True", "False", "None", "'a'", "''", repr('it\'s \\ "x"')]
)
names = st.sampled_from(["x", "y", "word", "is_open", "other"])
operands = names | literals
relations = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


@st.composite
def comparisons(draw):
    parts = [draw(operands)]
    for _ in range(draw(st.integers(1, 3))):
        parts += [draw(relations), draw(operands)]
    return " ".join(parts)


@st.composite
def memberships(draw):
    among = ", ".join(draw(st.lists(operands, min_size=1, max_size=3)))
    return f"{draw(operands)} {draw(st.sampled_from(['in', 'not in']))} ({among},)"


conditions = st.recursive(
    comparisons() | memberships() | st.sampled_from(["is_open", "True"]),
    lambda inner: st.one_of(
        inner.map("not {}".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join),
    ),
    max_leaves=6,
)


@given(conditions, st.sampled_from([SPACE, SPACE.where(lambda is_open: is_open)]))
@example("x < other", SPACE)
@example("other != None and other != 'a' and x < other", SPACE)
@example("not x == y or word < 'b'", SPACE)
@example("x < y <= other", SPACE)
def test_it_says_what_python_says(condition, space):
    every = list(space)
    try:
        expected = [p for p in every if eval(condition, {}, {**p})]
    except TypeError:
        with pytest.raises(OverrideError, match="cannot compare"):
            kept(space, condition)
    else:
        assert kept(space, condition) == expected


@given(conditions)
def test_spaces_and_brackets_mean_nothing(condition):
    said = []
    for text in (condition, f"  ( {condition} )\n", f"({condition})and(true or x<word)"):
        try:
            said.append(kept(SPACE, text))
        except OverrideError as error:
            said.append(str(error).splitlines()[0])
    assert said[0] == said[1] == said[2]


@given(conditions)
def test_it_keeps_what_where_keeps(condition):
    space = sample.uniform(50, seed=1, x=range(9), y=(-1.0, 1.0), word=["a", "b"]) * grid(
        is_open=[True, False], other=[1, 2]
    )

    def keep(x, y, word, is_open, other):
        return eval(condition, {}, {"x": x, "y": y, "word": word} | locals())

    try:
        expected = made(space.where(keep))
        positions = expected.space.accepted
    except DeclarationError:
        with pytest.raises(OverrideError):
            restrict(made(space), condition)
        return
    if positions.size:
        own = restrict(made(space), condition)
        assert own.space.accepted.tolist() == positions.tolist()
        assert key_maker(own).layout() == key_maker(expected).layout()


# ---- values


def test_values_without_order_are_compared_by_their_labels():
    space = points(
        [{"other": value} for value in (None, (1, 2), Mesh(3), Method.RK4, datetime.date.max)]
    )
    for text, value in [
        ("other == none", None),
        ("other == '(1, 2)'", (1, 2)),
        ("other == 'Mesh(cells=3)'", Mesh(3)),
        ("other in ('RK4', 'EULER')", Method.RK4),
        ("other == 9999-12-31", datetime.date.max),
    ]:
        assert kept(space, text) == [{"other": value}]


def test_labelled_objects_are_compared_by_their_labels():
    space = grid(other={"rk4": abs, "euler": len})
    assert kept(space, "other == 'rk4'") == [{"other": abs}]
    assert kept(space, "other < 'f'") == [{"other": len}]


DAYS = [datetime.date(2024, 1, day) for day in (1, 2, 3)]
NOONS = [datetime.datetime.combine(day, datetime.time(12)) for day in DAYS]


@pytest.mark.parametrize(
    ("values", "text", "expected"),
    [
        (DAYS, "x <= 2024-01-02", DAYS[:2]),
        (DAYS, "x < 2024-01-02T00:00:00.000001", DAYS[:2]),
        (NOONS, "2024-01-02 < x < 2024-01-03", NOONS[1:2]),
        (NOONS, "x == 2024-01-01T12:00", NOONS[:1]),
        (NOONS, "x in (2024-01-01, 2024-01-03T12:00)", NOONS[2:]),
    ],
)
def test_times_are_compared_with_times_and_dates(values, text, expected):
    assert [p["x"] for p in kept(grid(x=values), text)] == expected


def test_times_with_a_zone_have_no_order_among_those_without():
    space = grid(x=[noon.replace(tzinfo=datetime.UTC) for noon in NOONS])
    assert len(kept(space, "x < 2024-01-02T13:00Z")) == 2
    with pytest.raises(OverrideError, match="cannot compare"):
        kept(space, "x < 2024-01-02T13:00")


CONDITIONAL = grid(word=["rk4"]) * grid(x=[2, 4]) + grid(word=["euler"])


@pytest.mark.parametrize(
    ("text", "n_kept"),
    [
        ("x < 3", 1),
        ("x != 2", 1),
        ("x not in (2, 3)", 1),
        ("not x < 3", 2),
        ("x < 3 or word == 'euler'", 2),
        ("x == x", 2),
        ("x < y", 0),
    ],
)
def test_of_a_point_that_lacks_a_parameter_comparisons_are_false(text, n_kept):
    assert len(kept(CONDITIONAL, text)) == n_kept


def test_constants_are_as_good_as_parameters():
    space = grid(x=[1, 2])
    assert kept(space, "y == 0.5 and x < 2") == [{"x": 1}]
    assert kept(space, "word != 'b'") == []
    assert len(kept(space, "is_open")) == 2
    assert kept(zipped(x=[1, 2], y=[0.0, 3.0]), "x < y") == [{"x": 2, "y": 3.0}]


def test_derived_parameters_are_as_good_as_given_ones():
    space = grid(x=[1, 2, 3], y=[1.0, 2.0]).derive(area=lambda x, y: x * y)
    assert [p["area"] for p in kept(space, "area > 2 and x < 3")] == [4.0]
    only_one = space.derive(bad=lambda x: 1 / (x - 1)).where(lambda x: x > 1)
    assert [p["bad"] for p in kept(only_one, "bad == 1")] == [1.0, 1.0]


def test_an_empty_space_stays_one():
    space = grid(x=[1]).where(lambda x: x > 1)
    assert len(restrict(made(space), "x < 3").space) == 0


def test_restrictions_come_together():
    both = restrict(restrict(made(grid(x=range(10))), "x > 2"), "x < 5")
    assert [p["x"] for p in both.space] == [3, 4]


@given(st.integers(1, 3), st.integers(0, 2))
def test_many_points_are_asked_in_pieces(n_pieces, offset):
    import sweeps.declaration.conditions

    n = n_pieces * 7 + offset
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeps.declaration.conditions, "_STEP", 7)
        found = kept(zipped(x=np.arange(n), y=np.arange(n) % 5), "x > 3 and y != 2")
    assert [p["x"] for p in found] == [i for i in range(4, n) if i % 5 != 2]


# ---- refusals


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 0, "expected a parameter"),
        ("   ", 3, "expected a parameter"),
        ("x", 1, "expected a comparison"),
        ("3", 1, "expected a comparison"),
        ("word", 4, "expected a comparison"),
        ("x <", 3, "expected a parameter"),
        ("x < < 3", 4, "expected a parameter"),
        ("x = 3", 2, "'==' compares"),
        ("x < 3 & y > 1", 6, "write 'and'"),
        ("x < 3 && y > 1", 6, "write 'and'"),
        ("x < 3 || y > 1", 6, "write 'or'"),
        ("!x", 0, "write 'not'"),
        ("x is none", 2, "write '=='"),
        ("x < 3 y > 1", 6, "expected 'and', 'or' or the end"),
        ("x < 3 and", 9, "expected a parameter"),
        ("x < 3 and and y", 10, "expected a parameter"),
        ("not", 3, "expected a parameter"),
        ("(x < 3", 6, "expected 'and', 'or' or ')'"),
        ("x < 3)", 5, "expected 'and', 'or' or the end"),
        ("()", 1, "expected a parameter"),
        ("x in 3", 5, "in brackets, such as (1, 2)"),
        ("x in ()", 6, "expected a parameter"),
        ("x in (1 2)", 8, "expected ',' or ')'"),
        ("x in (1, 2", 10, "expected ',' or ')'"),
        ("x in [1, 2]", 5, "round brackets"),
        ("x not 3", 2, "expected a comparison"),
        ("0 < x in (1, 2)", 6, "expected 'and', 'or' or the end"),
        ("xx < 3", 0, "no parameter 'xx' of solve"),
        ("wrd == 'b'", 0, "Did you mean 'word'? If it is text, quote it."),
        ("word == b", 8, "If it is text, quote it."),
        ("x*2 < 3", 0, "expected a parameter"),
        ("abs(x) < 3", 0, "no parameter 'abs'"),
        ("x.real < 3", 0, "expected a parameter"),
        ("__import__('os')", 0, "no parameter '__import__'"),
        ("x < 1.0.5", 4, "not a number"),
        ("x < nan", 4, "equals nothing"),
        ("x < 2024-02-30", 4, "no such date"),
        ("x == 0:1", 5, "not a number"),
        ("word == 'b", 8, "not closed"),
        ("x < 'a'", 2, "cannot compare -1 with 'a' by <"),
        ("x < 5 and word >= 3", 15, "cannot compare 'a' with 3 by >="),
        ("x < 1j", 2, "cannot compare -1 with 1j"),
        ("not (is_open and none < x)", 22, "cannot compare None with -1"),
        ("word in (1, 2) or word < x", 23, "cannot compare 'a' with -1"),
        ("3 < 'a'", 2, "cannot compare 3 with 'a'"),
    ],
)
def test_what_cannot_be_read_or_compared_is_shown(text, column, reason):
    space = grid(x=[-1, 0], word=["a", "b"], is_open=[True])
    with pytest.raises(OverrideError) as caught:
        restrict(made(space), text)
    message, shown, caret = str(caught.value).splitlines()
    assert reason in message
    assert shown == f"  {text}"
    assert caret == f"  {' ' * column}^"


def test_nothing_kept_is_told_with_the_condition():
    with pytest.raises(
        DeclarationError, match=r"'solve' has no points with x > 9: .* its 2 points"
    ):
        restrict(made(grid(x=[1, 2])), " x > 9 ")


@pytest.mark.parametrize("only", [lambda x: x > 1, 5, True, b"x > 1"])
def test_what_is_no_text_is_refused(only):
    with pytest.raises(DeclarationError, match="is not text"):
        restrict(made(grid(x=[1, 2])), only)


@pytest.mark.parametrize("nested", ["(" * 10**4 + "is_open", "not " * 10**4 + "is_open"])
def test_depth_is_bounded(nested):
    with pytest.raises(OverrideError, match="nested more than"):
        restrict(made(grid(x=[1])), nested)


def test_length_is_not():
    deep = "(" * (MAX_DEPTH - 1) + "is_open" + ")" * (MAX_DEPTH - 1)
    long = " or ".join(["x == 1"] * 10**3)
    assert kept(grid(x=[1, 2]), f"{deep} and ({long})") == [{"x": 1}]


def test_names_that_are_words_of_the_language_are_names():
    space = experiment(grid(inf=[1, 2], none=[1.0]), name="f")(lambda inf, none: 0)
    assert len(restrict(space, "inf > none").space) == 1


def test_the_micro_sign_names_the_parameter_that_python_sees():
    space = experiment(grid(μ=[1, 2]), name="f")(lambda **more: 0)
    assert len(restrict(space, "\N{MICRO SIGN} > 1").space) == 1


fragments = ["x", "y", "word", "is_open", "<", "==", "!=", "<=", "=", "!", "&", "|", "in", "not"]
fragments += ["and", "or", "(", ")", ",", "'", '"', "\\", "1", "-", "0.5", "nan", "2024-01-31", " "]
fragments += ["true", "none", "[", "é", ":", "\n", "not in (", "is"]


@given(
    st.text(string.printable)
    | st.lists(st.sampled_from(fragments)).map("".join)
    | st.lists(st.sampled_from(fragments)).map(" ".join)
)
def test_junk_is_read_or_refused(text):
    try:
        kept(grid(x=[1], word=["a"]), text)
    except OverrideError as error:
        assert "^" in str(error).splitlines()[-1]


def test_every_error_is_one_that_a_user_can_mend():
    for parts in itertools.product(["x", "word", "1", "(", "not"], repeat=3):
        with pytest.raises(SweepsError):
            restrict(made(grid(x=[1], word=["a"])), " ".join(parts))
