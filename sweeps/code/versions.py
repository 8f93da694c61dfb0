"""Which versions compute, and what becomes of runs and workers whose versions differ.

Code of a project travels as source, and stored values have formats of their own. So most versions
can work together, and a user is only told. Refused is what cannot work, or not be trusted.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_MOST = 40  # characters of a version that another machine tells


@dataclasses.dataclass(frozen=True)
class Versions:
    """The versions that a process computes with, such as "3.11.7"; empty where unknown."""

    python: str
    numpy: str
    sweeps: str

    @property
    def counted(self) -> tuple[str, str, str]:
        """What counts of them: the minor version of Python, the major one of numpy, of sweeps all.

        Examples
        --------
        >>> Versions("3.11.7", "2.1.0", "0.1.0").counted
        ('3.11', '2', '0.1.0')
        """
        return _first(self.python, 2), _first(self.numpy, 1), self.sweeps


class Difference(NamedTuple):
    """Sentences about versions that differ, each of which names both; empty where none does."""

    refusals: tuple[str, ...]
    warnings: tuple[str, ...]


def here() -> Versions:
    """Return the versions of this process."""
    import numpy as np

    import sweeps

    return Versions(platform.python_version(), np.__version__, sweeps.__version__)


def of(said: Mapping[str, Any]) -> Versions:
    """Make them from what a file or another machine says; what is no text is unknown.

    Examples
    --------
    >>> of({"python": "3.12.1", "numpy": 2})
    Versions(python='3.12.1', numpy='', sweeps='')
    """
    names = (field.name for field in dataclasses.fields(Versions))
    told = (said.get(name) for name in names)
    return Versions(*(text[:_MOST] if isinstance(text, str) else "" for text in told))


def differ(
    here: Versions,
    there: Versions,
    place: str,
    *,
    is_worker: bool = True,
    has_bytecode: bool = False,
) -> Difference:
    """Say which versions differ in what counts, and how to get rid of it; unknown ones do not.

    Parameters
    ----------
    here, there : Versions
        Of this run, and of the other process.
    place : str
        What the other process is, with its host: "the worker on node7".
    is_worker : bool
        Whether it computes for this run, and gets objects of sweeps as pickles. Then it needs the
        same version of sweeps. Runs that share a folder only need the same formats, which files
        say.
    has_bytecode : bool
        Whether it gets functions as byte code, which another minor version of Python cannot run:
        those of ``__main__`` and of notebooks.

    Examples
    --------
    >>> here, there = Versions("3.11.7", "2.1.0", "0.1.0"), Versions("3.12.1", "2.4.6", "0.1.0")
    >>> print(*differ(here, there, "the worker on node7").warnings)
    the worker on node7 has Python 3.12.1, and this run has Python 3.11.7: values may differ between
    them; to be sure, install the same version on both
    """
    pairs = zip(dataclasses.asdict(here).items(), dataclasses.astuple(there), strict=True)
    counted = zip(here.counted, there.counted, strict=True)
    refusals, warnings = [], []
    for ((name, own), other), (a, b) in zip(pairs, counted, strict=True):
        if not own or not other or a == b:
            continue
        name = name.replace("python", "Python")
        both = f"{place} has {name} {other}, and this run has {name} {own}"
        if is_worker and (name == "sweeps" or (name == "Python" and has_bytecode)):
            refusals.append(f"{both}: install the same version on both")
        else:
            warnings.append(
                f"{both}: values may differ between them; to be sure, install the same version on "
                "both"
            )
    return Difference(tuple(refusals), tuple(warnings))


def mixed(here: Versions, earlier: Sequence[Versions], points: str) -> tuple[str, ...]:
    """Say which versions stored points have, where those to come have others.

    Examples
    --------
    >>> here, earlier = Versions("3.12.1", "2.4.6", "0.1.0"), Versions("3.11.7", "2.1.0", "0.1.0")
    >>> print(*mixed(here, [earlier], "600 points of 'pendulum'"))
    600 points of 'pendulum' were computed with Python 3.11.7, and this run has Python 3.12.1:
    values may differ between them; to compute all points with this one, use --recompute, or give
    the experiment a new version=
    """
    told = []
    for at, (field, name) in enumerate({"python": "Python", "numpy": "numpy"}.items()):
        own = getattr(here, field)
        others = {each.counted[at]: getattr(each, field) for each in earlier}
        if own and all(others) and here.counted[at] not in others:
            told.append(
                f"{points} were computed with {name} {' or '.join(others.values())}, and this run "
                f"has {name} {own}: values may differ between them; to compute all points with "
                "this one, use --recompute, or give the experiment a new version="
            )
    return tuple(told)


def _first(version: str, n: int) -> str:
    return ".".join(version.split(".")[:n])
