"""Bytes that last: files that are whole or not there, digests, and the HDF5 codec.

It knows paths, bytes, arrays and labelled datasets.
It never knows experiments, spaces or keys.
"""
