"""The memo: finished points by key, in segments that never change, and what is kept beside them.

It knows keys, columns of values, and files.
It never knows workers, engines or the results file that is made of it.
"""
