"""Compare results of earlier code with results of the present code, point by point."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.declaration.experiment import Experiment
from sweeps.errors import SweepsError
from sweeps.execution import compute
from sweeps.execution.options import Options, Tally
from sweeps.history.differences import Difference, merged, of_variable
from sweeps.history.earlier import (
    Earlier,
    Gained,
    choose,
    entries,
    gained,
    listed,
    own,
    shifted,
    with_earlier_streams,
)
from sweeps.memo import claims, merge, reader, segment
from sweeps.memo import index as memo
from sweeps.memo.index import Entries
from sweeps.outputs import schema
from sweeps.outputs.types import Variable
from sweeps.progress.show import Watch
from sweeps.project.imports import refuse_while_importing
from sweeps.project.sweep import Sweep, resolve
from sweeps.signals import interruptible
from sweeps.spaces.product import Positions
from sweeps.spaces.values import label
from sweeps.storage.hdf5 import Array
from sweeps.text import table

N_SAMPLE = 100


@dataclasses.dataclass(frozen=True)
class Compared:
    """How the values of two versions of the code differ.

    Attributes
    ----------
    then, now : str
        Fingerprints.
    points : int
        Points that were compared.
    computed : int
        Points that the present code computed for this comparison; they are stored.
    failed : int
        Points of the sample where the present code fails.
    common : int
        Points of the space with values of the earlier code; the sample is drawn from them.
    is_exact : bool
        Whether all points have values, and all values are equal to the last bit.
    outputs : tuple of Difference
    worst : mapping of str to mapping
        For each output, the parameters of the point where it differs most.
    notes : tuple of str
        Further messages, such as why points could not be computed.
    """

    experiment: str
    then: str
    now: str
    points: int
    computed: int
    failed: int
    common: int
    is_exact: bool
    outputs: tuple[Difference, ...]
    worst: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Show the differences as a table."""
        header = ["output", "points", "exact", "largest absolute", "largest relative", "at", "note"]
        rows = [
            (d.name, d.points, "yes" if d.is_exact else f"{d.equal:,} of {d.points:,}",
             d.absolute, d.relative, _point(self.worst.get(d.name, {})), d.note)
            for d in self.outputs
        ]  # fmt: skip
        verdict = "exact: all values are equal" if self.is_exact else "not exact"
        failed = f", {self.failed:,} of them have no values now" if self.failed else ""
        said = (
            f"{self.experiment}: {self.then[:8]} (then) and {self.now[:8]} (now) at "
            f"{self.points + self.failed:,} of {self.common:,} points{failed}, "
            f"{self.computed:,} computed for this comparison: {verdict}"
        )
        return "\n".join([said, table(header, rows), *(f"note: {note}" for note in self.notes)])


def diff(
    experiment: str | Experiment,
    *,
    earlier: str | None = None,
    beside: str | None = None,
    n_sample: int = N_SAMPLE,
    new_defaults: Mapping[str, Any] | None = None,
    axes: Mapping[str, Any] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Compared:
    """Compare results of earlier code with those of the present code, or of other earlier code.

    Points with results of both are compared first. If they are fewer than `n_sample`, the present
    code computes more points that the earlier code has computed, drawn at random; their results
    are stored.

    Parameters
    ----------
    experiment, axes, results, experiments
        As for `sweeps.run`.
    earlier : str, optional
        Fingerprint of the earlier code; by default the newest that has results of stale points.
    beside : str, optional
        Fingerprint of the earlier code to compare with; by default the present code.
    n_sample : int
        Most points to compare.
    new_defaults : mapping, optional
        Arguments that the earlier code did not have, and the value that it used in effect.
    **options
        `engine` and `n_workers`, as in `Options`.

    Returns
    -------
    Compared
        Printed, it is a table.

    Raises
    ------
    SweepsError
        If there is no such code, or nothing to compare.
    """
    refuse_while_importing("diff()")
    made = resolve(experiment, results=results, experiments=experiments, axes=axes)
    return compare(
        made,
        earlier,
        beside=beside,
        n_sample=n_sample,
        new_defaults=new_defaults,
        options=Options(**options),
    )


def compare(
    sweep: Sweep,
    given: str | None = None,
    *,
    beside: str | None = None,
    n_sample: int = N_SAMPLE,
    new_defaults: Mapping[str, Any] | None = None,
    options: Options | None = None,
    watch: Watch | None = None,
) -> Compared:
    """Compare results of two versions of the code of a sweep, as `diff` says."""
    new = gained(sweep, new_defaults)
    found = listed(sweep, memo.scan(sweep.memo), new.shift)
    then = choose(sweep, found, given)
    now = None if beside is None else choose(sweep, found, beside)
    before = shifted(own(then.index), new.shift)
    then_entries = entries(sweep, before)
    positions = np.flatnonzero(then_entries >= 0)
    if not len(positions):
        name = sweep.experiment.name
        raise SweepsError(
            f"the earlier code {then.fingerprint} of {name!r} has no results for points of "
            f"this space; see python -m sweeps why {name} --from {then.fingerprint}"
        )
    with _place(sweep, new, now) as made:
        after = own(memo.scan(made.memo))
        is_known = entries(made, after)[positions] >= 0
        chosen = _sample(is_known, n_sample, may_compute=now is None)
        done = _compute(made, positions[chosen[~is_known[chosen]]], options, watch)
        after = own(memo.scan(made.memo, after))
        now_entries = entries(made, after)
        at = positions[chosen]
        is_there = now_entries[at] >= 0
        at = at[is_there]
        name = sweep.experiment.name
        pairs = _Pairs(name, at, before, then_entries[at], after, now_entries[at])
        outputs = tuple(pairs.differences())
    return Compared(
        sweep.experiment.name,
        then.fingerprint,
        sweep.fingerprint.digest if now is None else now.fingerprint,
        int(is_there.sum()),
        done.n_computed,
        int((~is_there).sum()),
        len(positions),
        bool(outputs and is_there.all() and all(each.is_exact for each in outputs)),
        outputs,
        _worst(sweep, outputs),
        (done.error,) if done.error else (),
    )


@contextlib.contextmanager
def _place(sweep: Sweep, new: Gained, now: Earlier | None) -> Iterator[Sweep]:
    """Choose the folder that has, or gets, the values to compare with.

    A new argument changes the random numbers. To draw the same numbers as the earlier code, points
    are computed in a temporary folder and not stored.
    """
    if now is not None:
        yield dataclasses.replace(sweep, segments=now.folder)
    elif not (new.defaults and sweep.experiment.takes_rng):
        yield sweep
    else:
        with tempfile.TemporaryDirectory(prefix="sweeps-") as folder:
            keys = with_earlier_streams(sweep.keys, new)
            yield dataclasses.replace(sweep, keys=keys, segments=Path(folder))


def _compute(sweep: Sweep, todo: Positions, options: Options | None, watch: Watch | None) -> Tally:
    if not len(todo):
        return Tally()
    # Claims nothing, but marks the folder as in use, so that `clean` leaves it alone.
    present = claims.Claims(sweep.memo, sweep.keys)
    with contextlib.closing(present), interruptible() as interruption:
        return compute.compute_points(sweep, todo, options or Options(), watch, interruption)


def _sample(
    is_known: npt.NDArray[np.bool_], n_sample: int, *, may_compute: bool
) -> npt.NDArray[np.int64]:
    """Choose points to compare: first those with both results, then others at random; ascending."""
    random = np.random.default_rng(0)  # the same points when asked again
    groups = [np.flatnonzero(is_known)] + ([np.flatnonzero(~is_known)] if may_compute else [])
    chosen: list[int] = []
    for group in groups:
        n = min(n_sample - len(chosen), len(group))
        chosen += random.choice(group, n, replace=False).tolist() if n else []
    return np.array(sorted(chosen), dtype=np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class _Pairs:
    """Points with values in two memos."""

    experiment: str
    positions: Positions
    then: memo.Index
    then_entries: Entries
    now: memo.Index
    now_entries: Entries

    def differences(self) -> Iterator[Difference]:
        """Compare each output, and each coordinate of outputs, at all points."""
        found: dict[str, list[Difference]] = {}
        for at, before, after in self._variables():
            for name in dict.fromkeys([*before, *after]):
                one = of_variable(name, before.get(name), after.get(name), self.positions[at])
                found.setdefault(name, []).append(one)
        for several in found.values():
            yield merged(several)

    def _variables(self) -> Iterator[tuple[Array, dict[str, Variable], dict[str, Variable]]]:
        """Outputs of the points that share one part in both memos."""
        part = [self.then.part_of(self.then_entries), self.now.part_of(self.now_entries)]
        both = part[0] * (len(self.now.parts) + 1) + part[1]
        for _, at in reader.grouped(both):
            places = np.arange(len(self.positions))[at]
            first = int(places[0])
            yield (
                places,
                self._read(self.then, int(part[0][first]), self.then_entries[places]),
                self._read(self.now, int(part[1][first]), self.now_entries[places]),
            )

    def _read(self, index: memo.Index, part: int, entries: Entries) -> dict[str, Variable]:
        """Outputs of some points of a part, under their names in the results file."""
        stored = index.parts[part]
        with contextlib.closing(segment.open_hdf5(stored.path)) as file:
            whole = merge.read_part(stored, file)
        chosen = merge.rows_of(whole, entries - index.starts[part])
        coordinates = [
            dataclasses.replace(
                c, values=np.broadcast_to(c.values, (len(entries), *c.values.shape))
            )
            for c in chosen.coordinates  # which all points of a part share
        ]
        variables = (*chosen.variables, *coordinates)
        return {schema.shown(v.name, self.experiment): v for v in variables}


def _worst(sweep: Sweep, outputs: tuple[Difference, ...]) -> dict[str, dict[str, Any]]:
    """Find the parameters of the points where outputs differ most."""
    found = {each.name: each.at for each in outputs if each.at is not None}
    at = np.array(list(found.values()), dtype=np.int64)
    points = sweep.experiment.space.parameters_at(at, labels=True)
    return dict(zip(found, points, strict=True))


def _point(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={label(value)}" for name, value in parameters.items())
