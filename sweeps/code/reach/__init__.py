"""From reference to reference: all project code that a function reaches.

And what importing a module changes.
"""
