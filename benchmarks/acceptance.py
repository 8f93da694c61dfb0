"""What must hold, as ratios within one run of the benchmark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import fitting
from benchmarks.contenders import (
    FSYNCED,
    IMPORTS,
    PEERS,
    POOL,
    PROMISED,
    SPAWNED,
    STARTED,
    SWEEPS,
    UNFLUSHED,
    Contender,
)
from benchmarks.rows import Row, find

ONE_MORE, ANEW = "sweeps, one more", "plain h5py, all again"
"""As `benchmarks.cases.growing` names its rows."""

Found = Mapping[str, Sequence[Row]]
MIB = 2**20


@dataclass(frozen=True)
class Demand:
    """A figure and its bound; `at_least` says which side is good. NaN is not measured."""

    case: str
    text: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether it holds, or None if it was not measured."""
        if math.isnan(self.value):
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def demands(found: Found) -> list[Demand]:
    """All demands, those without figures included."""
    return [
        *_scalars(found),
        *_arrays(found.get("B4", ())),
        *_rest(found),
        *(
            Demand(
                name, "steepest growth of our wall time between two sizes, an exponent", power, 1.1
            )
            for name in ("B1", "B2", "B3", "B7", "B8", "B9", "B10")
            if name in found and not math.isnan(power := _growth(found[name]))
        ),
    ]


def _scalars(found: Found) -> Iterator[Demand]:
    fresh, again = found.get("B1", ()), found.get("B2", ())
    ours = find(fresh, SWEEPS.name, 10**6, "wall_s")
    pool = find(fresh, POOL.name, 10**6, "wall_s")
    yield Demand("B1", "wall time at 10⁶ points / that of Pool.map + h5py", over(ours, pool), 2)
    per_point = marginal_s(fresh, SWEEPS.name)
    for peer in PEERS:
        times = over(marginal_s(fresh, peer.name), per_point)
        bound = 100 if peer.package == "joblib" else 10
        yield Demand("B1", f"cost of a point of {peer.name} / ours", times, bound, True)
    most = find(fresh, SWEEPS.name, 10**7, "wall_s")
    most = over(most, 10 * ours)
    yield Demand("B1", "cost of a point at 10⁷ / that at 10⁶", most, 1.1)
    peak = find(fresh, SWEEPS.name, 10**7, "peak_bytes") / 1e9
    yield Demand("B1", "peak memory at 10⁷ points, in GB", peak, 1)
    yield Demand(
        "B2", "wall time at 10⁶ points, in s", find(again, SWEEPS.name, 10**6, "wall_s"), 1
    )
    ours, imports = (find(again, name, 10**4, "wall_s") for name in (SWEEPS.name, IMPORTS.name))
    small = over(ours, imports)
    yield Demand("B2", "wall time at 10⁴ points / import numpy, h5py", small, 2)


def _arrays(rows: Sequence[Row]) -> Iterator[Demand]:
    for size in (1, 8):

        def speed(name: str, size: int = size) -> float:
            return find(rows, name, size, "mb_per_s")

        def after(whole: Contender, start: Contender, size: int = size) -> float:
            walls = (find(rows, each.name, size, "wall_s") for each in (whole, start))
            return next(walls) - next(walls)

        what = f"arrays of {size} MiB"
        flushed = over(speed(SWEEPS.name), speed(FSYNCED.name))
        yield Demand("B4", f"{what}: MB/s / plain h5py's, both flushed", flushed, 0.7, True)
        net = over(after(FSYNCED, IMPORTS), after(SWEEPS, STARTED))
        yield Demand("B4", f"{what}: the same, starts not counted", net, 1, True)
        by_hand = over(speed(SWEEPS.name), speed(PROMISED.name))
        yield Demand("B4", f"{what}: MB/s / that of the same promises, by hand", by_hand, 0.7, True)
        for peer in PEERS:
            if peer.package in ("signac", "diskcache", "joblib"):
                ratio = over(speed(UNFLUSHED.name), speed(peer.name))
                yield Demand("B4", f"{what}: MB/s / {peer.name}'s, unflushed", ratio, 1, True)
        disk = find(rows, SWEEPS.name, size, "disk_over_data")
        yield Demand("B4", f"{what}: disk / data", disk, 1.05)
        peak = find(rows, SWEEPS.name, size, "peak_bytes") / 1e9
        yield Demand("B4", f"{what}: peak memory, in GB", peak, 0.6)


def _rest(found: Found) -> Iterator[Demand]:
    for n_tasks in (64, 1000):
        rows = found.get("B5", ())
        efficiency = find(rows, SWEEPS.name, n_tasks, "efficiency")
        yield Demand("B5", f"efficiency of {n_tasks} tasks", efficiency, 0.97, True)
        tail = find(rows, SWEEPS.name, n_tasks, "tail_tasks")
        yield Demand("B5", f"tail of {n_tasks} tasks, in median tasks", tail, 1)
    rows = found.get("B6", ())
    bare, helped, status = (
        find(rows, name, 10**6, "wall_s")
        for name in ("python -c pass", "sweeps --help", "sweeps status scalar")
    )
    yield Demand("B6", "--help minus bare Python, in s", helped - bare, 0.1)
    yield Demand("B6", "status of 10⁶ points in a results file, in s", status, 0.4)
    rows = found.get("B11", ())
    ours, floor = (find(rows, name, 10**5, "wall_s") for name in (SWEEPS.name, SPAWNED.name))
    yield Demand("B11", "wall time of 10⁵ programs / posix_spawn alone", over(ours, floor), 1.3)
    rows = found.get("B7", ())
    per_point = find(rows, SWEEPS.name, 10**8, "wall_s") / 10**8 * 1e6
    yield Demand("B7", "µs a point at 10⁸", per_point, 0.1)
    peak = find(rows, SWEEPS.name, 10**8, "peak_bytes") / 1e9
    yield Demand("B7", "peak memory at 10⁸ points, in GB", peak, 1.5)
    rows = found.get("B10", ())
    more, anew = (find(rows, name, 10**6, "wall_s") for name in (ONE_MORE, ANEW))
    what = "one more value on an axis of 10⁶ / plain h5py writing all anew"
    yield Demand("B10", what, over(more, anew), 3)


def over(ours: float, theirs: float) -> float:
    """Divide; what is over nothing is not known."""
    return ours / theirs if theirs else math.nan


def marginal_s(rows: Sequence[Row], contender: str) -> float:
    """Return the cost of one point more, by a fit over all sizes."""
    points = walls(rows, contender)
    sizes, seconds = [size for size, _ in points], [wall for _, wall in points]
    return fitting.fixed_and_marginal(sizes, seconds)[1]


def walls(rows: Sequence[Row], contender: str) -> list[tuple[float, float]]:
    """Sizes and walls of a contender."""
    return sorted(
        (row.size, row.numbers["wall_s"])
        for row in rows
        if row.contender == contender and "wall_s" in row.numbers
    )


def _growth(rows: Sequence[Row]) -> float:
    """Return the steepest growth between two sizes of any row of ours."""
    names = {row.contender for row in rows if row.contender.startswith("sweeps")}
    lines = [walls(rows, name) for name in names]
    powers = [fitting.steepest(*zip(*line, strict=True)) for line in lines if len(line) > 1]
    return max(powers, default=math.nan)
