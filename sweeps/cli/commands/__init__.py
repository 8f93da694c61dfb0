"""One module for each command, named as it is.

`list` is in `status`, `plan` and `land` are in `run`.
"""
