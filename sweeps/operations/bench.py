"""How much faster workers are than sequential code, on a sample of one's own points.

Memo and results stay as they are: all points are computed anew, in a folder that is removed.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from sweeps import engines
from sweeps.analysis import speedup
from sweeps.analysis.speedup import Benchmark, Timing, Variant
from sweeps.code import provenance
from sweeps.declaration.experiment import Experiment
from sweeps.errors import SweepsError
from sweeps.execution import timing
from sweeps.memo import index as memo
from sweeps.memo import listing
from sweeps.outputs.failures import shortened
from sweeps.project.imports import refuse_while_importing
from sweeps.project.sweep import Sweep, resolve
from sweeps.signals import Interrupted, interruptible
from sweeps.spaces import keys
from sweeps.spaces.product import Positions
from sweeps.storage import files
from sweeps.text import brief, count

N_ROUNDS = 3

_SEQUENTIAL_S = 3.0
"""What the sequential run aims at: noise of some 10 ms vanishes, and nobody waits for long."""

_CALIBRATION_S = 0.3

_GROWTH = 8

_SHARES = 4  # points for a worker, at least, unless they take very long

_MOST_POINTS = 10**6

_MOST_BYTES = 2**28  # of values, on the disk at one time

Tell = Callable[[str], None]


def bench(
    experiment: str | Experiment,
    *,
    n_points: int | None = None,
    workers: Sequence[int] | None = None,
    n_rounds: int = N_ROUNDS,
    axes: Mapping[str, Any] | None = None,
    only: str | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> Benchmark:
    """Compare sequential with parallel code on a sample of an experiment's points.

    Parameters
    ----------
    experiment, axes, only, results, experiments
        As for `sweeps.run`.
    n_points : int, optional
        Points of the sample; by default so many that they take some seconds.
    workers : sequence of int, optional
        Numbers of workers; by default powers of two, and all cores.
    n_rounds : int
        How often each is timed; medians count.

    Returns
    -------
    Benchmark
        Printed, it is a table.

    Raises
    ------
    SweepsError
        For what cannot be run, and where all points of the sample fail.
    """
    refuse_while_importing("bench()")
    made = resolve(experiment, results=results, experiments=experiments, axes=axes, only=only)
    said = {name: shortened(str(values), 200) for name, values in (axes or {}).items()}
    try:
        return measure(made, n_points, workers, n_rounds, axes=said, only=only)
    except Interrupted:
        raise KeyboardInterrupt from None


def last(sweep: Sweep) -> Benchmark:
    """Read the last benchmark of the present code.

    Raises
    ------
    SweepsError
        Where there is none.
    """
    name = sweep.experiment.name
    found = speedup.read(sweep.memo, name)
    if found is None:
        raise SweepsError(
            f"the present code of {name!r} has no benchmark yet: python -m sweeps bench {name}"
        )
    return found


def measure(
    sweep: Sweep,
    n_points: int | None = None,
    workers: Sequence[int] | None = None,
    n_rounds: int = N_ROUNDS,
    *,
    axes: Mapping[str, str] | None = None,
    only: str | None = None,
    tell: Tell = lambda text: None,
) -> Benchmark:
    """Time a sample of a sweep's points sequentially and on workers, and keep what came of it.

    Parameters
    ----------
    axes, only
        What made the sweep's space, in words, to be said with the benchmark.
    tell : callable
        Gets a line for each step.

    Raises
    ------
    SweepsError
        For what cannot be run, and where all points of the sample fail.
    Interrupted
        By the first signal; nothing is kept.
    """
    keys.check(sweep.experiment)
    given = _checked(n_points, workers, n_rounds)
    with interruptible() as interruption, _scratch(sweep) as folder:
        interruption.tell(_end_at_once)

        def step(text: str) -> None:
            if interruption.is_asked:  # what a signal raises amid a destructor is lost
                raise Interrupted
            tell(text)

        n_sample = min(n_points or _calibrated(sweep, given[-1], folder, step), _len(sweep))
        step(f"{count(n_sample, 'point')} first, to see which fail")
        sample, positions = _working(sweep, n_sample, given[-1], folder)
        numbers = sorted({min(n, len(positions)) for n in given})
        timings = _rounds(sweep, positions, numbers, n_rounds, folder, step)
    made = Benchmark(
        sweep.experiment.name,
        sweep.fingerprint.digest,
        provenance.now(),
        {**provenance.of_machine(), "cores": str(_n_cores())},
        len(positions),
        _len(sweep),
        len(sample) - len(positions),
        timing.is_plain(sweep.experiment),
        axes or {},
        only,
        tuple(Variant(n, tuple(each)) for n, each in timings.items()),
    )
    speedup.keep(sweep.memo, made)
    return made


def _end_at_once() -> NoReturn:
    raise Interrupted  # there is nothing to be finished and kept


def _len(sweep: Sweep) -> int:
    return len(sweep.experiment.space)


def _n_cores() -> int:
    from joblib import cpu_count

    n_cores: int = cpu_count()
    return n_cores


def _checked(n_points: int | None, workers: Sequence[int] | None, n_rounds: int) -> list[int]:
    """Numbers of workers, ascending; refuse what cannot be."""
    named = {"points": [n_points] if n_points is not None else [], "rounds": [n_rounds]}
    named["workers"] = list(workers) if workers is not None else default_workers(_n_cores())
    for name, numbers in named.items():
        if any(type(n) is not int or n < 1 for n in numbers) or (name == "workers" and not numbers):
            raise SweepsError(f"{name}: {numbers} is not a number of {name}: give at least 1")
    return sorted(set(named["workers"]))


def default_workers(n_cores: int) -> list[int]:
    """Powers of two, and all cores.

    Examples
    --------
    >>> default_workers(6), default_workers(1)
    ([1, 2, 4, 6], [1])
    """
    return sorted({*(2**i for i in range(n_cores.bit_length())), n_cores})


@contextlib.contextmanager
def _scratch(sweep: Sweep) -> Iterator[Path]:
    """Make a folder on the disk where results go, so that they cost here what they cost there.

    `clean` knows it by its prefix, should this process be killed.
    """
    name = f"{files.TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex}"
    folder = sweep.results / name
    files.make_folder(folder)
    try:
        yield folder
    finally:
        engines.get(timing.ENGINE).close()  # those of an interrupted round write to it
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _within(folder: Path) -> Iterator[Path]:
    """Make a folder for one time that points are computed."""
    place = folder / uuid.uuid4().hex
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def sampled(n_points: int, n_sample: int) -> Positions:
    """Choose points that are spread evenly over a space, the same ones when asked again.

    One of each of as many equal pieces, at random: equal distances would meet the same few values
    of an axis again and again.

    Examples
    --------
    >>> sampled(10, 3), sampled(4, 4)
    (array([2, 4, 8]), array([0, 1, 2, 3]))
    """
    edges = np.arange(n_sample + 1, dtype=np.int64) * n_points // n_sample
    return np.random.default_rng(0).integers(edges[:-1], edges[1:])


def _positions(sweep: Sweep, n_sample: int) -> Positions:
    places = sampled(_len(sweep), n_sample)
    accepted = sweep.experiment.space.accepted
    return places if accepted is None else accepted[places]


def _calibrated(sweep: Sweep, n_workers: int, folder: Path, tell: Tell) -> int:
    """Find how many points the sample needs, by computing ever more of them."""
    n_points = _len(sweep)
    n = first = min(n_points, n_workers)
    while True:
        tell(f"how long does a point take? {count(n, 'point')}")
        with _within(folder) as place:
            tally = timing.computed(sweep, _positions(sweep, n), n_workers, place)
            point_bytes = _size_bytes(place) / n
        spent_s = max(tally.busy_s, tally.seconds)
        # The first points of a function warm it up.
        if n == n_points or spent_s > (_CALIBRATION_S if n > first else _SEQUENTIAL_S):
            break
        n = min(n_points, _GROWTH * n)
    point_s = max(tally.busy_s or tally.seconds, 1e-9) / n  # who died leaves no receipt
    tell(f"about {brief(point_s)}")
    wanted = min(_SEQUENTIAL_S / point_s, _MOST_POINTS, _MOST_BYTES / max(point_bytes, 1))
    evenly = min(_SHARES * n_workers, _SHARES * _SEQUENTIAL_S / point_s)  # or the last one decides
    return min(n_points, n_workers * max(1, math.ceil(max(wanted, evenly) / n_workers)))


def _size_bytes(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in listing.listing_of(folder))


def _working(
    sweep: Sweep, n_sample: int, n_workers: int, folder: Path
) -> tuple[Positions, Positions]:
    """Compute the sample once in workers; give it, and those of it that have values.

    A point that kills its process or never ends would do so in this process too, where the
    sequential variant runs. Besides, caches of helpers are filled and files are read.

    Raises
    ------
    SweepsError
        Where no point has values.
    """
    sample = _positions(sweep, n_sample)
    with _within(folder) as place:
        timing.computed(sweep, sample, n_workers, place)
        index = memo.scan(place)
    positions = sample[index.find(sweep.keys(sample)) >= 0]
    if not len(positions):
        (place_of_first,) = index.find_failed(sweep.keys(sample[:1])).tolist()
        first = list(index.failures.values())[place_of_first]
        raise SweepsError(
            f"all {count(n_sample, 'point')} of the sample fail, point {int(sample[0])} "
            f"with {first.type}: {' '.join(first.message.split())}; nothing is left to "
            f"time; debug it: python -m sweeps reproduce {sweep.experiment.name} --point "
            f"{int(sample[0])}"
        )
    return sample, positions


def _rounds(
    sweep: Sweep,
    positions: Positions,
    numbers: Sequence[int],
    n_rounds: int,
    folder: Path,
    tell: Tell,
) -> dict[int | None, list[Timing]]:
    """Time all variants in each round, in another order each time, as machines get slower."""
    timings: dict[int | None, list[Timing]] = {n: [] for n in (None, *numbers)}
    for i in range(n_rounds):
        tell(f"round {i + 1} of {n_rounds}")
        order = list(timings)
        order = order[i % len(order) :] + order[: i % len(order)]
        for n in order:
            if n is None:
                timings[n].append(timing.sequential(sweep, positions))
                continue
            with _within(folder) as place:
                timings[n].append(timing.parallel(sweep, positions, n, place))
    return timings
