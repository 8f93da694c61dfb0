"""Where the time went: which points were slow, and where in the space they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sweeps.analysis import overview
from sweeps.reports import words
from sweeps.reports.places import Places, distinct, python
from sweeps.text import brief

if TYPE_CHECKING:
    import xarray

N_SLOWEST = 5

_MOST_BINS = 12

_MOST_PROFILES = 4

_QUANTILES = {"fastest": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "slowest": 1.0}

_TELLING = 1.5
"""The time depends on a parameter if it is so many times longer at some values than at others."""

_MANY, _LONG_S = 10, 1e-3
"""A median is believed if it is of so many points, or so long."""


@dataclasses.dataclass(frozen=True)
class Slow:
    """A point, and how long it took."""

    position: int
    parameters: str
    elapsed_s: float


@dataclasses.dataclass(frozen=True)
class Bin:
    """The points at one value of a parameter, or in a range of its values.

    Attributes
    ----------
    n_computed : int
        Those whose time is known; failed ones are not among them.
    median_s : float
        Of the computed ones; NaN if there are none.
    """

    label: str
    n_computed: int
    n_failed: int
    median_s: float


@dataclasses.dataclass(frozen=True)
class Profile:
    """How time and failures depend on one parameter."""

    name: str
    units: str
    bins: tuple[Bin, ...]

    @property
    def slowest(self) -> Bin:
        """The values at which points take longest."""
        return max(self._timed, key=lambda each: each.median_s)

    @property
    def fastest(self) -> Bin:
        """The values at which points take the shortest time."""
        return min(self._timed, key=lambda each: each.median_s)

    @property
    def ratio(self) -> float:
        """How many times longer points take at some values than at others, in the median."""
        if not self._timed or not (_is_sure(self.slowest) and _is_sure(self.fastest)):
            return 1.0
        return self.slowest.median_s / max(self.fastest.median_s, 1e-9)

    @property
    def n_failed(self) -> int:
        """Failed points."""
        return sum(each.n_failed for each in self.bins)

    @property
    def _timed(self) -> list[Bin]:
        return [each for each in self.bins if each.median_s == each.median_s]


def _is_sure(found: Bin) -> bool:
    """Whether a median says more than how busy the machine was for a moment."""
    return found.n_computed >= _MANY or found.median_s >= _LONG_S


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long points took.

    Attributes
    ----------
    total_s : float
        Of all points, one after the other.
    quantiles : dict of str to float
        Seconds.
    slow_share : str
        The part of the time that the slowest tenth of the points took.
    """

    n_points: int
    total_s: float
    quantiles: dict[str, float]
    slow_share: str
    slowest: tuple[Slow, ...]
    profiles: tuple[Profile, ...]

    @property
    def finding(self) -> str:
        """Say which parameter the time depends on most; empty if on none."""
        telling = [each for each in self.profiles if each.ratio >= _TELLING]
        if not telling:
            return ""
        most = max(telling, key=lambda each: each.ratio)
        slow, fast = most.slowest, most.fastest
        return (
            f"The time depends most on {most.name}: the median is {brief(slow.median_s)} at "
            f"{slow.label}, and {brief(fast.median_s)} at {fast.label}."
        )


def timing(
    found: Places, status: npt.NDArray[np.int8], elapsed: npt.NDArray[np.float32], failed: int
) -> Timing | None:
    """Describe how long points took; None if no time is known.

    Parameters
    ----------
    status, elapsed : numpy.ndarray
        Of every point, flat.
    failed : int
        The value of `status` that means failed.
    """
    at = np.flatnonzero(np.isfinite(elapsed))
    if not len(at):
        return None
    taken = elapsed[at].astype(float)
    order = np.sort(taken)
    slow = at[np.argsort(-taken, kind="stable")[:N_SLOWEST]]
    total = float(taken.sum())
    tenth = order[-max(1, len(order) // 10) :].sum()
    return Timing(
        n_points=len(at),
        total_s=total,
        quantiles=dict(
            zip(_QUANTILES, np.quantile(order, [*_QUANTILES.values()]).tolist(), strict=True)
        ),
        slow_share=f"{100 * tenth / total:.0f} %" if total > 0 else "0 %",
        slowest=tuple(Slow(int(n), found.at(int(n)), float(elapsed[n])) for n in slow),
        profiles=_profiles(found, status == failed, elapsed),
    )


def _profiles(
    found: Places, is_failed: npt.NDArray[np.bool_], elapsed: npt.NDArray[np.float32]
) -> tuple[Profile, ...]:
    """Describe the parameters that the time depends on, or whose values some failures have."""
    made = [
        Profile(name, str(own.attrs.get("units", "")), bins)
        for name, own in found.coordinates.items()
        if len(bins := tuple(_bins(found, name, own, is_failed, elapsed))) > 1
    ]
    telling = [each for each in made if each.ratio >= _TELLING or each.n_failed]
    ranked = sorted(telling, key=lambda each: -each.ratio)[:_MOST_PROFILES]
    return tuple(each for each in telling if each in ranked)


def _bins(
    found: Places,
    name: str,
    own: xarray.Variable,
    is_failed: npt.NDArray[np.bool_],
    elapsed: npt.NDArray[np.float32],
) -> Iterator[Bin]:
    labels, codes = _cut(own)
    spread = found.spread(name, codes)
    is_timed = np.isfinite(elapsed)
    for number, label in enumerate(labels):
        here = spread == number
        taken = elapsed[here & is_timed]
        n_failed = int(np.count_nonzero(here & is_failed))
        median = float(np.median(taken)) if len(taken) else np.nan
        if len(taken) or n_failed:
            yield Bin(label, len(taken), n_failed, median)


def _cut(own: xarray.Variable) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Cut the values of a parameter into few parts; return their labels, and the part of each.

    Values that are missing are in none: -1.
    """
    different, missing = distinct(own), overview.is_missing(own)
    units = str(own.attrs.get("units", ""))

    def text(i: int) -> str:
        return words.shown(python(different[i : i + 1]))

    if different.dtype.kind in "OUTc" or len(different) <= _MOST_BINS:
        kept = list(range(min(len(different), _MOST_BINS)))
        labels = [words.with_units(text(i), units) for i in kept]
        numbers = {value: i for i, value in enumerate(different[kept].tolist())}
        given = own.values
        shown = given.astype(str).astype(object) if given.dtype.kind in "OUT" else given
        codes = np.array([numbers.get(v, len(kept)) for v in shown.ravel().tolist()])
        if len(different) > len(kept):
            labels.append(f"{len(different) - len(kept):,} others")
    else:
        edges = np.linspace(0, len(different), _MOST_BINS + 1).astype(int)
        pairs = list(zip(edges[:-1].tolist(), (edges[1:] - 1).tolist(), strict=True))
        ends = [dict.fromkeys((text(a), text(b))) for a, b in pairs]
        labels = [words.with_units(" to ".join(each), units) for each in ends]
        rank = np.searchsorted(different, own.values).ravel()
        codes = np.searchsorted(edges, rank, side="right") - 1
    return labels, np.where(missing, -1, codes.reshape(own.shape)).astype(np.intp)
