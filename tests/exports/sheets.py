"""A function that returns all types, with the extreme values of each."""

import datetime

import numpy as np

TYPES = ["bool", *(f"{sign}{n}" for sign in ("int", "uint") for n in (8, 16, 32, 64))]

EXTREMES = {name: np.iinfo(name) for name in TYPES[1:]}


def everything(x):
    """One output of each type, with the extreme values of its type."""
    at = 1 if x % 2 else 0
    made = {"bool": bool(at), "complex": 1.0 + x * 1j, "float32": np.float32(x), "real": x / 3}
    for name, info in EXTREMES.items():
        made[name] = np.dtype(name).type(info.max if at else info.min)
    made |= {"word": f"=größe {x}", "when": np.datetime64("1850-01-01T00:00:00.000001") + x}
    return made | {"wait": datetime.timedelta(days=x, microseconds=1), "row": np.arange(3) * x}
