"""Predicates: which points of a space ``where`` keeps."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError, SweepsError, unknown

if TYPE_CHECKING:
    from sweeps.space import Space


class Keeps(Protocol):
    """What says which points of a space stay, by the parameters that it names."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it depends on."""

    def mask(self, space: Space) -> npt.NDArray[np.bool_]:
        """Ask it about every point of a space, in order."""


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
        asked = {name: parameters[name] for name in self.names if name in parameters}
        try:
            return bool(self.function(**asked))
        except SweepsError:
            raise
        except Exception as error:
            raise DeclarationError(
                f"the predicate of .where() raised {type(error).__name__}: {error}, for {asked}"
            ) from error

    def mask(self, space: Space) -> npt.NDArray[np.bool_]:
        """Ask it about every point of a space, in order."""
        said = (self.accepts(parameters) for parameters in space)
        return np.fromiter(said, dtype=bool, count=len(space))


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
    ('x',)
    """
    if not callable(function):
        raise DeclarationError(f".where() takes a function of parameters, not {function!r}")
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise DeclarationError(
            f".where() cannot find out which parameters {function!r} takes: "
            "give a lambda with their names"
        ) from error
    if any(a.kind is a.VAR_KEYWORD for a in arguments):
        return Predicate(function, tuple(parameters))
    named = [a for a in arguments if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)]
    for argument in named:
        if argument.default is argument.empty and argument.name not in parameters:
            raise unknown("parameter", argument.name, parameters, "in the space for .where()")
    return Predicate(function, tuple(a.name for a in named if a.name in parameters))
