"""A run: plan what is missing, give it to workers, and go on when workers die.

It knows experiments, the memo, engines and workers.
It never knows the command line, nor how results are shown.
"""
