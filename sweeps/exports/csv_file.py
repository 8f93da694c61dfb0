"""Text with commas (RFC 4180), in UTF-8: a line for each point."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from sweeps.exports import columns, flat
from sweeps.exports.columns import Table
from sweeps.storage.files import New

_MOST_COLUMNS = 16_384

_ADVICE = f"more than {_MOST_COLUMNS:,} columns are of no use in a table: export .nc or .zarr"


def write(table: Table, new: New) -> list[str]:
    """Write a table piece by piece; memory holds one of them.

    Text stays as it is, also what begins like a formula: a csv file is data, and programs that
    read it must get what points returned. Who opens it with a spreadsheet is warned.
    """
    names = flat.names(table, _MOST_COLUMNS, _ADVICE)
    risky: dict[str, None] = {}
    with os.fdopen(os.dup(new.descriptor), "w", encoding="utf-8", newline="") as file:
        for number, piece in enumerate(flat.frames(table, names)):
            for name in names:
                piece[name] = _as_text(piece[name])
                if piece[name].dtype.kind == "O" and flat.formulas(piece[name]):
                    risky[name] = None
            piece.to_csv(file, index=False, header=not number, lineterminator="\n")
    if not risky:
        return []
    listed = ", ".join(map(repr, risky))
    return [
        f"text in {listed} begins with '=', '+', '-' or '@': a spreadsheet that opens the file "
        "takes it for a formula; in .xlsx it is text"
    ]


def _as_text(column: Any) -> Any:
    """Turn times into text of one form: pandas would choose one for each piece."""
    kind = column.dtype.kind
    if kind not in "mM":
        return column
    missing = column.isna().to_numpy()
    if kind == "M":
        texts = np.datetime_as_string(column.to_numpy().astype("M8[us]"), unit="us").astype(object)
    else:
        texts = np.array([str(each) for each in column], dtype=object)
    texts[missing] = None
    return columns.text(texts).array  # without an index, which pandas would align
