"""Imported late, under another name."""

AMOUNT = 29


def more(value):
    return value + AMOUNT
