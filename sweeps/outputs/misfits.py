"""Outputs that do not fit those of other points, in words; while a run goes on, too."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweeps.outputs import schema, types, unnamed
from sweeps.outputs.types import Header, Variable, class_of, digest
from sweeps.spaces import quantities

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment


_MAX_SHOWN = 200

Form = tuple[int, tuple[Header, ...], tuple[Variable, ...]]
"""The position of a point, and its outputs and coordinates."""


def header(variable: Variable) -> Header:
    """Say the form of some points' output; how long those of a free length are does not matter."""
    found = types.header(variable)
    if found.counts is None:
        return found
    return dataclasses.replace(found, shape=(int(found.counts.max()),), counts=None)


def settled(found: Header, experiment: Experiment) -> Header:
    """See an output of the memo as it is declared by now: its name, dimensions and unit."""
    found = unnamed.settled(found, experiment.name)
    dims = experiment.dims.get(found.name, found.dims)
    if len(dims) == len(found.dims):
        found = dataclasses.replace(found, dims=dims)
    unit = experiment.units.get(found.name)
    if unit is None or not quantities.is_convertible(found.attrs, unit):
        return found
    return dataclasses.replace(found, attrs={**quantities.public(found.attrs), "units": unit})


def kind(headers: Iterable[Header], coordinates: Iterable[Variable]) -> Hashable:
    """Say of outputs what must be the same at all points; lengths need not."""
    return (
        tuple(
            (h.name, "" if 0 in h.shape else class_of(h.dtype), h.dims, h.attrs.get("units"))
            for h in headers
        ),
        tuple((c.name, c.dims, digest(c.values), c.attrs.get("units")) for c in coordinates),
    )


def agree(
    experiment: Experiment, forms: Sequence[schema.PartForm], fixed: Collection[str] = ()
) -> schema.Agreement:
    """Find the form of all outputs of an experiment, as `schema.agree` does."""
    n_dims = len(experiment.space.sizes)
    return schema.agree(forms, experiment.taken, n_dims=n_dims, fixed=fixed, units=experiment.units)


class Noticed:
    """Outputs that do not fit those of other points, as far as is known amid a run."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._known: dict[Hashable, Form] = {}
        self._told: set[str] = set()

    def take(self, forms: Iterable[Form]) -> list[str]:
        """Take in how outputs look, and say of those that do not fit what was not said before."""
        n_known = len(self._known)
        for position, headers, coordinates in forms:
            own = tuple(settled(h, self._experiment) for h in headers)
            self._known.setdefault(kind(own, coordinates), (position, own, coordinates))
        if len(self._known) in (n_known, 1):
            return []
        listed = sorted(self._known.values(), key=lambda form: form[0])
        pairs = [(form[1], form[2]) for form in listed]
        agreement = agree(self._experiment, pairs)
        told = []
        for name, misfit, at in _first(agreement, [form[0] for form in listed]):
            if name not in self._told:
                self._told.add(name)
                said = reason(self._experiment, misfit, [form[0] for form in listed])
                told.append(_missing(self._experiment, name, at, said))
        return told


def tell(
    experiment: Experiment, agreement: schema.Agreement, positions: Sequence[int]
) -> Iterator[str]:
    """Say of each output that is left out where it is the first time, and why.

    Parameters
    ----------
    positions : sequence of int
        The first point of each part.
    """
    for name, misfit, at in _first(agreement, positions):
        yield _missing(experiment, name, at, reason(experiment, misfit, positions))


def _first(
    agreement: schema.Agreement, positions: Sequence[int]
) -> Iterator[tuple[str, schema.Misfit, int]]:
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


def reason(experiment: Experiment, misfit: schema.Misfit, positions: Sequence[int]) -> str:
    """Say what contradicts what, and where the first point is that has it."""
    if misfit.reference is None:
        return misfit.reason
    shown = _shown(experiment, positions[misfit.reference])
    return f"{misfit.reason} at the first such point, {shown}"


def _shown(experiment: Experiment, position: int) -> str:
    (point,) = experiment.space.parameters_at(np.array([position], dtype=np.int64), labels=True)
    shown = ", ".join(itertools.starmap("{}={!r}".format, point.items()))
    return f"{shown:.{_MAX_SHOWN}}"
