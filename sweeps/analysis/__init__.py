"""Statistics of results: over replicates, Sobol' indices, and the speed-up that a benchmark shows.

It may know labelled arrays and tables of numbers.
It must never know experiments, keys or the memo.
"""
