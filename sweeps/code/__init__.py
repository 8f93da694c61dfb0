"""The identity of the code behind a function: its fingerprint, and what the code has read.

It knows source code, modules in memory, and files on disk.
It never knows spaces, points, or the values of results.
"""
