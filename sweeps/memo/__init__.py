"""The memo: the stored results of experiments: finished points by key, in segments on disk.

It knows keys, columns of values, and files.
It never knows workers, engines, or how the results file is written.
"""
