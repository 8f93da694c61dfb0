"""Programs as functions: a command, the files that it is given, and what is read of its output.

It may know code and its files, engines' ways to end processes, and the HDF5 codec.
It must never know experiments, the memo or a run: a program is called like any function.
"""
