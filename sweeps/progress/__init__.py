"""How far runs are: on a terminal, in a notebook, and for other processes and machines.

It knows texts, versions, and files beside the memo.
It never knows experiments, what is computed, or how.
"""
