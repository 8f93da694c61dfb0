"""Whether values vary like noise along an axis, so that a heat map would show nothing.

J. von Neumann, "Distribution of the ratio of the mean square successive difference to the
variance", Annals of Mathematical Statistics 12, 367 (1941): the ratio is 2 for independent values
and near 0 for a smooth curve.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROUGH = 1.0
"""From this ratio on, halfway to independence, neighbours say little about each other."""

_FEWEST = 16
"""Values along an axis; fewer say too little about it."""


def along(grid: npt.NDArray[np.floating]) -> tuple[float, ...]:
    """Compute von Neumann's ratio along each axis; 0 for one that is constant or short.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> rough = rng.random((40, 50)) + 100 * np.linspace(0, 1, 40)[:, None]
    >>> [round(ratio, 1) for ratio in along(rough)]
    [0.0, 2.0]
    """
    grid = np.where(np.isfinite(grid), grid, np.nan).astype(float)
    found = []
    for axis, size in enumerate(grid.shape):
        steps = np.diff(grid, axis=axis) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            n = np.isfinite(grid).sum(axis=axis, keepdims=True)
            middle = np.nansum(grid, axis=axis, keepdims=True) / n
        spread = (grid - middle) ** 2
        n_steps, n_values = np.isfinite(steps).sum(), np.isfinite(spread).sum()
        total = np.nansum(spread)
        if size < _FEWEST or not n_steps or not total:
            found.append(0.0)
        else:
            found.append(float(np.nansum(steps) / n_steps / (total / n_values)))
    return tuple(found)


def smoother(dims: tuple[str, str], ratios: tuple[float, ...]) -> str | None:
    """Name the axis to draw against if values vary like noise along the other one, or both.

    Of two rough axes it is the first, which is the longest.

    Examples
    --------
    >>> smoother(("r", "x0"), (0.1, 1.9)), smoother(("r", "x0"), (0.1, 0.3))
    ('r', None)
    """
    if max(ratios) < ROUGH:
        return None
    if min(ratios) >= ROUGH:
        return dims[0]
    return dims[int(np.argmin(ratios))]
