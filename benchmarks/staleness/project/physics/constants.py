"""Star-imported."""

__all__ = ["STARRED", "PLANCK"]

STARRED = 17
PLANCK = 6.6
_hidden = 3
