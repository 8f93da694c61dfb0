"""A sheet of Excel, by openpyxl in its mode for writing only, which keeps one row in memory."""

from __future__ import annotations

import datetime
import math
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sweeps.errors import DeclarationError
from sweeps.exports import flat
from sweeps.exports.columns import Table
from sweeps.storage.files import New

# https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767

_OTHERS = "export .csv or .parquet"

_ADVICE = f"a sheet has {MOST_COLUMNS:,} columns at most: {_OTHERS}, or .nc"

_MOST_EXACT = 2**53

_FIRST_DAY = datetime.datetime(1900, 3, 1)  # Excel takes 1900 for a leap year

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def write(table: Table, new: New) -> list[str]:
    """Write a table as the only sheet of a workbook.

    Text is text, whatever it begins with; in Excel, too, it stays text when it is edited.
    """
    from openpyxl import Workbook

    if table.n_rows >= MOST_ROWS:
        raise DeclarationError(
            f"{table.n_rows:,} points are too many for .xlsx: a sheet has {MOST_ROWS:,} rows, and "
            f"one is for the names: {_OTHERS}"
        )
    names = flat.names(table, MOST_COLUMNS, _ADVICE)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("results")
    sheet.freeze_panes = "A2"
    text = _text_cells(sheet)
    try:
        sheet.append([text(name, name) for name in names])
        for piece in flat.frames(table, names):
            cells = [_cells(name, piece[name], text) for name in names]
            for row in zip(*cells, strict=True):
                sheet.append(row)
    except BaseException:
        sheet.close()  # else its unfinished parts print errors when they are collected
        raise
    with os.fdopen(os.dup(new.descriptor), "wb") as file:
        book.save(file)
    return []


def _text_cells(sheet: Any) -> Callable[[str, str], Any]:
    from openpyxl.cell import WriteOnlyCell

    def made(column: str, text: str) -> Any:
        if len(text) > MOST_CHARACTERS:
            raise DeclarationError(
                f"{column!r} has a text of {len(text):,} characters; a cell of .xlsx has "
                f"{MOST_CHARACTERS:,} at most: {_OTHERS}"
            )
        if found := _NOT_IN_XML.search(text):
            raise DeclarationError(
                f"{column!r} has a text with the control character {found[0]!r}, which .xlsx "
                f"cannot hold: {_OTHERS}"
            )
        cell = WriteOnlyCell(sheet, value=text)
        if cell.data_type != "s" or text[:1] in ("=", "+", "-", "@"):
            cell.data_type = "s"  # openpyxl takes "=1" for a formula and "#N/A" for an error
            cell.quotePrefix = True
        return cell

    return made


def _cells(name: str, column: Any, text: Callable[[str, str], Any]) -> Iterator[Any]:
    missing = column.isna().to_numpy()
    kind = column.dtype.kind
    if kind in "iu":
        _refuse_rounding(name, column[~missing])
    for value, is_missing in zip(column, missing, strict=True):
        if is_missing:
            yield None
        elif isinstance(value, str):
            yield text(name, value)
        elif kind == "M":
            yield _date(name, value)
        elif kind == "m":
            yield value.to_pytimedelta()
        elif kind == "b":
            yield bool(value)
        elif kind in "iu":
            yield int(value)
        else:
            yield float(value) if math.isfinite(value) else text(name, str(float(value)))


def _refuse_rounding(name: str, present: Any) -> None:
    if len(present) and (int(present.max()) > _MOST_EXACT or int(present.min()) < -_MOST_EXACT):
        raise DeclarationError(
            f"{name!r} has integers beyond 2^53, which a spreadsheet rounds: {_OTHERS}"
        )


def _date(name: str, value: Any) -> datetime.datetime:
    if value < np.datetime64(_FIRST_DAY) or value.year > 9999 or value.microsecond % 1000:
        raise DeclarationError(
            f"{name!r} has the date {value}; Excel knows 1900-03-01 to 9999-12-31, in "
            f"milliseconds: {_OTHERS}"
        )
    made: datetime.datetime = value.to_pydatetime()
    return made
