"""Tables that other modules fill: by decorators, subclassing, metaclasses, patches, calls."""

import physics.plugs
import physics.plugs_more
from physics import patches, settings, state
from physics.registry import METHODS, REGISTRY, Plugin, Tracked, collected
from sweeps import experiment, grid

OWN = {}


def own(name):
    def keep(function):
        OWN[name] = function
        return function

    return keep


@own("one")
def own_one(value):
    return value * 13


@experiment(grid(x=[1, 2, 3]))
def decorators(x):
    """Functions registered by decorators."""
    value = REGISTRY["triple"](x) + REGISTRY["lifted"](x) + OWN["one"](x)
    value += METHODS.find("shifted")(x) + collected("closed")(x)
    return {"value": value}


@experiment(grid(x=[1, 2, 3]))
def subclasses(x):
    """Classes registered by `__init_subclass__`, metaclasses and `__subclasses__`."""
    value = Plugin.known["Quick"]().apply(x) + Tracked.all_of_them["Second"]().apply(x)
    value += sum(kind.weight for kind in physics.registry.Counted.__subclasses__())
    return {"value": value}


@experiment(grid(x=[1, 2, 3]))
def patched(x):
    """Tables, classes, modules and settings that other modules change when imported."""
    value = settings.TABLE["x"] * x + settings.TABLE["nested"]["y"]
    value += settings.Config.rate + settings.compute(x) + settings.CHANGED
    value += state.total() + settings.LIST[-1] + settings.instance.level
    return {"value": value + patches.USED}


@experiment(grid(x=[1, 2]))
def initialised(x):
    """State that functions set when they are called."""
    state.start(x)
    return {"value": state.current() + state.steps}
