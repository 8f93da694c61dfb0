"""From the memo to results/NAME.h5: collect, write, update, summarize.

It knows the memo, spaces, and the layout of a results file.
It never knows engines, and never computes points.
"""
