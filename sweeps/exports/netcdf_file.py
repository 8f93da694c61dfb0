"""netCDF-4, as in the results file, without code, bookkeeping and summary."""

from __future__ import annotations

from typing import Any

import numpy as np

from sweeps.exports import columns
from sweeps.exports.columns import Table
from sweeps.exports.source import Source
from sweeps.results import datasets
from sweeps.results.contents import Arrays, Coordinate, Output
from sweeps.storage import hdf5_write
from sweeps.storage.files import New
from sweeps.storage.hdf5 import LONG_ATTRIBUTES, STATUS

# How the file is stored, and which points it holds: of the results file alone.
_ITS_OWN = frozenset({"Conventions", "sweeps_state", "sweeps_layout", "keep", *LONG_ATTRIBUTES})

_STORING = frozenset({"_FillValue", "missing_value", "coordinates"})


def write(table: Table, new: New) -> list[str]:
    """Write the whole space, slab by slab."""
    source = table.source
    arrays = Arrays(
        sizes=dict(zip(source.dims, source.shape, strict=True)),
        coordinates=[_coordinate(source, str(name)) for name in source.dataset.coords],
        outputs=[*_outputs(source), *_status(source)],
    )
    datasets.check_names(arrays)
    with hdf5_write.create(new.descriptor) as file:
        datasets.attributes(file, {"Conventions": "CF-1.11", **origin(source)})
        datasets.refer_back(datasets.write(file, arrays).scales)
    return []


def origin(source: Source) -> dict[str, Any]:
    """Return what the results file says of its origin in short."""
    held = {name: value for name, value in source.dataset.attrs.items() if name not in _ITS_OWN}
    return {**held, "source": f"exported from {source.path.name}"}


def attributes(source: Source, name: str) -> dict[str, Any]:
    """Return the attributes of a variable that do not say how it is stored."""
    held = source.dataset.variables[name].attrs
    return {name: value for name, value in held.items() if name not in _STORING}


def status_of(source: Source) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the attributes of the state of points, if not all are done."""
    if (source.status == STATUS["done"]).all():
        return None
    taken = {*map(str, source.dataset.variables), *map(str, source.dataset.sizes)}
    return columns.status_name(taken), {
        "long_name": "state of the point",
        "flag_values": np.array(list(STATUS.values()), dtype=np.int8),
        "flag_meanings": " ".join(STATUS),
    }


def _coordinate(source: Source, name: str) -> Coordinate:
    found = source.read_whole(name)
    missing = found.missing if found.missing.any() else None
    dims = tuple(map(str, source.dataset.variables[name].dims))
    return Coordinate(name, dims, found.values, missing, attributes(source, name))


def _outputs(source: Source) -> list[Output]:
    made = []
    for name in map(str, source.dataset.data_vars):
        rest = source.own_dims(name)

        def read(start: int, stop: int, name: str = name) -> tuple[Any, Any]:
            found = source.read(name, start, stop, decodes=False)
            is_marked = found.values.dtype.kind in "biuOUT"  # others are NaN or NaT themselves
            return found.values, found.missing if is_marked and found.missing.any() else None

        made.append(
            Output(
                name,
                source.dtype(name, decodes=False),
                rest,
                tuple(source.dataset.sizes[dim] for dim in rest),
                attributes(source, name),
                columns.has_missing(source, name),
                read,
            )
        )
    return made


def _status(source: Source) -> list[Output]:
    said = status_of(source)
    if said is None:
        return []
    name, attrs = said
    own = np.dtype(np.int8)
    read = lambda start, stop: (source.status[start:stop], None)  # noqa: E731
    return [Output(name, own, (), (), attrs, has_missing=False, read=read)]
