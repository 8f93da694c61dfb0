"""Laws of printed text: none is lost, each line has its point, and answers stand alone."""

import json
import subprocess
import sys
import warnings

import pytest

import sweeps as package
from sweeps import engines, experiment, grid
from sweeps.execution import printed
from sweeps.operations import failures
from sweeps.project.sweep import resolve
from sweeps.worker import capture

SHELL = [sys.executable, "-m", "sweeps"]

KINDS = """
import asyncio, ctypes, logging, multiprocessing, os, subprocess, sys, threading, time, warnings
import numpy as np
from sweeps import experiment, grid

print("imported")
libc = ctypes.CDLL(None)

def bar():
    for i in range(11):
        print(f"\\r{i}/10", end="", file=sys.stderr)
    print(file=sys.stderr)

def warn_often():
    for _ in range(200):
        warnings.warn("again and again")

def in_thread():
    thread = threading.Thread(target=print, args=("in a thread",))
    thread.start()
    thread.join()

def in_fork():
    process = multiprocessing.get_context("fork").Process(target=print, args=("in a fork\\n",))
    process.start()
    process.join()

KINDS = {
    "quiet": lambda: None,
    "line": lambda: print("a", "line"),
    "lines": lambda: [print("line", i) for i in range(30)],
    "part": lambda: print("no end", end=""),
    "error": lambda: print("to stderr", file=sys.stderr),
    "bar": bar,
    "long": lambda: print("x" * 200_000),
    "log": lambda: logging.getLogger("mine").warning("logged"),
    "warn": lambda: warnings.warn("a warning"),
    "numpy": lambda: np.exp(np.array([1e3])),
    "often": warn_often,
    "raise": lambda: [print("before it raised"), 1 / 0],
    "replaced": lambda: setattr(sys, "stdout", sys.__stdout__),
}
OF_PROCESSES = {
    "program": lambda: subprocess.run(["sh", "-c", "echo one; echo two >&2"]),
    "c": lambda: [libc.printf(b"in C\\n"), time.sleep(0.001)],
    "bytes": lambda: [sys.stdout.buffer.write(b"\\xff bytes\\n"), time.sleep(0.001)],
    "thread": in_thread,
    "fork": in_fork,
    "quit": lambda: [print("before it quit"), os._exit(3)],
    "crash": lambda: [os.write(2, b"before it crashed\\n"), ctypes.string_at(0)],
    "hang": lambda: [os.system("echo before it hung"), time.sleep(100)],
}

@experiment(grid(kind=list(KINDS)))
def here(kind):
    KINDS[kind]()
    return 1.0

@experiment(grid(kind=[*KINDS, *OF_PROCESSES]), timeout=1)
def away(kind):
    (KINDS | OF_PROCESSES)[kind]()
    return 1.0

@experiment(grid(i=range(6)), concurrency=3)
async def waiting(i):
    print("before", i)
    await asyncio.sleep(0.01)
    print("after", i)
    return i

@experiment(grid(i=range(2000)), vectorized=True)
def columns(i):
    print("at", i.tolist()[:1])
    return i * 2
"""
PRINTED = {
    "line": ["a line"],
    "lines": [f"line {i}" for i in range(30)],
    "part": ["no end"],
    "error": ["to stderr"],
    "bar": ["10/10"],
    "raise": ["before it raised"],
}
PRINTED_AWAY = PRINTED | {
    "log": ["logged"],
    "program": ["one", "two"],
    "c": ["in C"],
    "bytes": ["� bytes"],
    "thread": ["in a thread"],
    "fork": ["in a fork", ""],
    "quit": ["before it quit"],
    "crash": ["before it crashed"],
    "hang": ["before it hung"],
}
WARNED = {"warn": "a warning", "often": "again and again", "numpy": "overflow encountered in exp"}


@pytest.fixture
def kinds(project):
    (project / "experiments" / "kinds.py").write_text(KINDS)
    return project


def check(name, expected):
    found = {each.params["kind"]: each for each in failures.printed_points(resolve(name))}
    long, plain = found.pop("long").printed, {n: printed.lines(e.printed) for n, e in found.items()}
    assert long.endswith("[this point printed more]\n")
    assert len(long) < 70_000
    for kind, lines in expected.items():
        assert plain[kind] == lines
    assert {
        n: [w.partition(": ")[2].partition("\n")[0] for w in e.warnings]
        for n, e in found.items()
        if e.warnings
    } == {n: [w] for n, w in WARNED.items()}
    assert "quiet" not in found


@pytest.mark.parametrize("engine", ["serial", "threads"])
def test_what_points_of_this_process_print_is_told_apart(kinds, sweeps, engine):
    before = sys.stdout, sys.stderr, warnings.showwarning
    said = sweeps("run", "here", "--engine", engine, "--json")
    assert (sys.stdout, sys.stderr, warnings.showwarning) == before
    assert said.json["failed"] == 1  # alone on stdout, though the module prints too
    assert "kind=line: a line\n" in said.err
    check("here", PRINTED)


@pytest.mark.parametrize(
    "left_out", [("quit", "hang"), pytest.param((), marks=pytest.mark.campaign)], ids=len
)
def test_what_points_of_workers_print_is_told_apart_however_they_end(kinds, left_out):
    module = kinds / "experiments" / "kinds.py"
    for kind in left_out:
        lines = module.read_text().splitlines(keepends=True)
        module.write_text("".join(line for line in lines if f'    "{kind}"' not in line))
    done = subprocess.run(
        [*SHELL, "run", "away", "--json", "-j", "2"], capture_output=True, text=True, timeout=100
    )
    assert json.loads(done.stdout)["failed"] == 4 - len(left_out)
    check("away", {kind: said for kind, said in PRINTED_AWAY.items() if kind not in left_out})
    for line in ("kind=crash: before it crashed", "kind=bar: 10/10"):
        assert f"{line}\n" in done.stderr
    assert "resource_tracker" not in done.stderr


@pytest.mark.parametrize("engine", engines.LOCAL)
def test_each_point_that_is_under_way_at_once_has_its_own_lines(kinds, sweeps, engine):
    assert sweeps("run", "waiting", "--engine", engine).code == 0
    told = sweeps("printed", "waiting", "--json").json
    assert [each["printed"] for each in told] == [f"before {i}\nafter {i}\n" for i in range(6)]
    assert [each["params"] for each in told] == [{"i": i} for i in range(6)]
    only = sweeps("printed", "waiting", "--only", "i==3")
    assert only.out == "i=3: before 3\ni=3: after 3\n"


def test_what_is_printed_of_columns_names_the_points(kinds, sweeps):
    said = sweeps("run", "columns", "--engine", "serial")
    assert "i=0 and 15 more: at [0]\n" in said.err


def test_what_a_point_printed_last_counts(project):
    words = ["first"]
    made = experiment(grid(n=range(2)), name="again")(lambda n: print(words[0], n) or n)
    package.run(made, engine="serial")
    words[0] = "second"
    package.run(made, engine="serial", axes={"n": [1]}, recompute=True)
    # What is enclosed is part of the code, so that the second run is of another experiment.
    found = [each.printed for each in failures.printed_points(resolve(made, axes={"n": [0, 1]}))]
    assert found[-1] == "second 1\n"


def test_a_warning_of_many_points_is_one_line_and_counted(project, capsys):
    def many(n):
        warnings.warn(f"of {n}", RuntimeWarning, stacklevel=1)
        return n

    made = experiment(grid(n=range(3000)), name="many")(many)
    with pytest.warns(UserWarning, match=r"RuntimeWarning: of 0 \(.*\), at 1,000 points or more"):
        package.run(made, engine="serial")
    assert capsys.readouterr().err.count("RuntimeWarning") == 1
    found = failures.printed_points(resolve(made))
    assert len(found) == capture.MOST_WARNINGS
    assert found[7].warnings[0].startswith("RuntimeWarning: of 7\n")


def test_many_lines_are_kept_and_not_all_shown(project, capsys):
    made = experiment(grid(n=range(3000)), name="wordy")(lambda n: print("word", n) or n)
    with pytest.warns(UserWarning, match="not shown; see all: python -m sweeps printed wordy"):
        package.run(made, engine="serial")
    assert 1000 <= capsys.readouterr().err.count("word") < 3000
    assert len(failures.printed_points(resolve(made))) == 3000


def test_a_file_that_grew_too_large_gives_way_once(project, monkeypatch):
    monkeypatch.setattr(printed, "_KEPT_BYTES", 1000)
    made = experiment(grid(n=range(4)), name="grown")(lambda n: print(str(n) * 600) or n)
    with pytest.warns(UserWarning, match="the first part is not kept"):
        for n in range(4):
            package.run(made, engine="serial", axes={"n": [n]})
    memo = resolve(made).memo
    assert sum(path.stat().st_size for path in memo.glob("printed*")) < 4000
    assert failures.printed_points(resolve(made, axes={"n": [3]}))[0].printed == "3" * 600 + "\n"


def test_what_cannot_be_kept_costs_the_text_only(project, monkeypatch, capsys):
    made = experiment(grid(n=range(4)), name="lost")(lambda n: print("at", n) or n)
    monkeypatch.setattr(printed, "FILE", "missing/printed.jsonl")
    with pytest.warns(UserWarning, match="cannot store what points print"):
        data = package.run(made, engine="serial")
    assert data.lost.values.tolist() == [0, 1, 2, 3]
    assert "n=3: at 3\n" in capsys.readouterr().err


def test_torn_and_foreign_lines_are_passed_over(tmp_path):
    record = {"run": "1", "kind": 0, "key": "0" * 31 + "1", "text": "whole"}
    lines = [json.dumps(record), "[1]", '{"run": "1"}', json.dumps(record)[:20], "\x00\xff"]
    lines += [json.dumps(record | each) for each in ({"key": "no"}, {"key": 1}, {"text": None})]
    (tmp_path / printed.FILE).write_text("\n".join(lines))
    assert [text.printed for text in printed.read(tmp_path).values()] == ["whole"]
    assert printed.read(tmp_path / "nowhere") == {}
