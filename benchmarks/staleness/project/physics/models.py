"""Bases and mixins."""

GRAVITY = 2.25


class Base:
    scale = 5

    def scaled(self, value):
        return value * self.scale + GRAVITY


class Described:
    """A mixin."""

    def described(self):
        return len(self.title) + self.mass


class Oscillator(Described, Base):
    title = "oscillator"

    def __init__(self, mass, stiffness=3.0):
        self.mass = mass
        self.stiffness = stiffness

    def force(self, position):
        return -self.stiffness * position + self.scaled(self.mass)
