"""What a cost is made of: a fixed part, a marginal part, and how it grows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np


def fixed_and_marginal(sizes: Sequence[float], walls: Sequence[float]) -> tuple[float, float]:
    """Fit ``wall = fixed + marginal * size``, neither of them negative.

    Sizes span decades and errors are shares of a wall, so that each wall counts as a share: else
    the largest one alone would say what the line is. One size says nothing of either part: NaN.
    """
    if len(set(sizes)) < 2:
        return math.nan, math.nan
    size, wall = np.asarray(sizes, float), np.asarray(walls, float)
    candidates = [(wall.min(), 0.0), (0.0, float(np.mean(wall / size)))]
    columns = np.stack([np.ones_like(size), size], axis=1) / wall[:, None]
    fixed, marginal = np.linalg.lstsq(columns, np.ones_like(wall), rcond=None)[0]
    if fixed >= 0 and marginal >= 0:
        return float(fixed), float(marginal)
    errors = [float(np.sum(((f + m * size) / wall - 1) ** 2)) for f, m in candidates]
    fixed, marginal = candidates[int(np.argmin(errors))]
    return float(fixed), float(marginal)


def steepest(sizes: Sequence[float], walls: Sequence[float]) -> float:
    """Return the largest exponent of growth between neighbouring sizes: 1 is linear."""
    by_size = sorted(zip(sizes, walls, strict=True))
    pairs = itertools.pairwise(by_size)
    return max(
        (math.log(w2 / w1) / math.log(s2 / s1) for (s1, w1), (s2, w2) in pairs), default=math.nan
    )
