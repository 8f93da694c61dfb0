"""Results of earlier code: which there are, and how they differ from results of the present code.

It may know the memo, and the fingerprints of earlier code.
It must never compute points, or change what is stored.
"""
