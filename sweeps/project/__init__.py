"""Find an experiment by its name, everything that a run of it needs to know, and clusters.

It knows folders, modules, declarations and fingerprints.
It never knows which points the memo has.
"""
