"""Draws: what is asked to be sampled, and how: ``length=0.1:2 'sample=sobol(1024)'``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

METHODS = ("sobol", "halton", "latin_hypercube", "uniform", "saltelli")


@dataclasses.dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`; of a parameter of whole numbers those, `high` included."""

    low: int | float
    high: int | float

    def __str__(self) -> str:
        return f"{self.low}:{self.high}"


@dataclasses.dataclass(frozen=True)
class Choice:
    """Values of which each is as likely as another; a list of values where nothing is sampled."""

    values: Sequence[Any]


@dataclasses.dataclass(frozen=True)
class Draw:
    """How to sample, and how many points; without a `seed` that of the experiment, or 0."""

    method: str
    n: int
    seed: int | None = None

    def __str__(self) -> str:
        seed = "" if self.seed is None else f", seed={self.seed}"
        return f"{self.method}({self.n}{seed})"
