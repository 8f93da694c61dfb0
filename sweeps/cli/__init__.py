"""The command line: arguments become one call of an operation; its answer becomes text or JSON.

It may know the operations, and how people read.
It must never compute, plan or write results itself.
"""
