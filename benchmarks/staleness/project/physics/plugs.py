"""Fills the registries."""

from physics.registry import METHODS, Counted, Plugin, Tracked, keep_closed, lifted, register


@register("triple")
def triple(value):
    return value * 3 + helper(value)


def helper(value):
    return value - 0.75


@lifted
def lifted(value):
    return value * 4


@METHODS.add
def shifted(value):
    return value + 21


@keep_closed
def closed(value):
    return value * 0.1


class Quick(Plugin, bonus=8):
    def apply(self, value):
        return value + self.bonus


class Second(Tracked):
    def apply(self, value):
        return value * 19


class Third(Counted):
    weight = 31


@register("not_used")
def not_used(value):
    return value
