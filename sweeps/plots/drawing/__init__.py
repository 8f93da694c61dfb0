"""Draws charts by matplotlib: one module for each form, and what they share.

It knows charts, values and scales. It never decides which picture is right.
"""
