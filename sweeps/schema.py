"""The one form that all points of an experiment land in, agreed between their parts.

The first point in the order of the space says which shape an output has; a point that differs
fails, since no dense array could hold both. So the outcome depends on the space alone, never on
which worker finished first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sweeps.block import Header, Variable, class_of, digest


@dataclasses.dataclass(frozen=True, eq=False)
class Agreed:
    """The form of one output.

    Attributes
    ----------
    shape : tuple of int
        Own shape; of a ragged output, the longest length.
    ragged : bool
        Whether points have 1-D values of different lengths.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    ragged: bool
    attrs: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """The form of all outputs, and which parts do not fit it.

    Attributes
    ----------
    outputs : mapping of str to Agreed
    coordinates : mapping of str to Variable
    refused : mapping of int to str
        Number of a part to the reason why its points fail.
    """

    outputs: Mapping[str, Agreed]
    coordinates: Mapping[str, Variable]
    refused: Mapping[int, str]


def agree(
    parts: Sequence[tuple[Sequence[Header], Sequence[Variable]]], fixed: Mapping[str, int]
) -> Agreement:
    """Find the form that the parts agree on.

    Parameters
    ----------
    parts : sequence of (headers, coordinates)
        In the order of the first point that each holds.
    fixed : mapping of str to int
        Sizes of the dimensions of the space, which outputs cannot have as their own.
    """
    outputs: dict[str, Agreed] = {}
    coordinates: dict[str, Variable] = {}
    refused: dict[int, str] = {}
    for number, (headers, own_coordinates) in enumerate(parts):
        reason = _misfit(headers, own_coordinates, outputs, coordinates, fixed)
        if reason:
            refused[number] = reason
            continue
        for header in headers:
            outputs[header.name] = _widened(outputs.get(header.name), header)
        coordinates |= {c.name: c for c in own_coordinates}
    return Agreement(_padded(outputs), coordinates, refused)


def _misfit(
    headers: Sequence[Header],
    own_coordinates: Sequence[Variable],
    outputs: Mapping[str, Agreed],
    coordinates: Mapping[str, Variable],
    fixed: Mapping[str, int],
) -> str:
    """Say why a part cannot stand beside the earlier ones; empty where it can."""
    sizes = {
        dim: size
        for agreed in outputs.values()
        if not _is_free(agreed.dims, coordinates)
        for dim, size in zip(agreed.dims, agreed.shape, strict=True)
    }
    for header in headers:
        agreed = outputs.get(header.name)
        shown = f"output {header.name!r}"
        if clash := fixed.keys() & set(header.dims):
            return f"{shown} has the dimension {min(clash)!r} of the space as its own: rename it"
        if agreed is not None:
            if class_of(agreed.dtype) != class_of(header.dtype):
                return f"{shown} is {header.dtype} here, but {agreed.dtype} at the first point"
            free = _is_free(header.dims, coordinates) and len(agreed.shape) == 1
            if agreed.shape != header.shape and not free:
                return (
                    f"{shown} has shape {header.shape} here, but {agreed.shape} at the first point"
                )
            if agreed.dims != header.dims:
                return f"{shown} has dims {header.dims} here, but {agreed.dims} at the first point"
        elif not _is_free(header.dims, coordinates):
            for dim, size in zip(header.dims, header.shape, strict=True):
                if sizes.get(dim, size) != size:
                    return (
                        f"{shown} has {size} values along {dim!r}, where others have {sizes[dim]}"
                    )
    for c in own_coordinates:
        other = coordinates.get(c.name)
        if other is not None and (other.dims, digest(other.values)) != (c.dims, digest(c.values)):
            return (
                f"coordinate {c.name!r} has other values here than at the first point: "
                "return it as an output"
            )
    return ""


def _is_free(dims: tuple[str, ...], coordinates: Mapping[str, Variable]) -> bool:
    """Whether the length may differ from point to point: 1-D, and no coordinate fixes it."""
    return len(dims) == 1 and not any(dims[0] in c.dims for c in coordinates.values())


def _widened(agreed: Agreed | None, header: Header) -> Agreed:
    ragged = header.counts is not None
    if agreed is None:
        return Agreed(header.name, header.dtype, header.dims, header.shape, ragged, header.attrs)
    return dataclasses.replace(
        agreed,
        dtype=np.result_type(agreed.dtype, header.dtype),
        shape=tuple(map(max, agreed.shape, header.shape)) if agreed.shape else (),
        ragged=agreed.ragged or ragged or agreed.shape != header.shape,
    )


def _padded(outputs: Mapping[str, Agreed]) -> dict[str, Agreed]:
    """Give the outputs that share a dimension of free length the longest length of all."""
    longest: dict[str, int] = {}
    for agreed in outputs.values():
        for dim, size in zip(agreed.dims, agreed.shape, strict=True):
            longest[dim] = max(size, longest.get(dim, 0))
    return {
        name: dataclasses.replace(
            agreed,
            shape=tuple(longest[dim] for dim in agreed.dims),
            ragged=agreed.ragged or agreed.shape != tuple(longest[dim] for dim in agreed.dims),
        )
        for name, agreed in outputs.items()
    }
