"""Functions of results: short tables, statistics over replicates, Sobol' indices, speed-up.

It may know labelled arrays and tables of numbers.
It must never know experiments, keys or the memo.
"""
