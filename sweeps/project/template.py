"""A ready-to-run experiment to start from."""

from __future__ import annotations

import builtins
import keyword
import os
from pathlib import Path

from sweeps.errors import DeclarationError, StorageError
from sweeps.project.discovery import default_folder
from sweeps.storage import files

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
    units={{"frequency": "Hz", "resonance": "Hz", "amplitude": "1"}},
)
def {name}(frequency, damping, resonance=1.0):
    """Amplitude of a driven, damped oscillator, relative to its static deflection."""
    ratio = frequency / resonance
    amplitude = 1.0 / math.hypot(1.0 - ratio**2, 2.0 * damping * ratio)
    return {{"amplitude": amplitude, "is_resonant": amplitude > 2.0}}
'''

_USED = {"math", "experiment", "grid"}


def write(name: str, experiments: str | os.PathLike[str] | None = None) -> Path:
    """Write ``NAME.py`` into the folder of experiments."""
    if not name.isidentifier() or name.startswith("_"):
        raise DeclarationError(
            f"{name!r} cannot name an experiment: use letters, digits and underscores, "
            "beginning with a letter"
        )
    if keyword.iskeyword(name) or hasattr(builtins, name) or name in _USED:
        raise DeclarationError(f"{name!r} has a meaning in Python: choose another name")
    folder = Path(experiments or default_folder())
    path = folder / f"{name}.py"
    files.make_folder(folder)
    with files.told(path):
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(_TEXT.format(name=name))
        except FileExistsError:
            raise StorageError(f"{path} exists already: choose another name") from None
    return path
