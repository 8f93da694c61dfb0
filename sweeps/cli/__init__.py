"""The command line: arguments become one call of an operation, its answer becomes text or JSON.

It knows operations, and how people read.
It never computes, plans or writes results by itself.
"""
