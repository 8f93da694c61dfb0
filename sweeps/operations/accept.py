"""Declare results of earlier code valid for the present code, or undo it."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Mapping
from typing import Any

from sweeps.code import provenance
from sweeps.declaration.experiment import Experiment
from sweeps.errors import SweepsError, unknown
from sweeps.history.earlier import Earlier, choose, gained, listed
from sweeps.memo import acceptance, listing, record
from sweeps.memo import index as memo
from sweeps.memo.acceptance import Acceptance
from sweeps.project import sweep
from sweeps.project.sweep import Sweep
from sweeps.text import count


@dataclasses.dataclass(frozen=True)
class Vouched:
    """Results that are accepted, or would be.

    Attributes
    ----------
    fingerprint : str
        Of the earlier code.
    points : int
        Points of the space that get results by it.
    """

    experiment: str
    fingerprint: str
    points: int
    reason: str
    new_defaults: Mapping[str, str]

    def __str__(self) -> str:
        given = ", ".join(f"{n}={v}" for n, v in self.new_defaults.items())
        of = f" (as if {given})" if given else ""
        return (
            f"the results of earlier code {self.fingerprint} for {count(self.points, 'point')} of "
            f"{self.experiment}{of}"
        )


def accept(
    experiment: str | Experiment,
    *,
    earlier: str | None = None,
    reason: str = "",
    new_defaults: Mapping[str, Any] | None = None,
    axes: Mapping[str, Any] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> Vouched:
    """Declare that results of earlier code are still valid.

    They then count as results of the present code. The results file records this, and the reason.
    Nothing is copied or deleted; `python -m sweeps accept NAME --undo` makes them stale again.

    Parameters
    ----------
    experiment, axes, results, experiments
        As for `sweeps.run`.
    earlier : str, optional
        Fingerprint of the earlier code, or its first digits; by default the newest that has results
        of stale points.
    reason : str
        Why its results are valid; it is stored.
    new_defaults : mapping, optional
        Arguments that the earlier code did not have, and the value that it used in effect.

    Raises
    ------
    SweepsError
        If there is no such code, or it has no results that the present code lacks.
    """
    made = sweep.resolve(experiment, results=results, experiments=experiments, axes=axes)
    vouched, proposed = propose(made, earlier, reason, new_defaults)
    vouch(made, proposed)
    return vouched


def propose(
    made: Sweep,
    given: str | None = None,
    reason: str = "",
    new_defaults: Mapping[str, Any] | None = None,
) -> tuple[Vouched, Acceptance]:
    """Find the earlier results that `accept` would accept."""
    new = gained(made, new_defaults)
    chosen = choose(made, listed(made, memo.scan(made.memo), new.shift), given)
    if chosen.is_accepted:
        raise SweepsError(
            f"{chosen.fingerprint} is already accepted; undo: python -m sweeps accept "
            f"{made.experiment.name} --undo"
        )
    if not chosen.n_points:
        raise SweepsError(_nothing_known(made, chosen, new.defaults))
    name = made.experiment.name
    vouched = Vouched(name, chosen.fingerprint, chosen.n_points, reason, new.defaults)
    before = acceptance.accepted(made.memo)
    when = provenance.now(after=max((each.accepted for each in before), default=""))
    return vouched, Acceptance(chosen.fingerprint, reason, when, new.defaults, new.shift)


def vouch(made: Sweep, proposed: Acceptance) -> None:
    """Accept the proposed results.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    record.keep(made.memo, made.experiment, made.fingerprint)
    acceptance.accept(made.memo, proposed)


def undo(made: Sweep, given: str | None = None) -> list[Acceptance]:
    """Make accepted results stale again: those of one fingerprint, or all.

    Raises
    ------
    SweepsError
        If no such results are accepted.
    """
    found = acceptance.accepted(made.memo)
    chosen = [e for e in found if given is None or e.fingerprint.startswith(given.lower())]
    if not chosen:
        name = made.experiment.name
        if not found:
            raise SweepsError(f"no earlier results are accepted for the present code of {name!r}")
        raise unknown("accepted code", str(given), [e.fingerprint for e in found], f"of {name!r}")
    for each in chosen:
        acceptance.take_back(made.memo, each.fingerprint)
    return chosen


def _nothing_known(made: Sweep, chosen: Earlier, new_defaults: Mapping[str, str]) -> str:
    """Explain why earlier results cannot be used, and what you could mean."""
    name = made.experiment.name
    text = (
        f"the earlier code {chosen.fingerprint} of {name!r} has no results for points "
        "that the present code lacks"
    )
    kept = record.read_declared(chosen.folder)
    now = record.declared(made.experiment)
    new = sorted({*now.arguments} - {*(kept.arguments if kept else now.arguments)})
    if not (listing.listing(chosen.folder) and new) or new_defaults:
        return f"{text}: see python -m sweeps why {name} --from {chosen.fingerprint}"
    pairs = (f"{name}={now.constants.get(name, 'VALUE')}" for name in new)
    options = " ".join(f"--new-default {shlex.quote(pair)}" for pair in pairs)
    return (
        f"{text}, because it had no argument {' and no '.join(map(repr, new))}. If it "
        "computed the same as the present code with some value of it, give that value: "
        f"{options}"
    )
