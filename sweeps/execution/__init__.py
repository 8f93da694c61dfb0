"""A run: plan what is missing, send it out, survive the death of workers.

It knows experiments, the memo, engines and workers.
It never knows the command line, nor how results are shown.
"""
