"""Random numbers of points: a generator for each, made of the key of its stream."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sweeps.spaces.keys import Keys


class Generators:
    """The generators of some points, each made when it is asked for.

    The seed of an experiment and the key of a stream go into a `numpy.random.SeedSequence` (M. E.
    O'Neill's design), whose children are independent for all practical purposes. The bit generator
    is named, PCG64: that of `numpy.random.default_rng` may change with numpy (NEP 19).

    Parameters
    ----------
    seed : int
        0 or more.
    streams : numpy.ndarray
        Shape (n, 2), uint64.

    Examples
    --------
    >>> import numpy as np
    >>> streams = np.array([[1, 2], [1, 2], [3, 4]], dtype=np.uint64)
    >>> [rng.integers(1000).item() for rng in Generators(7, streams)]
    [597, 597, 876]
    """

    def __init__(self, seed: int, streams: Keys) -> None:
        self._seed = seed
        self._streams = streams

    def __iter__(self) -> Iterator[np.random.Generator]:
        from numpy.random import PCG64, Generator, SeedSequence

        for key in self._streams.tolist():
            yield Generator(PCG64(SeedSequence(self._seed, spawn_key=key)))

    def __getitem__(self, rows: slice) -> list[np.random.Generator]:
        """List the generators of a slice of the points."""
        return list(Generators(self._seed, self._streams[rows]))
