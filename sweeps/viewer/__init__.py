"""The page that `view` serves: what it shows, and who may see it.

It knows results files, the memo, and what runs say of themselves.
It never knows the command line, never writes a file, and never takes a lock that a run needs.
"""
