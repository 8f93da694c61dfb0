"""Order and chaos in the simplest model of a population: the bifurcations of the logistic map.

Each generation follows from the last by x → r x (1 - x), r being the growth rate: R. M. May,
"Simple mathematical models with very complicated dynamics", Nature 261, 459 (1976). The orbits from
many initial values sample the attractor, so that `ds.plot.scatter(x="growth_rate", y="x")` draws
the diagram. The Lyapunov exponent, the mean of ln |r (1 - 2x)| along an orbit, is the rate at which
its neighbours leave it: S. H. Strogatz, *Nonlinear Dynamics and Chaos*, Westview 1994, ch. 10.

Expect one branch up to r = 3, doublings at 3, 3.4495, 3.5441, 3.5644, … to the onset of chaos at
3.569946, and in the chaos windows of order, the widest one of period 3 from 1 + √8 = 3.8284 on. The
exponent is negative in order, positive in chaos, and ln 2 at r = 4.
"""

import numpy as np

from sweeps import experiment, grid


@experiment(
    grid(growth_rate=np.linspace(2.5, 4.0, 1501), initial=np.linspace(0.01, 0.49, 49)),
    units={"growth_rate": "1", "initial": "1", "x": "1", "lyapunov_exponent": "1"},
    vectorized=True,
)
def logistic(growth_rate, initial, n_warmup=1000, n_iterations=500):
    """Iterate the map: where each orbit ends, and how fast its neighbours leave it.

    The arguments are columns, arrays of shape (n,), and so is what is returned. An exponent is
    minus infinity where the orbit passes x = 1/2, the top of the map; without iterations after the
    warmup there is none.
    """
    check("growth_rate", growth_rate, 4)
    check("initial", initial, 1)
    if n_warmup < 0 or n_iterations < 0:
        raise ValueError(f"cannot iterate {n_iterations} times after a warmup of {n_warmup}")
    x, log_stretching = initial, 0.0
    for _ in range(n_warmup):
        x = growth_rate * x * (1 - x)
    if n_iterations == 0:
        return {"x": x}
    with np.errstate(divide="ignore"):
        for _ in range(n_iterations):
            log_stretching = log_stretching + np.log(abs(growth_rate * (1 - 2 * x)))
            x = growth_rate * x * (1 - x)
    return {"x": x, "lyapunov_exponent": log_stretching / n_iterations}


def check(name, values, largest):
    """Refuse values from which an orbit leaves the interval from 0 to 1."""
    outside = np.extract((values < 0) | (values > largest), values)
    if outside.size:
        raise ValueError(f"{name} must lie between 0 and {largest}, got {outside[0]}")
