"""How the levels of a quantum oscillator rise with its anharmonicity, computed by a program in C.

The program `anharmonic.c` is compiled when the experiment is first looked at, and again when its
source is newer than what was compiled. What counts is the program itself: after a change of the
source that makes another program, all points are computed again; after one of a comment, none.

Without the quartic term, the energies are n + 1/2. The lowest level has 0.559146327 at a coupling
of 0.1 and 0.803770651 at 1 (F. T. Hioe and E. W. Montroll, "Quantum theory of anharmonic
oscillators. I", J. Math. Phys. 16, 1945, 1975; C. M. Bender and T. T. Wu, "Anharmonic oscillator",
Phys. Rev. 184, 1231, 1969). For large couplings the energies grow with its third root.

Needs a C compiler (`cc`), or the program as ``build/anharmonic``.
"""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from sweeps import experiment, grid, program
from sweeps.readers import csv, regex

SOURCE = Path(__file__).with_suffix(".c")
PROGRAM = SOURCE.parent.parent / "build" / "anharmonic"


def build():
    """Compile the program if there is a compiler and the source is newer."""
    with contextlib.suppress(OSError):
        if PROGRAM.stat().st_mtime > SOURCE.stat().st_mtime:
            return
    compiler = shutil.which("cc")
    if compiler is None:
        return
    PROGRAM.parent.mkdir(exist_ok=True)
    # Workers may do so at the same time: the finished program takes its place in one step.
    made = PROGRAM.with_name(f"{PROGRAM.name}-{os.getpid()}")
    subprocess.run([compiler, "-O2", "-o", made, SOURCE], check=True)
    made.replace(PROGRAM)


build()

oscillator = program(
    ["build/anharmonic"],
    files={"oscillator.in": "coupling = {coupling}\nlevel = {level}\nn = 4000\n"},
    read={
        "energy": regex("stdout", r"energy = (\S+)"),
        "spacing": lambda folder: _spacing(csv("levels.csv", "energy")(folder)),
    },
    timeout=60,
)


def _spacing(energies):
    """Energy above the level below; for the lowest one, above the bottom of the well."""
    return energies[-1] - (energies[-2] if len(energies) > 1 else 0.0)


anharmonic = experiment(
    grid(level=[0, 1, 2, 3], coupling=[0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]),
    name="anharmonic",
    units={"energy": "hbar omega", "spacing": "hbar omega", "level": "1", "coupling": "1"},
)(oscillator)
