"""A package of the project."""

from . import deep

VERSION = 3
