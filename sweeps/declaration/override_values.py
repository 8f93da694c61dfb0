"""Values of the command line: ranges by name, and what is to be sampled."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


MAX_VALUES = 10**8

SERIES = {
    "linspace": "linspace(first, last, number of values)",
    "logspace": "logspace(first exponent of 10, last exponent, number of values)",
    "geomspace": "geomspace(first, last, number of values)",
    "range": "range(stop), range(start, stop) or range(start, stop, step), all whole numbers",
    "arange": "arange(stop), arange(start, stop) or arange(start, stop, step)",
}

METHODS = ("sobol", "halton", "latin_hypercube", "uniform", "saltelli")


def series(name: str, arguments: Sequence[int | float]) -> range | npt.NDArray[np.float64]:
    """Return what numpy's function of this name returns, bit for bit; a range of whole numbers.

    It says what is wrong with the arguments in a ValueError or OverflowError.

    Examples
    --------
    >>> series("linspace", [0, 1, 5]).tolist(), series("range", [2, 5])
    ([0.0, 0.25, 0.5, 0.75, 1.0], range(2, 5))
    """
    if name in ("range", "arange"):
        if not 1 <= len(arguments) <= 3:
            raise ValueError(f"write {SERIES[name]}")
        start, stop, step = {1: (0, *arguments, 1), 2: (*arguments, 1)}.get(
            len(arguments), tuple(arguments)
        )
        return _range(name, start, stop, step)
    if len(arguments) != 3 or not isinstance(arguments[2], int):
        raise ValueError(f"write {SERIES[name]}; the last argument is a whole number")
    first, last, n_values = float(arguments[0]), float(arguments[1]), arguments[2]
    _check_size(n_values)
    import numpy as np

    with np.errstate(all="ignore"):
        values = getattr(np, name)(first, last, n_values)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} from {first} to {last} goes beyond the finite numbers")
    return values  # type: ignore[no-any-return]


def _range(name: str, start: float, stop: float, step: float) -> range | npt.NDArray[np.float64]:
    if step == 0:
        raise ValueError("the step must not be 0")
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
        _check_size(max(0, -((start - stop) // step)))
        return range(start, stop, step)
    if name == "range":
        raise ValueError(
            "range takes whole numbers: use arange, or linspace to include the end exactly"
        )
    _check_size((float(stop) - float(start)) / float(step))
    import numpy as np

    values: npt.NDArray[np.float64] = np.arange(float(start), float(stop), float(step))
    return values


def _check_size(n_values: float) -> None:
    if n_values > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    if n_values <= 0:
        raise ValueError("this gives no values")


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
