"""The columns of a table: which there are, and their values chunk by chunk, as frames of pandas."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
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

_STATUSES = (_STATUS, f"{_STATUS}_of_point")


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
    lengths : tuple of str
        Variables with the length of each array along its dimensions; empty if all are the same.
    """

    name: str
    dtype: np.dtype[Any]
    has_missing: bool
    is_text: bool = False
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    lengths: tuple[str, ...] = ()


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
    if not isinstance(arrays, Iterable):
        raise DeclarationError(f"arrays is {arrays!r}: give names of outputs, arrays=['spectrum']")
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
    left_out = tuple(n for n in ordered if n in own and n not in asked)
    return Table(source, wanted, columns, status_name(taken) if status == "all" else "", left_out)


def status_name(taken: Collection[str]) -> str:
    """Return the name of what says the state of points, of which no variable may have it."""
    numbered = (f"{_STATUS}_of_point_{n}" for n in itertools.count(2))
    return next(n for n in itertools.chain(_STATUSES, numbered) if n not in taken)


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
    dtype = source.dtype(name)
    misses = dtype.kind in "biu" and not rest and has_missing(source, name, wanted)
    return Column(name, dtype, misses, source.is_text(name), rest, shape, _lengths(source, name))


def _lengths(source: Source, name: str) -> tuple[str, ...]:
    """Find the variables with the lengths of arrays along each dimension; empty for no such."""
    rest = source.own_dims(name)
    along = {
        f"number of values of {name}{f' along {dim}' if len(rest) > 1 else ''}": dim for dim in rest
    }
    found = {
        along[said]: str(other)
        for other, variable in (source.dataset.variables.items() if rest else ())
        if (said := str(variable.attrs.get("long_name", ""))) in along
        and not source.own_dims(str(other))
    }
    return tuple(found.get(dim, "") for dim in rest) if found else ()


def has_missing(source: Source, name: str, wanted: npt.NDArray[np.bool_] | None = None) -> bool:
    """Whether an integer, a boolean or a string is missing at some point, or at one of these."""
    variable = source.dataset.variables[name]
    if variable.dtype.kind in "biu" and "_FillValue" not in variable.attrs:
        return False
    if variable.dtype.kind not in "iuOUT":
        return False
    if wanted is None:
        wanted = np.ones(len(source.status), dtype=bool)
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
            values = _at(found, at)
            if not column.dims:
                made[column.name] = _scalars(column, values)
                continue
            lengths = [source.read(n, start, stop) if n else None for n in column.lengths]
            is_there = source.status[start:stop][at] == STATUS["done"]
            cells = _arrays(values, [each and _at(each, at) for each in lengths], is_there)
            made[column.name] = pandas.Series(cells, dtype=object)
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


def _at(found: Values, at: npt.NDArray[np.bool_]) -> Values:
    return Values(found.values[at], found.missing[at])


def _arrays(
    found: Values, lengths: Sequence[Values | None], is_there: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    """Make a column of arrays, each of the shape that was returned; None where there is none."""
    is_there = is_there.copy()
    for each in lengths:
        is_there &= True if each is None else ~each.missing
    if found.values.dtype.kind in "biuOUT" and found.values[:1].size and not lengths:
        is_there &= ~found.missing.reshape(len(found.missing), -1).all(axis=1)
    made = np.full(len(found.values), None, dtype=object)
    for at in np.flatnonzero(is_there):
        ends = (None if each is None else int(each.values[at]) for each in lengths)
        made[at] = np.array(found.values[at][tuple(slice(end) for end in ends)])
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
