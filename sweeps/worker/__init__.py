"""All that happens in a worker process: call the function, note what it does, commit its values.

It knows the experiment, keys, outputs, the memo, and the blocks and receipts of `engines`.
It never knows other workers, which engine carries the blocks, or the plan of the run.
"""
