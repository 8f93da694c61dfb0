"""Spaces drawn from distributions: ``from sweeps.sample import sobol``."""

from sweeps.spaces.sample import halton, latin_hypercube, saltelli, sobol, uniform

__all__ = ["halton", "latin_hypercube", "saltelli", "sobol", "uniform"]
