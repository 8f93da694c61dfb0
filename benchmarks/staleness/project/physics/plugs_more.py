"""Fills them in a roundabout way."""

from physics import registry


class Fourth(registry.Counted):
    weight = 37


def install(table):
    table["triple_again"] = again


def again(value):
    return value


install(registry.REGISTRY)
