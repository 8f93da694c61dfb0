"""Functions of a space's parameters: which points ``where`` keeps, and what ``derive`` adds."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError, SweepsError, unknown
from sweeps.spaces.accept import accept
from sweeps.spaces.axes import ABSENT, Column, Dimension
from sweeps.spaces.product import Deferred, Derived, Mask, Pieces, Positions, Product
from sweeps.spaces.values import NUMERIC, Values, factorize, short

_MAX_LISTED = 2**27


class Keeps(Protocol):
    """What says which points belong to a space, by the parameters that it names."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it depends on."""

    def mask(self, product: Product, at: Positions | None) -> npt.NDArray[np.bool_]:
        """Ask it about the positions of a product, some or all of them, in order."""


@dataclasses.dataclass(frozen=True, eq=False)
class Predicate:
    """A function of parameters that says whether a point belongs to a space.

    Attributes
    ----------
    names : tuple of str
        The parameters that it is given, where a point has them.
    """

    function: Callable[..., Any]
    names: tuple[str, ...]

    def accepts(self, parameters: Mapping[str, Any]) -> bool:
        """Ask it about a point.

        Raises
        ------
        DeclarationError
            Where it raises an exception, or its answer is neither true nor false.
        """
        asked = _given(self.names, parameters)
        try:
            return bool(self.function(**asked))
        except SweepsError:
            raise
        except (Exception, SystemExit) as error:
            raise _raised("the predicate of .where()", error, asked) from error

    def mask(self, product: Product, at: Positions | None) -> npt.NDArray[np.bool_]:
        """Ask it about the positions of a product, some or all of them, in order."""
        said = (self.accepts(point) for _, points in product.pieces(at) for point in points)
        return np.fromiter(said, dtype=bool, count=product.n_positions if at is None else len(at))


@dataclasses.dataclass(frozen=True, eq=False)
class Derivation:
    """A parameter that is a function of others.

    Attributes
    ----------
    names, required : tuple of str
        The parameters that it is given, where a point has them; those without which a point lacks
        the derived parameter too.
    """

    name: str
    function: Callable[..., Any]
    names: tuple[str, ...]
    required: tuple[str, ...]

    def value(self, parameters: Mapping[str, Any]) -> Any:
        """Derive its value at a point that has all that is required.

        Raises
        ------
        DeclarationError
            Where the function raises an exception.
        """
        asked = _given(self.names, parameters)
        try:
            return self.function(**asked)
        except SweepsError:
            raise
        except (Exception, SystemExit) as error:
            raise _raised(f"derived parameter {self.name!r}", error, asked) from error


def predicate(function: Any, parameters: Sequence[str]) -> Predicate:
    """Make a predicate over a space with these parameters.

    Raises
    ------
    UnknownNameError
        Where the function asks for a parameter that the space has not.
    DeclarationError
        For what is no function, and one that does not tell its arguments.

    Examples
    --------
    >>> predicate(lambda x, limit=3: x < limit, ["x", "y"]).names
    ('x', 'limit')
    """
    names, _ = _arguments(".where()", function, parameters)
    return Predicate(function, names)


def derivation(name: str, function: Any, parameters: Sequence[str]) -> Derivation:
    """Make a derived parameter of a space with these parameters.

    Raises
    ------
    UnknownNameError, DeclarationError
        As for `predicate`.

    Examples
    --------
    >>> derivation("area", lambda width, height=1.0: width * height, ["width"]).required
    ('width',)
    """
    return Derivation(name, function, *_arguments(f".derive({name}=...)", function, parameters))


def _arguments(
    where: str, function: Any, parameters: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of a function's arguments, and of those without a default.

    An argument with a default need not be in the space; it is given once a space has it, be it by
    a product with another one.
    """
    if not callable(function):
        raise DeclarationError(f"{where} takes a function of parameters, not {function!r}")
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise DeclarationError(
            f"{where} cannot find out which parameters {function!r} takes: "
            "give a lambda with their names"
        ) from error
    named = [a for a in arguments if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)]
    required = tuple(a.name for a in named if a.default is a.empty)
    for name in required:
        if name not in parameters:
            raise unknown("parameter", name, parameters, f"in the space for {where}")
    takes_all = any(a.kind is a.VAR_KEYWORD for a in arguments)
    names = [*(parameters if takes_all else ()), *(a.name for a in named)]
    return tuple(dict.fromkeys(names)), required


def _given(names: Sequence[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in names if name in parameters}


def _raised(what: str, error: BaseException, asked: Mapping[str, Any]) -> DeclarationError:
    return DeclarationError(
        f"{what} raised {type(error).__name__}: {error}, at the point {dict(asked)}"
    )


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
        """Find those places of a part that some kept place has a part in; None if it is all."""
        if mask is None:
            return None
        others = tuple(n for n, d in enumerate(self.dimensions) if d not in part.dimensions)
        return np.flatnonzero(mask.any(axis=others))


def refuse_listing(why: str, sizes: Mapping[str, int], n_points: int) -> None:
    """Raise `DeclarationError` for more points than can be looked at one by one."""
    if n_points > _MAX_LISTED:
        dims = ", ".join(f"{dim}: {size}" for dim, size in sizes.items())
        raise DeclarationError(
            f"{why}, and the space ({dims}) has {n_points:,}: at most {_MAX_LISTED:,} are "
            "possible; give fewer values on its axes"
        )


def tabulate(derivation: Derivation, size: int, asked: Pieces) -> Column:
    """Ask a function for the values of a derived parameter.

    Parameters
    ----------
    derivation : Derivation
    size : int
        Number of places.
    asked : iterable of (numpy.ndarray, list of dict)
        Places, and the parameters there. The others have no value.

    Raises
    ------
    DeclarationError
        For a function that raises, and for values that no parameter can have.
    """
    codes = np.full(size, ABSENT, dtype=np.int64)
    required = {*derivation.required}
    values: list[Any] = []
    for at, points in asked:
        has_all = np.array([required <= parameters.keys() for parameters in points])
        codes[at[has_all]] = 0
        values += _values(derivation, [points[i] for i in np.flatnonzero(has_all).tolist()])
    try:
        table, present = factorize(derivation.name, accept(derivation.name, values))
        _refuse_mixture(derivation.name, table, values)
    except DeclarationError as error:
        raise DeclarationError(f"derived parameter {derivation.name!r}: {error}") from error
    codes[codes != ABSENT] = present  # places come in ascending order
    return Column(derivation.name, table, codes)


def _refuse_mixture(name: str, table: Values, values: Sequence[Any]) -> None:
    """Refuse integers beside floats: what a point is would depend on the points beside it."""
    of_each_type = dict(zip(map(type, values), values, strict=True)).values()
    if table.kind in NUMERIC and len({accept(name, [value]).kind for value in of_each_type}) > 1:
        raise DeclarationError(
            "its values have several types, such as "
            f"{' and '.join(map(repr, of_each_type))}: convert all of them to one type, as "
            "with float(...)"
        )


def _values(derivation: Derivation, points: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Values at some points; what cannot be one is told with its point, while that is at hand."""
    values = [derivation.value(point) for point in points]
    try:
        accept(derivation.name, values)
    except DeclarationError:
        for value, point in zip(values, points, strict=True):
            _refuse_unacceptable(derivation, value, point)
    return values


def _refuse_unacceptable(derivation: Derivation, value: Any, point: Mapping[str, Any]) -> None:
    try:
        accept(derivation.name, [value])
    except DeclarationError as error:
        raise DeclarationError(
            f"derived parameter {derivation.name!r} is {short(value)} at the point "
            f"{dict(point)}, which is not allowed as a value of a parameter ({error}); "
            "derive another value, or exclude the point with .where()"
        ) from error
