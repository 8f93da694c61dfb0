"""The form that all points of an experiment share in the results file, agreed between parts.

A part says *facts* about its outputs: this has two dimensions, that dimension has 5 coordinates.
The first point in the order of the space that says something is right; an output that contradicts
it is left out at this point, since no dense array could hold both. So the outcome depends on the
space alone, never on which worker finished first or which points were computed together.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweeps.outputs.types import NAME, Agreed, Header, Variable
from sweeps.spaces import quantities
from sweeps.storage import hdf5, kinds

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class Misfit:
    """Why an output of a part is left out."""

    reason: str
    reference: int | None  # number of the part that said otherwise first, or None: the space did


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """The form of all outputs, and which parts do not fit it."""

    outputs: Mapping[str, Agreed]
    coordinates: Mapping[str, Variable]
    left_out: Mapping[int, Mapping[str, Misfit]]  # by number of the part and name of the output
    refused: Mapping[int, Misfit]  # parts of which nothing fits: their points fail


PartForm = tuple[Sequence[Header], Sequence[Variable]]
"""Outputs and coordinates of a part."""

Form = tuple[int, tuple[Header, ...], tuple[Variable, ...]]
"""The position of a point, and its outputs and coordinates."""

LARGE_BYTES = 2**16
"""Values of a point of this size, or more, are large."""


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
    units : mapping of str to str
        Declared units.
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
    """Something that must be the same at all points that say it."""

    name: str
    aspect: str
    value: Hashable
    subject: str  # as in "output 'y'"
    verb: str  # as in "has shape (3,)"

    @property
    def key(self) -> tuple[str, str]:
        return self.name, self.aspect


_Labels = Sequence[tuple[Variable, Sequence[_Fact]]]  # coordinates, and what is said of each


def _along(h: Header, labels: _Labels) -> _Labels:
    """Find the coordinates of an output."""
    return [each for each in labels if {*each[0].dims} <= {*h.dims}]


def _facts_of_all(h: Header, labels: _Labels, labelled: Collection[str]) -> list[_Fact]:
    """List everything that must hold for an output and its coordinates at all points."""
    return [*_facts(h, labelled), *(fact for _, own in _along(h, labels) for fact in own)]


def _facts(h: Header, labelled: Collection[str]) -> Iterator[_Fact]:
    """List what must hold for an output at all points, the clearest fact first."""
    # Where nothing labels the values, their length may differ from point to point.
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
    content = c.dims, kinds.digest(c.values), unit
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
        counts_of = [h.counts for h in same if h.counts is not None]
        is_ragged = any(h.shape != shape for h in same)
        is_ragged |= any(bool((own != own[:1]).any()) for own in counts_of)
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


# ---- forms of outputs, and their names and units


def header_of(variable: Variable) -> Header:
    """Return the form of a variable without its values."""
    v = variable
    return Header(v.name, v.values.dtype, v.dims, v.values.shape[1:], v.counts, v.attrs)


def form_of(variable: Variable) -> Header:
    """Return the form of an output; of values of free length, only the longest counts."""
    found = header_of(variable)
    if found.counts is None:
        return found
    return dataclasses.replace(found, shape=(int(found.counts.max()),), counts=None)


def is_large(one: Header) -> bool:
    """Whether the values of a point are so large that they are written once, and kept once."""
    return math.prod(one.shape) * one.dtype.itemsize >= LARGE_BYTES


def form(headers: Iterable[Header], coordinates: Iterable[Variable]) -> Hashable:
    """Return what parts must have in common to be merged; lengths that are free may differ."""
    return (
        tuple(
            (h.name, h.dtype.str, h.dims, None if h.counts is not None else h.shape, repr(h.attrs))
            for h in headers
        ),
        tuple((c.name, c.dims, kinds.digest(c.values), repr(c.attrs)) for c in coordinates),
    )


def kind(headers: Iterable[Header], coordinates: Iterable[Variable]) -> Hashable:
    """Say of outputs what must be the same at all points; lengths need not."""
    return (
        tuple(
            (h.name, "" if 0 in h.shape else kinds.of(h.dtype).name, h.dims, h.attrs.get("units"))
            for h in headers
        ),
        tuple((c.name, c.dims, kinds.digest(c.values), c.attrs.get("units")) for c in coordinates),
    )


def renamed(header: Header, name: str) -> Header:
    """Give a nameless value, and its dimensions, the name that the experiment has now.

    Examples
    --------
    >>> import numpy as np
    >>> header = Header("", np.dtype(float), ("_dim_0",), (3,), None, {})
    >>> renamed(header, "wave").name, renamed(header, "wave").dims
    ('wave', ('wave_dim_0',))
    """
    if header.name != NAME:
        return header
    dims = tuple(f"{name}{dim}" if dim.startswith("_") else dim for dim in header.dims)
    return dataclasses.replace(header, name=name, dims=dims)


def shown(name: str, experiment: str) -> str:
    """What an output of the memo is called in the results file."""
    return experiment if name == NAME else name


def settled(found: Header, experiment: Experiment) -> Header:
    """Give an output of the memo the name, dimensions and unit that are declared now."""
    found = renamed(found, experiment.name)
    dims = experiment.dims.get(found.name, found.dims)
    if len(dims) == len(found.dims):
        found = dataclasses.replace(found, dims=dims)
    unit = experiment.units.get(found.name)
    if unit is None or not is_convertible(found.attrs, unit):
        return found
    return dataclasses.replace(found, attrs={**public(found.attrs), "units": unit})


def is_convertible(own: Mapping[str, Any], text: str) -> bool:
    """Whether values, which may have no unit, are or can be had in a unit."""
    if quantities.BASE not in own or own[quantities.UNITS] == text:
        return True
    wanted = quantities.declared(text, own[quantities.LIBRARY])
    return wanted is not None and bool(own[quantities.BASE]) and wanted.base == own[quantities.BASE]


def factors(own: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the factor and the offset that convert values to another unit.

    None where they are in it, or either is no quantity.

    Examples
    --------
    >>> from sweeps.spaces.quantities import Unit
    >>> metre = Unit("m", "m", 1.0, 0.0).attrs
    >>> factors(Unit("cm", "m", 0.01, 0.0).attrs, metre), factors(metre, metre)
    ((0.01, 0.0), None)
    """
    has_bases = own.get(quantities.BASE) and wanted.get(quantities.BASE)
    if own.get(quantities.UNITS) == wanted.get(quantities.UNITS) or not has_bases:
        return None
    scale = wanted[quantities.SCALE]
    offset = own[quantities.OFFSET] - wanted[quantities.OFFSET]
    return own[quantities.SCALE] / scale, offset / scale


def public(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the attributes that only landing reads."""
    return {name: value for name, value in attrs.items() if not name.startswith("_")}
