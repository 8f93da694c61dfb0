"""Which points a sweep has, and the key of each point.

They know parameter values, and arithmetic of positions.
They never know functions of experiments, files of results, or workers.
"""
