"""Where points are: the parameters of the space, and their values at a position."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.analysis import overview
from sweeps.reports import words
from sweeps.storage import kinds

if TYPE_CHECKING:
    import xarray

_FEW = 6
"""So many different values are listed; of more, the range is given."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter that varies over the space, or a constant.

    Attributes
    ----------
    dims : tuple of str
        Dimensions of the space along which it varies; none for a constant.
    values : str
        Its values in short.
    n_values : int
        How many of them are different.
    """

    name: str
    long_name: str
    units: str
    dims: tuple[str, ...]
    values: str
    n_values: int


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """All points of a space, by their position in C order.

    Attributes
    ----------
    coordinates : dict of str to xarray.Variable
        Those that vary over the space.
    """

    sizes: dict[str, int]
    coordinates: Mapping[str, xarray.Variable]

    def at(self, position: int) -> str:
        """Write the parameters of a point; those that it lacks are left out.

        The replicate and the like are dimensions without a coordinate.
        """
        place = dict(zip(self.sizes, self._unravelled(position), strict=True))
        found = {}
        for name, own in self.coordinates.items():
            value = overview.scalar(own.isel({str(dim): place[str(dim)] for dim in own.dims}))
            units = str(own.attrs.get("units", ""))
            found[name] = words.shown(value, units)
        bare = {d: str(n) for d, n in place.items() if not self._is_described(d)}
        pairs = [f"{n} = {text}" for n, text in {**found, **bare}.items() if text != words.NOTHING]
        return words.listed(pairs) or "the only point"

    def _unravelled(self, position: int) -> list[int]:
        shape = tuple(self.sizes.values())
        return [int(i) for i in np.unravel_index(position, shape)] if shape else []

    def _is_described(self, dim: str) -> bool:
        return any(dim in own.dims for own in self.coordinates.values())

    def spread(self, name: str, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Repeat numbers along a parameter's own dimensions for all points, flat."""
        return self.spread_of(self.coordinates[name], codes)

    def spread_of(
        self, variable: xarray.Variable, codes: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.intp]:
        """Repeat numbers along a variable's own dimensions for all points, flat."""
        own = list(map(str, variable.dims))
        order = [own.index(dim) for dim in self.sizes if dim in own]
        shape = [size if dim in own else 1 for dim, size in self.sizes.items()]
        full = tuple(self.sizes.values())
        return np.broadcast_to(codes.transpose(order).reshape(shape), full).ravel()


def places(dataset: xarray.Dataset, dims: tuple[str, ...]) -> Places:
    """Find the parameters of a space in a dataset."""
    stored = dataset.variables
    names = [str(n) for n in dataset.coords if stored[n].dims and {*stored[n].dims} <= {*dims}]
    return Places({dim: dataset.sizes[dim] for dim in dims}, {n: stored[n] for n in names})


def parameters(dataset: xarray.Dataset, found: Places) -> tuple[Parameter, ...]:
    """Describe the parameters of a space, then the constants."""
    constants = [str(n) for n in dataset.coords if not dataset.variables[n].dims]
    own = {**found.coordinates, **{name: dataset.variables[name] for name in constants}}
    return tuple(_parameter(name, each) for name, each in own.items())


def _parameter(name: str, own: xarray.Variable) -> Parameter:
    units = str(own.attrs.get("units", ""))
    different = distinct(own)
    return Parameter(
        name,
        str(own.attrs.get("long_name", "")),
        units,
        tuple(map(str, own.dims)),
        _in_short(different, units),
        len(different),
    )


def distinct(own: xarray.Variable) -> npt.NDArray[Any]:
    """Return the different values of a variable that are there: sorted, or texts as they come."""
    present = own.values[~overview.is_missing(own)]
    if present.dtype.kind in "OUT":
        return np.array(list(dict.fromkeys(map(str, present.flat))), dtype=object)
    return np.unique(present)


def _in_short(different: npt.NDArray[Any], units: str) -> str:
    if not len(different):
        return words.NOTHING
    texts = [words.shown(python(different[i : i + 1])) for i in range(min(_FEW, len(different)))]
    if len(different) <= _FEW or different.dtype.kind in "Oc":
        rest = len(different) - _FEW
        shown = words.listed(texts) + (f", and {rest:,} more" if rest > 0 else "")
    else:
        shown = f"{texts[0]} to {words.shown(python(different[-1:]))}"
    return words.with_units(shown, units)


def python(single: npt.NDArray[Any]) -> Any:
    """Return the only element of an array as a Python value."""
    return kinds.of(single.dtype).item(single.reshape(()))
