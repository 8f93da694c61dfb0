"""For annotations only."""

Quantity = float
