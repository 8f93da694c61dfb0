"""Results of earlier code: which there are, and how they differ from those of the present code.

It knows the memo, and the fingerprints of earlier code.
It never computes points and never changes what is stored.
"""
