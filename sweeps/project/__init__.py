"""From the name of an experiment to its module, and to all that is to be known of it.

It knows folders, modules, declarations and fingerprints.
It never knows which points the memo has.
"""
