"""Spaces: products, unions, points left out by ``where``, and derived parameters.

A space is a product of dimensions, of which ``where`` may exclude places. Nothing is written out
but a union.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError, unknown
from sweeps.spaces.functions import (
    Derivation,
    Keeps,
    derivation,
    predicate,
    refuse_listing,
    tabulate,
)
from sweeps.spaces.product import (
    ABSENT,
    Codes,
    Column,
    Deferred,
    Derived,
    Dimension,
    Mask,
    Positions,
    Product,
    end_to_end,
    first_rows,
    refuse_clashes,
)
from sweeps.spaces.values import Values

MAX_POSITIONS = 2**63 - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """The set of parameter points of a sweep; made by `grid`, `zipped` and `points`.

    ``a * b`` combines every point of `a` with every one of `b`; ``a + b`` has the points of both,
    each once; ``a.where(predicate)`` keeps what the predicate accepts; ``a.derive(name=function)``
    adds a parameter that is a function of others. Functions are asked when their answer is first
    needed, once for each combination of the parameters that they take.

    Examples
    --------
    >>> from sweeps import grid
    >>> space = grid(length=[0.1, 0.2], angle=[1, 2, 3]).where(lambda angle: angle != 2)
    >>> len(space), space.dims, space.sizes
    (4, ('length', 'angle'), {'length': 2, 'angle': 3})
    >>> space.point(3)
    {'length': 0.2, 'angle': 3}
    """

    dimensions: tuple[Dimension, ...]
    predicates: tuple[Keeps, ...] = ()
    derivations: tuple[Derivation | Derived, ...] = ()

    def __post_init__(self) -> None:
        refuse_clashes(self.dimensions, self.derived)
        if self.n_positions > MAX_POSITIONS:
            raise DeclarationError(
                f"a space of {float(self.n_positions):.1e} points is too large to be counted: "
                "give fewer or shorter axes"
            )

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(dimension.name for dimension in self.dimensions)

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each dimension."""
        return {dimension.name: dimension.size for dimension in self.dimensions}

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, the derived ones last."""
        return tuple(self.columns)

    @property
    def derived(self) -> tuple[str, ...]:
        """Names of the derived parameters."""
        return tuple(each.name for each in self.derivations)

    @property
    def columns(self) -> Mapping[str, Column | Deferred]:
        """The parameters by name."""
        return self._product.columns

    @property
    def inputs(self) -> frozenset[str]:
        """Names that its functions ask for, those with a default also where the space has none."""
        functions = (*self.predicates, *self.derivations)
        return frozenset(n for f in functions if not isinstance(f, Derived) for n in f.names)

    def is_source(self, name: str) -> bool:
        """Whether derived parameters are made of a parameter; in doubt they are."""
        made = self.derivations
        return any(isinstance(each, Derived) or name in each.names for each in made)

    def dims_of(self, name: str) -> tuple[str, ...]:
        """Names of the dimensions that a parameter varies along: of a derived one, any number."""
        if name not in self.columns:
            raise unknown("parameter", name, self.columns, "in the space")
        return self._product.along[name]

    @property
    def n_positions(self) -> int:
        """Number of places in the product, those that `where` excludes too."""
        return math.prod(dimension.size for dimension in self.dimensions)

    @functools.cached_property
    def _evaluation(self) -> Evaluation:
        return Evaluation(self.dimensions, self.predicates, self.derivations)

    @property
    def _product(self) -> Product:
        return self._evaluation.product

    @functools.cached_property
    def accepted(self) -> Positions | None:
        """Positions that every predicate accepts, ascending; None where there is no predicate."""
        mask = self._evaluation.kept()
        return None if mask is None else np.flatnonzero(mask)

    def __len__(self) -> int:
        return self.n_positions if self.accepted is None else int(self.accepted.size)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for _, points in self._product.pieces(self.accepted):
            yield from points

    def point(self, index: int) -> dict[str, Any]:
        """Parameters of one point.

        Raises
        ------
        IndexError
            Where there is no such point.
        """
        n_points = len(self)
        if not -n_points <= index < n_points:
            raise IndexError(f"point {index} of a space with {n_points} points")
        index %= n_points
        return self.parameters_at(self.positions(index, index + 1))[0]

    def positions(self, start: int, stop: int) -> Positions:
        """Positions of the points `start` to `stop`."""
        if self.accepted is None:
            return np.arange(start, stop, dtype=np.int64)
        return self.accepted[start:stop]

    def codes(self, positions: Positions) -> dict[str, Codes]:
        """Which value each parameter has at `positions`, as codes into its table."""
        return self._product.codes(positions)

    def parameters_at(self, positions: Positions, labels: bool = False) -> list[dict[str, Any]]:
        """Parameters of the points at `positions`; labels for labelled objects, if asked for."""
        return self._product.parameters_at(positions, labels)

    def arguments_at(
        self, positions: Positions, names: Collection[str]
    ) -> dict[str, npt.NDArray[Any] | list[Any]]:
        """Values of parameters at `positions`, whose points have the same ones, as columns."""
        return {
            name: self.columns[name].table.column(codes)
            for name, codes in self.codes(positions).items()
            if name in names and codes[0] != ABSENT
        }

    def is_first(self, positions: Positions) -> Mask | None:
        """Whether the points at `positions` are the first of those equal to them.

        It is None where no dimension repeats a row, as samples may.
        """
        return self._product.is_first(positions)

    def where(self, keep: Callable[..., Any]) -> Space:
        """Keep the points that a predicate accepts, which is given their parameters by name."""
        keeps = predicate(keep, self.parameters)
        return dataclasses.replace(self, predicates=(*self.predicates, keeps))

    def derive(self, **functions: Callable[..., Any]) -> Space:
        """Add parameters that are functions of others, which they are given by name.

        Parameters
        ----------
        **functions : callable
            By the name of the parameter. Each may use those before it. A point that lacks what a
            function needs lacks the derived parameter.

        Raises
        ------
        UnknownNameError
            For a function of parameters that the space has not.
        DeclarationError
            For a name that is taken. Later, when the values are needed: for a function that raises
            and a value that no parameter can have, with the point.

        Examples
        --------
        >>> from sweeps import grid
        >>> space = grid(u=[1.0, 2.0], l=[0.5]).derive(reynolds=lambda u, l, nu=1e-6: u * l / nu)
        >>> space.point(1)
        {'u': 2.0, 'l': 0.5, 'reynolds': 1000000.0}
        """
        space = self
        for name, function in functions.items():
            added = derivation(name, function, space.parameters)
            space = dataclasses.replace(space, derivations=(*space.derivations, added))
        return space

    def rename(self, **dims: str) -> Space:
        """Rename dimensions, so that two lists of points can be multiplied.

        Parameters
        ----------
        **dims : str
            New names by the old ones.

        Raises
        ------
        UnknownNameError
            For a dimension that the space has not.
        DeclarationError
            For the dimension of an axis, which has the name of its parameter, and for a new name
            that is taken.

        Examples
        --------
        >>> from sweeps import points
        >>> points([{"x": 1}]).rename(point="case") * points([{"y": 2}])
        <Space (case: 1, point: 1)>
        """
        for old, new in dims.items():
            if old not in self.sizes:
                raise unknown("dimension", old, self.sizes, "in the space")
            if old in self.parameters:
                raise DeclarationError(
                    f"the dimension {old!r} is the axis of the parameter {old!r}: it cannot be "
                    "renamed alone; give the parameter another name where you declare it"
                )
            if new in self.parameters:
                raise DeclarationError(f"{new!r} is a parameter: give the dimension another name")
        known = [
            dataclasses.replace(each, dims=tuple(dims.get(dim, dim) for dim in each.dims))
            if isinstance(each, Derived)
            else each
            for each in self.derivations
        ]
        renamed = (dataclasses.replace(d, name=dims.get(d.name, d.name)) for d in self.dimensions)
        return Space(tuple(renamed), self.predicates, tuple(known))

    def settled(self) -> Space:
        """Make the space of the same parameters at the same positions that needs no function.

        It can be sent to another process. What ``where`` excludes is not excluded any more, and
        lacks the derived parameters there that no one has read.
        """
        columns = [self.columns[name] for name in self.derived]
        derived = (Derived(self.dims_of(c.name), Column(c.name, c.table, c.codes)) for c in columns)
        plain = (dataclasses.replace(d, sampling=None) for d in self.dimensions)
        return Space(tuple(plain), derivations=tuple(derived))

    def __mul__(self, other: Space) -> Space:
        if not isinstance(other, Space):
            return NotImplemented
        return Space(
            self.dimensions + other.dimensions,
            self.predicates + other.predicates,
            self.derivations + other.derivations,
        )

    def __add__(self, other: Space) -> Space:
        if not isinstance(other, Space):
            return NotImplemented
        return union(self, other)

    def __repr__(self) -> str:
        dims = ", ".join(f"{name}: {size}" for name, size in self.sizes.items())
        derived = f" with {', '.join(self.derived)}" if self.derived else ""
        return f"<Space ({dims}){derived}{' where …' if self.predicates else ''}>"

    def _repr_html_(self) -> str:
        from sweeps.spaces import shown

        return shown.html(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What the functions of a space say."""

    dimensions: tuple[Dimension, ...]
    predicates: tuple[Keeps, ...]
    derivations: tuple[Derivation | Derived, ...]

    @functools.cached_property
    def product(self) -> Product:
        """All parameters, the derived ones last, of which no function has been asked yet."""
        columns: dict[str, Column | Deferred] = {}
        along: dict[str, tuple[str, ...]] = {}
        for dimension in self.dimensions:
            columns |= {column.name: column for column in dimension.columns}
            along |= {column.name: (dimension.name,) for column in dimension.columns}
        for number, each in enumerate(self.derivations):
            if isinstance(each, Derived):
                columns[each.name], along[each.name] = each.column, each.dims
                continue
            used = {dim for name in each.names for dim in along.get(name, ())}
            along[each.name] = tuple(d.name for d in self.dimensions if d.name in used)
            has_gaps = any(columns[name].has_gaps for name in each.required)
            make = functools.partial(self._column, number, each)
            columns[each.name] = Deferred(each.name, has_gaps, make)
        return Product(self.dimensions, columns, along)

    def kept(self) -> Mask | None:
        """Places that every predicate keeps, in the shape of the space; None if there is none."""
        return self._kept(len(self.derivations))

    def _kept(self, n_derived: int) -> Mask | None:
        """Places kept by the predicates that need the first `n_derived` derived ones at most."""
        if n_derived not in self._masks:
            mask = self._kept(n_derived - 1) if n_derived else None
            for keeps in self.predicates:
                needed = [n for n, d in enumerate(self.derivations, 1) if d.name in keeps.names]
                if max(needed, default=0) == n_derived:
                    said = self._said(keeps, mask)
                    mask = said if mask is None else mask & said
            self._masks[n_derived] = mask
        return self._masks[n_derived]

    @functools.cached_property
    def _masks(self) -> dict[int, Mask | None]:
        return {}

    def _said(self, keeps: Keeps, mask: Mask | None) -> Mask:
        sizes = self.product.sizes
        refuse_listing(".where() looks at every point", sizes, self.product.n_positions)
        part = self.product.part(keeps.names)
        at = self._asked(part, mask)
        said = np.zeros(part.n_positions, dtype=bool)
        said[slice(None) if at is None else at] = keeps.mask(part, at)
        shape = [size if dim in part.sizes else 1 for dim, size in sizes.items()]
        return np.broadcast_to(said.reshape(shape), tuple(sizes.values()))

    def _column(self, number: int, derivation: Derivation) -> Column:
        later = {each.name for each in self.derivations[number:]}
        part = self.product.part({*derivation.names} - later)
        given = ", ".join(part.along)
        why = f"derived parameter {derivation.name!r} looks at every combination of {given}"
        refuse_listing(why, part.sizes, part.n_positions)
        pieces = part.pieces(self._asked(part, self._kept(number)))
        return tabulate(derivation, part.n_positions, pieces)

    def _asked(self, part: Product, mask: Mask | None) -> Positions | None:
        """Find the places of a part that some kept point needs; None if it is all."""
        if mask is None:
            return None
        others = tuple(n for n, d in enumerate(self.dimensions) if d not in part.dimensions)
        return np.flatnonzero(mask.any(axis=others))


def union(*spaces: Space) -> Space:
    """List the points of all spaces, each once."""
    columns = {name: column for space in reversed(spaces) for name, column in space.columns.items()}
    names = dict.fromkeys(name for space in spaces for name in space.parameters)
    pieces: dict[str, list[tuple[Values, Codes]]] = {name: [] for name in names}
    for space in spaces:
        refuse_listing("a + b lists its points", space.sizes, len(space))
        codes = space.codes(space.positions(0, len(space)))
        for name, own in pieces.items():
            table = space.columns.get(name, columns[name]).table
            own.append((table, codes.get(name, np.full(len(space), ABSENT))))
    joined = [end_to_end(name, own) for name, own in pieces.items()]
    kept = first_rows(joined, sum(map(len, spaces)))
    dims = {space.dims for space in spaces}
    shared = spaces[0].dims[0] if len(dims) == 1 and len(spaces[0].dims) == 1 else "point"
    dim = "point" if shared in pieces else shared
    present = [Column(c.name, c.table, c.at(kept)) for c in joined if len(c.table)]
    refuse_clashes([Dimension(dim, len(kept), tuple(present))])
    given = {name for space in spaces for name in space.parameters if name not in space.derived}
    listed_columns = tuple(column for column in present if column.name in given)
    derived = tuple(Derived((dim,), column) for column in present if column.name not in given)
    return Space((Dimension(dim, len(kept), listed_columns),), derivations=derived)
