"""How long points will take, from what others took.

It knows spaces, positions, and what the memo says of times and sizes.
It never knows experiments, values, or who computes points.
"""
