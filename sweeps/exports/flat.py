"""Tables whose cells are single numbers, texts, booleans and times, for formats that know no more.

A complex number becomes two columns, and an array one column for each of its values.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.errors import DeclarationError
from sweeps.exports import columns
from sweeps.exports.columns import Column, Table

if TYPE_CHECKING:
    import pandas


def names(table: Table, most: int, advice: str) -> list[str]:
    """Return the names of the columns; refuse if they are too many, or two are the same.

    Parameters
    ----------
    most : int
        Number of columns that the format has room for.
    advice : str
        What to do if they are more.
    """
    found = [table.status_column] if table.status_column else []
    for column in table.columns:
        if np.prod(column.shape, dtype=float) > most:
            raise DeclarationError(
                f"{column.name!r} is an array of shape {column.shape}, too large for columns: "
                f"{advice}"
            )
        found += _names(column)
    if len(found) > most:
        raise DeclarationError(f"there are {len(found):,} columns: {advice}")
    refuse_clash(found)
    return found


def refuse_clash(found: Sequence[str]) -> None:
    """Refuse two columns of one name."""
    seen = set[str]()
    for name in found:
        if name in seen:
            raise DeclarationError(
                f"two columns would be named {name!r}, since each part of a complex output and "
                "each value of an array gets a column: rename an output, or export .nc"
            )
        seen.add(name)


def _names(column: Column) -> list[str]:
    indices = itertools.product(*map(range, column.shape))
    parts = [column.name]
    if column.dims:
        parts = [f"{column.name}[{','.join(map(str, index))}]" for index in indices]
    return [name for part in parts for name in halves(column, part)]


def halves(column: Column, name: str) -> list[str]:
    """Return the names of the columns that the numbers of a column need: two if complex."""
    return [f"{name}_real", f"{name}_imag"] if column.dtype.kind == "c" else [name]


def frames(table: Table, names: Sequence[str]) -> Iterator[pandas.DataFrame]:
    """Read a table in pieces; at least one, which may be empty."""
    import pandas

    is_empty = True
    for piece in columns.frames(table):
        is_empty = False
        yield _flat(table, piece, names)
    if is_empty:
        yield pandas.DataFrame({name: np.empty(0) for name in names})


def _flat(table: Table, piece: pandas.DataFrame, names: Sequence[str]) -> pandas.DataFrame:
    import pandas

    made: list[Any] = []
    if table.status_column:
        made.append(piece[table.status_column])
    for column in table.columns:
        for part in _parts(column, piece[column.name]):
            made += _cells(column, part)
    cells = zip(names, made, strict=True)
    return pandas.DataFrame({name: pandas.Series(v).array for name, v in cells}, index=piece.index)


def _parts(column: Column, found: Any) -> Iterator[Any]:
    """Split a column of arrays into one for each value; behind the end of an array is nothing."""
    import pandas

    if not column.dims:
        yield found
        return
    cells = list(found)
    for index in itertools.product(*map(range, column.shape)):
        held = [_has(each, index) for each in cells]
        if all(held):
            own = np.array([each[index] for each in cells], dtype=column.dtype)
            yield columns.text(own) if column.is_text else pandas.Series(own)
        else:
            gaps = [each[index] if has else None for has, each in zip(held, cells, strict=True)]
            yield pandas.Series(gaps, dtype=_nullable(column))


def _has(array: Any, index: tuple[int, ...]) -> bool:
    return array is not None and all(at < n for at, n in zip(index, array.shape, strict=True))


def _nullable(column: Column) -> Any:
    """Return the dtype of pandas in which values may be missing.

    Examples
    --------
    >>> [_nullable(Column("n", np.dtype(each), True)) for each in ("uint8", bool, "f4")]
    ['UInt8', 'boolean', dtype('float32')]
    """
    name = column.dtype.name
    if column.dtype.kind == "b":
        return "boolean"
    if column.dtype.kind in "iu":
        return name.replace("uint", "UInt") if column.dtype.kind == "u" else name.capitalize()
    return column.dtype


def _cells(column: Column, part: Any) -> list[Any]:
    if column.dtype.kind == "c":
        numbers = np.asarray(part, dtype=column.dtype)
        return [numbers.real, numbers.imag]
    if column.dtype.kind == "O" and not column.is_text:  # dates of a calendar that numpy lacks
        own = [each.isoformat() if hasattr(each, "isoformat") else None for each in part]
        return [columns.text(np.array(own, dtype=object))]
    return [part]


def formulas(texts: Any) -> bool:
    r"""Whether a text is among these that a spreadsheet would take for a formula.

    Examples
    --------
    >>> formulas(["a", None]), formulas(["=1+1"]), formulas(["-x", "\t=1"])
    (False, True, True)
    """
    signs = ("=", "+", "-", "@")
    return any(isinstance(each, str) and each.lstrip().startswith(signs) for each in texts)
