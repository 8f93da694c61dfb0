"""A package of helpers."""
