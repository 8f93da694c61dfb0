"""From the memo to results/NAME.h5: collect, write, update, summarize.

They know the memo, spaces, and the layout of a results file.
They never know engines, and never compute points.
"""
