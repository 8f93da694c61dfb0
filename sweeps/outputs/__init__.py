"""What a function returned, as columns; and why a point has no values.

They know numbers, arrays, labels and units.
They never know spaces, keys or files.
"""
