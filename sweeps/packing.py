"""Packing: what is to be known of a part beside its values, in a group of an HDF5 file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from sweeps import h5, outline
from sweeps.block import Header, Variable
from sweeps.imaging import Put
from sweeps.keys import Factors, Keys


def write(
    group: h5py.Group,
    put: Put,
    keys: Keys | Factors,
    headers: Sequence[Header],
    coordinates: Sequence[Variable],
) -> None:
    """Write the keys of a part, the forms of its variables, and its coordinates."""
    if isinstance(keys, Factors):
        group.attrs["factors"] = json.dumps(keys.names)
        for i, sums in enumerate(keys.sums):
            put(group.require_group("factors"), str(i), sums)
    else:
        put(group, "keys", keys)
    group.attrs["variables"] = outline.described(headers)
    for i, header in enumerate(headers):
        if header.counts is not None:
            put(group.require_group("counts"), str(i), header.counts)
    group.attrs["coordinates"] = outline.described(map(outline.header, coordinates))
    for i, coordinate in enumerate(coordinates):
        put(group.require_group("coordinates"), str(i), coordinate.values)


def keys(group: h5py.Group) -> Keys | Factors:
    """Read the keys of a part."""
    if "keys" in group:
        return np.asarray(group["keys"][()])
    names = tuple(json.loads(group.attrs["factors"]))
    return Factors(names, tuple(np.asarray(group[f"factors/{i}"][()]) for i in range(len(names))))


def headers(group: h5py.Group) -> tuple[Header, ...]:
    """Read the forms of the variables of a part."""
    described = json.loads(group.attrs["variables"])
    return tuple(_header(group, i, each) for i, each in enumerate(described))


def _header(group: h5py.Group, i: int, described: Mapping[str, Any]) -> Header:
    counts = np.asarray(group[f"counts/{i}"][()]) if described["free"] else None
    if counts is not None:
        shape: Sequence[int] = (int(counts.max(initial=0)),)
    elif "shape" in described:
        shape = described["shape"]
    else:  # of a segment from before outlines
        shape = group[f"values/{i}"].shape[1:]
    return Header(
        described["name"],
        np.dtype(described["dtype"]),
        tuple(described["dims"]),
        tuple(map(int, shape)),
        counts,
        described["attrs"],
    )


def coordinates(group: h5py.Group) -> tuple[Variable, ...]:
    """Read the coordinates of a part."""
    described = json.loads(group.attrs["coordinates"])
    return tuple(
        Variable(
            d["name"], h5.decode(group["coordinates"][str(i)]), tuple(d["dims"]), None, d["attrs"]
        )
        for i, d in enumerate(described)
    )
