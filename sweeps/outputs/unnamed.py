"""Nameless values: the memo does not call them after the experiment, and so outlives a renaming.

A single nameless value has the experiment's name in the results file. In the memo it has none, and
the dimensions that nobody named are ``_dim_0``, ``_dim_1``, ...; a function can call no output and
no dimension so. Segments written before this was so have the name of the time.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from sweeps.outputs.point import Outputs, default_dims, named
from sweeps.outputs.snapshots import is_xarray
from sweeps.outputs.types import Header

NAME = ""


def stored(value: Any, made: Outputs, name: str) -> Outputs:
    """Take off the name under which a nameless value was checked.

    Parameters
    ----------
    value
        What the function returned.
    made : Outputs
        What `sweeps.outputs.point.outputs` made of it.
    name : str
        Of the experiment.
    """
    if NAME not in named(value, NAME):
        return made
    own = made.values[name]
    if not is_xarray(value):  # whose dimensions have names of their own
        own = own._replace(dims=default_dims(NAME, own.array.ndim))
    others = {key: item for key, item in made.values.items() if key != name}
    return made._replace(values={NAME: own, **others})


def settled(header: Header, name: str) -> Header:
    """Give a nameless value, and its dimensions, the name that the experiment has now.

    Examples
    --------
    >>> import numpy as np
    >>> header = Header("", np.dtype(float), ("_dim_0",), (3,), None, {})
    >>> settled(header, "wave").name, settled(header, "wave").dims
    ('wave', ('wave_dim_0',))
    """
    if header.name != NAME:
        return header
    dims = tuple(f"{name}{dim}" if dim.startswith("_") else dim for dim in header.dims)
    return dataclasses.replace(header, name=name, dims=dims)


def shown(name: str, experiment: str) -> str:
    """What an output of the memo is called in the results file."""
    return experiment if name == NAME else name
