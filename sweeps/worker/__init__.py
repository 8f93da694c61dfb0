"""All that happens in a worker process: call the function, note what it does, commit its values.

It knows the experiment, keys, outputs and the memo.
It never knows other workers, the engine, or the plan of the run.
"""
