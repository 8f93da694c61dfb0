"""What a user writes: experiments, cached helpers, values on the command line, conditions.

It knows spaces, and the fingerprint of code.
It never knows the memo, workers, or whether a point was computed.
"""
