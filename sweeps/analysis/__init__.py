"""Functions of results: statistics over replicates, Sobol' indices, what timings say.

They know labelled arrays and tables of numbers.
They never know experiments, keys or the memo.
"""
