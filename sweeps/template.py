"""A ready-to-run experiment to start from."""

from __future__ import annotations

import os
from pathlib import Path

from sweeps import files
from sweeps.errors import StorageError, SweepsError
from sweeps.locating import default_folder

_TEXT = '''\
"""What does {name} depend on?

Say here what the question is, where the model comes from, and what to expect.
"""

import math

from sweeps import experiment, grid


@experiment(
    grid(
        frequency=[0.5, 1.0, 2.0, 4.0],
        damping=[0.05, 0.1, 0.2],
    ),
    units={{"frequency": "Hz", "amplitude": "m"}},
)
def {name}(frequency, damping, resonance=1.0):
    """Amplitude of a driven, damped oscillator."""
    ratio = frequency / resonance
    amplitude = 1.0 / math.hypot(1.0 - ratio**2, 2.0 * damping * ratio)
    return {{"amplitude": amplitude, "is_resonant": amplitude > 2.0}}
'''


def write(name: str, experiments: str | os.PathLike[str] | None = None) -> Path:
    """Write ``NAME.py`` into the folder of experiments.

    Raises
    ------
    SweepsError
        For a name that Python cannot have.
    StorageError
        Where such a file is there already; it is left as it is.
    """
    if not name.isidentifier() or name.startswith("_"):
        raise SweepsError(
            f"{name!r} cannot name an experiment: use letters, digits and underscores"
        )
    folder = Path(experiments or default_folder())
    path = folder / f"{name}.py"
    if path.exists():
        raise StorageError(f"{path} is there already: take another name")
    files.make_folder(folder)
    with files.told(path), path.open("x") as file:
        file.write(_TEXT.format(name=name))
    return path
