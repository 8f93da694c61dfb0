"""B11: points that are programs, beside starting the same programs and nothing else."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

from benchmarks import measuring
from benchmarks.contenders import KEEPING, SPAWNED, SWEEPS, Contender
from benchmarks.rows import Case, Options, Row, in_turn, rows_of

SIZES = (1000, 20_000, 100_000)

HALF = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int n, char **words) { return printf("x = %g\n", atof(words[1]) / 2) < 0; }
"""


def missing() -> str:
    """Say why programs cannot be measured here, if so."""
    return "" if shutil.which("cc") else "there is no C compiler (cc)"


def compile_into(folder: Path) -> None:
    """Make the program that all contenders start, which prints half of a number."""
    command = ["cc", "-O1", "-x", "c", "-", "-o", "half"]
    subprocess.run(command, input=HALF, text=True, check=True, cwd=folder)


def measure(contender: Contender, folder: Path, n_points: int, limit_s: float) -> measuring.Run:
    """Measure one contender; to compile does not count."""
    compile_into(folder)
    job = {"n_points": n_points}
    if contender == KEEPING:
        job["keeping"] = 1
    return measuring.run(contender.command(folder, "programs", job), folder, limit_s=limit_s)


def _measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    contenders = [SWEEPS, SPAWNED, KEEPING]
    if why := missing():
        cannot = {"programs": why}
        contenders = [dataclasses.replace(each, cannot=cannot) for each in contenders]
    for size in options.sizes or SIZES:

        def measured(contender: Contender, folder: Path, size: int = size) -> measuring.Run:
            return measure(contender, folder, size, 10 * options.limit_s)

        turns = in_turn(contenders, "programs", options.rounds, measured)
        for name, runs in turns.runs.items():
            rows += rows_of(name, size, runs)
        rows += turns.noted(size)
    return rows


CASES = (
    Case(
        "B11",
        "Programs",
        "points",
        "Each point starts a C program that prints a number, in an empty folder of its own, and "
        "reads the number. The floor starts the same program as often and waits for it, by "
        "`posix_spawn` on as many threads of one process as there are cores: its output goes "
        "nowhere. With `keep`, what each program prints is kept as a file with its point. The wall "
        "time includes the start of Python.",
        _measure,
    ),
)
