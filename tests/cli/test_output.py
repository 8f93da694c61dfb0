"""What is said in words; that the commands say it is in test_main.py."""

import dataclasses

import pytest

from sweeps.analysis.overview import Statistics, SummaryView, Table
from sweeps.cli.commands import failures, run, show
from sweeps.cli.commands import list as list_
from sweeps.execution.options import Report
from sweeps.operations.failures import FailedPoint
from sweeps.operations.show import View
from sweeps.operations.status import Listed

TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line {}, in f\n{}: {}'


def failed(x, line=3, kind="exception", attempts=1):
    message = f"{x} is\nwrong"
    text = TRACEBACK.format(line, "ValueError", message) if kind == "exception" else ""
    return FailedPoint(x, {"x": x, "y": None}, kind, "ValueError", message, text, attempts)


def test_failures_at_one_place_share_a_traceback():
    said = failures.answer([failed(1), failed(2), failed(3, line=4)], n_rows=10).text
    assert "ValueError (exception) at 2 points:" in said
    assert "ValueError (exception) at 1 point:" in said
    assert said.count("Traceback") == 2
    assert "  point 1: x=1, y=None: 1 is wrong\n" in said
    assert said.endswith("\n\n3 points failed")


@pytest.mark.parametrize(("n_rows", "n_more"), [(1, 4), (4, 1), (5, 0), (9, 0)])
def test_no_more_failed_points_than_asked_for(n_rows, n_more):
    said = failures.answer([failed(x) for x in range(5)], n_rows).text
    assert said.count("y=None") == 5 - n_more
    assert (f"and {n_more} more" in said) == (n_more > 0)


def test_attempts_are_told_from_the_second_on():
    said = failures.answer([failed(1), failed(2, attempts=3)], 10).text
    assert said.count("attempts") == 1
    assert "2 is wrong (3 attempts)" in said


def test_a_point_without_parameters_and_traceback():
    made = dataclasses.replace(failed(1, kind="died"), params={})
    said = failures.answer([made], 10).text
    assert "the only point: 1 is wrong" in said
    assert "the first one" not in said


@pytest.mark.parametrize(
    ("counts", "left"),
    [((10, 0, 0), ""), ((4, 3, 2), ", 1 still to do"), ((0, 0, 0), ", 10 still to do")],
)
def test_a_run_says_what_is_left(project, counts, left):
    computed, reused, n_failed = counts
    path = project / "results" / "wave.h5"
    report = Report("wave", 10, reused, computed, n_failed, 0, 75.0, path, "f" * 32)
    assert run.answer(report).text == (
        f"wave: 10 points: {computed} computed, {reused} reused, {n_failed} failed{left} "
        "(took 1 min 15 s) → results/wave.h5"
    )


def test_a_listed_error_takes_the_place_of_the_summary():
    rows = [
        Listed("a", "m", 3, "About a.", None),
        Listed("b", "m", None, "About b.", "ValueError: bad"),
    ]
    text = list_.answer(rows).text
    assert "About a." in text
    assert "error: ValueError: bad" in text
    assert "About b." not in text


def test_long_words_are_cut_in_tables_and_whole_in_json():
    output = Statistics("word", "", ("x",), "str", 1, 0)
    view = View({"x": 1}, [output], ("x", "word"), [[1, "long " * 100]])
    answer = show.answer("wave", view)
    assert max(map(len, answer.text.splitlines())) < 100
    assert answer.data["rows"] == [{"x": 1, "word": "long " * 100}]


def test_without_parameters_and_scalars_there_is_no_table_of_points():
    view = View({}, [Statistics("a", "", ("k",), "int64", 3, 0, 1.0, 2.0, 3.0, 0.8)], (), [[]])
    assert show.answer("wave", view).text.startswith("output")


def test_a_summary_stands_below_the_outputs_and_is_null_in_json_where_there_is_none():
    many = [Statistics("curve", "m", ("t",), "float64", 99, 0, 0.0, 1.0, 2.0, 0.5)]
    curve = Table(("t", "curve"), [[0.5, 1.5], [1.0, 2.5]])
    summary = SummaryView(Table(("name", "value", "units"), [["best", 2.5, "m"]]), [curve], many)
    view = View({"x": 1}, [], ("x",), [[1]])
    assert show.answer("wave", view).data["summary"] is None
    answer = show.answer("wave", dataclasses.replace(view, summary=summary))
    outputs, said = answer.text.split("summary:")
    assert "output" in outputs
    assert [line.split() for line in said.splitlines() if line] == [
        ["name", "value", "units"],
        ["best", "2.5", "m"],
        ["t", "curve"],
        ["0.5", "1.5"],
        ["1", "2.5"],
        ["output", "units", "dims", "dtype", "count", "missing", "min", "mean", "max", "std"],
        ["curve", "m", "t", "float64", "99", "0", "0", "1", "2", "0.5"],
    ]
    assert answer.data["summary"] == {
        "scalars": [{"name": "best", "value": 2.5, "units": "m"}],
        "tables": [[{"t": 0.5, "curve": 1.5}, {"t": 1.0, "curve": 2.5}]],
        "outputs": [vars(many[0])],
    }
