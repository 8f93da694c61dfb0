"""How long points will take, from what others took.

It knows spaces, positions and seconds.
It never knows experiments, where times come from, or who computes points.
"""
