"""Changes what belongs to others."""

import decimal

from physics import settings
from physics.settings import TABLE, instance, set_changed

USED = 2
settings.TABLE["x"] = 41
nested = TABLE["nested"]
nested["y"] = 43
settings.Config.rate = 47
settings.LIST.append(53)
instance.raise_to(59)
_old = settings.LIST.pop(0)


def better_compute(value):
    return value * 61


settings.compute = better_compute
set_changed(67)
setattr(settings, "ADDED", 71)
decimal.getcontext().prec = 28
