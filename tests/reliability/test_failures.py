"""Failures at scale: points that fail cost about what points cost, in time and on disk."""

import time

import h5py
import pytest

PROJECT = """
import numpy as np
from sweeps import experiment, grid


def inner(x):
    raise ValueError({message})


@experiment(grid(x=np.arange({n})){options})
def works(x):
    return x * 2.0


@experiment(grid(x=np.arange({n})){options})
def fails(x):
    return inner(x)
"""
FORMS = {
    "plain, equal messages": ("'no value'", ""),
    "plain, a message for each point": ("f'no value at {x}'", ""),
    "vectorized": ("'no value'", ", vectorized=True"),
}


@pytest.mark.parametrize(
    ("message", "options"),
    [
        pytest.param(
            *form, id=name, marks=pytest.mark.campaign if name == "plain, equal messages" else ()
        )
        for name, form in FORMS.items()
    ],
)
@pytest.mark.parametrize(
    "n", [1000, pytest.param(100_000, marks=pytest.mark.campaign)], ids=["few", "many"]
)
def test_failures_are_small_and_cost_what_points_cost(project, sweeps, message, options, n):
    written = PROJECT.format(message=message, options=options, n=n)
    (project / "experiments" / "both.py").write_text(written)
    commands = {
        "run": ["run", "--engine", "serial"],
        "run --no-retry": ["run", "--no-retry"],
        "status": ["status"],
        "failures": ["failures"],
        "run again": ["run", "--engine", "serial"],
    }
    took, said, n_bytes = {}, {}, {}
    for name in ("works", "fails"):
        for command, (word, *more) in commands.items():
            begun = time.perf_counter()
            answer = sweeps(word, name, *more)
            took[name, command] = time.perf_counter() - begun
            said[name, command] = answer.out.splitlines()[-1]
        n_bytes[name] = (project / "results" / f"{name}.h5").stat().st_size
        segments = (project / "results" / ".memo" / name).rglob("*.seg")
        n_bytes[name, "memo"] = sum(path.stat().st_size for path in segments)
    assert said["fails", "failures"] == f"{n:,} points failed"
    assert f" {n:,} failed" in said["fails", "run --no-retry"]
    each = (n_bytes["fails"] - n_bytes["works"]) / n
    assert each < 200
    with h5py.File(project / "results" / "fails.h5") as file:
        table = file["_sweeps/failures"]
        assert table["position"].shape == (n,)
        assert len(table["text_end"]) <= 10 + (n if "{" in message else 0)
    print(f"\n{message} {options or 'plain'}: {n:,} points; seconds of success, of failure:")
    for command in commands:
        print(f"  {command:15} {took['works', command]:6.2f} {took['fails', command]:6.2f}")
    print(f"  results file: {each:.0f} bytes more for each failure")
    print(f"  memo after both runs: {n_bytes['fails', 'memo'] / n:.0f} bytes for each failure")
