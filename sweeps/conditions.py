"""Conditions: comparisons of parameters joined by and, or, not, asked of many points at once.

A comparison is true, false, or fails, as that of a word with a number by ``<``. As in Python,
``and`` and ``or`` do not look at what stands behind a part that decides.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sweeps.axes import ABSENT, Codes
from sweeps.tokens import mistake
from sweeps.values import Values, label, short

if TYPE_CHECKING:
    from sweeps.space import Space

Truth: TypeAlias = npt.NDArray[np.int8]
Side: TypeAlias = npt.NDArray[Any] | list[Any]
FALSE, TRUE, FAILS = 0, 1, 2

COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_PLAIN = frozenset({bool, int, float, complex, str, type(None), datetime.datetime})
_STEP = 2**20


@dataclasses.dataclass(frozen=True, eq=False)
class Parameter:
    """A parameter and its values."""

    name: str
    table: Values


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """A value, in the form that it is compared in."""

    value: Any


Operand: TypeAlias = Parameter | Value


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """One comparison; false of points that lack a parameter of it.

    Attributes
    ----------
    column : int
        Where it stands in the text that it is from.
    """

    left: Operand
    symbol: str
    right: Operand
    column: int

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of its sides that are parameters."""
        return tuple(side for side in (self.left, self.right) if isinstance(side, Parameter))

    @functools.cached_property
    def of_each(self) -> Truth:
        """Whether it is true, by the code of its only parameter; the last, ABSENT, is false."""
        said = _compared(self.symbol, _values(self.left), _values(self.right))
        return np.append(said, np.int8(FALSE))


@dataclasses.dataclass(frozen=True, eq=False)
class Not:
    """True where its part is false."""

    part: Condition


@dataclasses.dataclass(frozen=True, eq=False)
class Joined:
    """Parts joined by ``and``, which one that is `FALSE` decides, or by ``or``, and `TRUE`."""

    parts: Sequence[Condition]
    decides: int


Condition: TypeAlias = Comparison | Not | Joined


@dataclasses.dataclass(frozen=True, eq=False)
class Restriction:
    """Keeps the points of a space of which a condition is true.

    Attributes
    ----------
    names : tuple of str
        The parameters that it depends on.
    text : str
        As it was written.
    """

    condition: Condition
    names: tuple[str, ...]
    text: str

    def mask(self, space: Space) -> npt.NDArray[np.bool_]:
        """Ask it about every point of a space, in order.

        Raises
        ------
        OverrideError
            Where values cannot be compared.
        """
        kept = [np.ones(0, dtype=bool)]
        for start in range(0, len(space), _STEP):
            positions = space.positions(start, min(start + _STEP, len(space)))
            codes = space.codes(positions)
            said = truth(self.condition, codes, len(positions))
            failing = np.flatnonzero(said == FAILS)[:1]
            if failing.size:
                self._refuse({name: own[failing] for name, own in codes.items()})
            kept.append(said == TRUE)
        return np.concatenate(kept)

    def _refuse(self, codes: Mapping[str, Codes]) -> None:
        failing = _failing(self.condition, codes)
        sides = [_at(side, codes)[0] for side in (failing.left, failing.right)]
        raise mistake(
            self.text,
            failing.column,
            f"cannot compare {' with '.join(map(short, sides))} by {failing.symbol}: only values "
            "of one kind have an order, and all can be compared by == and !=",
        )


def truth(condition: Condition, codes: Mapping[str, Codes], n_points: int) -> Truth:
    """Find out whether a condition is true, of shape (n_points,), by the codes of parameters."""
    if isinstance(condition, Comparison):
        return _truth_of_one(condition, codes, n_points)
    if isinstance(condition, Not):
        inverse: Truth = np.array([TRUE, FALSE, FAILS], dtype=np.int8)
        return inverse[truth(condition.part, codes, n_points)]
    said = truth(condition.parts[0], codes, n_points)
    goes_on = FALSE + TRUE - condition.decides
    for part in condition.parts[1:]:
        is_open = said == goes_on
        if is_open.any():
            said = np.where(is_open, truth(part, codes, n_points), said)
    return said


def _truth_of_one(condition: Comparison, codes: Mapping[str, Codes], n_points: int) -> Truth:
    names = [parameter.name for parameter in condition.parameters]
    if not names:
        return np.broadcast_to(condition.of_each[0], n_points)
    if len(names) == 1:
        return condition.of_each[codes[names[0]]]
    said = _compared(condition.symbol, _at(condition.left, codes), _at(condition.right, codes))
    is_absent = (codes[names[0]] == ABSENT) | (codes[names[1]] == ABSENT)
    return np.where(is_absent, np.int8(FALSE), said)


def _failing(condition: Condition, codes: Mapping[str, Codes]) -> Comparison:
    """Find the comparison that fails of a single point, of which the condition fails."""
    while not isinstance(condition, Comparison):
        parts = [condition.part] if isinstance(condition, Not) else condition.parts
        condition = next(part for part in parts if truth(part, codes, 1)[0] == FAILS)
    return condition


def comparable(element: Any) -> Any:
    """Find what a value is compared as: what is no number, word, time or None as its label.

    Dates are midnights, so that they can be compared with times.
    """
    if type(element) is datetime.date:
        return datetime.datetime.combine(element, datetime.time())
    return element if type(element) in _PLAIN else label(element)


def _values(operand: Operand) -> Side:
    if isinstance(operand, Value):
        return [operand.value]
    array = operand.table.coordinate() if operand.table.kind in ("int", "float") else None
    if array is not None and array.dtype in (np.int64, np.float64):
        return array
    return [comparable(element) for element in operand.table.elements()]


def _at(operand: Operand, codes: Mapping[str, Codes]) -> Side:
    values = _values(operand)
    if isinstance(operand, Value):
        return values
    own = codes[operand.name]
    return values[own] if isinstance(values, np.ndarray) else [values[c] for c in own.tolist()]


def _compared(symbol: str, left: Side, right: Side) -> Truth:
    """Compare each with each, or with the only one, exactly as Python does."""
    compare = COMPARISONS[symbol]
    left, right = _of_type(left, right), _of_type(right, left)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray) and left.dtype == right.dtype:
        return np.asarray(compare(left, right), dtype=np.int8)
    a, b = (list(side) if isinstance(side, list) else side.tolist() for side in (left, right))
    n_values = max(len(a), len(b))
    pairs = list(zip(a * (n_values // len(a)), b * (n_values // len(b)), strict=True))
    try:
        return np.array([compare(x, y) for x, y in pairs], dtype=np.int8)
    except TypeError:
        return np.array([_attempt(compare, x, y) for x, y in pairs], dtype=np.int8)


def _of_type(side: Side, other: Side) -> Side:
    """Make a single number one of the other side's type, where that is exact."""
    if isinstance(side, list) and isinstance(other, np.ndarray) and type(side[0]) in (int, float):
        with contextlib.suppress(OverflowError):
            number = other.dtype.type(side[0])
            if number.item() == side[0]:
                return np.array([number])
    return side


def _attempt(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> int:
    try:
        return int(compare(left, right))
    except TypeError:
        return FAILS
