"""The one h5py write that ends a floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import h5py
import numpy as np
import numpy.typing as npt


def write(
    values: npt.NDArray[np.float64] | Sequence[float], axes: Mapping[str, Sequence[float]]
) -> None:
    """Write the values of a grid and its axes."""
    shape = tuple(map(len, axes.values()))
    with h5py.File("results.h5", "w") as file:
        for name, axis in axes.items():
            file[name] = axis
        file["value"] = np.asarray(values, float).reshape(shape)
