"""Functions of a space's parameters: which points ``where`` keeps, and what ``derive`` adds."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError, SweepsError, unknown
from sweeps.spaces.accept import accept
from sweeps.spaces.product import ABSENT, Column, Pieces, Positions, Product
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
        """Ask it about a point."""
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
        """Derive its value at a point that has all that is required."""
        asked = _given(self.names, parameters)
        try:
            return self.function(**asked)
        except SweepsError:
            raise
        except (Exception, SystemExit) as error:
            raise _raised(f"derived parameter {self.name!r}", error, asked) from error


def predicate(function: Any, parameters: Sequence[str]) -> Predicate:
    """Make a predicate over a space with these parameters.

    Examples
    --------
    >>> predicate(lambda x, limit=3: x < limit, ["x", "y"]).names
    ('x', 'limit')
    """
    names, _ = _arguments(".where()", function, parameters)
    return Predicate(function, names)


def derivation(name: str, function: Any, parameters: Sequence[str]) -> Derivation:
    """Make a derived parameter of a space with these parameters.

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


def refuse_listing(why: str, sizes: Mapping[str, int], n_points: int) -> None:
    """Raise `DeclarationError` for more points than can be looked at one by one."""
    if n_points > _MAX_LISTED:
        dims = ", ".join(f"{dim}: {size}" for dim, size in sizes.items())
        raise DeclarationError(
            f"{why}, and the space ({dims}) has {n_points:,}: at most {_MAX_LISTED:,} are "
            "possible; give fewer values on its axes"
        )


def tabulate(derivation: Derivation, size: int, asked: Pieces) -> Column:
    """Ask a function for the values of a derived parameter, at `size` places.

    `asked` are places and the parameters there. The others have no value.
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
    """Refuse integers mixed with floats: a point's key would depend on the other points."""
    of_each_type = dict(zip(map(type, values), values, strict=True)).values()
    if table.kind in NUMERIC and len({accept(name, [value]).kind for value in of_each_type}) > 1:
        raise DeclarationError(
            "its values have several types, such as "
            f"{' and '.join(map(repr, of_each_type))}: convert all of them to one type, as "
            "with float(...)"
        )


def _values(derivation: Derivation, points: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Derive the values at some points; an error names the point."""
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
