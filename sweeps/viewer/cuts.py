"""What a plot shows: an output along one or two axes, where the other dimensions are held."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import SweepsError, unknown
from sweeps.storage.hdf5 import STATUS, Array
from sweeps.viewer.sheet import Sheet, Variable, numbers, text_of

ELAPSED = "time of a point"
"""Shown as an output."""

MOST_ON_LINE, MOST_ON_SIDE, MOST_POINTS = 4000, 400, 4000

_MOST_CATEGORIES = 40

Indices = npt.NDArray[np.int64]


class AskedError(SweepsError):
    """A request for what cannot be shown."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is to be shown.

    Attributes
    ----------
    output : str
    x : str
        A coordinate, or a dimension without one.
    y : str
        Another one, for colours over two axes; empty for a line.
    at : mapping of str to int
        Where other dimensions are held; in the middle where nothing is said.
    """

    output: str
    x: str
    y: str = ""
    at: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Cut:
    """A part of an output, ready to be drawn.

    Attributes
    ----------
    form : {"line", "grid", "points"}
        "points" where both axes are along one dimension, such as that of a sample.
    x, y : Scale
        `y` of a line is that of its values.
    values : ndarray of float64
        Shape (y, x) of a grid; NaN where there is none.
    status : ndarray of int8
        As in `STATUS`, in the same shape.
    categories : tuple of str
        What numbers stand for, of an output that is text.
    held : tuple of Held
    low, high : float or None
        Smallest and largest finite value of the output at all points, where that is cheap to know.
    step : int
        One of so many values along the longest side is shown.
    """

    form: str
    x: Scale
    y: Scale
    values: npt.NDArray[np.float64]
    status: npt.NDArray[np.int8]
    categories: tuple[str, ...]
    held: tuple[Held, ...]
    low: float | None
    high: float | None
    step: int
    kind: str


@dataclasses.dataclass(frozen=True)
class Scale:
    """Values along an axis: numbers, or places of labels; `name` is for people.

    Attributes
    ----------
    kind : {"number", "time", "text"}
    """

    name: str
    units: str
    kind: str
    values: npt.NDArray[np.float64]
    labels: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Held:
    """Where a dimension is held, and what is there."""

    dim: str
    at: int
    size: int
    label: str


def cut(sheet: Sheet, wanted: Wanted) -> Cut:
    """Read what is to be shown.

    Raises
    ------
    AskedError, UnknownNameError
        For what the sheet does not have.
    """
    output = _output(sheet, wanted.output)
    x_dim = _dim_of(sheet, output, wanted.x)
    y_dim = _dim_of(sheet, output, wanted.y) if wanted.y else ""
    sizes = {dim: {**sheet.own_sizes, **sheet.sizes}[dim] for dim in output.dims}
    held = {dim: _place(wanted.at, dim, n) for dim, n in sizes.items() if dim not in (x_dim, y_dim)}
    values, missing = _read(sheet, output, held)
    along = [dim for dim in output.dims if dim not in held]
    status = _status(sheet, held, along, values.shape)
    order = [along.index(dim) for dim in dict.fromkeys(filter(None, (y_dim, x_dim)))]
    values, status = values.transpose(order), status.transpose(order)
    missing = None if missing is None else missing.transpose(order)
    shown, chosen, step = _chosen(values, x_dim, y_dim)
    values, status = values[shown], status[shown]
    drawn, categories = _drawn(values)
    is_there = status == STATUS["done"]
    if missing is not None:
        is_there = is_there & ~missing[shown]
    drawn = np.where(is_there & np.isfinite(drawn), drawn, np.nan)
    form = "line" if not y_dim else "points" if y_dim == x_dim else "grid"
    x = _scale(sheet, wanted.x, chosen[-1])
    y = _scale(sheet, wanted.y, chosen[0]) if y_dim else Scale(output.name, "", "number", drawn[:0])
    low, high = _range(drawn)
    where = tuple(Held(d, at, sizes[d], _label(sheet, d, at)) for d, at in held.items())
    kind = "text" if categories else "time" if output.kind == "time" else "number"
    return Cut(form, x, y, drawn, status, categories, where, low, high, step, kind)


def shown_outputs(sheet: Sheet) -> dict[str, Variable]:
    """Return what can be drawn: the outputs, and the time that points took."""
    elapsed = Variable(ELAPSED, "number", (*sheet.sizes,), "", "s")
    return {**sheet.outputs, ELAPSED: elapsed}


def _output(sheet: Sheet, name: str) -> Variable:
    every = shown_outputs(sheet)
    if name not in every:
        raise unknown("output", name, every)
    return every[name]


def _dim_of(sheet: Sheet, output: Variable, name: str) -> str:
    """Find the dimension of an output that a coordinate labels."""
    variable = sheet.coordinates.get(name)
    dim = variable.dims[0] if variable is not None and len(variable.dims) == 1 else name
    if dim not in output.dims:
        raise unknown("axis", name, [each for d in output.dims for each in (d, *sheet.along(d))])
    return dim


def _place(at: Mapping[str, int], dim: str, size: int) -> int:
    place = at.get(dim, size // 2)
    if not 0 <= place < size:
        raise AskedError(f"{dim} has the places 0 to {size - 1}, and none with the number {place}")
    return place


def _read(
    sheet: Sheet, output: Variable, held: Mapping[str, int]
) -> tuple[Array, npt.NDArray[np.bool_] | None]:
    if output.name in sheet.outputs:
        return sheet.read(output.name, held)
    shaped = sheet.elapsed.reshape(tuple(sheet.sizes.values()))
    return shaped[tuple(held.get(dim, slice(None)) for dim in sheet.sizes)], None


def _status(
    sheet: Sheet, held: Mapping[str, int], along: list[str], shape: tuple[int, ...]
) -> npt.NDArray[np.int8]:
    """Take the state of the points that are shown, the same along own dimensions of an output."""
    shaped = sheet.status.reshape(tuple(sheet.sizes.values()))
    own = shaped[tuple(held.get(dim, slice(None)) for dim in sheet.sizes)]
    n_own = sum(dim not in sheet.sizes for dim in along)
    return np.broadcast_to(np.asarray(own).reshape(own.shape + (1,) * n_own), shape)


def _chosen(values: Array, x_dim: str, y_dim: str) -> tuple[Any, list[Indices], int]:
    """Choose which values are shown, evenly; the extremes of a long line are always among them."""
    if y_dim and y_dim != x_dim:
        steps = [-(-n // MOST_ON_SIDE) for n in values.shape]
        slices = tuple(slice(None, None, max(1, step)) for step in steps)
        own = [np.arange(n)[s] for n, s in zip(values.shape, slices, strict=True)]
        return slices, own, max(1, *steps)
    n = len(values)
    most = MOST_POINTS if y_dim else MOST_ON_LINE
    step = max(1, -(-n // most))
    at = np.arange(0, n, step)
    if step > 1 and not y_dim and values.dtype.kind in "iufb":
        at = _extremes(np.asarray(values, dtype=np.float64), n, most)
    return at, [at, at], step


def _extremes(values: npt.NDArray[np.float64], n: int, most: int) -> Indices:
    """Return where the least and the greatest value of each piece of a line are."""
    width = -(-2 * n // most)
    padded = np.full(-(-n // width) * width, np.nan)
    padded[:n] = values
    pieces = padded.reshape(-1, width)
    starts = np.arange(len(pieces)) * width
    low = starts + np.argmin(np.where(np.isnan(pieces), np.inf, pieces), axis=1)
    high = starts + np.argmax(np.where(np.isnan(pieces), -np.inf, pieces), axis=1)
    return np.unique(np.minimum(np.concatenate([low, high]), n - 1))


def _drawn(values: Array) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Turn values into numbers, and name what these stand for where the values are text."""
    if values.dtype.kind not in "OUST":
        return numbers(values), ()
    texts = np.array([text_of(each) for each in values.ravel().tolist()], dtype=object)
    distinct, codes = np.unique(texts.astype(str), return_inverse=True)
    named = [str(each) for each in distinct[:_MOST_CATEGORIES]]
    if len(distinct) > _MOST_CATEGORIES:
        named[-1] = "others"
    codes = np.minimum(codes, _MOST_CATEGORIES - 1)
    return codes.reshape(values.shape).astype(np.float64), tuple(named)


def _scale(sheet: Sheet, name: str, at: Indices) -> Scale:
    variable = sheet.coordinates.get(name)
    if variable is None:
        return Scale(name, "", "number", at.astype(np.float64))
    values, title = sheet.coordinate(name)[at], variable.label or name
    if variable.kind in ("number", "time", "duration") and values.dtype != object:
        kind = "time" if variable.kind == "time" else "number"
        units = "s" if variable.kind == "duration" else variable.units
        return Scale(title, units, kind, numbers(values))
    labels = tuple(map(text_of, values.tolist()))
    return Scale(title, variable.units, "text", np.arange(len(at), dtype=np.float64), labels)


def _label(sheet: Sheet, dim: str, at: int) -> str:
    """Write what is at a place of a dimension."""
    said = []
    for name in sheet.along(dim)[:4]:
        units = sheet.coordinates[name].units
        value = f"{text_of(sheet.coordinate(name)[at])} {units}".strip()
        said.append(value if name == dim else f"{name} = {value}")
    return ", ".join(said) or str(at)


def _range(values: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    if not np.isfinite(values).any():
        return None, None
    return float(np.nanmin(values)), float(np.nanmax(values))
