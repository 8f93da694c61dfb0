"""Which of three parameters the variance of the Ishigami function comes from.

The function is y = sin x₁ + a sin² x₂ + b x₃⁴ sin x₁, with each x uniform from -π to π, of
T. Ishigami and T. Homma, "An importance quantification technique in uncertainty analysis for
computer models", Proc. 1st Int. Symp. on Uncertainty Modeling and Analysis, IEEE 1990, p. 398.
Sobol' indices say which part of the variance a parameter makes by itself (first order), and which
together with all others (total): A. Saltelli et al., *Global Sensitivity Analysis: The Primer*,
Wiley 2008. For this function they are known in closed form: *OpenTURNS* documentation, "The
Ishigami function".

Expect first-order indices of 0.314, 0.442 and 0, and total ones of 0.558, 0.442 and 0.244, to
better than 0.02: x₃ does nothing by itself, and much through x₁; x₂ keeps to itself.
"""

import math

from sweeps import experiment, sample, sobol_indices


@experiment(
    sample.saltelli(2**13, x1=(-math.pi, math.pi), x2=(-math.pi, math.pi), x3=(-math.pi, math.pi)),
    units=dict.fromkeys(["x1", "x2", "x3"], "rad") | dict.fromkeys(["a", "b", "y"], "1"),
)
def ishigami(x1, x2, x3, a=7.0, b=0.1):
    """Evaluate the Ishigami function."""
    return {"y": math.sin(x1) + a * math.sin(x2) ** 2 + b * x3**4 * math.sin(x1)}


@ishigami.summary
def indices(ds):
    """Sobol' indices of each parameter, as estimated from the sample and as they are."""
    import xarray  # which takes longer to import than points to compute

    first, total = (xarray.concat(each, "parameter") for each in exact_indices(ds.a, ds.b))
    estimated = sobol_indices(ds, "y")
    return estimated.assign(exact_first_order=first, exact_total_order=total)


def exact_indices(a, b):
    """First-order and total indices of x1, x2 and x3 (OpenTURNS, "The Ishigami function")."""
    of_x1 = (1 + b * math.pi**4 / 5) ** 2 / 2
    of_x2 = a**2 / 8
    of_x1_with_x3 = 8 * b**2 * math.pi**8 / 225
    variance = of_x1 + of_x2 + of_x1_with_x3
    first = [of_x1, of_x2, 0 * variance]
    total = [of_x1 + of_x1_with_x3, of_x2, of_x1_with_x3]
    return [part / variance for part in first], [part / variance for part in total]
