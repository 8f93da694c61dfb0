"""Parquet, by pyarrow: a row group for each some thousand points; types and units are kept."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from sweeps.exports import columns, flat
from sweeps.exports.columns import Column, Table
from sweeps.storage.files import New

_ROWS_OF_GROUP = 2**17

_MOST_COLUMNS = 100_000

_ADVICE = f"more than {_MOST_COLUMNS:,} columns are of no use in a table: export .nc or .zarr"


def write(table: Table, new: New) -> list[str]:
    """Write a table piece by piece; memory holds one of them.

    Arrays become lists, complex numbers two columns, and dates of other calendars text.
    """
    import pyarrow
    from pyarrow import parquet

    flat.refuse_clash(
        [table.status_column] * bool(table.status_column)
        + [name for column in table.columns for name in flat.halves(column, column.name)]
    )
    schema = _schema(table)
    with os.fdopen(os.dup(new.descriptor), "wb") as file, parquet.ParquetWriter(file, schema) as to:
        for piece in columns.frames(table, _ROWS_OF_GROUP):
            arrays: list[Any] = []
            if table.status_column:
                arrays.append(_texts(piece[table.status_column]))
            for column in table.columns:
                arrays += _arrays(column, piece[column.name])
            to.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    return []


def _schema(table: Table) -> Any:
    """Return names, types, units and what pandas needs to restore its own types."""
    import pandas
    import pyarrow

    fields: list[Any] = []
    empty = columns.empty(table)
    like: dict[str, Any] = {}
    if table.status_column:
        fields.append(pyarrow.field(table.status_column, pyarrow.string()))
        like[table.status_column] = empty[table.status_column]
    for column in table.columns:
        attrs = table.source.dataset.variables[column.name].attrs
        said = {k: str(v) for k, v in attrs.items() if not k.startswith("_")}
        for name in flat.halves(column, column.name):
            fields.append(pyarrow.field(name, _type(column), metadata=said))
            own = empty[column.name]
            like[name] = own.to_numpy().real if column.dtype.kind == "c" else own
    of_pandas = pyarrow.Schema.from_pandas(pandas.DataFrame(like), preserve_index=False).metadata
    root = table.source.dataset.attrs
    origin = {k: v for k, v in root.items() if isinstance(v, str) and len(v) < 1000}
    return pyarrow.schema(fields, metadata={**of_pandas, "sweeps": json.dumps(origin)})


def _type(column: Column) -> Any:
    import pyarrow

    kind = column.dtype.kind
    if kind == "c":
        made = pyarrow.from_numpy_dtype(column.dtype.type(0).real.dtype)
    elif kind in "biufmM":
        made = pyarrow.from_numpy_dtype(column.dtype)
    else:
        made = pyarrow.string()
    for _ in column.dims:
        made = pyarrow.list_(made)
    return made


def _arrays(column: Column, found: Any) -> list[Any]:
    """Make what parquet has of a column of pandas; two of one of complex numbers."""
    import pyarrow

    if column.dims:
        return [_lists(column, part) for part in _split(column, list(found))]
    if column.dtype.kind == "c":
        return [pyarrow.array(part) for part in _split(column, [found.to_numpy()])]
    if column.dtype.kind in "fmM":
        return [pyarrow.array(found.to_numpy())]
    if column.dtype.kind in "biu":
        return [pyarrow.array(found, from_pandas=True)]
    return [_texts(found)]


def _split(column: Column, arrays: list[Any]) -> list[Any]:
    if column.dtype.kind != "c":
        return [arrays]
    real = [None if each is None else each.real for each in arrays]
    imaginary = [None if each is None else each.imag for each in arrays]
    return [real, imaginary] if column.dims else [real[0], imaginary[0]]


def _lists(column: Column, arrays: list[Any]) -> Any:
    """Make lists of lists, one level for each dimension; null where there is no array."""
    import pyarrow

    there = [each for each in arrays if each is not None]
    values = [each.ravel() for each in there]
    flat_values = np.concatenate(values) if values else np.empty(0, column.dtype)
    if column.dtype.kind in "biufcmM":
        made = pyarrow.array(flat_values)
    else:
        made = _texts(flat_values)
    for depth in reversed(range(1, len(column.dims))):
        lengths = [
            n for a in there for n in [a.shape[depth]] * int(np.prod(a.shape[:depth], dtype=int))
        ]
        made = pyarrow.ListArray.from_arrays(_offsets(lengths), made)
    outer = _offsets([0 if each is None else len(each) for each in arrays])
    is_null = pyarrow.array([each is None for each in arrays])
    return pyarrow.ListArray.from_arrays(outer, made, mask=is_null)


def _offsets(lengths: list[int]) -> Any:
    import pyarrow

    return pyarrow.array(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), pyarrow.int32())


def _texts(found: Any) -> Any:
    import pyarrow

    texts = [each if isinstance(each, str) else _iso(each) for each in found]
    return pyarrow.array(texts, pyarrow.string())


def _iso(date: Any) -> str | None:
    return date.isoformat() if hasattr(date, "isoformat") else None
