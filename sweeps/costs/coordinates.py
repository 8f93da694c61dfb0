"""Where points are, as numbers in which costs are smooth: values, their logarithms and ranks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sweeps.spaces.product import ABSENT, Codes, Positions
from sweeps.spaces.space import Space
from sweeps.spaces.values import Values

Array = npt.NDArray[np.float64]

_MOST = 16
"""Parameters that are looked at; of more, the first ones."""


@dataclasses.dataclass(frozen=True, eq=False)
class Along:
    """The points along one parameter.

    Attributes
    ----------
    smooth : numpy.ndarray
        Shape (n, k), numbers of mean 0 and variance 1 over the known points, that costs may be
        linear in; k is 0 where values have no order.
    rank : numpy.ndarray or None
        Shape (n,), where among the known values, from 0 to 1; None where values have no order.
    code : numpy.ndarray
        Shape (n,), which value it is.
    """

    smooth: Array
    rank: Array | None
    code: Codes

    def of(self, rows: npt.NDArray[np.int64]) -> Along:
        """Take some of the points."""
        rank = None if self.rank is None else self.rank[rows]
        return Along(self.smooth[rows], rank, self.code[rows])


Places = Mapping[str, Along]
"""Points, by parameter."""


class Coordinates:
    """Makes numbers of the parameters of points, the same way for points known and unknown."""

    def __init__(self, space: Space, known: Positions) -> None:
        self._space = space
        codes = space.codes(known)
        self._scales = {
            name: _Scale.of(space.columns[name].table, own)
            for name, own in list(codes.items())[:_MOST]
            if (own != own[0]).any()  # else nothing is known of what it does
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that differ among the known points."""
        return tuple(self._scales)

    def at(self, positions: Positions) -> dict[str, Along]:
        """Make the coordinates of points."""
        codes = self._space.codes(positions)
        return {name: scale(codes[name]) for name, scale in self._scales.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class _Scale:
    """How values of a parameter become numbers; without `known`, they have no order."""

    table: Values
    known: Array | None = None
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    is_positive: bool = False

    @classmethod
    def of(cls, table: Values, codes: Codes) -> _Scale:
        values = _numbers(table, codes[codes != ABSENT])
        if values is None or len(values) == 0 or not np.isfinite(values).all():
            return cls(table)
        known = np.unique(values)
        if len(known) < 3:
            return cls(table)
        is_positive = bool(known[0] > 0)
        smooth = _smooth(values, is_positive)
        means, deviations = smooth.mean(axis=0), smooth.std(axis=0)
        if not (np.isfinite(deviations).all() and (deviations > 0).all()):
            return cls(table)
        return cls(table, known, tuple(means), tuple(deviations), is_positive)

    def __call__(self, codes: Codes) -> Along:
        if self.known is None:
            return Along(np.empty((len(codes), 0)), None, codes)
        is_there = codes != ABSENT
        smooth, rank = np.zeros((len(codes), len(self.means))), np.full(len(codes), 0.5)
        values = _numbers(self.table, codes[is_there])
        assert values is not None
        with np.errstate(all="ignore"):
            scaled = (_smooth(values, self.is_positive) - self.means) / self.deviations
        smooth[is_there] = np.nan_to_num(np.clip(scaled, -6, 6))
        places = np.linspace(0, 1, len(self.known))
        rank[is_there] = np.nan_to_num(np.interp(values, self.known, places), nan=0.5)
        return Along(smooth, rank, codes)


def _numbers(table: Values, codes: Codes) -> Array | None:
    """Values as real numbers; None where they have no order."""
    if table.kind not in ("int", "float", "time", "timedelta", "quantity"):
        return None
    values = table.coordinate(codes)
    if values.dtype.kind in "mM":
        values = values.astype(np.int64)
    return values.astype(np.float64) if values.dtype.kind in "iufb" else None


def _smooth(values: Array, is_positive: bool) -> Array:
    """Costs are powers or exponentials of a value: linear in its logarithm, or in itself."""
    if not is_positive:
        return values[:, np.newaxis]
    with np.errstate(all="ignore"):
        return np.stack([values, np.log(values)], axis=1)
