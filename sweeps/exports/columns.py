"""The columns of a table: which there are, and their values chunk by chunk, as frames of pandas."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError, unknown
from sweeps.exports.source import Source, Values
from sweeps.storage.hdf5 import STATUS

if TYPE_CHECKING:
    import pandas

STATUSES = (*STATUS, "all")

POSITION = "position"

_STATUS = "status"


@dataclass(frozen=True)
class Column:
    """A variable of the results file that has a value, or an array, at each point.

    Attributes
    ----------
    dtype : numpy.dtype
        Of its values.
    has_missing : bool
        Whether an integer or a boolean is missing at some of the points of the table.
    is_text : bool
        Whether its objects are strings; other objects are dates of calendars that numpy lacks.
    dims, shape : tuple
        Own dimensions of an array, and their sizes.
    lengths : str
        Variable with the length of each array, if these differ from point to point.
    """

    name: str
    dtype: np.dtype[Any]
    has_missing: bool
    is_text: bool = False
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    lengths: str = ""


@dataclass(frozen=True)
class Table:
    """Which points and which columns of a results file.

    Attributes
    ----------
    is_wanted : ndarray of bool, shape (n_points of the space,)
        Which points.
    status_column : str
        Name of the column that says what each point is; empty if all are of one status.
    left_out : tuple of str
        Arrays that were not asked for.
    """

    source: Source
    is_wanted: npt.NDArray[np.bool_]
    columns: tuple[Column, ...]
    status_column: str
    left_out: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """Number of points."""
        return int(np.count_nonzero(self.is_wanted))


def choose(source: Source, status: str = "done", arrays: Sequence[str] | str = ()) -> Table:
    """Choose points by their status, and columns: parameters, then outputs, as in the file."""
    if status not in STATUSES:
        raise DeclarationError(f"status is {status!r}: give one of {', '.join(STATUSES)}")
    asked = (arrays,) if isinstance(arrays, str) else tuple(arrays)
    wanted = np.ones(len(source.status), dtype=bool)
    if status != "all":
        wanted = source.status == STATUS[status]
    names = [n for n in map(str, source.dataset.variables) if _has_points(source, n)]
    own = [n for n in names if source.own_dims(n)]
    for name in asked:
        if name not in own:
            raise _no_array(source, name, own)
    ordered = [n for n in map(str, source.dataset.coords) if n in names]
    ordered += [n for n in map(str, source.dataset.data_vars) if n in names]
    columns = tuple(_column(source, n, wanted) for n in ordered if n not in own or n in asked)
    taken = {column.name for column in columns}
    own_status = next(n for n in (_STATUS, "status_of_point", "_status_of_point") if n not in taken)
    left_out = tuple(n for n in ordered if n in own and n not in asked)
    return Table(source, wanted, columns, own_status if status == "all" else "", left_out)


def _has_points(source: Source, name: str) -> bool:
    """Whether a variable has a value at each point; constants are shown of a single point only."""
    dims = set(map(str, source.dataset.variables[name].dims))
    if name in source.dataset.coords:
        return dims <= set(source.dims) and bool(dims or not source.dims)
    return bool(dims & set(source.dims) or not source.dims)


def _no_array(source: Source, name: str, arrays: Collection[str]) -> Exception:
    if name in source.dataset.variables:
        return DeclarationError(f"{name!r} is no array: it is a column of the table anyway")
    return unknown("array output", str(name), arrays, f"in {source.path}")


def _column(source: Source, name: str, wanted: npt.NDArray[np.bool_]) -> Column:
    rest = source.own_dims(name)
    shape = tuple(source.dataset.sizes[dim] for dim in rest)
    lengths = f"n_{name}" if len(rest) == 1 and _are_lengths(source, f"n_{name}", name) else ""
    dtype = source.dtype(name)
    may_miss = dtype.kind in "biu" and "_FillValue" in source.dataset.variables[name].attrs
    has_missing = may_miss and not lengths and _has_missing(source, name, wanted)
    return Column(name, dtype, has_missing, source.is_text(name), rest, shape, lengths)


def _are_lengths(source: Source, lengths: str, name: str) -> bool:
    if lengths not in source.dataset.variables or source.own_dims(lengths):
        return False
    said = source.dataset.variables[lengths].attrs.get("long_name", "")
    return bool(said == f"number of values of {name}")


def _has_missing(source: Source, name: str, wanted: npt.NDArray[np.bool_]) -> bool:
    for start, stop in source.boxes():
        at = wanted[start:stop]
        if at.any() and source.read(name, start, stop).missing[at].any():
            return True
    return False


def frames(table: Table, n_most: int = 0) -> Iterator[pandas.DataFrame]:
    """Read a table in pieces of at most so many rows, none of which is empty."""
    import pandas

    source = table.source
    words = np.array(list(STATUS), dtype=object)
    for start, stop in source.boxes(n_most):
        at = table.is_wanted[start:stop]
        if not at.any():
            continue
        made: dict[str, Any] = {}
        if table.status_column:
            codes = np.clip(source.status[start:stop][at], 0, len(words) - 1)
            made[table.status_column] = text(words[codes])
        for column in table.columns:
            found = source.read(column.name, start, stop)
            values = Values(found.values[at], found.missing[at])
            if not column.dims:
                made[column.name] = _scalars(column, values)
                continue
            lengths = None
            if column.lengths:
                lengths = source.read(column.lengths, start, stop).values[at]
            made[column.name] = pandas.Series(_arrays(values.values, lengths), dtype=object)
        index = pandas.Index(np.flatnonzero(at) + start, name=POSITION)
        for name, values in made.items():
            made[name] = pandas.Series(values).set_axis(index)
        yield pandas.DataFrame(made, index=index)


def _scalars(column: Column, found: Values) -> Any:
    """Make a column of pandas: of numpy's dtype, or of pandas' own if integers are missing."""
    import pandas

    if column.dtype.kind in "biu" and column.has_missing:
        own = pandas.arrays
        kind = own.BooleanArray if column.dtype.kind == "b" else own.IntegerArray
        return kind(np.array(found.values), np.array(found.missing))
    if column.is_text:
        strings = found.values.astype(object)
        strings[found.missing] = None
        return text(strings)
    return np.array(found.values)


def text(values: npt.NDArray[Any]) -> Any:
    """Make a column of strings as pandas does: of its own dtype since pandas 3, before of objects.

    None is missing.
    """
    import pandas

    is_own = int(pandas.__version__.partition(".")[0]) >= 3
    return pandas.Series(values, dtype="str" if is_own else object)


def _arrays(values: npt.NDArray[Any], lengths: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """Make a column of arrays, each as long as it was returned."""
    made = np.empty(len(values), dtype=object)
    for at, each in enumerate(values):
        made[at] = np.array(each if lengths is None else each[: int(lengths[at])])
    return made


def whole(table: Table) -> pandas.DataFrame:
    """Read a table in full."""
    import pandas

    pieces = list(frames(table)) or [empty(table)]
    made = pandas.concat(pieces) if len(pieces) > 1 else pieces[0]
    if table.is_wanted.all():
        made.index = pandas.RangeIndex(len(made), name=POSITION)
    return made


def empty(table: Table) -> pandas.DataFrame:
    """Make a table of the same columns, without rows."""
    import pandas

    made: dict[str, Any] = {}
    if table.status_column:
        made[table.status_column] = text(np.empty(0, object))
    for column in table.columns:
        if column.dims:
            made[column.name] = pandas.Series(np.empty(0, object), dtype=object)
        else:
            none = Values(np.empty(0, column.dtype), np.empty(0, bool))
            made[column.name] = _scalars(column, none)
    index = pandas.Index(np.empty(0, np.int64), name=POSITION)
    return pandas.DataFrame({n: pandas.Series(v) for n, v in made.items()}).set_axis(index)
