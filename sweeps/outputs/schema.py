"""The form that all points of an experiment share in the results file, agreed between parts.

A part says *facts* about its outputs: this has two dimensions, that dimension has 5 coordinates.
The first point in the order of the space that says something is right; an output that contradicts
it is left out at this point, since no dense array could hold both. So the outcome depends on the
space alone, never on which worker finished first or which points were computed together.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweeps.outputs.types import Agreed, Header, Variable, digest, factors, kind, settled
from sweeps.spaces import quantities
from sweeps.storage import hdf5, kinds

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment

_MAX_SHOWN = 200


@dataclasses.dataclass(frozen=True)
class Misfit:
    """Why an output of a part is left out.

    Attributes
    ----------
    reason : str
        What contradicts what.
    reference : int or None
        Number of the part that said it first; None where it is the space itself.
    """

    reason: str
    reference: int | None


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """The form of all outputs, and which parts do not fit it.

    Attributes
    ----------
    outputs : mapping of str to Agreed
    coordinates : mapping of str to Variable
    left_out : mapping of int to mapping of str to Misfit
        By number of the part, its outputs that do not fit.
    refused : mapping of int to Misfit
        By number of the part, those of which nothing fits: their points fail.
    """

    outputs: Mapping[str, Agreed]
    coordinates: Mapping[str, Variable]
    left_out: Mapping[int, Mapping[str, Misfit]]
    refused: Mapping[int, Misfit]


PartForm = tuple[Sequence[Header], Sequence[Variable]]
"""Outputs and coordinates of a part."""

Form = tuple[int, tuple[Header, ...], tuple[Variable, ...]]
"""The position of a point, and its outputs and coordinates."""


def agree(
    parts: Sequence[PartForm],
    taken: Collection[str],
    *,
    n_dims: int = 0,
    fixed: Collection[str] = (),
    units: Mapping[str, str] | None = None,
) -> Agreement:
    """Find the form that the parts agree on.

    Parameters
    ----------
    parts : sequence of (headers, coordinates)
        In the order of the first point that each holds.
    taken : collection of str
        Names of the parameters and dimensions of the space.
    n_dims : int
        How many dimensions the space has, which all outputs have beside their own.
    fixed : collection of str
        Dimensions of outputs that have one length at all points.
    units : mapping of str to str, optional
        Units of outputs, where declared.
    """
    known: dict[tuple[str, str], tuple[_Fact, int | None]] = {}
    for name, text in (units or {}).items():
        fact = _Fact(name, "units", ("text", text), name, f"{text!r} is declared: compute it again")
        known[fact.key] = fact, None
    names: dict[str, int | None] = dict.fromkeys(taken)
    headers: dict[str, list[Header]] = {}
    coordinates: dict[str, Variable] = {}
    left_out: dict[int, dict[str, Misfit]] = {}
    for number, (own_headers, own_coordinates) in enumerate(parts):
        labels = [(c, list(_facts_of_labels(c))) for c in own_coordinates]
        labelled = {*fixed, *(dim for c in own_coordinates for dim in c.dims)}
        ambiguity = _ambiguity(own_headers, own_coordinates)
        made = [_facts_of_all(h, labels, labelled) for h in own_headers]
        clash = _clash((fact.name for facts in made for fact in facts), names, taken)
        for header, facts in zip(own_headers, made, strict=True):
            misfit = ambiguity or _excess(header, n_dims) or _contradiction(facts, known)
            if clash is not None and misfit is None:
                misfit = _clash((fact.name for fact in facts), names, taken)
            if misfit is not None:
                left_out.setdefault(number, {})[header.name] = misfit
                continue
            for fact in facts:
                known.setdefault(fact.key, (fact, number))
                names.setdefault(fact.name, number)
            headers.setdefault(header.name, []).append(header)
            for c, _ in _along(header, labels):
                coordinates.setdefault(c.name, c)
    refused = {
        number: next(iter(misfits.values()))
        for number, misfits in left_out.items()
        if len(misfits) == len(parts[number][0])
    }
    return Agreement(_outputs(headers, names), coordinates, left_out, refused)


class _Fact(NamedTuple):
    """Something that must be the same at all points that say it.

    Attributes
    ----------
    name, aspect : str
        What it is about.
    value : hashable
        What is compared.
    subject, verb : str
        What is shown, as in "output 'y'" and "has shape (3,)".
    """

    name: str
    aspect: str
    value: Hashable
    subject: str
    verb: str

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.aspect


_Labels = Sequence[tuple[Variable, Sequence[_Fact]]]
"""Coordinates of a part, and what is said of each."""


def _along(h: Header, labels: _Labels) -> _Labels:
    """Find the coordinates of an output."""
    return [each for each in labels if {*each[0].dims} <= {*h.dims}]


def _facts_of_all(h: Header, labels: _Labels, labelled: Collection[str]) -> list[_Fact]:
    """List everything that must hold for an output and its coordinates at all points."""
    return [*_facts(h, labelled), *(fact for _, own in _along(h, labels) for fact in own)]


def _facts(h: Header, labelled: Collection[str]) -> Iterator[_Fact]:
    """List what must hold for an output at all points, the clearest fact first."""
    # Where nothing labels the values, they may have another length at each point.
    free = {dim for dim in h.dims if dim not in labelled}
    subject = f"output {h.name!r}"
    yield _Fact(h.name, "role", "output", repr(h.name), "is an output")
    if 0 not in h.shape:  # an empty list of strings looks like one of floats
        own = kinds.of(h.dtype)
        yield _Fact(h.name, "class", own.name, subject, f"is {own.shown(h.dtype)}")
    yield from _units(h, subject)
    yield _Fact(h.name, "shape", len(h.dims), subject, f"has shape {h.shape}")
    yield _Fact(h.name, "dims", h.dims, subject, f"has dims {h.dims}")
    for dim, size in zip(h.dims, h.shape, strict=True):
        yield from _dimension(dim, size, dim in free)


def _units(h: Header, subject: str) -> Iterator[_Fact]:
    """Say what a quantity is of, so that its unit can be converted; or its unit, if not."""
    text, base = h.attrs.get(quantities.UNITS), h.attrs.get(quantities.BASE)
    if text is None:  # an array whose unit got lost has that of others, but no quantity has
        yield _Fact(h.name, "measure", False, subject, "has no unit")
        return
    value = ("base", base) if base else ("text", text)
    yield _Fact(h.name, "units", value, subject, f"is in {text!r}")
    if base is not None:
        yield _Fact(h.name, "measure", True, subject, f"is in {text!r}")


def _facts_of_labels(c: Variable) -> Iterator[_Fact]:
    """Say what a coordinate, and what lies along it, needs to be at all points."""
    if c.dims != (c.name,):
        yield _Fact(c.name, "role", "coordinate", repr(c.name), "is a coordinate")
    for dim, size in zip(c.dims, c.values.shape, strict=True):
        yield from _dimension(dim, size, is_free=False)
    verb = f"is {_short(c.values)} along {c.dims}"
    unit = c.attrs.get(quantities.UNITS)
    verb += f" in {unit!r}" if unit else ""
    content = c.dims, digest(c.values), unit
    yield _Fact(c.name, "values", content, f"coordinate {c.name!r}", verb)


def _dimension(name: str, size: int, is_free: bool) -> Iterator[_Fact]:
    yield _Fact(name, "role", "dimension", repr(name), "is a dimension")
    verb = "has any length" if is_free else f"has length {size}"
    yield _Fact(name, "size", "any" if is_free else size, f"dimension {name!r}", verb)


def _short(values: np.ndarray[Any, Any]) -> str:
    return np.array2string(values, threshold=6, edgeitems=2, separator=", ").replace("\n", "")


def _contradiction(
    facts: Sequence[_Fact], known: Mapping[tuple[str, str], tuple[_Fact, int | None]]
) -> Misfit | None:
    for fact in facts:
        other, number = known.get(fact.key, (fact, 0))
        if other.value != fact.value:
            return Misfit(f"{fact.subject} {fact.verb} here, but {other.verb}", number)
    return None


def _excess(h: Header, n_dims: int) -> Misfit | None:
    """Find an output that no file has room for in this space."""
    if n_dims + len(h.dims) <= hdf5.MAX_DIMENSIONS:
        return None
    reason = (
        f"output {h.name!r} has {len(h.dims)} dimensions and the space {n_dims}, and "
        f"HDF5 has room for {hdf5.MAX_DIMENSIONS} together: return an array with fewer "
        "dimensions, or let axes vary together with zipped() or points()"
    )
    return Misfit(reason, None)


def _ambiguity(headers: Sequence[Header], coordinates: Sequence[Variable]) -> Misfit | None:
    """Find clashes of names within a point, which a renamed experiment can bring about."""
    outputs = [h.name for h in headers]
    auxiliary = [c.name for c in coordinates if c.dims != (c.name,)]
    along = [*(h.dims for h in headers), *(c.dims for c in coordinates)]
    dims = dict.fromkeys(dim for own in along for dim in own)
    names = [*outputs, *auxiliary, *dims]
    if len(names) > len({*names}):
        name = next(name for name in names if names.count(name) > 1)
        other = "another one" if outputs.count(name) > 1 else "a dimension or coordinate"
        return Misfit(f"{name!r} is the name of an output and of {other}: rename one", None)
    if reserved := [name for name in names if name.startswith("_")]:
        return Misfit(f"{reserved[0]!r} begins with '_', which is reserved: rename it", None)
    return None


def _clash(
    listed: Iterable[str], names: Mapping[str, int | None], taken: Collection[str]
) -> Misfit | None:
    """Find names that some reader cannot tell apart."""
    own = {*listed}
    if found := sorted(own & {*taken}):
        reason = f"{found[0]!r} is the name of a parameter or dimension of the space: rename it"
        return Misfit(reason, None)
    if own_new := own - names.keys():
        for clash in hdf5.clashing([*names, *sorted(own_new)]):
            reason = f"the names {clash[1]!r} and {clash[0]!r} differ only in case or Unicode form"
            return Misfit(reason, names.get(clash[0]))
    return None


def _differ(counts: np.ndarray[Any, Any] | None) -> bool:
    """Whether lengths differ; those of a few points computed with others may be alike."""
    return counts is not None and bool((counts != counts[:1]).any())


def _outputs(headers: Mapping[str, Sequence[Header]], names: Collection[str]) -> dict[str, Agreed]:
    """Make the form of each output that holds all of its parts."""
    longest: dict[str, int] = {}
    in_use = {hdf5.folded(name) for name in names}
    for header in (h for same in headers.values() for h in same):
        for dim, size in zip(header.dims, header.shape, strict=True):
            longest[dim] = max(size, longest.get(dim, 0))
    agreed = {}
    for name, same in headers.items():
        first = same[0]
        shape = tuple(longest[dim] for dim in first.dims)
        is_ragged = any(h.shape != shape or _differ(h.counts) for h in same)
        counts = tuple(_count_names(name, first.dims, in_use)) if is_ragged else ()
        # All at once: numpy's promotion one after another depends on the order.
        dtypes = {h.dtype for h in same if 0 not in h.shape} or {first.dtype}
        attrs = next((h.attrs for h in same if quantities.UNITS in h.attrs), first.attrs)
        if any(factors(h.attrs, attrs) for h in same):
            dtypes |= {np.dtype(np.float64)}
        agreed[name] = Agreed(
            name,
            np.result_type(*dtypes),
            first.dims,
            shape,
            is_ragged,
            counts,
            {**first.attrs, **attrs},
        )
    return agreed


def _count_names(name: str, dims: Sequence[str], in_use: Collection[str]) -> Iterator[str]:
    """Name the lengths of an output along its dimensions, as ``n_x`` or ``n_image_row``."""
    for dim in dims:
        own = name if len(dims) == 1 else dim if dim.startswith(name) else f"{name}_{dim}"
        counts = f"n_{own}"
        while hdf5.folded(counts) in in_use:  # it has that name for another use
            counts += "_values"
        yield counts


def agree_for(
    experiment: Experiment, forms: Sequence[PartForm], fixed: Collection[str] = ()
) -> Agreement:
    """Find the form of all outputs of an experiment, as `agree` does."""
    n_dims = len(experiment.space.sizes)
    return agree(forms, experiment.taken, n_dims=n_dims, fixed=fixed, units=experiment.units)


class Noticed:
    """Outputs that do not fit those of other points, as far as a run knows them."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._known: dict[Hashable, Form] = {}
        self._told: set[str] = set()

    def take(self, forms: Iterable[Form]) -> list[str]:
        """Note the forms of outputs, and tell of each misfit that was not told before."""
        n_known = len(self._known)
        for position, headers, coordinates in forms:
            own = tuple(settled(h, self._experiment) for h in headers)
            self._known.setdefault(kind(own, coordinates), (position, own, coordinates))
        if len(self._known) in (n_known, 1):
            return []
        listed = sorted(self._known.values(), key=lambda form: form[0])
        pairs = [(form[1], form[2]) for form in listed]
        agreement = agree_for(self._experiment, pairs)
        told = []
        for name, misfit, at in _first(agreement, [form[0] for form in listed]):
            if name not in self._told:
                self._told.add(name)
                said = reason(self._experiment, misfit, [form[0] for form in listed])
                told.append(_missing(self._experiment, name, at, said))
        return told


def tell(experiment: Experiment, agreement: Agreement, positions: Sequence[int]) -> Iterator[str]:
    """Tell for each output that is left out at which point this happens first, and why.

    Parameters
    ----------
    positions : sequence of int
        The first point of each part.
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
