"""MATLAB's format 5 (``load`` in MATLAB and Octave), by scipy, which needs all in memory."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from sweeps.errors import DeclarationError
from sweeps.exports import netcdf_file
from sweeps.exports.columns import Table
from sweeps.exports.source import Source, Values
from sweeps.storage.files import New

MOST_BYTES = 2**31 - 1
"""Format 5 counts the bytes of a variable in 32 bits, of which MATLAB and scipy use 31."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")

_KEYWORDS = frozenset({
    "break", "case", "catch", "classdef", "continue", "else", "elseif", "end", "for", "function",
    "global", "if", "otherwise", "parfor", "persistent", "return", "spmd", "switch", "try", "while",
})  # fmt: skip

_MOST_EXACT = 2**53

_OTHERS = "export .nc, which MATLAB reads with ncread"

_DESCRIPTION = "description"


def write(table: Table, new: New) -> list[str]:
    """Write each variable as an array, and `description`: their dimensions, units and names.

    Times become seconds since 1970, differences of times seconds, and strings cells.
    """
    from scipy.io import savemat

    source = table.source
    names = list(map(str, source.dataset.variables))
    _check(source, names)
    made = {name: _array(name, source.read_whole(name, decodes=True)) for name in names}
    described = {name: _described(source, name) for name in names}
    if (said := netcdf_file.status_of(source)) is not None:
        name, attrs = said
        made[name] = source.status.reshape(source.shape)
        text = ", ".join(f"{n} {word}" for n, word in enumerate(attrs["flag_meanings"].split()))
        described[name] = _description(source.dims, "", f"{attrs['long_name']}: {text}")
    made[_DESCRIPTION] = described
    file: Any  # which scipy takes, too
    with os.fdopen(os.dup(new.descriptor), "wb") as file:
        savemat(file, made, long_field_names=True, oned_as="column")
    return []


def _check(source: Source, names: list[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name) or name in _KEYWORDS or name == _DESCRIPTION:
            raise DeclarationError(
                f"{name!r} cannot name a variable of MATLAB here (letters of English, digits and "
                f"'_', at most 63, no keyword, not {_DESCRIPTION!r}): rename it, or {_OTHERS}"
            )
        variable = source.dataset.variables[name]
        n_bytes = variable.size * max(variable.dtype.itemsize, 8)
        if n_bytes > MOST_BYTES:
            raise DeclarationError(
                f"{name!r} has {n_bytes:,} bytes; a variable in .mat has 2 GB at most: {_OTHERS}"
            )


def _array(name: str, found: Values) -> Any:
    content, missing = found.values, found.missing
    kind = content.dtype.kind
    if kind in "biu" and missing.any():
        if kind != "b" and _is_beyond(content[~missing]):
            raise DeclarationError(
                f"{name!r} has integers beyond 2^53 and lacks some, which in MATLAB only floats "
                f"can say: {_OTHERS}"
            )
        return np.where(missing, np.nan, content.astype(float))
    if kind in "mM":
        numbers = content.astype(f"{kind}8[us]").astype(np.int64) / 1e6
        return np.where(missing, np.nan, numbers)
    if kind in "OUT":
        texts = np.empty(content.shape, dtype=object)
        texts[...] = content
        texts[missing] = ""
        for at in np.ndindex(texts.shape):
            one = texts[at]
            texts[at] = one.isoformat() if hasattr(one, "isoformat") else str(one)
        return texts if texts.ndim else str(texts[()])
    return np.asarray(content)


def _is_beyond(present: Any) -> bool:
    return bool(len(present)) and max(int(present.max()), -int(present.min())) > _MOST_EXACT


def _described(source: Source, name: str) -> dict[str, Any]:
    variable = source.dataset.variables[name]
    units = {"M": "seconds since 1970-01-01 00:00:00", "m": "s"}.get(
        variable.dtype.kind, str(variable.attrs.get("units", ""))
    )
    long_name = str(variable.attrs.get("long_name", ""))
    return _description(tuple(map(str, variable.dims)), units, long_name)


def _description(dims: tuple[str, ...], units: str, long_name: str) -> dict[str, Any]:
    own = np.empty(len(dims), dtype=object)
    own[:] = dims
    return {"dims": own, "units": units, "long_name": long_name}
