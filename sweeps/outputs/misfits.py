"""Which outputs do not fit those of other points, in words."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweeps.outputs.schema import Agreement, Form, Misfit, agree_for, kind, settled

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment

_MAX_SHOWN = 200


def noticed(experiment: Experiment, forms: Sequence[Form]) -> Iterator[tuple[str, str]]:
    """Tell of each output that does not fit those of other points, as far as a run knows them.

    Yields
    ------
    output, told : str
    """
    known: dict[Hashable, Form] = {}
    for position, headers, coordinates in forms:
        own = tuple(settled(h, experiment) for h in headers)
        known.setdefault(kind(own, coordinates), (position, own, coordinates))
    listed = sorted(known.values(), key=lambda form: form[0])
    positions = [form[0] for form in listed]
    agreement = agree_for(experiment, [(form[1], form[2]) for form in listed])
    for name, misfit, at in _first(agreement, positions):
        yield name, _missing(experiment, name, at, reason(experiment, misfit, positions))


def tell(experiment: Experiment, agreement: Agreement, positions: Sequence[int]) -> Iterator[str]:
    """Tell for each output that is left out at which point this happens first, and why.

    Each part has its first point at one of the `positions`.
    """
    for name, misfit, at in _first(agreement, positions):
        yield _missing(experiment, name, at, reason(experiment, misfit, positions))


def _first(agreement: Agreement, positions: Sequence[int]) -> Iterator[tuple[str, Misfit, int]]:
    told = set()
    for number, misfits in agreement.left_out.items():
        for name, misfit in misfits.items():
            if name not in told:
                told.add(name)
                yield name, misfit, positions[number]


def _missing(experiment: Experiment, name: str, position: int, why: str) -> str:
    at = _shown(experiment, position)
    return (
        f"output {name!r} is missing in the results file at {at}, and at all points "
        f"with the same problem: {why}"
    )


def reason(experiment: Experiment, misfit: Misfit, positions: Sequence[int]) -> str:
    """Say what contradicts what, and where the first point is that has it."""
    if misfit.reference is None:
        return misfit.reason
    shown = _shown(experiment, positions[misfit.reference])
    return f"{misfit.reason} at the first such point, {shown}"


def _shown(experiment: Experiment, position: int) -> str:
    (point,) = experiment.space.parameters_at(np.array([position], dtype=np.int64), labels=True)
    shown = ", ".join(itertools.starmap("{}={!r}".format, point.items()))
    return f"{shown:.{_MAX_SHOWN}}"
