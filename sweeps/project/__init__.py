"""Find an experiment by its name, and everything that a run of it needs to know.

It knows folders, modules, declarations and fingerprints.
It never knows which points the memo has.
"""
