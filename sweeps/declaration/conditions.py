"""Conditions: comparisons of parameters joined by and, or, not, asked of many points at once.

A comparison is true, false, or fails, as that of a word with a number by ``<``. As in Python,
``and`` and ``or`` do not look at what stands behind a part that decides.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sweeps.declaration.tokens import mistake
from sweeps.errors import OverrideError
from sweeps.spaces.product import ABSENT
from sweeps.spaces.values import Values, label, short

if TYPE_CHECKING:
    from sweeps.spaces.product import Codes, Positions, Product

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
    """A parameter, by name."""

    name: str


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
class Places:
    """Places of a product, and which value each parameter has there."""

    tables: Mapping[str, Values]
    codes: Mapping[str, Codes]
    n: int


@dataclasses.dataclass(frozen=True, eq=False)
class Restriction:
    """Keeps the points of which a condition is true.

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

    def mask(self, product: Product, at: Positions | None) -> npt.NDArray[np.bool_]:
        """Ask it about the positions of a product, some or all of them, in order.

        Raises
        ------
        OverrideError
            Where values cannot be compared.
        """
        n_asked = product.n_positions if at is None else len(at)
        tables = {name: product.columns[name].table for name in self.names}
        kept = np.zeros(n_asked, dtype=bool)
        for start in range(0, n_asked, _STEP):
            stop = min(start + _STEP, n_asked)
            positions = np.arange(start, stop) if at is None else at[start:stop]
            said = truth(self.condition, Places(tables, product.codes(positions), stop - start))
            failing = positions[said == FAILS][:1]
            if failing.size:
                raise self._failure(Places(tables, product.codes(failing), 1))
            kept[start:stop] = said == TRUE
        return kept

    def _failure(self, place: Places) -> OverrideError:
        failing = _failing(self.condition, place)
        left, right = (_plain(_side(side, place)) for side in (failing.left, failing.right))
        return mistake(
            self.text,
            failing.column,
            (
                f"cannot compare {short(left[0])} with {short(right[0])} by {failing.symbol}: "
                "values of different kinds have no order; use == or !="
            ),
        )


def truth(condition: Condition, places: Places) -> Truth:
    """Find out where a condition is true; shape (n,)."""
    if isinstance(condition, Comparison):
        return _truth_of_one(condition, places)
    if isinstance(condition, Not):
        inverse: Truth = np.array([TRUE, FALSE, FAILS], dtype=np.int8)
        return inverse[truth(condition.part, places)]
    said = truth(condition.parts[0], places)
    for part in condition.parts[1:]:
        is_open = said == FALSE + TRUE - condition.decides
        if is_open.any():
            said = np.where(is_open, truth(part, places), said)
    return said


def _truth_of_one(condition: Comparison, places: Places) -> Truth:
    sides = (condition.left, condition.right)
    names = list({side.name: None for side in sides if isinstance(side, Parameter)})
    if len(names) == 1 and len(places.tables[names[0]]) < places.n:
        codes = np.arange(len(places.tables[names[0]]))
        each = _truth_of_one(condition, Places(places.tables, {names[0]: codes}, len(codes)))
        return np.append(each, np.int8(FALSE))[places.codes[names[0]]]  # ABSENT takes the last
    present = np.ones(places.n, dtype=bool)
    for name in names:
        present &= places.codes[name] != ABSENT
    said = np.full(places.n, FALSE, dtype=np.int8)
    if present.any():
        own = Places(places.tables, {n: places.codes[n][present] for n in names}, present.sum())
        said[present] = _compared(condition.symbol, *(_side(side, own) for side in sides))
    return said


def _failing(condition: Condition, place: Places) -> Comparison:
    """Find the comparison that fails at a single place, where the condition fails."""
    while not isinstance(condition, Comparison):
        parts = [condition.part] if isinstance(condition, Not) else condition.parts
        condition = next(part for part in parts if truth(part, place)[0] == FAILS)
    return condition


def comparable(element: Any) -> Any:
    """Return what a value is compared as: a number, word, time or None, else its label.

    Dates are midnights, so that they can be compared with times.
    """
    if type(element) is datetime.date:
        return datetime.datetime.combine(element, datetime.time())
    return element if type(element) in _PLAIN else label(element)


def _side(operand: Operand, places: Places) -> Side:
    """Find the values of one side of a comparison, a single one where it is a value."""
    if isinstance(operand, Value):
        return [operand.value]
    table, codes = places.tables[operand.name], places.codes[operand.name]
    if table.kind in ("int", "float", "quantity"):
        array = table.coordinate(codes)
        return array if array.dtype in (np.int64, np.float64) else array.tolist()
    return [comparable(table.element(code)) for code in codes.tolist()]


def _compared(symbol: str, left: Side, right: Side) -> Truth:
    """Compare each with each, or with the only one, exactly as Python does."""
    compare = COMPARISONS[symbol]
    left, right = _of_type(left, right), _of_type(right, left)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray) and left.dtype == right.dtype:
        return np.asarray(compare(left, right), dtype=np.int8)
    a, b = _plain(left), _plain(right)
    n_values = max(len(a), len(b))
    pairs = list(zip(a * (n_values // len(a)), b * (n_values // len(b)), strict=True))
    try:
        return np.array([compare(x, y) for x, y in pairs], dtype=np.int8)
    except TypeError:
        return np.array([_attempt(compare, x, y) for x, y in pairs], dtype=np.int8)


def _plain(side: Side) -> list[Any]:
    return side if isinstance(side, list) else side.tolist()


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
