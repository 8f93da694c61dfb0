"""Statistics over replicates: ``from sweeps import reductions``."""

from sweeps.analysis.reductions import mean, over_replicates, quantiles, standard_error

__all__ = ["mean", "over_replicates", "quantiles", "standard_error"]
