"""Functions of results: statistics over replicates, Sobol' indices, speed-up from timings.

They may know labelled arrays and tables of numbers.
They must never know experiments, keys or the memo.
"""
